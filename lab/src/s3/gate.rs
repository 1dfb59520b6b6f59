//! A point that a request waits at until a test lets it go on.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A handle to a held request; clones are the same gate. See [`Fault::Hold`](super::Fault::Hold).
///
/// A gate that is never released holds its request until the client or the stand-in leaves.
#[derive(Clone, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reached: bool,
    released: bool,
    waker: Option<Waker>,
}

/// A test that waits this long for a request has failed.
const PATIENCE: Duration = Duration::from_secs(60);

impl Gate {
    /// A closed gate.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Blocks until a request waits at the gate: all bytes before it have been handed to the
    /// system (an answer) or have come from the client (an upload).
    ///
    /// # Panics
    ///
    /// When no request has come after a minute.
    pub fn reached(&self) {
        let state = self.0.state.lock().unwrap();
        let (_state, wait) =
            self.0.changed.wait_timeout_while(state, PATIENCE, |state| !state.reached).unwrap();
        assert!(!wait.timed_out(), "no request reached the gate in {PATIENCE:?}");
    }

    /// Whether a request waits at the gate, or has.
    pub fn is_reached(&self) -> bool {
        self.0.state.lock().unwrap().reached
    }

    /// Lets the request go on, now or when it comes.
    pub fn release(&self) {
        let mut state = self.0.state.lock().unwrap();
        state.released = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Reports that a request is here; ready once it may go on.
    pub(crate) fn poll_pass(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.state.lock().unwrap();
        state.reached = true;
        self.0.changed.notify_all();
        if state.released {
            return Poll::Ready(());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}
