//! One WebSocket to Edge Core.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::tungstenite::{self, Message};
use futures_lite::{FutureExt, StreamExt};
use smol::channel::{Receiver, Sender};
use smol::net::unix::UnixStream;

use super::error::Error;
use super::message::{Call, CloudRequest, Incoming, Refusal, refusal};

/// Edge Core accepts a translator and answers its requests at once, unless a stuck client blocks
/// its handshakes.
const DEADLINE: Duration = Duration::from_secs(5);

/// JSON-RPC's own code for a method that does not exist.
const METHOD_NOT_FOUND: i64 = -32601;

/// A WebSocket to Edge Core, to be driven by [`Connection::pump`].
pub(super) struct Connection {
    socket: WebSocketStream<UnixStream>,
    outgoing: Receiver<Outgoing>,
    link: Rc<Link>,
}

/// The way to say something on a connection while it lasts.
pub(super) struct Link {
    outgoing: Sender<Outgoing>,
    /// Who waits for an answer, by the id of the question: a few at most.
    waiting: RefCell<Vec<(u64, Sender<Answer>)>>,
    next_id: Cell<u64>,
}

/// What Edge Core says to a call.
type Answer = Result<(), Refusal>;

enum Outgoing {
    Text(String),
    /// Edge Core is stuck: give the connection up.
    GiveUp(Error),
}

/// How a connection ended.
pub(super) enum End {
    /// We closed it.
    Closed,
    /// It was lost.
    Lost(Error),
}

impl Connection {
    /// Opens the socket and shakes hands.
    pub(super) async fn open(path: &Path) -> Result<Self, Error> {
        let handshake = async {
            let stream = UnixStream::connect(path)
                .await
                .map_err(|source| Error::Connect { socket: path.to_owned(), source })?;
            // Edge Core wants a Host, and looks at nothing but the path.
            let config = WebSocketConfig::default()
                .read_buffer_size(4096)
                .write_buffer_size(0)
                .max_message_size(Some(1 << 20))
                .max_frame_size(Some(1 << 20));
            async_tungstenite::client_async_with_config("ws://localhost/1/pt", stream, Some(config))
                .await
                .map_err(|source| Error::Handshake(Box::new(source)))
        };
        // A handshake left half-way would block every other client of Edge Core: when the time is
        // up, dropping the future closes the socket.
        let (socket, _) = within(DEADLINE, "the WebSocket handshake", handshake).await??;
        let (sender, outgoing) = smol::channel::unbounded();
        let link = Link { outgoing: sender, waiting: RefCell::default(), next_id: Cell::new(1) };
        Ok(Self { socket, outgoing, link: Rc::new(link) })
    }

    /// What to speak through while [`Connection::pump`] runs.
    pub(super) fn link(&self) -> Rc<Link> {
        self.link.clone()
    }

    /// Carries messages both ways until the connection ends, or `closing` is closed by us.
    pub(super) async fn pump(
        mut self,
        closing: &Receiver<()>,
        on_request: impl Fn(CloudRequest),
    ) -> End {
        enum Next {
            Heard(Option<Result<Message, tungstenite::Error>>),
            Say(Outgoing),
            Close,
        }
        loop {
            let next = async { Next::Heard(self.socket.next().await) }
                .or(async {
                    match self.outgoing.recv().await {
                        Ok(outgoing) => Next::Say(outgoing),
                        Err(_) => std::future::pending().await,
                    }
                })
                .or(async {
                    let _ = closing.recv().await;
                    Next::Close
                })
                .await;
            let outcome = match next {
                Next::Heard(None) => Err(Error::Closed),
                Next::Heard(Some(Ok(message))) => self.heard(message, &on_request).await,
                Next::Heard(Some(Err(source))) => Err(lost(source)),
                Next::Say(Outgoing::Text(text)) => self.say(text).await,
                Next::Say(Outgoing::GiveUp(error)) => Err(error),
                Next::Close => {
                    self.close().await;
                    return End::Closed;
                }
            };
            if let Err(error) = outcome {
                return End::Lost(error);
            }
        }
    }

    /// One message is one text frame: the WebSocket never splits what it sends.
    async fn say(&mut self, text: String) -> Result<(), Error> {
        let sending = self.socket.send(Message::text(text));
        within(DEADLINE, "what was sent to it", sending).await?.map_err(lost)
    }

