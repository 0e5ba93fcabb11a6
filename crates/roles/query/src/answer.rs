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
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::running::{Asker, Counters, Place};

/// Batches made before anyone takes them.
const BATCHES_AHEAD: usize = 2;

/// The rows of one query. A stream that ends after its first error.
pub struct Answer {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    /// Whether the end was seen: without it, the query was abandoned.
    ended: bool,
    id: u64,
    _asker: Asker,
}

/// A query that was planned.
pub(crate) struct Begun {
    pub stream: SendableRecordBatchStream,
    pub deadline: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub limits: Limits,
    /// What `limits.rows_max` still allows.
    pub rows_left: u64,
    pub metrics: Arc<Metrics>,
    /// Given back when the query is over.
    pub place: Place,
}

impl Answer {
    pub(crate) fn new(begun: Begun, asker: Asker, threads: &Handle) -> Answer {
        let (schema, id) = (begun.stream.schema(), begun.place.id);
        let (give, batches) = mpsc::channel(BATCHES_AHEAD);
        threads.spawn(run(begun, give));
        Answer { schema, batches, ended: false, id, _asker: asker }
    }

    /// What its query is listed and cancelled by.
    pub fn id(&self) -> u64 {
        self.id
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

async fn run(mut begun: Begun, give: mpsc::Sender<Result<RecordBatch>>) {
    let stop = begun.place.stop.clone();
    let end = loop {
        let next = tokio::select! {
            biased;
            () = give.closed() => break None,
            () = stop.told() => Some(Err(Error::Cancelled)),
            () = &mut begun.deadline => Some(Err(stop.too_long())),
            next = begun.stream.next() => next.map(|batch| begun.counted(batch)),
        };
        match next {
            Some(Ok(batch)) if batch.num_rows() == 0 => {}
            Some(Ok(batch)) => {
                let taken = tokio::select! {
                    taken = give.send(Ok(batch)) => taken.is_ok(),
                    // Who is told below need not take what was found first.
                    () = stop.told() => true,
                };
                if !taken {
                    break None;
                }
            }
            Some(Err(_)) if give.is_closed() => break None,
            Some(Err(error)) => {
                begun.metrics.failed(&error);
                break Some(Err(error));
            }
            None => break Some(Ok(end_mark())),
        }
    };
    begun.metrics.scanned(&begun.place.counters.scan);
    // First the threads and files of the query, then the place in the queue, then the word to the asker.
    let Begun { stream, place, .. } = begun;
    drop(stream);
    drop(place);
    if let Some(end) = end {
        drop(give.send(end).await);
    }
}

impl Begun {
    fn counted(&mut self, batch: datafusion::error::Result<RecordBatch>) -> Result<RecordBatch> {
        let batch = batch.map_err(|e| Error::from_engine(&e, self.limits.memory_bytes_max))?;
        let rows = batch.num_rows() as u64;
        self.metrics.answered(rows);
        Counters::add(&self.place.counters.rows_answered, rows);
        let rows_max = self.limits.rows_max;
        self.rows_left = self.rows_left.checked_sub(rows).ok_or(Error::Rows { rows_max })?;
        Ok(batch)
    }
}

/// A batch of nothing, which `run` never passes on: the answer is complete.
fn end_mark() -> RecordBatch {
    RecordBatch::new_empty(Arc::new(datafusion::arrow::datatypes::Schema::empty()))
}
