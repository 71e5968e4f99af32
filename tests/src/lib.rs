//! What the tests that cross parts share: a private container engine under gVisor, and a host.
