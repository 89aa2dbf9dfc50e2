//! serde_json into `Value`, and back.

use super::rules::{Login, NOW};
use serde_json::Value;

pub(crate) fn transform(event: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut event: Value = serde_json::from_slice(event).ok()?;
    let members = event.as_object_mut()?;
    let login = Login {
        user_id: members.get("user_id")?.as_str()?,
        app_version: members.get("app_version")?.as_str()?,
        device_type: members.get("device_type")?.as_str()?,
        ip: optional(members.get("ip"), Value::as_str)?,
    };
    if !login.passes() {
        return None;
    }
    optional(members.get("timestamp"), Value::as_u64)?;
    if let Some(Value::String(locale)) = members.get_mut("locale") {
        *locale = locale.to_lowercase();
    }
    members.insert("processed_at".to_owned(), Value::String(NOW.to_owned()));
    serde_json::to_writer(out, &event).ok()
}

/// `None` where the member has another type.
fn optional<'a, T>(member: Option<&'a Value>, read: impl Fn(&'a Value) -> Option<T>) -> Option<Option<T>> {
    match member {
        None | Some(Value::Null) => Some(None),
        Some(value) => read(value).map(Some),
    }
}
