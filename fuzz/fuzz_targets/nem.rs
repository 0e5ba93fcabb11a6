//! See `nem` in `crates/tools/fuzzing/src/parsers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::parsers::nem(data);
});
