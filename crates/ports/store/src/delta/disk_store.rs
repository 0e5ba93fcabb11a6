//! Objects on a disk: what `deltalake-core` reads and writes, made durable.
//!
//! Promise: when a write returns, the object and its name survive power loss,
//! and a reader sees the old object or the new one, never a part. A log object
//! that does not match its checksum (`sums.rs`) is an error, never an answer.
//! After a failed sync nothing is written or read any more (D4).

use std::collections::HashSet;
use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use host::{Clock, Disk, is_full, is_temporary, parent_of};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::sums;

/// How this store calls itself in errors.
const STORE: &str = "disk";

/// A disk as an object store. Cheap to clone; clones share one fate after a failed sync.
///
/// Paths are relative to the disk's root. Temporary files and checksums are
/// never listed. Times of modification are not kept: all objects date from 1970.
#[derive(Clone)]
pub struct DiskStore {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    /// Set by the first failed sync, for ever.
    poisoned: AtomicBool,
    /// Log objects read in full and found good; those are never changed in place.
    verified: Mutex<HashSet<String>>,
}

impl DiskStore {
    /// `clock` dates commits.
    pub fn new(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> DiskStore {
        let inner = Inner { disk, clock, poisoned: AtomicBool::new(false), verified: Mutex::default() };
        DiskStore { inner: Arc::new(inner) }
    }

    /// The disk underneath.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.inner.disk
    }

    /// The clock that dates commits.
    pub fn clock(&self) -> &dyn Clock {
        self.inner.clock.as_ref()
    }

    /// An earlier sync failed: what is on the disk is in doubt until the next start.
    pub fn is_poisoned(&self) -> bool {
        self.inner.poisoned.load(Ordering::SeqCst)
    }

    /// Runs blocking disk work where it may block.
    pub(super) async fn blocking<T, F>(&self, work: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&DiskStore) -> io::Result<T> + Send + 'static,
    {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || store.alive().and_then(|()| work(&store))).await {
            Ok(result) => result,
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.is_poisoned() {
            return Err(io::Error::other("an earlier sync failed, so the disk is in doubt: stop and start again"));
        }
        Ok(())
    }

