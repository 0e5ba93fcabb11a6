//! The allocator: jemalloc, which gives back what nobody uses (decision 8).
//!
//! Promise: what rounds, merges and queries take for a moment goes back to the
//! system some seconds after its last use, also where nothing else happens then.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Read by the allocator before `main`: a thread of its own gives memory back.
#[expect(unsafe_code, reason = "the name by which the allocator finds its settings")]
// SAFETY: nothing else has this name, and the allocator reads a text that ends in 0.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static SETTINGS: &[u8; 65] = b"background_thread:true,oversize_threshold:0,dirty_decay_ms:10000\0";
