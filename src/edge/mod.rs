//! The session with Edge Core.
