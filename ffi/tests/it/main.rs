//! What is beside the library: the header, what it promises, and the wrapper for C++.

mod header;
mod symbols;
