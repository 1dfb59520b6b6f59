//! Turns `proto/agent.proto` into Rust, without an installed `protoc`, and compresses the licences.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use flate2::{Compress, Compression, FlushCompress, Status};

fn main() -> Result<(), Box<dyn Error>> {
    let proto = "proto/agent.proto";
    println!("cargo::rerun-if-changed={proto}");
    let descriptors = protox::compile([proto], ["proto"])?;
    prost_build::Config::new()
        // Tensors are hundreds of megabytes: share their bytes, do not copy them.
        .bytes(["."])
        .compile_fds(descriptors)?;
    // What `sapt version` tells; only build scripts know it.
    println!("cargo::rustc-env=SAPT_TARGET={}", env::var("TARGET")?);

    let licences = "src/licences.txt";
    println!("cargo::rerun-if-changed={licences}");
    let deflated = Path::new(&env::var("OUT_DIR")?).join("licences.deflate");
    fs::write(deflated, deflate(&fs::read(licences)?)?)?;
    Ok(())
}

fn deflate(text: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut deflated = Vec::with_capacity(text.len() + 1024);
    let mut compress = Compress::new(Compression::best(), false);
    match compress.compress_vec(text, &mut deflated, FlushCompress::Finish)? {
        Status::StreamEnd => Ok(deflated),
        other => Err(format!("the licences are not compressed whole: {other:?}").into()),
    }
}
