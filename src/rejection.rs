//! Why an event was refused: a reason from a closed set (header value and metric label), the field, and a detail that never
//! quotes the event.

use std::borrow::Cow;
use std::sync::Arc;

/// Every reason there is. The spelling is an interface: DLQ headers, metric labels, documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Not one JSON value, or something but white space after it.
    NotJson,
    /// Not UTF-8.
    InvalidUtf8,
    /// Nested deeper than the contract's `max_depth`.
    TooDeep,
    /// Longer than the contract's `max_bytes`.
    TooLarge,
    /// JSON, but no object.
    NotAnObject,
    /// A required field is absent or null.
    FieldMissing,
    /// A `non_empty` field is empty or white space.
    FieldEmpty,
    /// The field has another JSON type.
    FieldType,
    /// The field's value does not fit its type, set, pattern or length.
    FieldInvalid,
    /// Under the field's `min`.
    FieldBelowMinimum,
    /// Over the field's `max`.
    FieldAboveMaximum,
    /// In a class that the contract denies.
    FieldDenied,
    /// A contract field occurs twice.
    FieldDuplicate,
    /// The broker refused the record for itself.
    DeliveryFailed,
    /// A bug in gristmill met this record; it was set aside.
    Internal,
}

impl Reason {
    /// All reasons, in the order in which documents list them.
    pub const ALL: [Reason; 15] = [
        Reason::NotJson,
        Reason::InvalidUtf8,
        Reason::TooDeep,
        Reason::TooLarge,
        Reason::NotAnObject,
        Reason::FieldMissing,
        Reason::FieldEmpty,
        Reason::FieldType,
        Reason::FieldInvalid,
        Reason::FieldBelowMinimum,
        Reason::FieldAboveMaximum,
        Reason::FieldDenied,
        Reason::FieldDuplicate,
        Reason::DeliveryFailed,
        Reason::Internal,
    ];

    /// The word for headers and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::NotJson => "not_json",
            Reason::InvalidUtf8 => "invalid_utf8",
            Reason::TooDeep => "too_deep",
            Reason::TooLarge => "too_large",
            Reason::NotAnObject => "not_an_object",
            Reason::FieldMissing => "field_missing",
            Reason::FieldEmpty => "field_empty",
            Reason::FieldType => "field_type",
            Reason::FieldInvalid => "field_invalid",
            Reason::FieldBelowMinimum => "field_below_minimum",
            Reason::FieldAboveMaximum => "field_above_maximum",
            Reason::FieldDenied => "field_denied",
            Reason::FieldDuplicate => "field_duplicate",
            Reason::DeliveryFailed => "delivery_failed",
            Reason::Internal => "internal",
        }
    }

    /// Its place in [`Reason::ALL`], for arrays of counters.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A refused event's verdict. Cloning shares, it does not copy: names and details belong to the contract's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// The contract field it is about, where there is one.
    pub field: Option<Arc<str>>,
    /// A short explanation from the contract's side; never the event's text.
    pub detail: Detail,
}

/// A detail is either fixed text or was composed once, when the contract was compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Fixed text.
    Static(&'static str),
    /// Composed when the contract was read.
    Shared(Arc<str>),
}

impl Rejection {
    /// A rejection of the event as a whole.
    pub const fn of_event(reason: Reason, detail: &'static str) -> Self {
        Self { reason, field: None, detail: Detail::Static(detail) }
    }

    /// The detail's text.
    pub fn detail(&self) -> &str {
        match &self.detail {
            Detail::Static(text) => text,
            Detail::Shared(text) => text,
        }
    }
}

impl From<Cow<'static, str>> for Detail {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Detail::Static(text),
            Cow::Owned(text) => Detail::Shared(text.into()),
        }
    }
}
