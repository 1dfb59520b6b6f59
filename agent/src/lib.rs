//! An open agent with the gRPC interface of the AWS SageMaker Edge Agent, and an ONNX engine.
//!
//! A model is a directory with one `.onnx` file. It is loaded by [tract], a pure Rust engine, so
//! that the agent is one binary without a runtime library to install. Nothing here talks to a
//! cloud: captured data goes to disk.
//!
//! [`serve::run`] is the whole process; [`wire`] is the interface, for clients in tests.
//!
//! [tract]: https://github.com/sonos/tract

pub mod arguments;
mod authority;
mod capture;
pub mod configuration;
mod engine;
mod listener;
mod log;
mod memory;
mod model_name;
mod models;
#[path = "../../src/notify.rs"]
pub mod notify;
mod payload;
pub mod serve;
mod service;
mod shared_memory;
mod statuses;
mod tensor;
mod worker;

/// The messages, client and server of `proto/agent.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod wire {
    tonic::include_proto!("aws.sage_maker.edge");
}
