//! All targets, by name.

use std::path::Path;

use crate::{Met, delta_log, door, parsers, seeds, segment, sql, tables};

/// A function of bytes, and what its inputs are made from.
#[derive(Debug)]
pub struct Target {
    /// As typed, and as the file below `fuzz/fuzz_targets` is called.
    pub name: &'static str,
    /// Panics where something is wrong.
    pub run: fn(&[u8]) -> Met,
    seeds: fn() -> Vec<Vec<u8>>,
    /// Folders of meter data with files for it.
    files: &'static [&'static str],
    /// Words that mean something to it.
    pub(crate) words: &'static [&'static str],
}

impl Target {
    /// A target of that name.
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// What its inputs are made from, with files of `data` where there are any.
    pub fn seeds(&self, data: Option<&Path>) -> Vec<Vec<u8>> {
        let files = data.map(|data| seeds::files(data, self.files)).unwrap_or_default();
        [(self.seeds)(), files].concat()
    }

    #[cfg(test)]
    pub(crate) const fn planted(name: &'static str, run: fn(&[u8]) -> Met) -> Target {
        target(name, run, || vec![b"plain".to_vec()])
    }

    const fn words(self, words: &'static [&'static str]) -> Target {
        Target { words, ..self }
    }

    const fn files(self, files: &'static [&'static str]) -> Target {
        Target { files, ..self }
    }
}

const fn target(name: &'static str, run: fn(&[u8]) -> Met, seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds, files: &[], words: &[] }
}

/// In the order in which they are hunted.
pub const TARGETS: &[Target] = &[
    target("nem", parsers::nem, seeds::nem).files(&["nem12", "nem12/invalid", "nem13"]).words(NEM_WORDS),
    target("built_in", tables::built_in, seeds::built_in).words(TABLE_WORDS),
    target("own", tables::own, seeds::own).words(PROFILE_WORDS),
    target("profile", tables::profile, seeds::profile).words(PROFILE_WORDS),
    target("named", parsers::named, seeds::named).words(OPTION_WORDS),
    target("protobuf", parsers::protobuf, seeds::protobuf),
    target("json", parsers::json, seeds::json).words(JSON_WORDS),
    target("ndjson", parsers::ndjson, seeds::ndjson).words(JSON_WORDS),
    target("line", parsers::line, seeds::line).files(&["line_protocol"]).words(LINE_WORDS),
    target("detect", parsers::detect, seeds::detect).files(&["nem12", "nem13", "line_protocol", "espi", "mscons"]),
    target("segment", segment::segment, segment::seeds),
    target("delta_log", delta_log::delta_log, delta_log::seeds).words(LOG_WORDS),
    target("door", door::door, seeds::door).words(DOOR_WORDS),
    target("sql", sql::sql, seeds::sql).words(SQL_WORDS),
];

