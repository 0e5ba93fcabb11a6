//! See `ndjson` in `crates/tools/fuzzing/src/parsers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::parsers::ndjson(data);
});
