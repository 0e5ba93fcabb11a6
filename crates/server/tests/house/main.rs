//! The whole binary: commands on real data directories, a server on real sockets.

mod street;
mod importing;
mod answering;
mod bad_input;
