//! TLS and SASL: the settings that only make sense together, and the combinations that give a secret away.

use super::mistakes::Mistake;
use super::resolve::Resolver;
use super::settings::setting;
use super::values::{is_loopback, word};
use super::{Secret, Security};
use std::path::PathBuf;

const PROTOCOLS: &[(&str, &str)] = &[
    ("plaintext", "plaintext"),
    ("ssl", "ssl"),
    ("sasl_plaintext", "sasl_plaintext"),
    ("sasl_ssl", "sasl_ssl"),
];

const MECHANISMS: &[(&str, &str)] =
    &[("PLAIN", "PLAIN"), ("SCRAM-SHA-256", "SCRAM-SHA-256"), ("SCRAM-SHA-512", "SCRAM-SHA-512")];

impl Resolver<'_> {
    /// TLS and SASL, for connections to these servers.
    pub(super) fn security(&mut self, bootstrap_servers: &str, allow_insecure: bool) -> Security {
        let protocol = self.get("KAFKA_SECURITY_PROTOCOL", word(PROTOCOLS));
        let security = Security {
            protocol: Some(protocol.to_owned()),
            sasl_mechanism: self.optional("KAFKA_SASL_MECHANISM", word(MECHANISMS)).map(str::to_owned),
            sasl_username: self.optional("KAFKA_SASL_USERNAME", |text| Ok(text.to_owned())),
            sasl_password: self.secret("KAFKA_SASL_PASSWORD", "KAFKA_SASL_PASSWORD_FILE"),
            ssl_ca_location: self.path("KAFKA_SSL_CA_LOCATION"),
            ssl_certificate_location: self.path("KAFKA_SSL_CERTIFICATE_LOCATION"),
            ssl_key_location: self.path("KAFKA_SSL_KEY_LOCATION"),
            ssl_key_password: self.secret("KAFKA_SSL_KEY_PASSWORD", "KAFKA_SSL_KEY_PASSWORD_FILE"),
        };
        if protocol.starts_with("sasl_") {
            self.require_together(&SASL, &[], &format!("KAFKA_SECURITY_PROTOCOL is {protocol}"));
        } else {
            self.refuse_without(&SASL, protocol, "sasl_ssl or sasl_plaintext");
        }
        if !protocol.ends_with("ssl") {
            self.refuse_without(&SSL, protocol, "ssl or sasl_ssl");
        }
        self.require_together(&CERTIFICATE, &CERTIFICATE, "a certificate and its key belong together");
        let plain = security.sasl_mechanism.as_deref() == Some("PLAIN") && protocol == "sasl_plaintext";
        if plain && !allow_insecure && !bootstrap_servers.split(',').all(is_loopback) {
            self.mistake(Mistake::about(
                &["KAFKA_SASL_MECHANISM"],
                "PLAIN over sasl_plaintext sends the password readable over the network; use sasl_ssl or a SCRAM \
                 mechanism (GRISTMILL_ALLOW_INSECURE=true permits it)",
            ));
        }
        security
    }

    /// A secret from its variable or from the file that the other variable names.
    fn secret(&mut self, variable: &'static str, file_variable: &'static str) -> Option<Secret> {
        let direct = self.sources().find(variable);
        let file = self.sources().find(file_variable);
        let Some(file) = file.filter(|file| direct.is_none_or(|direct| file.origin <= direct.origin)) else {
            return self.optional(variable, |text| Ok(Secret::new(text.to_owned())));
        };
        if direct.is_some_and(|direct| direct.origin == file.origin) {
            self.mistake(Mistake::about(&[variable, file_variable], "both are set; one is enough"));
            return None;
        }
        match std::fs::read_to_string(file.value) {
            Ok(text) => {
                let line = text.strip_suffix('\n').unwrap_or(&text);
                let secret = line.strip_suffix('\r').unwrap_or(line);
                if !secret.is_empty() {
                    return Some(Secret::new(secret.to_owned()));
                }
                self.mistake(Mistake::about(&[file_variable], format!("the file {} is empty", file.value)));
            }
            Err(error) => self.mistake(Mistake::about(
                &[file_variable],
                format!("the file {} cannot be read: {error}", file.value),
            )),
        }
        None
    }

    /// A file that must be there.
    pub(super) fn path(&mut self, variable: &'static str) -> Option<PathBuf> {
        let path = self.optional(variable, |text| Ok(PathBuf::from(text)))?;
        match std::fs::metadata(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                self.mistake(Mistake::about(
                    &[variable],
                    format!("{} cannot be read: {error}", path.display()),
                ));
                None
            }
        }
    }

    /// Each of `names` (a variable, or its `_FILE`) must be set if any of `trigger` is, or if that is empty.
    fn require_together(&mut self, names: &[&'static str], trigger: &[&'static str], why: &str) {
        if !trigger.is_empty() && !trigger.iter().any(|name| self.is_set(name)) {
            return;
        }
        let missing: Vec<&str> = names.iter().copied().filter(|name| !self.is_set(name)).collect();
        if !missing.is_empty() {
            self.mistake(Mistake::about(&missing, format!("not set, but {why}")));
        }
    }

    /// None of `names` may be set: with this protocol they would have no effect.
    fn refuse_without(&mut self, names: &[&'static str], protocol: &str, needed: &str) {
        let set: Vec<&str> = names.iter().copied().filter(|name| self.is_set(name)).collect();
        if !set.is_empty() {
            self.mistake(Mistake::about(
                &set,
                format!("set, but without effect while KAFKA_SECURITY_PROTOCOL is {protocol} (it would have to be {needed})"),
            ));
        }
    }

    fn is_set(&self, variable: &str) -> bool {
        let file = setting(variable).secret.then(|| format!("{variable}_FILE"));
        self.sources().find(variable).is_some()
            || file.is_some_and(|file| self.sources().find(&file).is_some())
    }
}

const SASL: [&str; 3] = ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"];

const SSL: [&str; 4] = [
    "KAFKA_SSL_CA_LOCATION",
    "KAFKA_SSL_CERTIFICATE_LOCATION",
    "KAFKA_SSL_KEY_LOCATION",
    "KAFKA_SSL_KEY_PASSWORD",
];

const CERTIFICATE: [&str; 2] = ["KAFKA_SSL_CERTIFICATE_LOCATION", "KAFKA_SSL_KEY_LOCATION"];
