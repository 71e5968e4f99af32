//! The bodies of the WatcherAPI. See `hersh::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hersh::fuzzing::body(data));
