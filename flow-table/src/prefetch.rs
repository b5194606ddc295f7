//! Fetches memory into the cache before it is needed.
//!
//! A flow of a large table is nowhere near the processor, and waiting for it costs more than all
//! that is done with it. So whoever knows a few packets ahead which flow comes asks for it here.

/// Asks for the cache lines of `value`, at most four. It is a hint: nothing can be observed of it but
/// speed.
#[inline]
pub fn prefetch<T>(value: &T) {
    const LINE: usize = 64;
    let first = std::ptr::from_ref(value).cast::<i8>();
    fetch(first);
    if size_of::<T>() > LINE {
        fetch(first.wrapping_add(LINE));
    }
    if size_of::<T>() > 2 * LINE {
        fetch(first.wrapping_add(2 * LINE));
    }
    if size_of::<T>() > 3 * LINE {
        fetch(first.wrapping_add(3 * LINE));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "the instruction has no safe form")]
fn fetch(line: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: the instruction reads nothing that the program could see, and an address that is
    // not mapped is ignored (Intel SDM, PREFETCHh).
    unsafe { _mm_prefetch(line, _MM_HINT_T0) };
}

#[cfg(not(target_arch = "x86_64"))]
fn fetch(_line: *const i8) {}
