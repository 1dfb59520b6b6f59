//! Which request gets which fault.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::fault::Fault;
use crate::http_head::RequestHead;
use crate::s3::Method;

/// Which requests a fault is for.
#[derive(Clone, Debug)]
pub struct Wanted {
    method: Method,
    target: String,
    reused: bool,
}

impl Wanted {
    /// Those with this in their target, such as `partNumber=2`.
    pub fn target(method: Method, part: &str) -> Wanted {
        Wanted { target: part.to_owned(), ..Wanted::from(method) }
    }

    /// Those on a connection that has carried a request before. With [`Fault::Unanswered`] it is
    /// one that the server closed while it was idle.
    pub fn reused(method: Method) -> Wanted {
        Wanted { reused: true, ..Wanted::from(method) }
    }

    fn matches(&self, head: &RequestHead, reused: bool) -> bool {
        self.method.is(&head.method)
            && head.target.contains(&self.target)
            && (reused || !self.reused)
    }
}

impl From<Method> for Wanted {
    fn from(method: Method) -> Wanted {
        Wanted { method, target: String::new(), reused: false }
    }
}

/// Faults that wait for their requests, and calls that wait for theirs.
#[derive(Default)]
pub(super) struct Plan {
    rules: Mutex<Vec<Rule>>,
    calls: Mutex<BTreeMap<usize, Vec<Call>>>,
}

type Call = Box<dyn FnOnce() + Send>;

struct Rule {
    wanted: Wanted,
    fault: Fault,
    /// How often it is still to be applied; `None` is for ever.
    times: Option<usize>,
}

impl Plan {
    pub(super) fn push(&self, times: Option<usize>, wanted: Wanted, fault: Fault) {
        self.rules.lock().unwrap().push(Rule { wanted, fault, times });
    }

    pub(super) fn clear(&self) {
        self.rules.lock().unwrap().clear();
    }

    pub(super) fn call_before(&self, number: usize, call: Call) {
        self.calls.lock().unwrap().entry(number).or_default().push(call);
    }

    /// Makes the calls that wait for the request with this number.
    pub(super) fn arrived(&self, number: usize) {
        // A call may order faults, and other calls.
        let calls = self.calls.lock().unwrap().remove(&number);
        for call in calls.into_iter().flatten() {
            call();
        }
    }

    /// The fault of a request: first those that are counted, then those that are for ever.
    pub(super) fn take(&self, head: &RequestHead, reused: bool) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        rules.retain(|rule| rule.times != Some(0));
        let mut fits = rules.iter_mut().filter(|rule| rule.wanted.matches(head, reused));
        let mut lasting = None;
        let counted = fits.find_map(|rule| match &mut rule.times {
            Some(times) => {
                *times -= 1;
                Some(rule.fault.clone())
            }
            None => {
                lasting.get_or_insert_with(|| rule.fault.clone());
                None
            }
        });
        counted.or(lasting)
    }
}
