//! sonic-rs into a derived struct, and back.

use super::rules::{Login, NOW};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Deserialize, Serialize)]
struct Event<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    app_version: Cow<'a, str>,
    #[serde(borrow)]
    device_type: Cow<'a, str>,
    #[serde(borrow)]
    ip: Option<Cow<'a, str>>,
    #[serde(borrow)]
    locale: Option<Cow<'a, str>>,
    #[serde(borrow)]
    device_id: Option<Cow<'a, str>>,
    timestamp: Option<u64>,
    processed_at: Option<&'a str>,
}

pub(crate) fn transform(event: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut event: Event<'_> = sonic_rs::from_slice(event).ok()?;
    let login = Login {
        user_id: &event.user_id,
        app_version: &event.app_version,
        device_type: &event.device_type,
        ip: event.ip.as_deref(),
    };
    if !login.passes() {
        return None;
    }
    event.locale = event.locale.map(|locale| locale.to_lowercase().into());
    event.processed_at = Some(NOW);
    sonic_rs::to_writer(out, &event).ok()
}
