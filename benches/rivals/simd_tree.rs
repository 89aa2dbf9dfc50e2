//! simd-json into a borrowed tree, and back. Its scratch memory is kept between events.

use super::rules::{Login, NOW};
use simd_json::prelude::{ValueAsMutObject, ValueAsScalar, ValueObjectAccess, Writable};
use simd_json::{BorrowedValue, Buffers};
use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<(Vec<u8>, Buffers)> = RefCell::default();
}

pub(crate) fn transform(event: &[u8], out: &mut Vec<u8>) -> Option<()> {
    SCRATCH.with_borrow_mut(|(copy, buffers)| {
        copy.clear();
        copy.extend_from_slice(event);
        let mut event = simd_json::to_borrowed_value_with_buffers(copy, buffers).ok()?;
        let login = Login {
            user_id: event.get("user_id")?.as_str()?,
            app_version: event.get("app_version")?.as_str()?,
            device_type: event.get("device_type")?.as_str()?,
            ip: event.get("ip").map(|ip| ip.as_str().ok_or(())).transpose().ok()?,
        };
        if !login.passes() {
            return None;
        }
        event.get("timestamp").map(|seconds| seconds.as_u64().ok_or(())).transpose().ok()?;
        let members = event.as_object_mut()?;
        if let Some(BorrowedValue::String(locale)) = members.get_mut("locale") {
            *locale = locale.to_lowercase().into();
        }
        members.insert("processed_at".into(), NOW.into());
        event.write(out).ok()
    })
}
