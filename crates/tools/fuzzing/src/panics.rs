//! Panics of any thread, taken down instead of printed.
//!
//! Promise: the first panic since [`taken`] was last called is there with its place,
//! also where somebody caught it: nothing in the house may count on catching one.

use std::sync::{Mutex, PoisonError};

static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// From now on panics are taken down, until [`let_go`].
pub(crate) fn take_down() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |place| format!("{}:{}", place.file(), place.line()));
        let said = panic.payload_as_str().unwrap_or("no text");
        first().get_or_insert_with(|| format!("panic at {place}: {said}"));
    }));
}

/// Panics are printed again.
pub(crate) fn let_go() {
    drop(std::panic::take_hook());
}

/// The first panic since this was last asked.
pub(crate) fn taken() -> Option<String> {
    first().take()
}

fn first() -> std::sync::MutexGuard<'static, Option<String>> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner)
}
