//! Turns `proto/agent.proto` into Rust, without an installed `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = "../proto/agent.proto";
    println!("cargo::rerun-if-changed={proto}");
    let descriptors = protox::compile([proto], ["../proto"])?;
    tonic_prost_build::configure()
        // Tensors are hundreds of megabytes: share their bytes, do not copy them.
        .bytes(".")
        // `Channel` is for clients only, which have their own ways to make one.
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
