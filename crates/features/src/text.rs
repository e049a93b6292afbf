//! Values as the texts that Python writes for them, and what methods count in texts.

use chrono::DateTime;

/// A float as `repr` of Python writes it: the shortest digits, with an exponent below 1e-4 and from 1e16 on.
pub(crate) fn float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(power) = exponent.parse::<i32>() else { return scientific };
    if value != 0.0 && !(-4..16).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", power.unsigned_abs());
    }
    let plain = value.to_string();
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

/// A boolean as Python writes it.
pub(crate) fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// An instant as pandas writes it: `2024-01-05 00:00:00`, with six digits of a second where there are any.
pub(crate) fn instant(micros: i64) -> String {
    let Some(at) = DateTime::from_timestamp_micros(micros) else { return micros.to_string() };
    let form = if micros % 1_000_000 == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.6f" };
    at.format(form).to_string()
}

/// Characters, as Python counts them: code points.
pub(crate) fn length(text: &str) -> usize {
    text.chars().count()
}

/// Words between white space, as `str.split` of Python finds them.
pub(crate) fn words(text: &str) -> usize {
    text.split(is_space).filter(|word| !word.is_empty()).count()
}

/// White space as Python has it: that of Unicode, and the four separators of ASCII.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// A text to look for.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// As it is.
    Exact(String),
    /// In capital letters, and so is what it is looked for in. In ASCII, so that most texts need no copy.
    Ascii(String),
    /// In capital letters of any script.
    Capitals(String),
}

impl Pattern {
    pub(crate) fn new(pattern: &str, is_case_sensitive: bool) -> Self {
        if is_case_sensitive {
            Self::Exact(pattern.to_owned())
        } else if pattern.is_ascii() {
            Self::Ascii(pattern.to_ascii_uppercase())
        } else {
            Self::Capitals(pattern.to_uppercase())
        }
    }

    /// Whether it occurs.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Exact(pattern) => text.contains(pattern),
            Self::Ascii(pattern) if text.is_ascii() => {
                let mut windows = text.as_bytes().windows(pattern.len().max(1));
                windows.any(|window| window.eq_ignore_ascii_case(pattern.as_bytes()))
            }
            // Some letters outside of ASCII have capitals in it, such as the long s.
            Self::Ascii(pattern) | Self::Capitals(pattern) => text.to_uppercase().contains(pattern),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_in_python() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e-300, "1e-300"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            assert_eq!(float(value), expected);
        }
    }

    #[test]
    fn instants_are_written_as_in_pandas() {
        assert_eq!(instant(0), "1970-01-01 00:00:00");
        assert_eq!(instant(1_500), "1970-01-01 00:00:00.001500");
        assert_eq!(instant(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(instant(i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn counts_code_points_and_words() {
        assert_eq!(length("naïve 🦀"), 7);
        for (text, expected) in [("", 0), (" \t\n", 0), ("one", 1), ("  two\u{a0}words ", 2), ("a\x1cb\u{2003}c", 3)] {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[test]
    fn finds_texts_whatever_the_case() {
        let found = |pattern: &str, case: bool, text: &str| Pattern::new(pattern, case).is_in(text);
        assert!(found("b.c", false, "A B.C D"));
        assert!(!found("b.c", true, "A B.C D"));
        assert!(!found("b.c", false, "A BxC D"));
        assert!(found("STRASSE", false, "Straße"));
        assert!(found("straße", false, "STRASSE"));
        assert!(found("s", false, "\u{17f}"));
        assert!(found("ÄÖ", false, "xäöx"));
        assert!(!found("long", false, "lon"));
    }
}
