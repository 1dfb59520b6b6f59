//! The client of the SageMaker Edge Agent: gRPC over HTTP/2, on a unix socket or TCP.
//!
//! [`Client`] is the way in. Below it: `method` (what may be called, and how), `conversion` (the
//! agent's messages and ours), `frame` and `status` (gRPC's own coding, pure), `call` (one request
//! and its response), `connection` (the one connection that is kept), `transport` (the socket).
//!
//! gRPC over HTTP/2 is specified in the `doc/` folder of the grpc repository, `PROTOCOL-HTTP2.md`;
//! the comments here name its sections.

mod address;
mod call;
mod client;
mod connection;
mod conversion;
mod deadline;
mod error;
mod frame;
mod method;
mod status;
mod transport;

#[cfg(test)]
mod scripted_agent;
#[cfg(test)]
mod tests;

pub use address::{Address, InvalidAddress};
pub use client::{Client, Settings};
pub use conversion::{AuxiliaryData, Capture, Model};
pub use deadline::Deadlines;
pub use error::{Error, Malformed};
pub use frame::FrameError;
pub use method::Method;
pub use proto::{CaptureDataStatus as CaptureStatus, Encoding};
pub use status::Code;

/// The messages of `proto/agent.proto`.
#[allow(missing_docs)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/aws.sage_maker.edge.rs"));
}
