//! Where the system gives no thread, the process ends.
//!
//! The runtime panics on whichever thread asked for another, and what waits for the work
//! of that thread would wait for ever. What is acknowledged is on disk, and an end is what
//! a supervisor can mend.

/// How the runtime and the standard library say that a thread was refused.
const REFUSED: [&str; 2] = ["OS can't spawn worker thread", "failed to spawn thread"];

/// From now on; other panics are told as before.
pub fn end_without() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if REFUSED.iter().any(|words| said.contains(words)) {
            eprintln!(
                "meterhouse ends: the system gives it no thread ({said}); look at its limits of memory and threads"
            );
            std::process::abort();
        }
        before(panic);
    }));
}
