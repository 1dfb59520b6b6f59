//! The body of one answer.

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::content_range::Found;
use crate::s3::Client;
use crate::s3::transport::{Connection, within};

/// A body that is being read; at its end the connection is handed back. Dropped before that, it
/// closes it.
pub(super) struct Body {
    incoming: Incoming,
    connection: Option<Connection>,
    skip: u64,
    /// What has not come yet of what was asked for; None where only the end of the body tells.
    left: Option<u64>,
}

/// Why no more of a body comes.
pub(super) enum Break {
    /// Nothing came for as long as the client waits.
    Stalled,
    /// It ended too early.
    Cut(Option<hyper::Error>),
}

impl Body {
    pub(super) fn new(incoming: Incoming, connection: Connection, found: Found) -> Self {
        let Found { skip, length } = found;
        Self { incoming, connection: Some(connection), skip, left: length }
    }

    /// The next part of what was asked for; None where all of it has come.
    pub(super) async fn next(&mut self, client: &Client) -> Result<Option<Bytes>, Break> {
        loop {
            let frame = match within(client.timeouts().stall, self.incoming.frame()).await {
                None => return Err(Break::Stalled),
                Some(Some(Err(error))) => return Err(Break::Cut(Some(error))),
                Some(Some(Ok(frame))) => frame,
                Some(None) if self.skip > 0 || self.left.is_some_and(|left| left > 0) => {
                    return Err(Break::Cut(None));
                }
                Some(None) => {
                    if let Some(connection) = self.connection.take() {
                        client.idle().keep(connection);
                    }
                    return Ok(None);
                }
            };
            // Trailers are of no interest.
            let Ok(mut data) = frame.into_data() else { continue };
            let skipped = self.skip.min(data.len() as u64);
            data.advance(skipped as usize);
            self.skip -= skipped;
            if let Some(left) = &mut self.left {
                // More than was announced is nothing that was asked for.
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}
