//! A bound on how many commands of a kind run at once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use smol::lock::{Mutex, MutexGuardArc};

use super::error::Error;
use crate::model_name::ModelName;

/// So many places; who finds none is told at once.
#[derive(Debug)]
pub(super) struct Places {
    free: Rc<Cell<usize>>,
    what: &'static str,
}

impl Places {
    /// `count` places for `what`, a plural.
    pub(super) fn new(count: usize, what: &'static str) -> Self {
        Self { free: Rc::new(Cell::new(count)), what }
    }

    /// Takes a place until the result is dropped.
    pub(super) fn take(&self) -> Result<Place, Error> {
        let left = self.free.get().checked_sub(1).ok_or(Error::Busy(self.what))?;
        self.free.set(left);
        Ok(Place(self.free.clone()))
    }
}

/// A place that is taken.
#[derive(Debug)]
pub(super) struct Place(Rc<Cell<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Turns that commands on one model's files take.
#[derive(Debug, Default)]
pub(super) struct Turns(RefCell<HashMap<ModelName, std::sync::Arc<Mutex<()>>>>);

impl Turns {
    /// Waits until no other command works on this model.
    pub(super) async fn wait(&self, name: &ModelName) -> MutexGuardArc<()> {
        self.of(name).lock_arc().await
    }

    /// The turn, if no command works on this model.
    pub(super) fn take(&self, name: &ModelName) -> Option<MutexGuardArc<()>> {
        self.of(name).try_lock_arc()
    }

    fn of(&self, name: &ModelName) -> std::sync::Arc<Mutex<()>> {
        let mut turns = self.0.borrow_mut();
        // Those that nobody has or waits for.
        turns.retain(|_, turn| std::sync::Arc::strong_count(turn) > 1);
        turns.entry(name.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let places = Places::new(1, "predictions");
        let place = places.take().unwrap();
        assert!(places.take().is_err_and(|error| error.to_string().contains("predictions")));
        drop(place);
        assert!(places.take().is_ok());
    }

    #[test]
    fn one_model_is_worked_on_by_one_command() {
        let turns = Turns::default();
        let (a, b) = (ModelName::parse("a").unwrap(), ModelName::parse("b").unwrap());
        let first = block_on(turns.wait(&a));
        assert!(block_on(poll_once(turns.wait(&a))).is_none());
        assert!(block_on(poll_once(turns.wait(&b))).is_some());
        assert!(turns.take(&a).is_none() && turns.take(&b).is_some());
        drop(first);
        assert!(block_on(poll_once(turns.wait(&a))).is_some());
        assert!(turns.0.borrow().len() <= 2);
    }
}