const NEM_WORDS: &[&str] = &[
    "\n200,",
    "\n250,",
    "\n300,",
    "\n400,",
    "\n500,",
    "\n550,",
    "\n900\n",
    "\n100,NEM12,",
    ",V,",
    ",S14,",
    ",N,",
    "kWh",
    "varh",
    ",5,",
    ",15,",
    ",30,",
    "20040229",
    "20050118143200",
    "\r\n",
    "\"",
];
const TABLE_WORDS: &[&str] = &[
    "start",
    "value",
    "unit",
    "quality",
    "26-10-2025 01:30",
    "2025-10-26T01:30:00+01:00",
    "2024-02-29",
    "24:00:00",
    "\"\"",
    "nan",
    "kWh",
    "Z",
    "+14:00",
    ";",
    "\r\n",
    "\u{feff}",
];
const PROFILE_WORDS: &[&str] = &[
    "layout = \"wide\"\n",
    "layout = \"long\"\n",
    "delimiter = \";\"\n",
    "decimal = \",\"\n",
    "header = false\n",
    "skip_lines = 3\n",
    "[time]\n",
    "[value]\n",
    "[registers.\"a\"]\n",
    "interval = \"1d\"\n",
    "interval = \"15m\"\n",
    "zone = \"Europe/Dublin\"\n",
    "stamps = \"end\"\n",
    "repeated = \"ascending\"\n",
    "repeated = \"descending\"\n",
    "form = \"%Y%m%d %H%M\"\n",
    "form = \"unix\"\n",
    "{ column = 3 }",
    "{ file_name = true }",
    "{ default = \"a\" }",
    "kind = \"register\"\n",
    "missing = [\"\"]\n",
    "optional = [\"a\"]\n",
    "%",
    "%s",
    "%f",
    "%z",
    "%Q",
    "\n---\n",
];
const OPTION_WORDS: &[&str] = &[
    "csv/",
    "line?",
    "&unit=kWh",
    "&zone=Europe/Lisbon",
    "&interval=1d",
    "&interval=15m",
    "&flow=received",
    "&point=a",
    "&register=E1",
    "&quality=A",
    "&precision=ns",
    "&kind=interval",
    "&stamps=end",
    "protobuf",
    "json",
    "@1",
];
const JSON_WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "\"containers\"",
    "\"streams\"",
    "\"measurements\"",
    "\"digits\":",
    "\"number\":",
    "\"scale\":",
    "\"span\":",
    "\"at\":",
    "\"createdAt\":",
    "\"KIND_INTERVAL\"",
    "\\u0000",
    "\\ud800",
    "1e5",
];
const LINE_WORDS: &[&str] = &[
    "\\ ",
    "\\,",
    "\\=",
    "\\\"",
    "\"",
    ",unit=kWh",
    ",kind=interval",
    ",interval=15m",
    ",quality=A",
    "value=",
    "i ",
    "u ",
    "t ",
    "_kwh=",
    ",phase=L1",
    " -1",
    "# ",
    "1e5",
];
const LOG_WORDS: &[&str] = &[
    "\n--- 00000000000000000003.json\n",
    "\n--- 09223372036854775807.json\n",
    "\n--- 00000000000000000002.checkpoint.parquet\n",
    "\n--- _last_checkpoint\n",
    "{\"add\":{",
    "{\"remove\":{",
    "{\"txn\":{\"appId\":\"meterhouse/fuzzing/lane/0\",\"version\":13}}\n",
    "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n",
    "{\"metaData\":{",
    "{\"commitInfo\":{}}\n",
    "{\"version\":2,\"size\":9}",
    "\"path\":\"../part\"",
    "\"path\":\"%2e%2e/part\"",
    "\"deletionVector\":{",
    "\"tags\":null",
    "\"partitionValues\":{}",
    "\"size\":-1",
    "null",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":",
];
const DOOR_WORDS: &[&str] = &[
    "\r\n\r\n",
    "content-encoding: gzip\r\n",
    "content-encoding: zstd\r\n",
    "content-length: 0\r\n",
    "content-length: 99\r\n",
    "transfer-encoding: chunked\r\n",
    "content-type: application/x-protobuf\r\n",
    "content-type: application/x-ndjson\r\n",
    "expect: 100-continue\r\n",
    "upload-offset: 0\r\n",
    "upload-length: 5\r\n",
    "tus-resumable: 1.0.0\r\n",
    "%00",
    "%ff",
    "?format=",
    "&name=",
    "@TOKEN@",
    "@UPLOAD@",
    "Bearer ",
    "Basic ",
    "connection: close\r\n",
    "HTTP/1.0",
    "HTTP/2.0",
];
const SQL_WORDS: &[&str] = &[
    " select ",
    " from readings ",
    " where ",
    " group by ",
    " order by ",
    " limit 0 ",
    " offset 5 ",
    " join ",
    " on true ",
    " union all ",
    " except ",
    " null ",
    " not ",
    " in (select 1) ",
    " exists (select 1) ",
    " over () ",
    " cast(",
    " as decimal(38,18))",
    " interval '1 day' ",
    " case when ",
    " end ",
    "('",
    "')",
    "sum(",
    "avg(",
    "count(distinct ",
    "date_trunc('month', ",
    "time_bucket(",
    "array[1]",
    "[1]",
    "::int",
    "::timestamp",
    "::bytea",
    "generate_series(1, 1000000)",
    "unnest(",
    "lateral ",
    "grouping sets ((), (1))",
    "\"",
    "''",
    "--",
    "/*",
    "*/",
    ";",
    "$1",
    "-9223372036854775808",
    "1e400",
    "quantity",
    "latest",
    "history",
    "overlay",
    "range between unbounded preceding and current row",
    "filter (where ",
    "within group (order by ",
];
