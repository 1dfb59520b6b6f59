//! A model as large as is wanted.

use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use lab::models;

/// Writes a `.tar.gz` with the digits model and `bytes` of weights, which no agent reads: floats
/// from -1 to 1, that compress as little as those of a trained network.
pub(crate) fn write(path: &Path, bytes: u64) {
    let digits = models::digits();
    let file = BufWriter::new(File::create(path).expect("there is room"));
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
    let mut inner = tar::Archive::new(flate2::read::GzDecoder::new(&digits[..]));
    for entry in inner.entries().expect("memory can be read") {
        let entry = entry.expect("it is an archive");
        let header = entry.header().clone();
        archive.append(&header, entry).expect("there is room");
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    let weights = Weights { state: 0x9e37_79b9_7f4a_7c15, left: Vec::new() };
    archive
        .append_data(&mut header, "weights/weights.bin", weights.take(bytes))
        .expect("there is room");
    let compressed = archive.into_inner().expect("there is room");
    let file = compressed.finish().expect("there is room");
    file.into_inner().expect("there is room").sync_all().expect("there is room");
}

/// Random numbers without end.
struct Weights {
    state: u64,
    left: Vec<u8>,
}

impl Read for Weights {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            for _ in 0..4096 {
                // Marsaglia's xorshift64.
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
                let weight = (self.state >> 40) as f32 / (1 << 23) as f32 - 1.0;
                self.left.extend_from_slice(&weight.to_le_bytes());
            }
        }
        let length = buffer.len().min(self.left.len());
        buffer[..length].copy_from_slice(&self.left[..length]);
        self.left.drain(..length);
        Ok(length)
    }
}
