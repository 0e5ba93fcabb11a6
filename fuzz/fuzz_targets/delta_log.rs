//! See `delta_log` in `crates/tools/fuzzing/src/delta_log.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::delta_log::delta_log(data);
});
