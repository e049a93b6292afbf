//! Text of kernels, made fit for people: no terminal colours, no names of temporary files.

/// Removes ANSI escape sequences.
pub(crate) fn without_ansi(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '\u{1b}' {
            clean.push(character);
            continue;
        }
        match rest.next() {
            // Control sequences end with a letter or one of @[\]^_`{|}~.
            Some('[') => while rest.next().is_some_and(|next| !('@'..='~').contains(&next)) {},
            // Operating system commands (titles, links) end with BEL or ESC \.
            Some(']') => {
                while let Some(next) = rest.next() {
                    if next == '\u{7}' || (next == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    clean
}

/// Names `ipykernel`'s temporary source files `<cell>`.
pub(crate) fn with_cell_names(text: &str) -> String {
    const MARK: &str = "ipykernel_";
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MARK) {
        let Some(tail) = temporary_name(after) else {
            clean.push_str(before);
            clean.push_str(MARK);
            rest = after;
            continue;
        };
        let directory = before
            .rfind(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | '<'))
            .map_or(0, |at| at + before.get(at..).and_then(|found| found.chars().next()).map_or(1, char::len_utf8));
        clean.push_str(before.get(..directory).unwrap_or_default());
        clean.push_str("<cell>");
        rest = tail;
    }
    clean.push_str(rest);
    clean
}

/// What follows `123/456.py`.
fn temporary_name(text: &str) -> Option<&str> {
    let process = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let file = process.strip_prefix('/')?;
    let tail = file.trim_start_matches(|c: char| c.is_ascii_digit());
    let known = process.len() < text.len() && tail.len() < file.len();
    tail.strip_prefix(".py").filter(|_| known)
}

/// Whether standard error begins like a Python warning: `file:line: SomeWarning: …`.
pub(crate) fn is_warning(stderr: &str) -> bool {
    let first = stderr.trim_start().lines().next().unwrap_or_default();
    let mut parts = first.splitn(4, ':');
    let (Some(_), Some(line), Some(category), Some(_)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let line = line.trim();
    !line.is_empty() && line.chars().all(|c| c.is_ascii_digit()) && category.trim().ends_with("Warning")
}

/// The longest beginning of `text` of at most `bytes` bytes.
pub(crate) fn prefix(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_colours_titles_and_broken_sequences() {
        for (given, expected) in [
            ("\u{1b}[0;31mZeroDivisionError\u{1b}[0m: x", "ZeroDivisionError: x"),
            ("a\u{1b}]0;title\u{7}b\u{1b}]8;;http://x\u{1b}\\c", "abc"),
            ("end\u{1b}[", "end"),
            ("end\u{1b}", "end"),
            ("plain [31m", "plain [31m"),
        ] {
            assert_eq!(without_ansi(given), expected);
        }
    }

    #[test]
    fn names_cells() {
        for (given, expected) in [
            ("/tmp/ipykernel_12/345.py:1: UserWarning: x", "<cell>:1: UserWarning: x"),
            ("File \"/workspace/.tmp/ipykernel_1/2.py\", line 3", "File \"<cell>\", line 3"),
            ("ipykernel_launcher.py and ipykernel_1/x.py", "ipykernel_launcher.py and ipykernel_1/x.py"),
            ("a\u{2003}/tmp/ipykernel_1/2.py b /tmp/ipykernel_1/3.py", "a\u{2003}<cell> b <cell>"),
        ] {
            assert_eq!(with_cell_names(given), expected);
        }
    }

    #[test]
    fn knows_warnings() {
        assert!(is_warning("<cell>:1: FutureWarning: soon\n  x()"));
        assert!(!is_warning("Traceback (most recent call last):"));
        assert!(!is_warning("a:b: UserWarning: x"));
        assert!(!is_warning("error: 12: FutureWarning"));
        assert!(!is_warning(""));
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(prefix("äöü", 3), "ä");
        assert_eq!(prefix("abc", 9), "abc");
    }
}
