//! The status page: one answer with its style and its script, and a policy under which a browser runs nothing else and asks nobody else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

const HTML: &str = include_str!("status.html");
const STYLE: &str = include_str!("status.css");
const SCRIPT: &str = include_str!("status.js");

/// The page and its policy.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) html: String,
    pub(super) policy: HeaderValue,
}

impl Page {
    pub(super) fn new() -> Self {
        let html = HTML.replace("<!-- style -->", STYLE).replace("<!-- script -->", SCRIPT);
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT),
        );
        Self { html, policy: policy.parse().expect("words and base64") }
    }
}

/// How a policy names an inline text.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_asks_nobody_else() {
        let page = Page::new();
        assert!(page.html.contains(&format!("<style>{STYLE}</style>")));
        assert!(page.html.contains(&format!("<script>{SCRIPT}</script>")));
        for foreign in ["http://", "https://", "@import", "src=", "innerHTML", " style="] {
            // The namespace of SVG is a name, not an address.
            let text = page.html.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains(foreign), "{foreign}");
        }
        let policy = page.policy.to_str().unwrap();
        assert!(!policy.contains("unsafe") && policy.contains("default-src 'none'"), "{policy}");
    }
}
