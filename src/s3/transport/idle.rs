//! Connections that wait for the next request.

use std::cell::RefCell;

use super::{Connection, Timeouts};
use crate::s3::origin::Origin;

/// At most as many idle connections as a transfer uses at once, whatever they are connected to: what
/// is idle costs memory here and a slot at the server.
#[derive(Default)]
pub(in crate::s3) struct IdleConnections(RefCell<Vec<Connection>>);

impl IdleConnections {
    const LIMIT: usize = 4;

    /// Takes the connection to `origin`, if there is one that seems to be usable. The server may
    /// be closing it at this very moment.
    pub(in crate::s3) async fn take(
        &self,
        origin: &Origin,
        timeouts: &Timeouts,
    ) -> Option<Connection> {
        let mut connection = {
            let mut idle = self.0.borrow_mut();
            idle.retain(|connection| !connection.is_closed());
            // The one that was used last is the least likely to have been closed meanwhile.
            let index = idle.iter().rposition(|connection| connection.origin() == origin)?;
            idle.remove(index)
        };
        connection.is_ready(timeouts).await.then_some(connection)
    }

    /// Keeps a connection whose answer has been read to its end.
    pub(in crate::s3) fn keep(&self, connection: Connection) {
        let mut idle = self.0.borrow_mut();
        idle.retain(|other| !other.is_closed());
        if connection.is_closed() {
            return;
        }
        if idle.len() >= Self::LIMIT {
            idle.remove(0);
        }
        idle.push(connection);
    }
}
