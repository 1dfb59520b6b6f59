//! What is linked into this program and under which licences, for `sapt licenses`.

use flate2::{Decompress, FlushDecompress, Status};

/// `licences.txt`, as the build compresses it.
const DEFLATED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/licences.deflate"));

/// Text grows to a few times of what it is compressed to.
const GROWTH: usize = 4;

/// All crates with their versions and licences, and the notices that go with copies of them.
pub fn text() -> String {
    let mut text = Vec::with_capacity(GROWTH * DEFLATED.len());
    let mut decompress = Decompress::new(false);
    loop {
        let rest =
            usize::try_from(decompress.total_in()).ok().and_then(|done| DEFLATED.get(done..));
        match decompress.decompress_vec(
            rest.unwrap_or_default(),
            &mut text,
            FlushDecompress::Finish,
        ) {
            // There was no room for all of it.
            Ok(Status::Ok | Status::BufError) if text.len() == text.capacity() => {
                text.reserve(DEFLATED.len());
            }
            // It is this build's own: there is nothing that could be wrong with it.
            _ => return String::from_utf8_lossy(&text).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_all_there() {
        assert_eq!(text(), include_str!("licences.txt"));
    }

    #[test]
    fn it_is_small() {
        assert!(DEFLATED.len() <= 8 << 10, "{} bytes", DEFLATED.len());
    }
}
