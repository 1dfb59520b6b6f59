//! Two requests that are answered in the opposite order.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long one that stays alone is kept.
const PATIENCE: Duration = Duration::from_secs(3);

/// The one that waits, if one does.
#[derive(Default)]
pub(super) struct Swap(Mutex<Option<oneshot::Sender<()>>>);

/// The second one of two. When it is dropped, it has been answered, and the first one goes on.
pub(super) struct Second {
    _first: oneshot::Sender<()>,
}

impl Swap {
    /// The first one returns late and with nothing, the second one at once.
    pub(super) async fn enter(&self) -> Option<Second> {
        let released = {
            let mut waiting = self.0.lock().unwrap();
            // One that has gone on by itself waits no more.
            if let Some(first) = waiting.take().filter(|first| !first.is_closed()) {
                return Some(Second { _first: first });
            }
            let (first, released) = oneshot::channel();
            *waiting = Some(first);
            released
        };
        // Released when the other end is dropped.
        let _ = timeout(PATIENCE, released).await;
        None
    }
}
