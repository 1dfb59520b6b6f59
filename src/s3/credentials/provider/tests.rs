//! Providers against servers that are scripted.
