//! HTTP/1.1 connections to an S3 server, over TCP or TLS.

mod connection;
mod connector;
mod crypto;
#[cfg(generator_without_table)]
mod generator;
mod identity;
mod idle;
mod small_body;
mod stream;
mod tls;
mod tunnel;

pub use identity::{Identity, InvalidIdentity};
pub use tls::{InvalidRoots, Roots};

pub(super) use connection::Connection;
pub(super) use connector::Connector;
pub(super) use idle::IdleConnections;
pub(super) use small_body::{End, read_up_to};
use tls::Tls;

use std::future::Future;
use std::time::Duration;

/// How long the client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the host name to be resolved; for each of its addresses to accept a connection; for the
    /// TLS handshake.
    pub connect: Duration,
    /// For any byte to move in either direction while a request is sent and its answer awaited.
    pub answer: Duration,
    /// For the next part of an answer's body. The body as a whole may take as long as it likes.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
        }
    }
}

/// The output of `future`, or None where it takes longer than `limit`.
pub(super) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    smol::future::or(async { Some(future.await) }, async {
        smol::Timer::after(limit).await;
        None
    })
    .await
}
