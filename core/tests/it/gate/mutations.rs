//! Requests with random damage, the same ones in every run.

use crate::scale::scaled;

use super::client::{Client, assert_serves, config, open};

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

const GOOD: [&str; 5] = [
    "GET /hello HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
     Content-Length: 13\r\n\r\n{\"a\":\"hello\"}",
    "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
     Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
    "HEAD /hello HTTP/1.1\r\nHost: [::1]:80\r\nConnection: keep-alive\r\n\r\n",
    "POST /ignore HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
];

const SPICES: [&[u8]; 10] = [
    b"\r\n",
    b"\n",
    b"\0",
    b"Content-Length: 100000000000\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b" ",
    b":",
    b"HTTP/2.0",
    b"\xff\xfe",
    b"Expect: 100-continue\r\n",
];

/// A good request, damaged in one to four places, sometimes followed by another.
fn damaged(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = GOOD[numbers.below(GOOD.len())].as_bytes().to_vec();
    if numbers.below(4) == 0 {
        bytes.extend_from_slice(GOOD[numbers.below(GOOD.len())].as_bytes());
    }
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        let end = bytes.len().min(at + 1 + numbers.below(8));
        match numbers.below(5) {
            0 => bytes[at] = u8::try_from(numbers.below(256)).unwrap(),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            3 => {
                let spice = SPICES[numbers.below(SPICES.len())];
                bytes.splice(at..at, spice.iter().copied());
            }
            _ => bytes[at] ^= 1 << numbers.below(8),
        }
        if bytes.is_empty() {
            bytes.push(b'\r');
        }
    }
    bytes
}

/// The status codes in what a server sent.
fn statuses(output: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(output);
    let lines = text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12));
    lines.filter_map(|code| code.parse().ok()).collect()
}

#[test]
fn damaged_requests_are_answered_in_words() {
    let gate = open(config());
    let mut answered = 0_u64;
    let requests = scaled("HERSH_SOAK_WIRE", 3000);
    for seed in 0..requests {
        let bytes = damaged(&mut Numbers(seed));
        let mut client = Client::connect(gate.local_addr());
        client.send(&bytes);
        // Nothing more will come, so what is not a whole request by now never will be.
        client.finish();
        for status in statuses(&client.rest()) {
            let in_words = matches!(status, 100 | 200 | 400..=431 | 503);
            assert!(in_words, "seed {seed}: {status} for {:?}", String::from_utf8_lossy(&bytes));
            answered += 1;
        }
    }
    assert!(answered > requests / 2, "most of them get an answer: {answered}");
    assert_serves(&gate);
}
