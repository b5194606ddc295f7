//! Writes captures.
fn main() {}
