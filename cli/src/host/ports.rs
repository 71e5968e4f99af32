//! Which port a program gets.
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

/// The first port of the range that no program has and that nothing of this machine listens on;
/// none when there is none.
pub(super) fn free_port(range: RangeInclusive<u16>, taken: &BTreeSet<u16>) -> Option<u16> {
    range.filter(|port| !taken.contains(port)).find(|port| is_free(*port))
}

/// Whether it can be listened on now. Somebody else may be quicker; the engine says so then.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_of_programs_and_of_others() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let busy = listener.local_addr().unwrap().port();
        assert_eq!(free_port(busy..=busy, &BTreeSet::new()), None);
        drop(listener);
        assert_eq!(free_port(busy..=busy, &BTreeSet::from([busy])), None);
        assert_eq!(free_port(busy..=busy, &BTreeSet::new()), Some(busy));
    }
}
