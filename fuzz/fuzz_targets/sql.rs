//! See `sql` in `crates/tools/fuzzing/src/sql.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::sql::sql(data);
});
