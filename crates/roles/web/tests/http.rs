//! Questions over real sockets.
//!
//! Read: `http/house.rs` (a server and a client), `http/questions.rs`.

#[path = "http/house.rs"]
mod house;
#[path = "http/questions.rs"]
mod questions;
