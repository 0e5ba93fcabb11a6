//! See `segment` in `crates/tools/fuzzing/src/segment.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::segment::segment(data);
});
