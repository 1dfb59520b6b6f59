//! What all retries of the process may cost together.

use std::cell::Cell;

use super::super::error::Cause;

/// A bucket of tokens: a try after a failure takes some out, a success puts some back. While it is
/// empty nothing is tried again, so that a server that is down is not held down by its clients.
///
/// Size and prices are those of the AWS SDKs ("Retry behavior", AWS SDKs and Tools Reference Guide).
#[derive(Debug)]
pub struct RetryBudget {
    tokens: Cell<u32>,
}

impl Default for RetryBudget {
    /// A full one.
    fn default() -> Self {
        Self { tokens: Cell::new(Self::CAPACITY) }
    }
}

impl RetryBudget {
    const CAPACITY: u32 = 500;
    const RETRY: u32 = 5;
    const TIMEOUT: u32 = 10;
    const SUCCESS: u32 = 1;

    /// Takes out what another try after `cause` costs. None where there is not enough: then there
    /// must be none.
    pub(in crate::s3) fn take(&self, cause: &Cause) -> Option<u32> {
        let cost = if matches!(cause, Cause::Timeout(..)) { Self::TIMEOUT } else { Self::RETRY };
        self.tokens.set(self.tokens.get().checked_sub(cost)?);
        Some(cost)
    }

    /// A request succeeded, after a try that had cost this, or at once.
    pub(in crate::s3) fn give_back(&self, cost: Option<u32>) {
        let tokens = self.tokens.get() + cost.unwrap_or(Self::SUCCESS);
        self.tokens.set(tokens.min(Self::CAPACITY));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::*;
    use crate::s3::Phase;

    fn failure() -> Cause {
        Cause::Resolve(io::ErrorKind::TimedOut.into())
    }

    #[test]
    fn ends_and_comes_back() {
        let budget = RetryBudget::default();
        assert_eq!(std::iter::from_fn(|| budget.take(&failure())).count(), 100);
        for _ in 0..4 {
            budget.give_back(None);
            assert_eq!(budget.take(&failure()), None);
        }
        budget.give_back(None);
        let cost = budget.take(&failure());
        assert_eq!(cost, Some(5));
        budget.give_back(cost);
        assert_eq!(budget.take(&failure()), Some(5));
    }

    #[test]
    fn timeouts_cost_twice_as_much() {
        let budget = RetryBudget::default();
        let timeout = Cause::Timeout(Phase::Connect, Duration::from_secs(1));
        assert_eq!(std::iter::from_fn(|| budget.take(&timeout)).count(), 50);
    }

    #[test]
    fn it_is_never_more_than_full() {
        let budget = RetryBudget::default();
        (0..1_000).for_each(|_| budget.give_back(Some(10)));
        assert_eq!(std::iter::from_fn(|| budget.take(&failure())).count(), 100);
    }
}
