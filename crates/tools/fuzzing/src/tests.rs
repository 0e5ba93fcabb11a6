//! The hunt finds what is planted, and a short one finds nothing in the house.

use std::time::Duration;

use crate::hunt::{self, Plan};
use crate::memory::Counting;
use crate::targets::{TARGETS, Target};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn plan(milliseconds: u64) -> Plan {
    Plan { time: Duration::from_millis(milliseconds), seed: 1, data: None }
}

/// The one thing that went wrong, and the input that shows it.
fn found(target: &'static Target) -> (String, Vec<u8>) {
    let report = hunt::run(target, &plan(2_000));
    assert_eq!(report.failures.len(), 1, "{report:?}");
    (report.failures[0].what.clone(), report.failures[0].input.clone())
}

#[test]
fn a_panic_is_named_once_and_its_input_made_small() {
    static PANICS: Target = Target::planted("planted", |data| {
        assert!(!data.contains(&0xff), "met {data:?}");
        0
    });
    let (what, input) = found(&PANICS);
    assert!(what.starts_with("panic at ") && what.contains("tests.rs"), "{what}");
    assert_eq!(input, [0xff]);
}

#[test]
fn a_panic_that_another_thread_swallows_is_named_too() {
    static SWALLOWS: Target = Target::planted("planted", |data| {
        let has = data.contains(&0);
        let _ = std::thread::spawn(move || assert!(!has)).join();
        0
    });
    assert_eq!(found(&SWALLOWS).1, [0]);
}

#[test]
fn memory_beyond_the_limit_is_a_failure() {
    static HOARDS: Target = Target::planted("planted", |data| {
        let most = if data.is_empty() { hunt::BYTES_MAX + 1 } else { 16 };
        std::hint::black_box(Vec::<u8>::with_capacity(most));
        0
    });
    assert_eq!(found(&HOARDS), ("takes more than 256 MiB of memory".to_owned(), Vec::new()));
}

#[test]
fn an_input_that_never_ends_is_named() {
    static HANGS: Target = Target::planted("planted", |data| {
        if data == b"plain" {
            loop {
                std::thread::park();
            }
        }
        0
    });
    assert_eq!(found(&HANGS), ("takes more than 5 s".to_owned(), b"plain".to_vec()));
}

#[test]
fn an_answer_to_an_old_client_counts_as_one() {
    // The hunt took what was written in HTTP/1.0 for a body that nobody acknowledged.
    let target = Target::named("door").expect("a target");
    let input = b"POST /write?p=@TOKEN@ HTTP/1.0\r\ncontent-length:5\r\n\r\ne/wri".to_vec();
    assert!(hunt::replay(target, input).failures.is_empty());
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    use crate::corpus::Corpus;
    let made = |seed| {
        let (corpus, mut chance) = (Corpus::new(vec![b"100,NEM12".to_vec()]), host::Seeded::new(seed));
        (0..500).map(|number| corpus.next(number, &mut chance, &["200,"])).collect::<Vec<_>>()
    };
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
}

#[test]
fn hostile_input_finds_nothing_in_a_short_hunt() {
    for target in TARGETS {
        let report = hunt::run(target, &plan(1_000));
        let listed: Vec<_> = report.failures.iter().map(|f| (&f.what, String::from_utf8_lossy(&f.input))).collect();
        assert!(listed.is_empty(), "{}: {listed:#?}", target.name);
    }
}

#[test]
fn a_target_without_its_file_for_libfuzzer_would_never_be_fuzzed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fuzz");
    let manifest = std::fs::read_to_string(format!("{folder}/Cargo.toml")).expect("is there");
    let mut files: Vec<_> = std::fs::read_dir(format!("{folder}/fuzz_targets"))
        .expect("is there")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("a plain name"))
        .collect();
    files.sort();
    let mut names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(files, names.iter().map(|name| format!("{name}.rs")).collect::<Vec<_>>());
    assert_eq!(manifest.matches("[[bin]]").count(), names.len());
    for name in names {
        let bin = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&bin), "fuzz/Cargo.toml lacks\n{bin}");
        let text = std::fs::read_to_string(format!("{folder}/fuzz_targets/{name}.rs")).expect("is listed");
        assert!(text.contains(&format!("::{name}(data);")), "{name}.rs runs something else:\n{text}");
    }
}
