//! The parts of a scan, shared out among the streams of a plan.
//!
//! Promise: every part is read once; reading happens off the async threads, is
//! at most [`BATCHES_AHEAD`] batches ahead of whoever consumes it, and ends
//! with the next batch when the consumer is gone or the query is to stop.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use store::Part;

use crate::error::Error;
use crate::fill::Filling;
use crate::provider::View;
use crate::running::Counters;

/// Two batches of 8,192 rows of 200 bytes a stream: 3 MB.
pub const BATCHES_AHEAD: usize = 2;

/// Parts that nobody has begun to read.
pub(crate) struct Queue(Mutex<VecDeque<Part>>);

impl Queue {
    pub(crate) fn new(parts: Vec<Part>) -> Queue {
        Queue(Mutex::new(parts.into()))
    }

    fn next(&self) -> Option<Part> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// One stream: takes the next part as long as there is one, so that streams
/// end together however unlike the parts are.
pub(crate) struct Parts {
    queue: Arc<Queue>,
    filling: Arc<Filling>,
    view: Arc<View>,
    begun: AtomicBool,
}

impl Parts {
    pub(crate) fn new(queue: Arc<Queue>, filling: Arc<Filling>, view: Arc<View>) -> Parts {
        Parts { queue, filling, view, begun: AtomicBool::new(false) }
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

impl PartitionStream for Parts {
    fn schema(&self) -> &SchemaRef {
        self.filling.schema()
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = self.filling.schema().clone();
        if self.begun.swap(true, Ordering::SeqCst) {
            // The parts are spent: a second reading would silently miss rows.
            let twice = Error::Engine("a scan was started twice".into());
            let failed = futures::stream::iter([Err(twice.into())]).chain(EmptyRecordBatchStream::new(schema.clone()));
            return Box::pin(datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(schema, failed));
        }
        let (queue, filling, view) = (self.queue.clone(), self.filling.clone(), self.view.clone());
        let mut builder = RecordBatchReceiverStreamBuilder::new(schema, BATCHES_AHEAD);
        let out = builder.tx();
        builder.spawn_blocking(move || {
            while let Some(part) = queue.next() {
                for batch in part {
                    view.stop.check()?;
                    let filled = filling.fill(&batch.map_err(Error::from)?)?;
                    if out.blocking_send(Ok(filled)).is_err() {
                        return Ok(()); // Nobody listens any more.
                    }
                }
                Counters::add(&view.counters.parts_read, 1);
            }
            Ok(())
        });
        builder.build()
    }
}
