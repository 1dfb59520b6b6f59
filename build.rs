//! Turns `proto/agent.proto` into Rust, without an installed `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = "proto/agent.proto";
    println!("cargo::rerun-if-changed={proto}");
    let descriptors = protox::compile([proto], ["proto"])?;
    prost_build::Config::new()
        // Tensors are hundreds of megabytes: share their bytes, do not copy them.
        .bytes(["."])
        .compile_fds(descriptors)?;
    // What `sapt version` tells; only build scripts know it.
    println!("cargo::rustc-env=SAPT_TARGET={}", std::env::var("TARGET")?);
    Ok(())
}
