//! Stand-ins for what surrounds the translator on a gateway, for tests and the demo.

pub mod edge_core;
pub mod s3;
