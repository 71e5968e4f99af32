//! The whole reading side without a socket, for tests and fuzzers.

use super::chunked::Decoder;
use super::config::GateConfig;
use super::head::{Framing, Head, Scan};
use super::input::Input;
use super::policy;

/// What became of one request.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Unfinished,
    Refused(u16),
    Accepted { framing: Framing, body: Option<Vec<u8>> },
}

/// Reads a request that arrives in pieces of at most `piece` bytes.
pub(super) fn read(bytes: &[u8], piece: usize) -> Outcome {
    let mut input = Input::default();
    let mut pieces = bytes.chunks(piece);
    let head_bytes = loop {
        match input.scan() {
            Scan::Complete(length) => break length,
            Scan::Bad(_) => return Outcome::Refused(400),
            Scan::Partial => match pieces.next() {
                Some(piece) => arrive(&mut input, piece),
                None => return Outcome::Unfinished,
            },
        }
    };
    for piece in pieces {
        arrive(&mut input, piece);
    }
    let raw = input.take_head(head_bytes);
    let admitted = Head::parse(raw)
        .and_then(|head| policy::admit(&head, &GateConfig::default()).map(|()| head));
    match admitted {
        Err(refusal) => Outcome::Refused(refusal.status),
        Ok(head) => {
            let body = chunks(head.framing, input.available());
            Outcome::Accepted { framing: head.framing, body }
        }
    }
}

fn arrive(input: &mut Input, piece: &[u8]) {
    let filled = input.fill(|buffer| {
        buffer[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    });
    assert!(filled.is_ok());
}

/// The decoded body, if it is chunked and complete.
fn chunks(framing: Framing, coded: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new();
    let mut body = vec![0; coded.len()];
    let progress = decoder.decode(coded, &mut body).ok()?;
    assert!(progress.produced <= progress.consumed && progress.consumed <= coded.len());
    body.truncate(progress.produced);
    (framing == Framing::Chunked && decoder.is_done()).then_some(body)
}

/// Whether the reading side refuses with this status.
pub(super) fn is_known(status: u16) -> bool {
    matches!(status, 400 | 403 | 411 | 413 | 415 | 417 | 431)
}

/// A fuzzer's bytes as a request: however it is cut into pieces, it is read in the same way, and what
/// is refused is refused in words.
pub(crate) fn any_request(data: &[u8]) {
    let Some((piece, request)) = data.split_first() else { return };
    let whole = read(request, 4096);
    assert_eq!(whole, read(request, 1 + usize::from(*piece)), "the pieces matter");
    match whole {
        Outcome::Refused(status) => assert!(is_known(status), "{status}"),
        Outcome::Accepted { framing, body } => {
            assert!(body.is_none() || framing == Framing::Chunked);
        }
        Outcome::Unfinished => {}
    }
}

/// A fuzzer's bytes as a chunked body: however they arrive, and however small the pieces are in which
/// they are asked for, the same comes out.
pub(crate) fn any_chunks(data: &[u8]) {
    let [arriving, asked, coded @ ..] = data else { return };
    let whole = decode(coded, coded.len().max(1), coded.len().max(1));
    let pieces = decode(coded, 1 + usize::from(*arriving), 1 + usize::from(*asked));
    assert_eq!(whole, pieces);
    if let Ok((body, consumed, _)) = whole {
        assert!(body.len() <= consumed && consumed <= coded.len());
    }
}

/// The body, the coded bytes that it took, and whether it is complete.
fn decode(
    coded: &[u8],
    arriving: usize,
    asked: usize,
) -> Result<(Vec<u8>, usize, bool), &'static str> {
    let (mut decoder, mut body, mut consumed) = (Decoder::new(), Vec::new(), 0);
    let mut room = vec![0; asked];
    for piece in coded.chunks(arriving) {
        let mut piece = piece;
        while !decoder.is_done() {
            let progress = decoder.decode(piece, &mut room)?;
            body.extend_from_slice(&room[..progress.produced]);
            consumed += progress.consumed;
            piece = &piece[progress.consumed..];
            if progress.consumed == 0 && progress.produced == 0 {
                break;
            }
        }
    }
    Ok((body, consumed, decoder.is_done()))
}
