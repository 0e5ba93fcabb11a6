//! The object store by itself, and damage to the log.

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{CopyMode, CopyOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};

use super::*;
use crate::delta::sums;

async fn listed(store: &DiskStore, prefix: Option<&str>) -> Vec<String> {
    let prefix = prefix.map(Path::from);
    let objects: Vec<_> = store.list(prefix.as_ref()).try_collect().await.expect("lists");
    objects.into_iter().map(|object| object.location.to_string()).collect()
}

#[tokio::test]
async fn objects_come_back_as_they_were_put() {
    let disk = sim();
    let store = store(&disk);
    let (a, b) = (Path::from("t/_delta_log/a.json"), Path::from("t/b/c"));
    store.put(&a, "hello".into()).await.expect("puts");
    store.put(&b, "0123456789".into()).await.expect("puts");
    let get = async |path: &Path| store.get(path).await.expect("is there").bytes().await.expect("reads");
    assert_eq!(get(&a).await, "hello");
    assert_eq!(store.get_range(&b, 2..5).await.expect("reads"), "234");
    assert_eq!(store.get_range(&a, 1..3).await.expect("reads"), "el");
    assert_eq!(store.get_ranges(&b, &[0..1, 9..10]).await.expect("reads"), ["0", "9"]);
    assert_eq!(store.head(&b).await.expect("is there").size, 10);
    assert!(matches!(store.get(&Path::from("t/none")).await, Err(Error::NotFound { .. })));

    let again = super::store(&disk.power_cycle(0));
    assert_eq!(listed(&again, None).await, ["t/_delta_log/a.json", "t/b/c"], "durable, and no checksums in sight");
    assert_eq!(listed(&again, Some("t/b")).await, ["t/b/c"]);
    let flat = again.list_with_delimiter(Some(&Path::from("t"))).await.expect("lists");
    assert_eq!(flat.common_prefixes, [Path::from("t/_delta_log"), Path::from("t/b")]);
    let after: Vec<_> = again.list_with_offset(None, &a).try_collect().await.expect("lists");
    assert_eq!(after.len(), 1);
}

#[tokio::test]
async fn an_object_is_created_once() {
    let disk = sim();
    let store = store(&disk);
    let a = Path::from("t/_delta_log/a.json");
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put_opts(&a, "first".into(), create()).await.expect("creates");
    let second = store.put_opts(&a, "second".into(), create()).await;
    assert!(matches!(second, Err(Error::AlreadyExists { .. })));
    let same = store.put_opts(&a, "first".into(), create()).await;
    assert!(matches!(same, Err(Error::AlreadyExists { .. })));
    assert_eq!(store.get(&a).await.expect("is there").bytes().await.expect("reads"), "first");

    let b = Path::from("t/_delta_log/b.json");
    store.put(&b, "old".into()).await.expect("puts");
    store.put(&b, "new".into()).await.expect("replaces");
    let options = CopyOptions { mode: CopyMode::Create, ..CopyOptions::default() };
    assert!(matches!(store.copy_opts(&a, &b, options).await, Err(Error::AlreadyExists { .. })));
    assert!(matches!(store.rename_if_not_exists(&a, &b).await, Err(Error::AlreadyExists { .. })));
    store.rename(&a, &b).await.expect("renames");
    assert_eq!(store.get(&b).await.expect("is there").bytes().await.expect("reads"), "first");
    assert_eq!(listed(&store, None).await, ["t/_delta_log/b.json"]);
    store.delete(&b).await.expect("deletes");
    let after = disk.power_cycle(0);
    assert_eq!(listed(&super::store(&after), None).await, [""; 0]);
    sums::sweep(&after, "t").expect("sweeps");
    assert_eq!(after.files().len(), 0, "neither the objects nor a checksum of them");
}

