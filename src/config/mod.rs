//! Configuration: environment, remote updates, redaction.
