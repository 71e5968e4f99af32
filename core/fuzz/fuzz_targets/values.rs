//! A file of persisted values. See `hersh::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hersh::fuzzing::values(data));
