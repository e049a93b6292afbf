//! Keeping keys out of texts.

use std::sync::LazyLock;

use regex::Regex;
use secrecy::{ExposeSecret, SecretString};

/// How much of a provider's text is kept.
const DETAIL_CHARS: usize = 500;
/// Pieces of a key of this many characters give it away.
const PIECE_CHARS: usize = 6;
const REMOVED: &str = "[removed]";

/// What looks like a key in anybody's texts.
static KEY_LIKE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)\b(sk|pk|rk|ek|gsk|xai|key|api)[-_][^\s"'<>,;)]{6,}|bearer\s+[^\s"'<>,;)]+"#).ok());

/// Removes a provider's key, and what looks like one, from texts that go into errors and logs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrubber {
    keys: Vec<SecretString>,
}

impl Scrubber {
    pub(crate) fn new(keys: impl IntoIterator<Item = SecretString>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    /// The text without keys, control characters and excess.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for key in &self.keys {
            text = without(&text, key.expose_secret());
        }
        if let Some(pattern) = &*KEY_LIKE {
            text = pattern.replace_all(&text, REMOVED).into_owned();
        }
        let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_CHARS).collect();
        if clean.len() < text.len() && text.chars().nth(DETAIL_CHARS).is_some() {
            clean.push('…');
        }
        clean.trim().to_owned()
    }
}

/// Removes the key, and words that begin or end as it does: providers shorten it to `sk-ab...xyz`.
fn without(text: &str, key: &str) -> String {
    if key.is_empty() {
        return text.to_owned();
    }
    let text = text.replace(key, REMOVED);
    let characters: Vec<char> = key.chars().collect();
    if characters.len() <= PIECE_CHARS * 2 {
        return text;
    }
    let head: String = characters.iter().take(PIECE_CHARS).collect();
    let tail: String = characters.iter().skip(characters.len() - PIECE_CHARS).collect();
    let is_edge = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ',' | ';' | '(' | ')');
    let mut clean = String::new();
    for piece in text.split_inclusive(is_edge) {
        let word = piece.trim_end_matches(is_edge);
        if word.contains(&head) || word.contains(&tail) {
            clean.push_str(REMOVED);
            clean.extend(piece.chars().rev().take_while(|c| is_edge(*c)).collect::<Vec<_>>().into_iter().rev());
        } else {
            clean.push_str(piece);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_come_out() {
        let scrubber = Scrubber::new(["sk-proj-abcdefghijklmnop123456".into(), "AIzaSyNoPrefixKey0123456789".into()]);
        for text in [
            "Incorrect API key provided: sk-proj-abcdefghijklmnop123456.",
            "Incorrect API key provided: sk-proj-*****************3456. Look at https://example.org",
            "key \"AIzaSyNoPrefixKey0123456789\" is wrong",
            "key 'AIzaSyNo***6789' is wrong",
            "Authorization: Bearer abc.def",
            "another's sk-live-0123456789abcdef",
        ] {
            let clean = scrubber.clean(text);
            for part in ["sk-proj", "3456", "AIzaSy", "6789", "abc.def", "sk-live"] {
                assert!(!clean.contains(part), "{text}: {clean}");
            }
        }
        assert_eq!(scrubber.clean("the model `gpt-x` is\nnot there"), "the model `gpt-x` is not there");
        assert_eq!(scrubber.clean(&"é".repeat(600)).chars().count(), DETAIL_CHARS + 1);
        assert!(!format!("{scrubber:?}").contains("AIza"));
    }
}
