//! What is beside the library: the header.

mod header;
