//! An answer on its way: batches as they are found, under the query's limits.
//!
//! Promise: memory holds a few batches however long the answer is; who drops
//! an `Answer` stops its query.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt};
use store::ScanStats;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::metrics::Metrics;

/// Batches made before anyone takes them.
const BATCHES_AHEAD: usize = 2;

/// The rows of one query. A stream that ends after its first error.
pub struct Answer {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    /// Whether the end was seen: without it, the query was abandoned.
    ended: bool,
}

/// A query that was planned.
pub(crate) struct Running {
    pub stream: SendableRecordBatchStream,
    pub deadline: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub limits: Limits,
    /// What `limits.rows_max` still allows.
    pub rows_left: u64,
    pub stats: Arc<ScanStats>,
    pub metrics: Arc<Metrics>,
    /// Given back when the query is over.
    pub permit: OwnedSemaphorePermit,
}

impl Answer {
    pub(crate) fn new(running: Running, threads: &Handle) -> Answer {
        let schema = running.stream.schema();
        let (give, batches) = mpsc::channel(BATCHES_AHEAD);
        threads.spawn(run(running, give));
        Answer { schema, batches, ended: false }
    }

    /// The names and types of its columns.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// All of it, for answers known to be small.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut all = Vec::new();
        while let Some(batch) = self.next().await {
            all.push(batch?);
        }
        Ok(all)
    }
}

impl Stream for Answer {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = self.batches.poll_recv(context) else { return Poll::Pending };
        Poll::Ready(match next {
            Some(Ok(batch)) if batch.num_columns() == 0 && batch.num_rows() == 0 => {
                self.ended = true;
                None
            }
            Some(Ok(batch)) => Some(Ok(batch)),
            Some(Err(error)) => {
                self.ended = true;
                Some(Err(error))
            }
            None => {
                self.ended = true;
                Some(Err(Error::Engine("the query stopped before its end".into())))
            }
        })
    }
}

async fn run(mut running: Running, give: mpsc::Sender<Result<RecordBatch>>) {
    let end = loop {
        let next = tokio::select! {
            biased;
            () = give.closed() => break None,
            () = &mut running.deadline => Some(Err(Error::Time { seconds: running.limits.time_max.as_secs() })),
            next = running.stream.next() => next.map(|batch| running.counted(batch)),
        };
        match next {
            Some(Ok(batch)) if batch.num_rows() == 0 => {}
            Some(Ok(batch)) => {
                if give.send(Ok(batch)).await.is_err() {
                    break None;
                }
            }
            Some(Err(error)) => {
                running.metrics.failed(&error);
                break Some(Err(error));
            }
            None => break Some(Ok(end_mark())),
        }
    };
    running.metrics.scanned(&running.stats);
    // First the threads and files of the query, then the place in the queue, then the word to the asker.
    let Running { stream, permit, .. } = running;
    drop(stream);
    drop(permit);
    if let Some(end) = end {
        drop(give.send(end).await);
    }
}

impl Running {
    fn counted(&mut self, batch: datafusion::error::Result<RecordBatch>) -> Result<RecordBatch> {
        let batch = batch.map_err(|e| Error::from_engine(&e, self.limits.memory_bytes_max))?;
        let rows = batch.num_rows() as u64;
        self.metrics.answered(rows);
        let rows_max = self.limits.rows_max;
        self.rows_left = self.rows_left.checked_sub(rows).ok_or(Error::Rows { rows_max })?;
        Ok(batch)
    }
}

/// A batch of nothing, which `run` never passes on: the answer is complete.
fn end_mark() -> RecordBatch {
    RecordBatch::new_empty(Arc::new(datafusion::arrow::datatypes::Schema::empty()))
}
