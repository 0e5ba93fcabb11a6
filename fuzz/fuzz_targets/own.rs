//! See `own` in `crates/tools/fuzzing/src/tables.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::tables::own(data);
});
