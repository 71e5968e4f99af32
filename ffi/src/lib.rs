//! The C ABI of hersh.
