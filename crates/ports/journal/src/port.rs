//! The port: one lane of records.

use async_trait::async_trait;
use meter::Sequence;

use crate::{Body, Error, Receipt, Record};

/// Records in the order in which they were made durable.
///
/// Sequence numbers start at 1 and have no gaps: what is readable is always
/// `start..end`. A number once seen never stands for other content.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Returns once the body survives power loss and can be read. A caller that
    /// goes away before may find its body written or not. `Full` and `DiskFull`
    /// mean that nothing was written; after `Poisoned` nobody knows, and the
    /// process must stop: a restart reads what is really there.
    async fn append(&self, body: Body) -> Result<Receipt, Error>;

    /// Whether bodies are taken at all: the error that every `append` would get
    /// from now on. A full disk or queue is no such error, it may pass.
    async fn check_open(&self) -> Result<(), Error>;

    /// Records from `from` on, in order, while their frames stay within
    /// `limit_bytes` together, but at least one if there is one. Empty means
    /// caught up, never closed. Below the first record left it is `Trimmed`,
    /// past the end `Ahead`.
    async fn read(&self, from: Sequence, limit_bytes: usize) -> Result<Vec<Record>, Error>;

    /// The first record left, or `end` if there is none.
    async fn start(&self) -> Sequence;

    /// One past the last record: the number the next one will get.
    async fn end(&self) -> Sequence;

    /// May drop records below `before`, never others, in whole pieces of its
    /// own choosing. The caller has made durable elsewhere what they meant.
    async fn trim(&self, before: Sequence) -> Result<(), Error>;

    /// Returns once a record above `beyond` can be read.
    async fn wait(&self, beyond: Sequence) -> Result<(), Error>;
}
