//! The real `sapt-agent`, spoken to by a gRPC client over a unix socket.

// Test code: a failed expectation ends the test. Clippy's allowances cover only the test functions
// themselves, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod capture;
mod graph;
mod load;
mod predict;
mod process;
mod running;
mod shared_memory;
