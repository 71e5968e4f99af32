//! The `hersh` command.
fn main() {}
