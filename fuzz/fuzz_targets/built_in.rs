//! See `built_in` in `crates/tools/fuzzing/src/tables.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::tables::built_in(data);
});
