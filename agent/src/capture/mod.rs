//! Captured data: accepted at once, written in the background.

mod manifest;
mod writer;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::configuration::{CaptureConfiguration, Configuration, Destination};
use crate::log::Log;
use crate::model_name::ModelName;
use crate::tensor::CheckedTensor;
use crate::wire::{CaptureDataStatus, Encoding};

/// How many finished captures are remembered; of those before them the status is NOT_FOUND.
const REMEMBERED: usize = 4096;

/// One inference, as a client wants it kept.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) id: Uuid,
    pub(crate) model: ModelName,
    /// UTC.
    pub(crate) inference_time: OffsetDateTime,
    pub(crate) input_tensors: Vec<CheckedTensor>,
    pub(crate) output_tensors: Vec<CheckedTensor>,
    pub(crate) inputs: Vec<Auxiliary>,
    pub(crate) outputs: Vec<Auxiliary>,
}

/// Data beside the tensors, a picture or a label for example.
#[derive(Debug)]
pub(crate) struct Auxiliary {
    pub(crate) name: String,
    pub(crate) encoding: Encoding,
    pub(crate) data: Bytes,
}

/// Accepts captures and knows what became of them.
#[derive(Debug)]
pub(crate) struct Captures {
    shared: Arc<Shared>,
    buffer_size: usize,
    /// Whether captures would go to a cloud.
    cloud: bool,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Captures {
    /// Starts the thread that writes.
    pub(crate) fn start(configuration: &Configuration, log: Log) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let CaptureConfiguration { destination, buffer_size, .. } = &configuration.capture;
        let writer = match destination {
            Destination::Cloud => None,
            Destination::Disk(directory) => {
                let writer = writer::Writer {
                    directory: directory.join(&configuration.fleet),
                    device: configuration.device.clone(),
                    fleet: configuration.fleet.clone(),
                    embed_limit: configuration.capture.embed_limit,
                };
                let shared = shared.clone();
                let batch_size = configuration.capture.batch_size;
                let push_period = configuration.capture.push_period;
                let write = move || {
                    while let Some(batch) = shared.next_batch(batch_size, push_period) {
                        for capture in batch {
                            let result = writer.write(&capture);
                            if let Err(error) = &result {
                                log.warning(format_args!("capture {}: {error}", capture.id));
                            }
                            shared.finish(capture.id, result.is_ok());
                        }
                    }
                };
                Some(std::thread::Builder::new().name("capture".to_owned()).spawn(write)?)
            }
        };
        Ok(Self {
            shared,
            buffer_size: *buffer_size,
            cloud: writer.is_none(),
            writer: Mutex::new(writer),
        })
    }

