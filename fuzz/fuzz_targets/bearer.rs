#![no_main]
//! See `pgbell_fuzz::TARGETS`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pgbell_fuzz::run("bearer", bytes));
