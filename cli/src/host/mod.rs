//! The host: keeps programs on disk, builds them, runs them in containers and knows what they do.
