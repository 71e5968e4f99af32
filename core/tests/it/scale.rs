//! How much of a random test is tried: a little by `make test`, all of it by `make soak`.

/// The number in an environment variable, or else what is usual.
pub(crate) fn scaled(variable: &str, usual: u64) -> u64 {
    match std::env::var(variable) {
        Ok(number) => {
            number.parse().unwrap_or_else(|_| panic!("{variable} is no number: {number}"))
        }
        Err(_) => usual,
    }
}
