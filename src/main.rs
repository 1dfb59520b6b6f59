//! sapt
fn main() {}
