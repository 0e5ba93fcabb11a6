//! A disk on which something happens just before one call.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use host::{Disk, Entry, Lock};

type Event = Box<dyn FnOnce() -> io::Result<()> + Send>;

pub(super) struct Watched {
    disk: Arc<dyn Disk>,
    calls: AtomicUsize,
    at: AtomicUsize,
    event: Mutex<Option<Event>>,
    dead_from: AtomicUsize,
}

impl Watched {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Arc<Watched> {
        let never = || AtomicUsize::new(usize::MAX);
        let calls = AtomicUsize::new(0);
        Arc::new(Watched { disk, calls, at: never(), event: Mutex::default(), dead_from: never() })
    }

    /// Counts from here; the event comes before call number `at`.
    pub(super) fn once_at(&self, at: usize, event: Event) {
        self.calls.store(0, Ordering::SeqCst);
        *self.event.lock().expect("no holder panics") = Some(event);
        self.at.store(at, Ordering::SeqCst);
    }

    /// Whether the event has begun.
    pub(super) fn happened(&self) -> bool {
        self.event.lock().expect("no holder panics").is_none()
    }

    /// As if the process were killed before call number `at` from now on.
    pub(super) fn kill_at(&self, at: usize) {
        self.calls.store(0, Ordering::SeqCst);
        self.dead_from.store(at, Ordering::SeqCst);
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn call(&self) -> io::Result<&dyn Disk> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if number >= self.dead_from.load(Ordering::SeqCst) {
            return Err(io::Error::other("killed"));
        }
        if number == self.at.load(Ordering::SeqCst) {
            let event = self.event.lock().expect("no holder panics").take();
            event.map_or(Ok(()), |event| event())?;
        }
        Ok(self.disk.as_ref())
    }
}

impl Disk for Watched {
    fn read(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.call()?.read(path, offset, len)
    }
    fn size(&self, path: &str) -> io::Result<u64> {
        self.call()?.size(path)
    }
    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        self.call()?.list(dir)
    }
    fn create(&self, path: &str, preallocate: u64) -> io::Result<()> {
        self.call()?.create(path, preallocate)
    }
    fn make_dir(&self, dir: &str) -> io::Result<()> {
        self.call()?.make_dir(dir)
    }
    fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.call()?.write_at(path, offset, bytes)
    }
    fn sync(&self, path: &str) -> io::Result<()> {
        self.call()?.sync(path)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.call()?.sync_dir(dir)
    }
    fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        self.call()?.rename(from, to, replace)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.call()?.remove(path)
    }
    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        self.call()?.lock(path)
    }
}
