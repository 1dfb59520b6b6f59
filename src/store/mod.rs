//! The models directory: staging, extraction, swap; and the data files below it.
