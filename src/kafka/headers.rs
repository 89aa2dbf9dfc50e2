//! Record headers: borrowed from a record that was read, or owned and on their way out.

use rdkafka::bindings as sys;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::os::raw::c_void;
use std::ptr::NonNull;
use std::slice;

/// Headers of a record that was read.
#[derive(Clone, Copy)]
pub struct HeadersRef<'a> {
    headers: NonNull<sys::rd_kafka_headers_t>,
    record: PhantomData<&'a ()>,
}

impl<'a> HeadersRef<'a> {
    /// # Safety
    /// `headers` is valid for `'a` and not written meanwhile.
    pub(super) unsafe fn new(headers: NonNull<sys::rd_kafka_headers_t>) -> Self {
        Self { headers, record: PhantomData }
    }

    /// Name and value of each, in their order. Names repeat where the record repeats them; a value may be null.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        (0..).map_while(move |at| self.get(at))
    }

    /// Bytes of names and values together.
    pub fn bytes(self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum()
    }

    /// A copy to send.
    pub fn to_owned(self) -> Headers {
        // SAFETY: the headers are valid; the copy is ours.
        let copy = unsafe { sys::rd_kafka_headers_copy(self.headers.as_ptr()) };
        Headers {
            headers: NonNull::new(copy)
                .expect("the client aborts when memory is out, it does not answer null"),
        }
    }

    fn get(self, at: usize) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: the headers are valid; past the end the call answers with an error and writes nothing.
        let code = unsafe {
            sys::rd_kafka_header_get_all(self.headers.as_ptr(), at, &mut name, &mut value, &mut size)
        };
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: on success the name is a C string and the value is null or `size` bytes, both valid as long as the headers.
        unsafe {
            let name = CStr::from_ptr(name).to_bytes();
            let value = (!value.is_null()).then(|| slice::from_raw_parts(value.cast::<u8>(), size));
            Some((name, value))
        }
    }
}

/// Headers to send. They change owner when the send succeeds, not before.
pub struct Headers {
    headers: NonNull<sys::rd_kafka_headers_t>,
}

impl Headers {
    /// No headers, with room for `capacity`.
    pub fn with_capacity(capacity: usize) -> Self {
        // SAFETY: no preconditions; the client aborts when memory is out.
        let headers = unsafe { sys::rd_kafka_headers_new(capacity) };
        Self {
            headers: NonNull::new(headers)
                .expect("the client aborts when memory is out, it does not answer null"),
        }
    }

    /// Adds one at the end; `None` is a null value.
    pub fn add(&mut self, name: &[u8], value: Option<&[u8]>) {
        let (pointer, size) =
            value.map_or((std::ptr::null(), 0), |value| (value.as_ptr().cast::<c_void>(), value.len()));
        // SAFETY: the headers are ours and valid; name and value are described by pointer and length and copied by the call.
        let code = unsafe {
            sys::rd_kafka_header_add(
                self.headers.as_ptr(),
                name.as_ptr().cast(),
                name.len() as isize,
                pointer,
                size as isize,
            )
        };
        debug_assert_eq!(
            code,
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            "adding fails on read-only headers alone"
        );
    }

    /// Adds a text value.
    pub fn add_text(&mut self, name: &str, value: &str) {
        self.add(name.as_bytes(), Some(value.as_bytes()));
    }

    /// What they hold.
    pub fn as_ref(&self) -> HeadersRef<'_> {
        // SAFETY: the headers are ours, and the borrow of `self` keeps them unchanged.
        unsafe { HeadersRef::new(self.headers) }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_headers_t {
        self.headers.as_ptr()
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: the headers are ours; a successful send forgets this value instead of dropping it.
        unsafe { sys::rd_kafka_headers_destroy(self.headers.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repeat_values_may_be_null_and_order_is_kept() {
        let mut headers = Headers::with_capacity(1);
        headers.add_text("a", "1");
        headers.add(b"b", None);
        headers.add(b"a", Some(b""));
        let copy = headers.as_ref().to_owned();
        let all: Vec<_> = copy.as_ref().iter().collect();
        assert_eq!(all, [(&b"a"[..], Some(&b"1"[..])), (&b"b"[..], None), (&b"a"[..], Some(&b""[..]))]);
        assert_eq!(copy.as_ref().bytes(), 4);
    }
}
