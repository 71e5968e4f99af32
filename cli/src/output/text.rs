//! Text that others wrote, made safe to show.
//!
//! Names, messages and logs come from programs nobody has to trust. A terminal obeys escape
//! sequences (it can be made to retitle, overwrite lines, answer as if the user had typed), so
//! what goes to one is filtered.

use std::borrow::Cow;

/// One line of plain text: control characters become visible escapes.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hides(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Several lines: as [`one_line`], but line ends and tabs stay.
pub fn lines(text: &str) -> String {
    text.split('\n')
        .map(|line| line.split('\t').map(one_line).collect::<Vec<_>>().join("\t"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// How many columns of a terminal `text` takes: most characters one, those of East Asian scripts
/// and pictures two, marks on other characters none.
///
/// Source: Unicode's East Asian Width (UAX 11), by blocks; a terminal may see a few rare characters
/// otherwise.
pub fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// As much of `text` as fits into so many columns.
pub fn cut(text: &str, most: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, c)| {
        taken += width(*c);
        taken > most
    });
    end.map_or(text, |(at, _)| &text[..at])
}

fn width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200d | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

// Control characters, and those that reorder what stands around them.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Filters a log for a terminal, chunk by chunk: colours stay, every other escape sequence and
/// control character but line end and tab goes.
#[derive(Debug, Default)]
pub struct TerminalFilter {
    state: Escape,
    pending: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    Outside,
    Started,
    Csi,
    // An operating system command or another string, which ends with BEL or ESC \.
    Payload,
    PayloadEnd,
}

// A colour is a few numbers; what is longer is not one, and must not be collected without bound.
const LONGEST_COLOUR: usize = 32;

impl TerminalFilter {
    /// The next piece of the log, filtered. A sequence cut in two by the end of a chunk is held
    /// back until the next one.
    pub fn filter(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(chunk.len());
        for &byte in chunk {
            self.byte(byte, &mut out);
        }
        out
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.state = match self.state {
            Escape::Outside if byte == 0x1b => {
                self.pending.clear();
                Escape::Started
            }
            Escape::Outside => {
                if matches!(byte, b'\n' | b'\t' | 0x20..=0x7e | 0x80..) {
                    out.push(byte);
                }
                Escape::Outside
            }
            Escape::Started => match byte {
                b'[' => Escape::Csi,
                b']' | b'P' | b'X' | b'^' | b'_' => Escape::Payload,
                _ => Escape::Outside,
            },
            Escape::Csi if matches!(byte, 0x20..=0x3f) => {
                let of_a_colour = matches!(byte, b'0'..=b'9' | b';' | b':');
                if of_a_colour && self.pending.len() < LONGEST_COLOUR {
                    self.pending.push(byte);
                }
                Escape::Csi
            }
            Escape::Csi => {
                if byte == b'm' {
                    out.extend_from_slice(b"\x1b[");
                    out.append(&mut self.pending);
                    out.push(b'm');
                }
                Escape::Outside
            }
            Escape::Payload | Escape::PayloadEnd => match (self.state, byte) {
                (_, 0x1b) => Escape::PayloadEnd,
                (_, b'\n' | 0x07) | (Escape::PayloadEnd, b'\\') => Escape::Outside,
                _ => Escape::Payload,
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(one_line("plain ü"), "plain ü");
        assert_eq!(one_line("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(one_line("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(lines("a\tb\nc\rd"), "a\tb\nc\\rd");
    }

    #[test]
    fn wide_characters_take_two_columns_and_marks_none() {
        assert_eq!(columns("zwölf"), 5);
        assert_eq!(columns("zwo\u{308}lf"), 5);
        assert_eq!(columns("価格 5"), 6);
        assert_eq!(cut("価格 5", 3), "価");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn colours_pass_and_the_rest_does_not() {
        let mut filter = TerminalFilter::default();
        assert_eq!(filter.filter(b"\x1b[1;31mred\x1b[0m\n"), b"\x1b[1;31mred\x1b[0m\n");
        assert_eq!(filter.filter(b"a\x1b[2Jb\x1b]0;title\x07c\rd\x08"), b"abcd");
        assert_eq!(filter.filter(b"\x1b]52;c;AAAA\x1b\\x\x1bcy"), b"xy");
        assert_eq!(filter.filter("zwölf\n".as_bytes()), "zwölf\n".as_bytes());
    }

    #[test]
    fn a_sequence_cut_in_two_is_still_seen() {
        let mut filter = TerminalFilter::default();
        assert_eq!(filter.filter(b"a\x1b"), b"a");
        assert_eq!(filter.filter(b"[3"), b"");
        assert_eq!(filter.filter(b"1mb\x1b[2"), b"\x1b[31mb");
        assert_eq!(filter.filter(b"Jc"), b"c");
    }
}
