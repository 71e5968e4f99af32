//! A digest that tells a whole line from a torn one.

/// FNV-1a, 32 bits (Fowler, Noll and Vo).
pub(super) fn of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
