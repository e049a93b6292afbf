//! What can be told of a feature's code without running it.

/// Whether code has something besides comments and texts that mentions the frame `df`: only then can it make a feature.
#[must_use]
pub fn uses_frame(code: &str) -> bool {
    let chars: Vec<char> = code.chars().collect();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        at = match c {
            '#' => end_of_line(&chars, at),
            '"' | '\'' => end_of_text(&chars, at, c),
            c if is_of_word(c) => {
                let end = end_of_word(&chars, at);
                if chars.get(at..end).is_some_and(|word| word == ['d', 'f']) {
                    return true;
                }
                end
            }
            _ => at + 1,
        };
    }
    false
}

/// Whether a column has a name that stands for the name which should be there.
#[must_use]
pub fn is_placeholder(name: &str) -> bool {
    const PLACEHOLDERS: [&str; 19] = [
        "",
        "col",
        "column",
        "columnname",
        "df",
        "feature",
        "featurecolumn",
        "featurename",
        "name",
        "newcol",
        "newcolumn",
        "newfeature",
        "output",
        "outputcolumn",
        "outputcolumns",
        "placeholder",
        "tbd",
        "todo",
        "yourcolumn",
    ];
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    PLACEHOLDERS.contains(&letters.as_str()) || name.contains(['<', '>', '{', '}']) || name.contains("...")
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_word(chars: &[char], from: usize) -> usize {
    let rest = chars.iter().skip(from);
    from + rest.take_while(|c| is_of_word(**c)).count()
}

fn end_of_line(chars: &[char], from: usize) -> usize {
    let rest = chars.iter().skip(from);
    from + rest.take_while(|c| **c != '\n').count()
}

/// Behind the text that begins with a quote. One that is never closed ends with its line, or with the code.
fn end_of_text(chars: &[char], from: usize, quote: char) -> usize {
    let is_triple_at = |at: usize| chars.get(at..at + 3).is_some_and(|three| three == [quote; 3]);
    let is_triple = is_triple_at(from);
    let mut at = from + if is_triple { 3 } else { 1 };
    while let Some(c) = chars.get(at).copied() {
        if c == '\\' {
            at += 2;
        } else if is_triple && is_triple_at(at) {
            return at + 3;
        } else if !is_triple && (c == quote || c == '\n') {
            return at + 1;
        } else {
            at += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_use_the_frame() {
        for code in [
            "df['x'] = 1",
            "# adds x\ndf['x'] = 1",
            "x = 1; df = df.assign(x=x)",
            "\"\"\"Adds\nx.\"\"\"\ndf['x'] = 'df'",
            "print('#')\ndf",
            "f(df)",
            "x = 'it\\'s'; df",
        ] {
            assert!(uses_frame(code), "{code:?}");
        }
        for code in ["", "# df['x'] = 1", "x = 'df'", "\"\"\"df\n'df'\"\"\"", "dfx = 1", "my_df = 2", "x.pdf", "r'df", "'''df"] {
            assert!(!uses_frame(code), "{code:?}");
        }
    }

    #[test]
    fn placeholders_are_no_names() {
        for name in ["", "new_column", "New Feature", "feature-name", "<name>", "{x}", "a...", "TODO", "__"] {
            assert!(is_placeholder(name), "{name:?}");
        }
        for name in ["age_log", "column_2", "features", "x", "name_length"] {
            assert!(!is_placeholder(name), "{name:?}");
        }
    }
}
