//! A line of a calendar. See `hersh::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hersh::fuzzing::cron(data));
