//! The control socket: how somebody on the gateway asks the running translator something.
//!
//! A unix stream socket at `SAPT_CONTROL_SOCKET`, for the user that the translator runs as and for
//! root. JSON-RPC 2.0, one request a line, one reply a line; a connection may be used for several
//! requests, which are done in turn. Who wants several at once opens several connections.
//!
//! | method | result |
//! |---|---|
//! | `health` | `{"alive":true,"detail":"alive: …"}`: the process's loops and its threads for work that blocks turn |
//! | `ready` | `{"ready":BOOL,"detail":"…","registered":BOOL,"edge_core":"…"}`: whether the device is registered with Edge Core and the agent answers |
//!
//! Every other request is a command as the cloud POSTs it to 5701. It counts, waits and is refused
//! as any other, and is done whether or not who asked for it is still there. Its reply comes when it
//! is done, always as a JSON-RPC 2.0 response: `result`, where there is more to tell
//! `{"response":…,"details":…}`; or `error` with the stable code in `data.code`.
//!
//! Before the reply there may be lines without an id, at most one a second and only where something
//! has changed:
//!
//! ```json
//! {"jsonrpc":"2.0","method":"progress","params":{"id":"1","method":"loadModel","phase":"pulling","bytes":1048576,"total":8388608,"rate":524288}}
//! ```
//!
//! A line has at most 1 MiB. A connection without a request is closed after a while, and sooner where
//! others want its place.
//!
//! `socket` is the file and who may connect, `line` cuts what comes into lines, [`Server`] answers,
//! `health` has the words; `client` is the other end, without an executor, and [`probe`] and [`call`]
//! are the subcommands on it.

pub mod call;
mod client;
mod health;
mod line;
pub mod probe;
mod progress;
pub mod question;
mod readable;
mod server;
mod socket;

pub use health::readiness;
pub use server::{Server, serve};
pub use socket::{ListenError, Socket};

/// The most bytes that a line may have.
const LONGEST_LINE: usize = 1 << 20;