    async fn heard(
        &mut self,
        message: Message,
        on_request: &impl Fn(CloudRequest),
    ) -> Result<(), Error> {
        let text = match &message {
            Message::Text(text) => text,
            // Edge Core closes with plain end of file; a close frame means the same.
            Message::Close(_) => return Err(Error::Closed),
            _ => return Ok(()),
        };
        match Incoming::parse(text) {
            Ok(Incoming::Request(request)) => on_request(request),
            Ok(Incoming::Answer { id, outcome }) => {
                if let Some(waiting) = self.link.no_longer_waiting(id) {
                    let _ = waiting.try_send(outcome);
                }
                // Who waits for the answer acts on it before the end of the connection, which
                // follows at once where Edge Core refuses a registration.
                smol::future::yield_now().await;
            }
            Ok(Incoming::UnknownMethod { id, method }) => {
                log::error!("Edge Core asked for {method}, which translators do not have");
                let text = refusal(&id, METHOD_NOT_FOUND, "translators only have the method write");
                self.say(text).await?;
            }
            Err(malformed) => {
                log::error!("a message from Edge Core is ignored: {malformed}: {}", excerpt(text));
            }
        }
        Ok(())
    }

    async fn close(&mut self) {
        // What was said before, such as the last results, goes out first.
        while let Ok(Outgoing::Text(text)) = self.outgoing.try_recv() {
            if self.say(text).await.is_err() {
                return;
            }
        }
        let closing = async {
            if self.socket.close(None).await.is_ok() {
                // Until Edge Core closes, too (RFC 6455, section 7.1.1): a socket that goes away
                // with answers unread is a broken one to Edge Core, which may then drop what it
                // was told last.
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        let _ = within(Duration::from_secs(1), "the close", closing).await;
    }
}

impl Drop for Connection {
    /// Who still waits for an answer learns at once that none comes.
    fn drop(&mut self) {
        self.link.waiting.borrow_mut().clear();
    }
}

impl Link {
    /// Asks Edge Core for something and waits for its answer. When none comes in time the
    /// connection is given up.
    pub(super) async fn call(&self, call: &Call<'_>, name: &str) -> Result<(), Error> {
        let id = self.next_id.replace(self.next_id.get() + 1);
        let (answer, answered) = smol::channel::bounded(1);
        self.waiting.borrow_mut().push((id, answer));
        self.say(call.encode(id));
        let method = call.method();
        let outcome = within(DEADLINE, method, answered.recv()).await;
        self.no_longer_waiting(id);
        match outcome {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(refusal))) => Err(Error::Refused { method, refusal, name: name.to_owned() }),
            Ok(Err(_)) => Err(Error::Closed),
            Err(no_answer) => {
                let _ = self.outgoing.try_send(Outgoing::GiveUp(no_answer));
                Err(Error::NoAnswer { to: method, seconds: DEADLINE.as_secs() })
            }
        }
    }

    fn no_longer_waiting(&self, id: u64) -> Option<Sender<Answer>> {
        let mut waiting = self.waiting.borrow_mut();
        let index = waiting.iter().position(|(waiting, _)| *waiting == id)?;
        Some(waiting.swap_remove(index).1)
    }

    /// Sends a message without waiting. On a connection that has ended it goes nowhere.
    pub(super) fn say(&self, text: String) {
        let _ = self.outgoing.try_send(Outgoing::Text(text));
    }

    /// Ends the connection, so that everything is registered anew on the next.
    pub(super) fn give_up(&self, reason: Error) {
        let _ = self.outgoing.try_send(Outgoing::GiveUp(reason));
    }
}

async fn within<T>(
    deadline: Duration,
    to: &'static str,
    future: impl Future<Output = T>,
) -> Result<T, Error> {
    let too_late = async {
        smol::Timer::after(deadline).await;
        Err(Error::NoAnswer { to, seconds: deadline.as_secs() })
    };
    async { Ok(future.await) }.or(too_late).await
}

fn lost(source: tungstenite::Error) -> Error {
    use tungstenite::Error::{AlreadyClosed, ConnectionClosed, Protocol};
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    match source {
        ConnectionClosed | AlreadyClosed | Protocol(ResetWithoutClosingHandshake) => Error::Closed,
        other => Error::Broken(Box::new(other)),
    }
}

/// The beginning of a message, for a log line.
fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_lite::future::{block_on, poll_once, zip};
    use smol::net::unix::UnixListener;

    use super::*;

    #[test]
    fn a_close_is_over_when_both_have_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("edge.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let accepting = async {
            let (stream, _) = listener.accept().await.unwrap();
            async_tungstenite::accept_async(stream).await.unwrap()
        };
        block_on(async {
            let (connection, mut edge_core) = zip(Connection::open(&path), accepting).await;
            let (close, closing) = smol::channel::bounded(1);
            close.close();
            let mut pumping = pin!(connection.unwrap().pump(&closing, |_| {}));
            assert!(poll_once(&mut pumping).await.is_none());
            // Edge Core's answer to something that was asked before.
            edge_core.send(Message::text("{}")).await.unwrap();
            assert!(matches!(edge_core.next().await, Some(Ok(Message::Close(None)))));
            // The answer to the close goes out, and then this side ends.
            assert!(poll_once(edge_core.next()).await.is_none_or(|heard| heard.is_none()));
            drop(edge_core);
            assert!(matches!(pumping.await, End::Closed));
        });
    }
}
