//! A journal, read and replayed. See `hersh::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hersh::fuzzing::journal(data));
