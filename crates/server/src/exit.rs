//! Exit codes, and how an error is told.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | something failed that a retry will not mend |
//! | 2 | the command line or the settings are wrong |
//! | 3 | part of the input was refused (it is kept, see `refused list`) |
//! | 4 | busy or full: the same command may work later |
//! | 5 | stored bytes are not what was written |

use std::process::ExitCode;

use host::Kind;

pub const FAILED: u8 = 1;
pub const REFUSED: u8 = 3;
pub const DAMAGED: u8 = 5;

/// What the command was given is wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Something is taken that will be free again: exit code 4.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Taken(pub String);

/// Stored bytes are not what was written: exit code 5.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(pub String);

/// What a server on this machine said, with its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Told {
    pub error: String,
    pub exit_code: u8,
}

/// Prints an error with its causes and gives its exit code.
pub fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    let code = code_of(error);
    if json {
        eprintln!("{}", serde_json::json!({ "error": format!("{error:#}"), "exit_code": code }));
    } else {
        eprintln!("meterhouse: {error:#}");
    }
    ExitCode::from(code)
}

/// The exit code that tells of an error.
pub fn code_of(error: &anyhow::Error) -> u8 {
    if let Some(told) = error.chain().find_map(|cause| cause.downcast_ref::<Told>()) {
        return told.exit_code;
    }
    if error.chain().any(|cause| cause.is::<Damaged>()) {
        return DAMAGED;
    }
    if error.chain().any(|cause| cause.is::<Usage>()) {
        return 2;
    }
    if error.chain().any(|cause| cause.is::<Taken>()) {
        return 4;
    }
    match kind_of(error) {
        Some(Kind::BadInput) => 2,
        Some(Kind::Busy) => 4,
        Some(Kind::Corrupt) => 5,
        _ => FAILED,
    }
}

/// The kind of the first cause that has one.
pub fn kind_of(error: &anyhow::Error) -> Option<Kind> {
    error.chain().find_map(|cause| {
        let journal = cause.downcast_ref::<journal::Error>().map(journal::Error::kind);
        let store = || cause.downcast_ref::<store::Error>().map(store::Error::kind);
        let registry = || cause.downcast_ref::<registry::Error>().map(registry::Error::kind);
        let process = || cause.downcast_ref::<process::Error>().map(process::Error::kind);
        let query = || cause.downcast_ref::<query::Error>().map(query::Error::kind);
        let format = || cause.downcast_ref::<crate::format::Error>().map(crate::format::Error::kind);
        let disk = || cause.downcast_ref::<std::io::Error>().map(Kind::of_io);
        journal.or_else(store).or_else(registry).or_else(process).or_else(query).or_else(format).or_else(disk)
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    #[test]
    fn a_chain_of_causes_says_each_of_them_once() {
        let cause = || io::Error::other("the cause");
        let store = || store::Error::Disk { path: "lake/a".into(), cause: cause() };
        let registry = || registry::Error::Io { path: "registry.sqlite".into(), cause: cause() };
        let journal = || journal::Error::Disk(cause());
        let errors = [
            anyhow::Error::new(journal()),
            registry().into(),
            registry::Error::Entropy(cause()).into(),
            store().into(),
            process::Error::Journal(journal()).into(),
            process::Error::Store(store()).into(),
            process::Error::Registry(registry()).into(),
            process::Error::Body(cause()).into(),
            process::Error::Checkpoint { path: process::CHECKPOINT_PATH.into(), cause: cause() }.into(),
            query::Error::from(store()).into(),
            query::Error::Write { path: "export".into(), cause: Arc::new(cause()) }.into(),
            ingest::Error::Registry(registry()).into(),
            ingest::Error::Journal(journal()).into(),
            parse::Error::Io(cause()).into(),
            crate::format::Error::Disk(cause()).into(),
        ];
        for error in errors {
            let told = format!("{:#}", error.context("what was being done"));
            assert_eq!(told.matches("the cause").count(), 1, "{told}");
        }
    }
}
