//! What the client asks for credentials.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::SystemTime;

use smol::Timer;
use smol::lock::Mutex;

use super::refresh::{Failures, PAUSE, Step, Validity, is_within, step};
use super::remote::Remote;
use super::{Credentials, CredentialsError, Files, Lease, Server, Source};
use crate::blocking::unblock;
use crate::clock::{Clock, Moment};
use crate::s3::{Io, Retry};

/// Gives the credentials of a source as they are now.
///
/// Files are read before each use. A server is asked when its credentials are about to end, by one
/// at a time; those that were there are used until they have ended.
pub struct Provider {
    source: Source,
    clock: Clock,
    remote: Remote,
    retry: Retry,
    known: RefCell<Known>,
    /// Held while a server is asked.
    flight: Mutex<()>,
}

/// What a server has said.
#[derive(Default)]
struct Known {
    held: Option<(Rc<Credentials>, Validity)>,
    failed: Option<(CredentialsError, Failures)>,
}

/// What is to be done for whoever wants a server's credentials.
enum Wanted {
    /// Nothing: this is the answer.
    Settled(Result<Rc<Credentials>, CredentialsError>),
    /// New ones are wanted, but these are still good.
    Early(Rc<Credentials>),
    /// New ones are wanted.
    Now,
}

impl Provider {
    /// Nothing is read or asked before credentials are wanted.
    pub fn new(source: Source, io: &Io, retry: Retry) -> Self {
        Self {
            source,
            clock: io.clock.as_clock(),
            remote: Remote::new(io),
            retry,
            known: RefCell::default(),
            flight: Mutex::new(()),
        }
    }

    /// The credentials to sign with now.
    pub async fn current(&self) -> Result<Rc<Credentials>, CredentialsError> {
        match &self.source {
            Source::Fixed(credentials) => Ok(credentials.clone()),
            Source::Files(files) => self.read(files).await.map(Rc::new),
            Source::Server(server) => self.renewed(server).await,
        }
    }

    /// When the credentials end that were given last, where they do and that is known.
    pub fn expiry(&self) -> Option<SystemTime> {
        self.known.borrow().held.as_ref().and_then(|(_, validity)| validity.expires)
    }

    /// S3 has refused these credentials: looks whether the source has others by now. Where it has,
    /// [`Provider::current`] gives them, and the request can be signed and sent again.
    pub async fn rejected(&self, used: &Credentials) -> bool {
        match &self.source {
            Source::Fixed(_) => false,
            Source::Files(files) => self.read(files).await.is_ok_and(|now| now != *used),
            Source::Server(server) => {
                let _flight = self.flight.lock().await;
                if self.held().is_some_and(|held| *held != *used) {
                    return true;
                }
                !self.was_asked_just_now()
                    && self.ask(server, self.retry.tries).await.is_ok_and(|now| *now != *used)
            }
        }
    }

    async fn read(&self, files: &Files) -> Result<Credentials, CredentialsError> {
        let files = files.clone();
        let read = unblock(move || files.read()).await;
        read.map_err(|reason| CredentialsError::new(&self.source, reason))
    }

    /// A server's credentials, asked for where those that are there end soon or have ended.
    async fn renewed(&self, server: &Server) -> Result<Rc<Credentials>, CredentialsError> {
        let mut flight = self.flight.try_lock();
        loop {
            match (self.wanted(), &flight) {
                (Wanted::Settled(answer), _) => return answer,
                // Somebody is asking already.
                (Wanted::Early(held), None) => return Ok(held),
                // Whoever is asking may bring what is wanted, so this is looked at again.
                (Wanted::Now, None) => flight = Some(self.flight.lock().await),
                (Wanted::Now, Some(_)) => return self.ask(server, self.retry.tries).await,
                // The next one that wants them asks again.
                (Wanted::Early(held), Some(_)) => {
                    return Ok(self.ask(server, 1).await.unwrap_or_else(|error| {
                        log::error!("{error}; the previous ones are used until they end");
                        held
                    }));
                }
            }
        }
    }

    /// Asks a server, and keeps what comes of it.
    async fn ask(&self, server: &Server, tries: u32) -> Result<Rc<Credentials>, CredentialsError> {
        let mut failed = 0;
        let result = loop {
            match server.ask(&self.remote).await {
                Err(reason) if reason.is_transient() && failed + 1 < tries => {
                    failed += 1;
                    Timer::after(self.retry.delay(failed, fastrand::u32(..))).await;
                }
                result => break result,
            }
        };
        let now = (self.clock)();
        let mut known = self.known.borrow_mut();
        match result {
            Ok(Lease { credentials, expires }) => {
                log::info!("{} gave credentials{}", self.source, Until(expires));
                let credentials = Rc::new(credentials);
                known.held = Some((credentials.clone(), Validity { obtained: now, expires }));
                known.failed = None;
                Ok(credentials)
            }
            Err(reason) => {
                let error = CredentialsError::new(&self.source, reason);
                let count = known.failed.as_ref().map_or(0, |(_, failures)| failures.count);
                let failures = Failures { at: now, count: count.saturating_add(1) };
                known.failed = Some((error.clone(), failures));
                Err(error)
            }
        }
    }

    fn wanted(&self) -> Wanted {
        let Known { held, failed } = &*self.known.borrow();
        let validity = held.as_ref().map(|(_, validity)| *validity);
        let failures = failed.as_ref().map(|(_, failures)| *failures);
        match (step((self.clock)(), validity, failures), held, failed) {
            (Step::Use, Some((held, _)), _) => Wanted::Settled(Ok(held.clone())),
            (Step::Fail, _, Some((error, _))) => Wanted::Settled(Err(error.clone())),
            (Step::RefreshEarly, Some((held, _)), _) => Wanted::Early(held.clone()),
            _ => Wanted::Now,
        }
    }

    fn held(&self) -> Option<Rc<Credentials>> {
        self.known.borrow().held.as_ref().map(|(credentials, _)| credentials.clone())
    }

    fn was_asked_just_now(&self) -> bool {
        let (known, now) = (self.known.borrow(), (self.clock)());
        let obtained = known.held.as_ref().map(|(_, validity)| validity.obtained);
        let failed = known.failed.as_ref().map(|(_, failures)| failures.at);
        [obtained, failed].into_iter().flatten().any(|then| is_within(PAUSE, then, now))
    }
}

/// The end of credentials, as a phrase for the log.
struct Until(Option<SystemTime>);

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, " until {}", Moment::from(time)),
            None => Ok(()),
        }
    }
}
