//! Bodies of answers that should be small.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::within;
use crate::s3::error::{Cause, Phase};

/// How reading a body ended.
pub(in crate::s3) enum End {
    /// That was all of it.
    Whole,
    /// There is as much of it as was wanted at most, or more.
    Limit,
    /// No more of it came.
    Failed(Cause),
}

/// The beginning of a body, at most `limit` bytes, and how it ended. The body may pause for `stall`.
pub(in crate::s3) async fn read_up_to(
    mut body: Incoming,
    limit: usize,
    stall: Duration,
) -> (Vec<u8>, End) {
    let mut read = Vec::new();
    loop {
        match within(stall, body.frame()).await {
            Some(None) => return (read, End::Whole),
            Some(Some(Ok(frame))) => {
                // Trailers are of no interest.
                if let Ok(data) = frame.into_data() {
                    let room = limit - read.len();
                    read.extend_from_slice(data.get(..room).unwrap_or(&data));
                }
                if read.len() >= limit {
                    return (read, End::Limit);
                }
            }
            Some(Some(Err(error))) => return (read, End::Failed(Cause::Connection(error))),
            None => return (read, End::Failed(Cause::Timeout(Phase::Body, stall))),
        }
    }
}
