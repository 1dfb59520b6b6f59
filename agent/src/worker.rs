//! A thread of its own for work that takes long.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::{mpsc, oneshot};

/// A thread that does one piece of work after the other, in the order they came.
///
/// Work whose caller has gone before its turn came is skipped. Work that panics fails alone: the
/// thread goes on.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    queue: mpsc::Sender<Box<dyn FnOnce() + Send>>,
}

impl Worker {
    /// Starts the thread. `waiting` pieces of work wait in the queue; further callers wait to
    /// enter it.
    pub(crate) fn start(name: &str, waiting: usize) -> io::Result<Self> {
        let (queue, mut work) = mpsc::channel::<Box<dyn FnOnce() + Send>>(waiting);
        std::thread::Builder::new()
            .name(name.to_owned())
            // A graph's nodes are walked recursively in places: deep models need deep stacks.
            .stack_size(32 << 20)
            .spawn(move || {
                while let Some(work) = work.blocking_recv() {
                    work();
                }
            })?;
        Ok(Self { queue })
    }

    /// Does `work` when its turn comes. Dropping the future before that leaves it undone.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkFailed> {
        let (reply, result) = oneshot::channel();
        let turn = move || {
            if reply.is_closed() {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(WorkFailed::from_panic);
            // A caller that has gone meanwhile has no use for the outcome.
            let _ = reply.send(outcome);
        };
        self.queue
            .send(Box::new(turn))
            .await
            .map_err(|_| WorkFailed("the thread has ended".to_owned()))?;
        result.await.unwrap_or_else(|_| Err(WorkFailed("the thread has ended".to_owned())))
    }
}

/// A piece of work panicked, or its thread is gone.
#[derive(Debug)]
pub(crate) struct WorkFailed(String);

impl WorkFailed {
    fn from_panic(payload: Box<dyn Any + Send>) -> Self {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        Self(message.unwrap_or("without a message").to_owned())
    }
}

impl fmt::Display for WorkFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine stopped unexpectedly: {}", self.0)
    }
}

impl std::error::Error for WorkFailed {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc as std_mpsc};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn work_is_done_in_order_and_a_panic_fails_alone() {
        runtime().block_on(async {
            let worker = Worker::start("test", 4).unwrap();
            assert_eq!(worker.run(|| 1).await.unwrap(), 1);
            let failure = worker.run(|| panic!("boom")).await.unwrap_err();
            assert!(failure.to_string().contains("boom"), "{failure}");
            assert_eq!(worker.run(|| 2).await.unwrap(), 2);
        });
    }

    #[test]
    fn work_whose_caller_has_gone_is_skipped() {
        runtime().block_on(async {
            let worker = Worker::start("test", 4).unwrap();
            let (release, released) = std_mpsc::channel::<()>();
            let blocking = {
                let worker = worker.clone();
                tokio::spawn(async move { worker.run(move || released.recv().is_ok()).await })
            };
            let done = Arc::new(AtomicBool::new(false));
            let abandoned = {
                let (worker, done) = (worker.clone(), done.clone());
                tokio::spawn(
                    async move { worker.run(move || done.store(true, Ordering::SeqCst)).await },
                )
            };
            // One thread runs all tasks: after this, both have entered the queue.
            tokio::task::yield_now().await;
            abandoned.abort();
            assert!(abandoned.await.unwrap_err().is_cancelled());
            release.send(()).unwrap();
            assert!(blocking.await.unwrap().unwrap());
            worker.run(|| ()).await.unwrap();
            assert!(!done.load(Ordering::SeqCst));
        });
    }
}
