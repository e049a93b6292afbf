//! The words in texts and in names.

/// Longest word that is looked at, characters; longer ones are no words.
const WORD_CHARS_MAX: usize = 40;

/// Splits a text or a name into lower-case words: at what is no letter or digit, and at humps (`orderDate`, `HTTPStatus`).
#[must_use]
pub fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    let mut before = None;
    while let Some(c) = chars.next() {
        if !c.is_alphanumeric() {
            take(&mut word, &mut words);
            before = None;
            continue;
        }
        let hump = before.is_some_and(|before: char| {
            let rises = c.is_uppercase() && !before.is_uppercase();
            let last_of_capitals =
                c.is_uppercase() && before.is_uppercase() && chars.peek().is_some_and(|next| next.is_lowercase());
            rises || last_of_capitals || before.is_numeric() != c.is_numeric()
        });
        if hump {
            take(&mut word, &mut words);
        }
        word.extend(c.to_lowercase());
        before = Some(c);
    }
    take(&mut word, &mut words);
    words
}

fn take(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() && word.chars().count() <= WORD_CHARS_MAX {
        words.push(std::mem::take(word));
    } else {
        word.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_signs_humps_and_digits() {
        assert_eq!(split("orderDate of HTTPStatus_2"), ["order", "date", "of", "http", "status", "2"]);
        assert_eq!(split(&"x".repeat(41)), [""; 0]);
    }
}
