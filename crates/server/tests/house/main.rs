//! The whole binary: commands on real data directories, a server on real sockets.

mod street;
mod small_disk;
mod talking;
mod importing;
mod market;
mod intervals;
mod outside;
mod answering;
mod rest;
mod described;
mod bad_input;
mod bad_http;
mod crowded;
mod lines;
mod uploads;
mod inbox;
mod profiles;
mod secure;
mod full_disk;
mod backup;
mod doctor;
mod sizing;
mod town;
mod upgrading;
mod following;
mod retaining;
