//! SQL: a text planned and run under a budget, on a small lake.
//!
//! Whatever is asked is answered or refused for a reason that is the asker's; an error
//! of ours, a panic in the engine or a query that outlives its time is a failure.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use host::Kind;
use meter::TenantId;
use query::{Engine, Format, Limits, Principal};
use store::Snapshot;
use tokio::runtime::Runtime;

use crate::{Met, lake, met};

struct Asked {
    runtime: Runtime,
    engine: Engine,
    snapshot: Arc<Snapshot>,
}

static ASKED: LazyLock<Asked> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let limits = Limits {
        memory_bytes_max: 64 << 20,
        rows_max: 10_000,
        time_max: Duration::from_secs(2),
        threads: NonZeroUsize::MIN,
        ..Limits::default()
    };
    let snapshot = runtime.block_on(lake::filled());
    Asked { engine: Engine::new(limits).expect("threads start"), snapshot, runtime }
});

/// A statement, asked as a tenant asks it.
pub fn sql(data: &[u8]) -> Met {
    let text = String::from_utf8_lossy(data);
    let Asked { runtime, engine, snapshot } = &*ASKED;
    let session = engine.session(Principal { tenant: TenantId(1) }, snapshot.clone());
    let mut out = Vec::new();
    let answered = runtime.block_on(async { session.query(&text).await?.write(Format::Json, &mut out).await });
    match answered {
        Ok(()) => met((out.len().checked_ilog2(), out.iter().take(200).filter(|byte| **byte == b'"').count())),
        Err(error) => {
            assert_ne!(error.kind(), Kind::Bug, "{error}");
            // What the sentence names differs with every input; how it begins does not.
            met(error.to_string().split(['"', '\'', '(']).next().map(|said| said.chars().take(32).collect::<String>()))
        }
    }
}
