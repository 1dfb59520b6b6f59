//! The session with Edge Core: a protocol translator and its one device.
//!
//! Edge Core takes JSON-RPC over a WebSocket on a unix socket. [`message`] is what is said,
//! [`resource`] the device's LwM2M resources, `connection` one WebSocket, and [`Session`] keeps
//! the device registered whatever happens to the connection.

mod backoff;
mod connection;
mod error;
pub mod message;
mod registration;
pub mod resource;
mod session;
mod standing;

pub use error::Error;
pub use session::{Device, Identity, NewValues, Request, Session};
pub use standing::Standing;
