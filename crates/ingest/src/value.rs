//! What one piece of text is: missing, a number, a boolean, a date, or only text. Works on bytes and allocates nothing.

pub(crate) mod date;
pub(crate) mod number;

use memchr::memchr;

use self::{date::DateText, number::Number};

/// What a value is when nothing is known about its column. Tried as number, then boolean, then date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Class {
    /// Empty, or one of the words for "no value".
    Missing,
    /// A number.
    Number(Number),
    /// `true`, `yes`, `false` or `no`.
    Boolean(bool),
    /// An instant, microseconds since 1970 in UTC.
    Date(i64),
    /// `D/M/YYYY` that cannot be `M/D/YYYY`.
    DayFirstDate,
    /// Anything else.
    Text,
}

/// Says what the trimmed text is.
pub(crate) fn classify(text: &[u8]) -> Class {
    let Some(&first) = text.first() else { return Class::Missing };
    match first {
        b'0'..=b'9' => number::parse(text).map_or_else(|| classify_date(text), Class::Number),
        b'+' | b'-' | b'.' => match number::parse(text) {
            Some(number) => Class::Number(number),
            None if is_missing(text) => Class::Missing,
            None => Class::Text,
        },
        b'n' | b'N' if is_missing(text) => Class::Missing,
        b't' | b'T' | b'y' | b'Y' | b'f' | b'F' | b'n' | b'N' => boolean(text).map_or(Class::Text, Class::Boolean),
        _ => Class::Text,
    }
}

fn classify_date(text: &[u8]) -> Class {
    match date::parse(text) {
        Some(DateText::Instant(micros)) => Class::Date(micros),
        Some(DateText::DayFirst) => Class::DayFirstDate,
        None => Class::Text,
    }
}

/// Whether the trimmed text stands for "no value".
fn is_missing(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 5] = [b"null", b"na", b"n/a", b"nan", b"none"];
    match text.first() {
        None => true,
        Some(b'-') => text == b"-" || text == b"--",
        Some(b'n' | b'N') => text.len() <= 4 && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)),
        Some(_) => false,
    }
}

fn boolean(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"yes") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"false") || text.eq_ignore_ascii_case(b"no") {
        Some(false)
    } else {
        None
    }
}

/// Cuts white space from both ends: ASCII, and the no-break spaces that spreadsheets leave behind.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    const NO_BREAK: &[u8] = "\u{a0}".as_bytes();
    let mut text = text.trim_ascii();
    // Nearly every value ends here: the loop is for text that touches a no-break space.
    while text.first() == Some(&0xC2) || text.last() == Some(&0xA0) {
        let before = text.len();
        text = text.strip_prefix(NO_BREAK).unwrap_or(text).trim_ascii();
        text = text.strip_suffix(NO_BREAK).unwrap_or(text).trim_ascii();
        if text.len() == before {
            break;
        }
    }
    text
}

/// The first 200 characters of a value, for a report.
pub(crate) fn excerpt(text: &[u8]) -> String {
    const CHARACTERS_MAX: usize = 200;
    // Four bytes a character at most, so the cut never splits one of the first 200.
    let head = text.get(..CHARACTERS_MAX * 4).unwrap_or(text);
    let lossy = String::from_utf8_lossy(head);
    lossy.chars().take(CHARACTERS_MAX).collect()
}

/// Counts line ends: LF, CRLF and lone CR count one each.
pub(crate) fn count_lines(text: &[u8]) -> u64 {
    let feeds = memchr::memchr_iter(b'\n', text).count();
    let lone = if memchr(b'\r', text).is_some() {
        memchr::memchr_iter(b'\r', text).filter(|at| text.get(at + 1) != Some(&b'\n')).count()
    } else {
        0
    };
    crate::num::count(feeds + lone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_words_are_missing_in_any_case() {
        for word in ["", "null", "NULL", "na", "NA", "n/a", "N/A", "nan", "NaN", "none", "None", "-", "--"] {
            assert_eq!(classify(word.as_bytes()), Class::Missing, "{word:?}");
        }
        for word in ["nul", "nill", "n.a.", "---", "nothing", "0", "no"] {
            assert_ne!(classify(word.as_bytes()), Class::Missing, "{word:?}");
        }
    }

    #[test]
    fn words_are_booleans_and_digits_are_numbers() {
        for (text, expected) in [("true", true), ("YES", true), ("False", false), ("no", false)] {
            assert_eq!(classify(text.as_bytes()), Class::Boolean(expected), "{text:?}");
        }
        for text in ["1", "0"] {
            assert!(matches!(classify(text.as_bytes()), Class::Number(Number::Integer(_))), "{text:?}");
        }
        for text in ["inf", "Infinity", "-inf", "truee", "t", "item 5", "12 Main St", "1.2.3"] {
            assert_eq!(classify(text.as_bytes()), Class::Text, "{text:?}");
        }
    }

    #[test]
    fn trims_ascii_and_no_break_spaces_only() {
        for (text, expected) in
            [(" a ", "a"), ("\u{a0}a\u{a0} ", "a"), ("\t\u{a0} \u{a0}", ""), ("©", "©"), ("à", "à"), ("a\u{a0}b", "a\u{a0}b")]
        {
            assert_eq!(trim(text.as_bytes()), expected.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn excerpts_cut_between_characters() {
        assert_eq!(excerpt("ä".repeat(500).as_bytes()), "ä".repeat(200));
        assert_eq!(excerpt(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn counts_every_kind_of_line_end_once() {
        assert_eq!(count_lines(b"a\nb\r\nc\rd"), 3);
        assert_eq!(count_lines(b"\r\r\n\n"), 3);
        assert_eq!(count_lines(b""), 0);
    }
}
