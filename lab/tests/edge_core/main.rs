//! The Edge Core stand-in, rule by rule, seen by a client that can break each of them.

#![allow(missing_docs)]

mod client;
mod cloud;
mod faults;
mod framing;
mod handshake;
mod management;
mod registration;
mod values;
