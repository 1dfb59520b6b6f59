//! The client of the SageMaker Edge Agent: gRPC over HTTP/2.

/// The messages of `proto/agent.proto`.
#[allow(missing_docs)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/aws.sage_maker.edge.rs"));
}
