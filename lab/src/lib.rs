//! Stand-ins for what surrounds the translator on a gateway, and whole gateways made of them, for
//! tests and the demo.

pub mod bridge;
pub mod edge_core;
pub mod fault_proxy;
pub mod forward_proxy;
pub mod gateway;
mod http_head;
pub mod models;
pub mod program;
pub mod s3;
