//! How much, how long and how many: the limits of the HTTP door.

use std::time::Duration;

/// A request's body as sent, compressed or not. 8 MiB hold about 300,000
/// measurements uncompressed: an hour of a town. Larger is a file.
pub const WIRE_BYTES_MAX: u64 = 8 << 20;

/// A request's body after decompression.
pub const EXPANDED_BYTES_MAX: u64 = 32 << 20;

/// A body may expand this far whatever its ratio: short ones of many zeros are honest.
pub const EXPANDED_RATIO_FREE_BYTES: u64 = 1 << 20;

/// Beyond that, so many bytes from each one sent. Readings reach 5 to 20.
pub const EXPANDED_RATIO_MAX: u64 = 100;

/// One file. Twice the 2 GB that a market's monthly file can have.
pub const FILE_BYTES_MAX: u64 = 4 << 30;

/// Refusals listed in an answer: 100 of at most 600 bytes are 60 kB. All of
/// them stand in the table `refused`.
pub const REFUSED_LISTED_MAX: usize = 100;

/// A file's name stands in the journal with every record.
pub const FILE_NAME_CHARS_MAX: usize = 512;

/// What a request counts at least, however small its body: buffers, headers, a task.
/// All connections of one tenant together must leave it half its share: otherwise
/// slow senders shut out the others.
pub const REQUEST_BYTES_MIN: u64 = 16 << 10;
const CONNECTIONS_MAX: usize = 4096;
const IN_FLIGHT_TENANT_BYTES_MAX: u64 = 128 << 20;
const _: () = assert!(CONNECTIONS_MAX as u64 * REQUEST_BYTES_MIN <= IN_FLIGHT_TENANT_BYTES_MAX / 2);

/// What a client says of an upload: two names and what it likes to get back.
pub(crate) const METADATA_BYTES_MAX: usize = 8 << 10;

/// A statement that is sent to make a database.
pub(crate) const STATEMENT_BYTES_MAX: u64 = 4 << 10;

/// What is left of a refused body is read and thrown away, so that its sender
/// gets to read the answer: so much, and for so long.
pub(crate) const DISCARD_BYTES_MAX: u64 = 16 << 20;
pub(crate) const DISCARD_WAIT_MAX: Duration = Duration::from_secs(5);

/// Up to here a body is checked where it stands; beyond, on a blocking thread.
/// 64 KiB parse in about 100 µs.
pub(crate) const INLINE_BYTES_MAX: usize = 64 << 10;

/// Beyond `connections_max`, so many are told to come again, each within this time.
pub(crate) const TURNED_AWAY_MAX: usize = 256;
pub(crate) const TURNED_AWAY_WAIT_MAX: Duration = Duration::from_secs(1);

/// Said in `Retry-After` when the house is busy.
pub(crate) const RETRY_AFTER_S: u32 = 2;

/// The settings of the HTTP door; the defaults are in `Limits::default`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A body of readings as sent.
    pub wire_bytes_max: u64,
    /// The same after decompression.
    pub expanded_bytes_max: u64,
    /// A file as sent.
    pub file_bytes_max: u64,
    /// Bytes of bodies held in memory at once, over all requests.
    pub in_flight_bytes_max: u64,
    /// The same for one tenant, so that one cannot shut the others out.
    pub in_flight_tenant_bytes_max: u64,
    /// No byte for this long ends a request.
    pub read_wait_max: Duration,
    /// A body of readings that takes longer ends, however steady.
    pub read_total_max: Duration,
    /// After this, a body must have brought `progress_bytes_per_s` on average.
    pub progress_grace: Duration,
    /// Slower bodies end.
    pub progress_bytes_per_s: u64,
    /// At once; further ones are told to come again.
    pub connections_max: usize,
    /// Files written as they come. Each takes a thread of those that blocking work has,
    /// 512 in all, for as long as its sender likes.
    pub writers_max: usize,
    /// TLS handshakes whose keys are being made; others wait for a place, which is soon free:
    /// none is held while a peer is waited for.
    pub handshakes_max: usize,
    /// From a connection's start to the end of its handshake, with the waiting.
    pub handshake_wait_max: Duration,
    /// From a connection's start, or the answer before, to the end of the headers.
    pub header_wait_max: Duration,
    /// All headers of a request together.
    pub header_bytes_max: usize,
    /// Lines of headers.
    pub headers_max: usize,
    /// A peer that takes in no byte of an answer for this long is left.
    pub write_wait_max: Duration,
    /// Requests under way when the server is told to stop have this long.
    pub drain_wait_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            wire_bytes_max: WIRE_BYTES_MAX,
            expanded_bytes_max: EXPANDED_BYTES_MAX,
            file_bytes_max: FILE_BYTES_MAX,
            // Six bodies of the largest kind (8 MiB and 32 MiB expanded) at once.
            in_flight_bytes_max: 256 << 20,
            in_flight_tenant_bytes_max: IN_FLIGHT_TENANT_BYTES_MAX,
            read_wait_max: Duration::from_secs(30),
            read_total_max: Duration::from_secs(120),
            // A gateway on GPRS brings 2 to 5 KiB a second.
            progress_grace: Duration::from_secs(10),
            progress_bytes_per_s: 1 << 10,
            // Two descriptors each at worst: far below the usual 65,536 of a service.
            connections_max: CONNECTIONS_MAX,
            writers_max: 256,
            // One costs about 1 ms of a core, so that a request waits 8 ms for a crowd of them.
            handshakes_max: 8,
            // A gateway on GPRS takes 3 s for its round trips.
            handshake_wait_max: Duration::from_secs(10),
            header_wait_max: Duration::from_secs(15),
            header_bytes_max: 32 << 10,
            headers_max: 64,
            write_wait_max: Duration::from_secs(30),
            drain_wait_max: Duration::from_secs(25),
        }
    }
}

const _: () = assert!(EXPANDED_BYTES_MAX >= WIRE_BYTES_MAX);
const _: () = assert!(FILE_BYTES_MAX > WIRE_BYTES_MAX);
const _: () = assert!(DISCARD_BYTES_MAX > WIRE_BYTES_MAX);
const _: () = assert!(FILE_BYTES_MAX <= journal::OBJECT_BYTES_MAX);
const _: () = assert!(parse::csv::NAME_BYTES_MAX <= journal::FORMAT_BYTES_MAX);
const _: () = assert!(4 * FILE_NAME_CHARS_MAX <= journal::OBJECT_NAME_BYTES_MAX);