    /// A failed sync is never tried again: the kernel may have dropped the pages.
    pub(super) fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.disk.sync_dir(dir).inspect_err(|_| self.poison())
    }

    fn poison(&self) {
        self.inner.poisoned.store(true, Ordering::SeqCst);
    }

    /// Writes an object; with `create`, `AlreadyExists` if there is one.
    fn put_blocking(&self, path: &str, bytes: &[u8], create: bool) -> io::Result<()> {
        let disk = self.disk();
        let standing = match disk.size(path) {
            Ok(_) if create => return Err(io::Error::new(ErrorKind::AlreadyExists, format!("{path} exists"))),
            Ok(size) => Some(size),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let sum = sums::Sum::of(path, bytes);
        let replaced = match (&sum, standing) {
            (Some(_), Some(size)) => sums::Sum::of(path, &self.read_exact(path, 0..size)?),
            _ => None,
        };
        let temporary = self.write_temporary(path, bytes)?;
        let published = self.publish(&temporary, path, create, sum.as_ref());
        if let Err(error) = published {
            // The first error tells more than one of the removal could.
            let _ = disk.remove(&temporary);
            return Err(error);
        }
        match replaced {
            Some(old) if Some(&old) != sum.as_ref() => sums::forget(disk.as_ref(), &old),
            _ => Ok(()),
        }
    }

    /// The checksum is durable before the object, so that a crash between the
    /// two never looks like damage.
    fn publish(&self, temporary: &str, path: &str, create: bool, sum: Option<&sums::Sum>) -> io::Result<()> {
        if let Some(sum) = sum {
            sums::remember(self, sum)?;
        }
        self.unverify(path);
        match self.disk().rename(temporary, path, !create) {
            Ok(()) => self.sync_dir(parent_of(path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if let Some(sum) = sum {
                    self.withdraw(path, sum)?;
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Someone else's object won the name: our checksum goes, unless theirs is the same.
    fn withdraw(&self, path: &str, ours: &sums::Sum) -> io::Result<()> {
        let size = self.disk().size(path)?;
        if sums::Sum::of(path, &self.read_exact(path, 0..size)?).as_ref() == Some(ours) {
            return Ok(());
        }
        sums::forget(self.disk().as_ref(), ours)
    }

    fn write_temporary(&self, path: &str, bytes: &[u8]) -> io::Result<String> {
        let disk = self.disk();
        let temporary = disk.create_temporary(path)?;
        let written = disk.write_at(&temporary, 0, bytes).and_then(|()| disk.sync(&temporary));
        if let Err(error) = written {
            // Nothing but this file is in doubt, and it goes; a full disk is no reason to stop.
            if !is_full(&error) {
                self.poison();
            }
            let _ = disk.remove(&temporary);
            return Err(error);
        }
        Ok(temporary)
    }

    /// The checksum goes after the object: one without the other is no damage.
    pub(super) fn remove_blocking(&self, path: &str) -> io::Result<()> {
        self.unverify(path);
        let size = self.disk().size(path)?;
        let sum = match sums::is_log_object(path) {
            true => sums::Sum::of(path, &self.read_exact(path, 0..size)?),
            false => None,
        };
        self.disk().remove(path)?;
        self.sync_dir(parent_of(path))?;
        sum.map_or(Ok(()), |sum| sums::forget(self.disk().as_ref(), &sum))
    }

    /// An object's size and the asked-for bytes of it.
    fn get_blocking(&self, path: &str, options: &GetOptions) -> io::Result<(u64, Range<u64>, Bytes)> {
        let size = self.disk().size(path)?;
        let range = match &options.range {
            None => 0..size,
            Some(range) => range.as_range(size).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?,
        };
        if options.head {
            return Ok((size, 0..size, Bytes::new()));
        }
        if sums::is_log_object(path) && !self.verified().contains(path) {
            let whole = self.read_verified(path)?;
            let size = whole.len() as u64;
            let range = range.start.min(size)..range.end.min(size);
            let part = whole.slice(range.start as usize..range.end as usize);
            return Ok((size, range, part));
        }
        Ok((size, range.clone(), self.read_exact(path, range)?))
    }

    /// A whole log object, good by its checksum. It is read twice before it is
    /// called damaged: `_last_checkpoint` may be replaced between two looks.
    fn read_verified(&self, path: &str) -> io::Result<Bytes> {
        for _ in 0..2 {
            let size = self.disk().size(path)?;
            let whole = self.read_exact(path, 0..size)?;
            if sums::is_known(self.disk().as_ref(), path, &whole)? {
                // Only what is never replaced may be believed without another look.
                if path.ends_with(".parquet") {
                    self.verified().insert(path.to_owned());
                }
                return Ok(whole);
            }
        }
        Err(io::Error::new(ErrorKind::InvalidData, sums::Damaged { path: path.to_owned() }))
    }

    fn read_exact(&self, path: &str, range: Range<u64>) -> io::Result<Bytes> {
        let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let bytes = self.disk().read(path, range.start, length)?;
        if bytes.len() != length {
            let what = format!("{path}: {} bytes from {}, wanted {length}", bytes.len(), range.start);
            return Err(io::Error::new(ErrorKind::UnexpectedEof, what));
        }
        Ok(bytes.into())
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.inner.verified.lock().expect("no holder of this lock panics")
    }

    fn unverify(&self, path: &str) {
        self.verified().remove(path);
    }

    /// Every object below `dir`, sorted by path as `deltalake-core` wants it,
    /// those at or before `after` left out.
    fn list_blocking(&self, dir: &str, after: Option<&str>) -> io::Result<Vec<ObjectMeta>> {
        let mut objects = Vec::new();
        let mut open = vec![dir.to_owned()];
        while let Some(dir) = open.pop() {
            for entry in self.disk().list(&dir)? {
                let path = join(&dir, &entry.name);
                if entry.is_dir && entry.name != sums::DIRECTORY {
                    open.push(path);
                } else if !entry.is_dir && !is_temporary(&entry.name) && after.is_none_or(|after| path.as_str() > after)
                {
                    objects.push(meta(&path, entry.size)?);
                }
            }
        }
        objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok(objects)
    }

    fn list_flat_blocking(&self, dir: &str) -> io::Result<ListResult> {
        let mut found = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        for entry in self.disk().list(dir)? {
            let path = join(dir, &entry.name);
            if entry.is_dir && entry.name != sums::DIRECTORY {
                found.common_prefixes.push(Path::parse(&path).map_err(io::Error::other)?);
            } else if !entry.is_dir && !is_temporary(&entry.name) {
                found.objects.push(meta(&path, entry.size)?);
            }
        }
        Ok(found)
    }

    fn listing(&self, dir: String, after: Option<String>) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let listed = async move {
            let named = dir.clone();
            let objects = store.blocking(move |store| store.list_blocking(&dir, after.as_deref())).await;
            match objects {
                Ok(objects) => stream::iter(objects.into_iter().map(Ok).collect::<Vec<_>>()),
                Err(error) => stream::iter(vec![Err(explain(&named, error))]),
            }
        };
        stream::once(listed).flatten().boxed()
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskStore")
    }
}

impl fmt::Display for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

#[async_trait]
impl ObjectStore for DiskStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let create = match options.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => return Err(unsupported("update by version")),
        };
        let (path, bytes) = (location.to_string(), Bytes::from(payload));
        self.blocking(move |store| store.put_blocking(&path, &bytes, create))
            .await
            .map_err(|error| explain(location.as_ref(), error))?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Buffered { store: self.clone(), location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (path, asked) = (location.to_string(), options.clone());
        let (size, range, bytes) = self
            .blocking(move |store| store.get_blocking(&path, &asked))
            .await
            .map_err(|error| explain(location.as_ref(), error))?;
        let meta = meta(location.as_ref(), size).map_err(|error| explain(location.as_ref(), error))?;
        options.check_preconditions(&meta)?;
        let payload = GetResultPayload::Stream(stream::once(async move { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                let path = location.to_string();
                let removed = store.blocking(move |store| store.remove_blocking(&path)).await;
                removed.map_err(|error| explain(location.as_ref(), error))?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(directory(prefix), None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(directory(prefix), Some(offset.to_string()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let dir = directory(prefix);
        let named = dir.clone();
        self.blocking(move |store| store.list_flat_blocking(&dir)).await.map_err(|error| explain(&named, error))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let create = options.mode == CopyMode::Create;
        let (source, target) = (from.to_string(), to.to_string());
        let copy = move |store: &DiskStore| {
            let (_, _, bytes) = store.get_blocking(&source, &GetOptions::default())?;
            store.put_blocking(&target, &bytes, create)
        };
        self.blocking(copy).await.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => explain(to.as_ref(), error),
            _ => explain(from.as_ref(), error),
        })
    }
}

/// An upload kept in memory until it is complete. What `deltalake-core` uploads
/// in parts is a checkpoint: tens of megabytes at most.
#[derive(Debug)]
struct Buffered {
    store: DiskStore,
    location: Path,
    parts: Vec<Bytes>,
}

#[async_trait]
impl MultipartUpload for Buffered {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.extend(data);
        Box::pin(async { Ok(()) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let whole: PutPayload = std::mem::take(&mut self.parts).into_iter().collect();
        self.store.put_opts(&self.location, whole, PutOptions::default()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}

pub(super) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

fn directory(prefix: Option<&Path>) -> String {
    prefix.map(Path::to_string).unwrap_or_default()
}

fn meta(path: &str, size: u64) -> io::Result<ObjectMeta> {
    let location = Path::parse(path).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    Ok(ObjectMeta { location, last_modified: Default::default(), size, e_tag: None, version: None })
}

fn unsupported(what: &str) -> Error {
    Error::NotSupported { source: format!("{STORE}: {what}").into() }
}

/// The store's word for a disk error; the disk's own stays underneath.
fn explain(path: &str, error: io::Error) -> Error {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound { path, source: error.into() },
        ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: error.into() },
        _ => Error::Generic { store: STORE, source: error.into() },
    }
}
