//! The chunked transfer coding, read strictly. Pure: bytes in, bytes out.

/// Hexadecimal digits in a chunk size: enough for any body, too few to overflow.
const MAX_SIZE_DIGITS: u32 = 15;
/// Bytes of one chunk's extensions, which are ignored.
const MAX_EXTENSION_BYTES: usize = 256;
/// Bytes of all trailer lines together, which are ignored.
const MAX_TRAILER_BYTES: usize = 4096;

/// Where in the coding the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { digits: u32 },
    Extension { bytes: usize },
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    Trailer { line_bytes: usize },
    TrailerEnd { line_bytes: usize },
    Done,
}

/// Decodes one chunked body.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    /// Bytes of the present chunk that are still to come.
    left: u64,
    trailer_bytes: usize,
}

/// How far one call came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes of the input that are done with.
    pub(super) consumed: usize,
    /// Bytes of the output that were filled.
    pub(super) produced: usize,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { state: State::Size { digits: 0 }, left: 0, trailer_bytes: 0 }
    }

    /// Whether the last chunk and the trailer have been read.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes as much of `input` as fits into `output`.
    ///
    /// Stops at the end of the input, of the output or of the body, whichever comes first.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, &'static str> {
        let mut progress = Progress::default();
        while !self.is_done() && progress.consumed < input.len() {
            if self.state == State::Data {
                let room = output.len() - progress.produced;
                let ready = input.len() - progress.consumed;
                let left = usize::try_from(self.left).unwrap_or(usize::MAX);
                let count = room.min(ready).min(left);
                if count == 0 {
                    break;
                }
                output[progress.produced..progress.produced + count]
                    .copy_from_slice(&input[progress.consumed..progress.consumed + count]);
                progress.consumed += count;
                progress.produced += count;
                self.left -= count as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.state = self.step(input[progress.consumed])?;
                progress.consumed += 1;
            }
        }
        Ok(progress)
    }

    /// The state after one byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, &'static str> {
        match (self.state, byte) {
            (State::Size { digits }, byte) if byte.is_ascii_hexdigit() => {
                if digits >= MAX_SIZE_DIGITS {
                    return Err("a chunk size is beyond all bounds");
                }
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                self.left = self.left * 16 + u64::from(digit);
                Ok(State::Size { digits: digits + 1 })
            }
            (State::Size { digits: 0 }, _) => Err("a chunk has no size"),
            (State::Size { .. } | State::Extension { .. }, b'\r') => Ok(State::SizeEnd),
            (State::Size { .. }, b';') => Ok(State::Extension { bytes: 0 }),
            (State::Size { .. }, _) => Err("a chunk size is not a hexadecimal number"),
            (State::Extension { bytes }, byte) if is_text(byte) && bytes < MAX_EXTENSION_BYTES => {
                Ok(State::Extension { bytes: bytes + 1 })
            }
            (State::Extension { .. }, _) => Err("a chunk extension is too long or not text"),
            (State::SizeEnd, b'\n') if self.left > 0 => Ok(State::Data),
            (State::SizeEnd, b'\n') => Ok(State::Trailer { line_bytes: 0 }),
            (State::SizeEnd, _) => Err("a chunk size must end in CR LF"),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size { digits: 0 }),
            (State::DataCr | State::DataLf, _) => Err("a chunk is longer than its size"),
            (State::Trailer { line_bytes }, b'\r') => Ok(State::TrailerEnd { line_bytes }),
            (State::Trailer { line_bytes }, byte) if is_text(byte) => {
                self.trailer_bytes += 1;
                if self.trailer_bytes > MAX_TRAILER_BYTES {
                    return Err("the trailer is too long");
                }
                Ok(State::Trailer { line_bytes: line_bytes + 1 })
            }
            (State::TrailerEnd { line_bytes: 0 }, b'\n') => Ok(State::Done),
            (State::TrailerEnd { .. }, b'\n') => Ok(State::Trailer { line_bytes: 0 }),
            (State::Trailer { .. } | State::TrailerEnd { .. }, _) => {
                Err("the trailer is malformed")
            }
            (State::Data | State::Done, _) => Err("the body is over"),
        }
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `input` in pieces of `piece` bytes and returns the body and the bytes left over.
    fn decode_all(input: &[u8], piece: usize) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
        let mut decoder = Decoder::new();
        let mut body = Vec::new();
        let mut at = 0;
        let mut output = [0; 7];
        while at < input.len() && !decoder.is_done() {
            let end = input.len().min(at + piece);
            let progress = decoder.decode(&input[at..end], &mut output)?;
            assert!(progress.consumed > 0, "no progress");
            body.extend_from_slice(&output[..progress.produced]);
            at += progress.consumed;
        }
        Ok(decoder.is_done().then_some((body, input.len() - at)))
    }

    #[test]
    fn chunks_extensions_and_trailers_are_read() {
        let input = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\nGET";
        assert_eq!(decode_all(input, 3), Ok(Some((b"hello world".to_vec(), 3))));
    }

    #[test]
    fn every_deviation_is_refused() {
        let bad: [&[u8]; 12] = [
            b"\r\n",
            b"g\r\n",
            b" 5\r\nhello\r\n",
            b"5 \r\nhello\r\n",
            b"-5\r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b"5\nhello",
            b"5\r\nhelloX",
            b"5\r\nhello\n",
            b"ffffffffffffffff\r\n",
            b"0\r\nX: \0\r\n\r\n",
        ];
        for input in bad {
            assert!(decode_all(input, 1).is_err(), "{:?}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn what_is_ignored_is_bounded() {
        let extension = [b"5;".as_slice(), &[b'x'; 300], b"\r\n"].concat();
        assert!(decode_all(&extension, 64).is_err());
        let trailer = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(2000)].concat();
        assert!(decode_all(&trailer, 64).is_err());
    }

    proptest! {
        #[test]
        fn what_was_chunked_comes_back(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..20),
            piece in 1_usize..40,
        ) {
            let mut coded = Vec::new();
            for chunk in &chunks {
                coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                coded.extend_from_slice(chunk);
                coded.extend_from_slice(b"\r\n");
            }
            coded.extend_from_slice(b"0\r\n\r\nrest");
            prop_assert_eq!(decode_all(&coded, piece), Ok(Some((chunks.concat(), 4))));
        }

        #[test]
        fn any_bytes_end_in_a_decision(input in prop::collection::vec(any::<u8>(), 0..400)) {
            let whole = decode_all(&input, usize::MAX / 2);
            prop_assert_eq!(whole, decode_all(&input, 1), "how bytes are cut must not matter");
        }
    }
}
