//! The JSON-RPC commands.