    /// Takes a capture to be written later.
    pub(crate) fn submit(&self, capture: Capture) -> Result<(), CaptureError> {
        if self.cloud {
            return Err(CaptureError::Cloud);
        }
        let mut state = self.shared.state();
        if state.statuses.contains_key(&capture.id) {
            return Err(CaptureError::SameId(capture.id));
        }
        if state.unfinished >= self.buffer_size {
            return Err(CaptureError::Full(self.buffer_size));
        }
        state.unfinished += 1;
        state.statuses.insert(capture.id, CaptureDataStatus::InProgress);
        state.ring.push_back((Instant::now(), capture));
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// What became of a capture.
    pub(crate) fn status(&self, id: Uuid) -> CaptureDataStatus {
        let state = self.shared.state();
        state.statuses.get(&id).copied().unwrap_or(CaptureDataStatus::NotFound)
    }

    /// Writes what is still waiting, then ends the thread.
    pub(crate) fn flush(&self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A thread that panicked has nothing left that could be waited for.
            let _ = writer.join();
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// With the time when each came.
    ring: VecDeque<(Instant, Capture)>,
    /// Those in the ring and those being written: all whose data is in memory.
    unfinished: usize,
    statuses: HashMap<Uuid, CaptureDataStatus>,
    /// In the order they finished.
    finished: VecDeque<Uuid>,
    closed: bool,
}

impl Shared {
    /// Waits until a batch is complete, or its oldest capture has waited for the period. None when
    /// closed and nothing is left.
    fn next_batch(&self, batch_size: usize, push_period: Duration) -> Option<Vec<Capture>> {
        let mut state = self.state();
        loop {
            let oldest = state.ring.front().map(|(came, _)| came.elapsed());
            let left = match oldest {
                None if state.closed => return None,
                None => None,
                Some(age) => Some(push_period.saturating_sub(age)),
            };
            let due = left.is_some_and(|left| left.is_zero());
            if due || state.ring.len() >= batch_size || state.closed {
                let count = batch_size.min(state.ring.len());
                return Some(state.ring.drain(..count).map(|(_, capture)| capture).collect());
            }
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let woken = self.changed.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn finish(&self, id: Uuid, written: bool) {
        let status = if written { CaptureDataStatus::Success } else { CaptureDataStatus::Failure };
        let mut state = self.state();
        state.unfinished = state.unfinished.saturating_sub(1);
        state.statuses.insert(id, status);
        state.finished.push_back(id);
        if state.finished.len() > REMEMBERED
            && let Some(oldest) = state.finished.pop_front()
        {
            state.statuses.remove(&oldest);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A capture was not accepted.
#[derive(Debug)]
pub(crate) enum CaptureError {
    Cloud,
    SameId(Uuid),
    Full(usize),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cloud => f.write_str(
                "no network: captures are configured to go to the cloud, which this agent never \
                 talks to; set sagemaker_edge_core_capture_data_destination to Disk",
            ),
            Self::SameId(id) => write!(f, "a capture with the id {id} was already given"),
            Self::Full(size) => write!(
                f,
                "{size} captures are waiting to be written, which is the buffer's size: try again"
            ),
        }
    }
}

impl std::error::Error for CaptureError {}

/// A file of a capture could not be written.
#[derive(Debug)]
pub(crate) struct WriteError {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write {}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(id: u128) -> Capture {
        Capture {
            id: Uuid::from_u128(id),
            model: ModelName::parse("m").unwrap(),
            inference_time: OffsetDateTime::UNIX_EPOCH,
            input_tensors: Vec::new(),
            output_tensors: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// With nobody who writes.
    fn captures() -> Captures {
        Captures { shared: Arc::default(), buffer_size: 3, cloud: false, writer: Mutex::default() }
    }

    const LONG: Duration = Duration::from_secs(3600);

    fn ids(batch: Option<Vec<Capture>>) -> Option<Vec<u128>> {
        batch.map(|batch| batch.iter().map(|capture| capture.id.as_u128()).collect())
    }

    #[test]
    fn batches_are_complete_due_or_the_last() {
        let captures = captures();
        for id in 1..=3 {
            captures.submit(capture(id)).unwrap();
        }
        assert_eq!(ids(captures.shared.next_batch(2, LONG)), Some(vec![1, 2]));
        assert_eq!(ids(captures.shared.next_batch(2, Duration::ZERO)), Some(vec![3]));
        for id in 1..=3 {
            captures.shared.finish(Uuid::from_u128(id), true);
        }
        captures.submit(capture(4)).unwrap();
        captures.shared.state().closed = true;
        assert_eq!(ids(captures.shared.next_batch(2, LONG)), Some(vec![4]));
        assert_eq!(ids(captures.shared.next_batch(2, LONG)), None);
    }

    #[test]
    fn the_ring_is_full_until_a_capture_is_written() {
        let captures = captures();
        for id in 1..=3 {
            captures.submit(capture(id)).unwrap();
        }
        captures.shared.next_batch(1, LONG);
        assert!(matches!(captures.submit(capture(4)), Err(CaptureError::Full(3))));
        assert_eq!(captures.status(Uuid::from_u128(4)), CaptureDataStatus::NotFound);
        captures.shared.finish(Uuid::from_u128(1), false);
        assert_eq!(captures.status(Uuid::from_u128(1)), CaptureDataStatus::Failure);
        captures.submit(capture(4)).unwrap();
        assert_eq!(captures.status(Uuid::from_u128(4)), CaptureDataStatus::InProgress);
    }

    #[test]
    fn only_the_latest_are_remembered() {
        let captures = captures();
        for id in 0..=REMEMBERED as u128 {
            captures.shared.finish(Uuid::from_u128(id), true);
        }
        assert_eq!(captures.status(Uuid::from_u128(0)), CaptureDataStatus::NotFound);
        assert_eq!(captures.status(Uuid::from_u128(1)), CaptureDataStatus::Success);
        assert_eq!(captures.shared.state().statuses.len(), REMEMBERED);
    }
}
