//! The allocator gives back what nobody uses.
//!
//! Promise: what rounds, merges and queries take for a moment does not stay with
//! the process. The GNU allocator keeps up to eight arenas a core, each as large
//! as the largest job that ever ran in it: 3 GB beside 0.6 GB in use, once 100 M
//! readings had come in.

/// One for each core of a small server: a thread waits for another far shorter
/// than for the disk.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS_MAX: libc::c_int = 2;

/// Larger pieces go back as soon as they are free; the columns of a round are such.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const APART_BYTES: libc::c_int = 4 << 20;

/// What may stay at the end of an arena.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES: libc::c_int = 64 << 20;

/// To be called before any thread is started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library's one switch for it; there is no safe name for it")]
pub fn bound() {
    for (what, value) in
        [(libc::M_ARENA_MAX, ARENAS_MAX), (libc::M_MMAP_THRESHOLD, APART_BYTES), (libc::M_TRIM_THRESHOLD, KEPT_BYTES)]
    {
        // SAFETY: takes two numbers, and no other thread runs yet. One it does not
        // know changes nothing.
        unsafe { libc::mallopt(what, value) };
    }
}

/// Other allocators have no such switch.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn bound() {}