#[tokio::test]
async fn an_upload_in_parts_is_one_object() {
    let store = store(&sim());
    let a = Path::from("t/_delta_log/a.parquet");
    let mut upload = store.put_multipart(&a).await.expect("starts");
    upload.put_part("one ".into()).await.expect("takes");
    upload.put_part("two".into()).await.expect("takes");
    assert_eq!(listed(&store, None).await, [""; 0], "nothing before it is complete");
    upload.complete().await.expect("completes");
    assert_eq!(store.get(&a).await.expect("is there").bytes().await.expect("reads"), "one two");
}

/// A table with a checkpoint, a commit after it, and every log object by path.
async fn small_table() -> (SimDisk, Vec<String>) {
    let disk = sim();
    let mut table = open(&store(&disk)).await.expect("makes the table");
    table.commit(change([1, 2], [], 1)).await.expect("commits");
    table.checkpoint().await.expect("writes a checkpoint");
    table.commit(change([3], [2], 2)).await.expect("commits");
    let objects = disk.files().into_keys().filter(|path| path.contains("/_delta_log/")).collect();
    (disk, objects)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_anywhere_in_the_log_is_found() {
    let (disk, objects) = small_table().await;
    assert_eq!(objects.len(), 5, "{objects:?}");
    assert_eq!(sums::verify_log(&disk, NAME).expect("reads"), []);
    let mut flips = 0;
    for path in &objects {
        // A checkpoint has 20,000 bytes; every 17th is enough of it.
        let step = if path.ends_with(".parquet") { 17 } else { 1 };
        for byte in (0..disk.size(path).expect("is there")).step_by(step) {
            disk.flip(path, byte, (byte % 8) as u8);
            let found = sums::verify_log(&disk, NAME).expect("reads");
            assert_eq!(found.len(), 1, "byte {byte} of {path}");
            assert_eq!(&found[0].path, path);
            disk.flip(path, byte, (byte % 8) as u8);
            flips += 1;
        }
    }
    println!("{flips} flips found");
    assert_eq!(sums::verify_log(&disk, NAME).expect("reads"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_not_believed() {
    let (disk, objects) = small_table().await;
    for path in objects.iter().filter(|path| !path.ends_with("0.json") && !path.ends_with("1.json")) {
        for byte in [0, disk.size(path).expect("is there") / 2] {
            disk.flip(path, byte, 3);
            let error = open(&store(&disk)).await.err().unwrap_or_else(|| panic!("byte {byte} of {path} was believed"));
            assert_eq!(error.kind(), host::Kind::Corrupt, "{path}: {error}");
            assert!(error.to_string().contains("checksum"), "{path}: {error}");
            disk.flip(path, byte, 3);
        }
    }
    open(&store(&disk)).await.expect("opens again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_commit_and_a_stranger_are_found() {
    let (disk, _) = small_table().await;
    disk.remove(&format!("{NAME}/_delta_log/{:020}.json", 1)).expect("was there");
    disk.write_durable(&format!("{NAME}/_delta_log/{:020}.json", 9), b"{}", false).expect("writes");
    let table = open(&store(&disk)).await;
    assert!(table.is_err(), "another program's commit is not read");
    let found = sums::verify_log(&disk, NAME).expect("reads");
    let what: Vec<_> = found.iter().map(|damage| damage.what.as_str()).collect();
    assert_eq!(what, ["has no checksum: another program wrote it", "is missing between other commits"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leftovers_are_swept_and_never_listed() {
    let (disk, objects) = small_table().await;
    let leftover = disk.create_temporary(&objects[1]).expect("creates");
    disk.write_at(&leftover, 0, b"half a com").expect("writes");
    let orphan = format!("{NAME}/_delta_sums/{:020}.json.{}", 3, blake3::hash(b"never written").to_hex());
    disk.create(&orphan, 0).expect("creates");
    let store = store(&disk);
    let names: Vec<_> = store.list(None).map(|object| object.expect("lists").location.to_string()).collect().await;
    assert!(!names.iter().any(|name| name.contains(".tmp") || name.contains("_delta_sums")), "{names:?}");
    open(&store).await.expect("opens");
    let left = disk.files();
    assert!(!left.contains_key(&leftover) && !left.contains_key(&orphan));
}
