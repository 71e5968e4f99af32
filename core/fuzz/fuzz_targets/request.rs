//! A request to the gate. See `hersh::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hersh::fuzzing::request(data));
