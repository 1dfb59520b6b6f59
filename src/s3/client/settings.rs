//! What a client is told, and what it needs of the world.

use std::rc::Rc;

use smol::LocalExecutor;

use crate::clock::{Clock, CorrectedClock};
use crate::s3::credentials::Credentials;
use crate::s3::endpoint::Endpoint;
use crate::s3::proxy::Proxies;
use crate::s3::retry::{Retry, RetryBudget};
use crate::s3::transport::{Roots, Timeouts};
use crate::s3::{BucketOwner, Region};

/// Where a client goes, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// AWS, or a server of one's own.
    pub endpoint: Endpoint,
    /// What requests are signed for, and which of AWS's endpoints they go to, as long as a server
    /// does not name another region for the bucket.
    pub region: Region,
    /// The account that buckets have to belong to.
    pub bucket_owner: Option<BucketOwner>,
    /// What requests are signed with.
    pub credentials: Credentials,
    /// How long the client waits.
    pub timeouts: Timeouts,
    /// How often a request is made.
    pub retry: Retry,
}

/// What a client needs of the world. Clones share what was learned of it, so that one client's
/// successor knows it too.
#[derive(Clone)]
pub struct Io {
    /// Drives the connections.
    pub executor: Rc<LocalExecutor<'static>>,
    /// The time that requests are signed for.
    pub clock: CorrectedClock,
    /// Who may vouch for a server.
    pub roots: Roots,
    /// What is between here and there.
    pub network: Network,
    /// What retries may cost.
    pub budget: Rc<RetryBudget>,
}

/// What is between a client and its server, as the operator describes it.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// The proxies.
    pub proxies: Proxies,
    /// Whether a certificate may be judged by the time that a server tells, where it is not valid at
    /// the gateway's own. Who holds an expired certificate with its key can then pose as the server.
    pub trust_learned_time: bool,
}

impl Io {
    /// The world of a process, nothing of which has been learned yet.
    pub fn new(
        executor: Rc<LocalExecutor<'static>>,
        clock: Clock,
        roots: Roots,
        network: Network,
    ) -> Self {
        let clock = CorrectedClock::new(clock);
        Self { executor, clock, roots, network, budget: Rc::default() }
    }
}
