//! Work that blocks or takes long, on threads that may.

use std::sync::{Arc, Mutex, PoisonError};

use smol::Task;

/// Does the work on another thread, and gives its result.
///
/// All work is one type to the executor, whose code is linked once, not once for each.
pub async fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let result = Arc::new(Mutex::new(None));
    let place = result.clone();
    let task = begin(Box::new(move || {
        let done = work();
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
    }));
    // Where the work panics, so does this.
    task.await;
    let done = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    match done {
        Some(done) => done,
        None => std::future::pending().await,
    }
}

/// Does the work on another thread.
pub fn begin(work: Box<dyn FnOnce() + Send>) -> Task<()> {
    smol::unblock(work)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn work_is_done_on_another_thread() {
        let here = thread::current().id();
        let there = smol::block_on(unblock(|| thread::current().id()));
        assert_ne!(there, here);
    }

    #[test]
    #[should_panic(expected = "as ordered")]
    fn a_panic_is_passed_on() {
        smol::block_on(unblock(|| panic!("as ordered")));
    }
}
