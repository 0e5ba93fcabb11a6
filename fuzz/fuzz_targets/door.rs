//! See `door` in `crates/tools/fuzzing/src/door.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::door::door(data);
});
