//! The HTTP door over real sockets, with a real journal beneath.
//!
//! Read: `door/house.rs` (the house and a plain client), `door/readings.rs`
//! (bodies good and bad), `door/json.rs`, `door/influx.rs`, `door/files.rs`,
//! `door/uploads.rs` (files in pieces), `door/inbox.rs` (files of a folder), `door/trouble.rs` (disks and power),
//! `door/secure.rs` (TLS),
//! `door/connections.rs` (slow, many, large, and the end).

#[path = "door/connections.rs"]
mod connections;
#[path = "door/files.rs"]
mod files;
#[path = "door/house.rs"]
mod house;
#[path = "door/inbox.rs"]
mod inbox;
#[path = "door/influx.rs"]
mod influx;
#[path = "door/json.rs"]
mod json;
#[path = "door/readings.rs"]
mod readings;
#[path = "door/secure.rs"]
mod secure;
#[path = "door/trouble.rs"]
mod trouble;
#[path = "door/uploads.rs"]
mod uploads;
