//! Stand-in for Edge Core.
