//! The whole reading side on requests with random damage, the same ones in every run.

use super::head::Framing;
use super::reading::{Outcome, is_known, read};
use crate::scale::scaled;

/// Requests tried; the same reading over sockets is tried by the integration tests.
const CASES: u32 = 60_000;

/// A small generator of well-spread numbers (`SplitMix64`), so that a seed names a test case.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

const GOOD: [&str; 4] = [
    "GET /watcher/status?a=b HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\n\r\n",
    "POST /m HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nbody",
    "POST /m HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json; charset=utf-8\r\n\
     Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n4;x=y\r\nbody\r\n0\r\nA: b\r\n\r\n",
    "OPTIONS http://localhost/x HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
];

const SPICES: [&str; 9] = [
    "\r\n",
    "\n",
    "\0",
    "\t",
    "Content-Length: 4\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: localhost\r\n",
    "HTTP/1.1 ",
    "ffffffffffffffff",
];

fn damaged(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = GOOD[numbers.below(GOOD.len())].as_bytes().to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len());
        let end = bytes.len().min(at + 1 + numbers.below(12));
        match numbers.below(5) {
            0 => bytes[at] = u8::try_from(numbers.below(256)).unwrap(),
            1 => bytes[at] ^= 1 << numbers.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let spice = SPICES[numbers.below(SPICES.len())];
                bytes.splice(at..at, spice.bytes());
            }
        }
        if bytes.is_empty() {
            bytes.push(b' ');
        }
    }
    bytes
}

#[test]
fn damaged_requests_are_read_in_one_way_only() {
    let mut accepted = 0_u64;
    let cases = u64::from(scaled("HERSH_SOAK_REQUESTS", CASES));
    for seed in 0..cases {
        let mut numbers = Numbers(seed);
        let bytes = damaged(&mut numbers);
        let whole = read(&bytes, 4096);
        let cut = read(&bytes, 1 + numbers.below(20));
        let shown = String::from_utf8_lossy(&bytes);
        assert_eq!(whole, cut, "seed {seed}: how bytes are cut must not matter: {shown:?}");
        match whole {
            Outcome::Refused(status) => {
                assert!(is_known(status), "seed {seed}: {status} for {shown:?}");
            }
            Outcome::Accepted { framing: Framing::Chunked, .. } => {
                let lower = shown.to_ascii_lowercase();
                let head = lower.split("\r\n\r\n").next().unwrap_or_default();
                assert!(
                    !head.contains("\r\ncontent-length:"),
                    "seed {seed}: two framings: {shown:?}"
                );
                accepted += 1;
            }
            Outcome::Accepted { .. } => accepted += 1,
            Outcome::Unfinished => {}
        }
    }
    assert!(accepted > cases / 10, "the damage is too great to test anything: {accepted}");
}
