//! See [`fuzz::captures`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::captures::check_pcap(data));
