//! Just enough of Python's grammar to look at code without being fooled by comments and texts. Not a parser: what it does
//! not understand it passes over, and no text makes it fail.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Name,
    /// A number.
    Number,
    /// A text with its quotes.
    Text,
    /// One character of an operator or a bracket.
    Sign,
    /// From `#` to the end of the line.
    Comment,
    /// A line for the shell or a magic of `IPython`.
    Shell,
}

/// A piece of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'code> {
    /// What it is.
    pub(crate) kind: Kind,
    /// As it stands.
    pub(crate) text: &'code str,
    /// The line that it begins on, from 0.
    pub(crate) line: usize,
    /// Whether it is the first of its line, and not indented.
    pub(crate) at_margin: bool,
    /// How many brackets are open before it.
    pub(crate) depth: usize,
}

impl Token<'_> {
    /// Whether it is this name.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        self.kind == Kind::Name && self.text == name
    }

    /// Whether it is this sign.
    pub(crate) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// What is between the quotes of a text; none of other tokens.
    pub(crate) fn content(&self) -> Option<&str> {
        if self.kind != Kind::Text {
            return None;
        }
        let quoted = self.text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        for quote in ["\"\"\"", "'''", "\"", "'"] {
            if let Some(rest) = quoted.strip_prefix(quote) {
                return Some(rest.strip_suffix(quote).unwrap_or(rest));
            }
        }
        Some(quoted)
    }
}

/// The tokens of code.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut cursor = Cursor { rest: code, line: 0 };
    let mut found: Vec<Token<'_>> = Vec::new();
    let (mut depth, mut margin, mut first) = (0_usize, true, true);
    while let Some(c) = cursor.rest.chars().next() {
        let (line, is_first, at_margin) = (cursor.line, first, first && margin);
        let mut push = |kind, text, depth| found.push(Token { kind, text, line, at_margin, depth });
        match c {
            '\n' => {
                cursor.take(1);
                cursor.line += 1;
                (margin, first) = (true, true);
                continue;
            }
            c if c.is_whitespace() => {
                cursor.take(c.len_utf8());
                margin = false;
                continue;
            }
            '\\' if cursor.rest.starts_with("\\\n") => {
                cursor.take(2);
                cursor.line += 1;
                continue;
            }
            '#' => push(Kind::Comment, cursor.take_while(|c| c != '\n'), depth),
            '!' | '%' if is_first && depth == 0 => push(Kind::Shell, cursor.take_while(|c| c != '\n'), depth),
            '"' | '\'' => push(Kind::Text, cursor.take_text(0, c), depth),
            c if c.is_alphabetic() || c == '_' => {
                let name = word(cursor.rest);
                match cursor.rest.strip_prefix(name).and_then(|rest| rest.chars().next()) {
                    Some(quote @ ('"' | '\'')) if is_text_prefix(name) => {
                        push(Kind::Text, cursor.take_text(name.len(), quote), depth);
                    }
                    _ => push(Kind::Name, cursor.take(name.len()), depth),
                }
            }
            c if c.is_numeric() => {
                push(Kind::Number, cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '_')), depth)
            }
            c => {
                push(Kind::Sign, cursor.take(c.len_utf8()), depth);
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
        first = false;
    }
    found
}

/// The tokens that do something: no comments.
pub(crate) fn active_tokens(code: &str) -> Vec<Token<'_>> {
    let mut all = tokens(code);
    all.retain(|token| token.kind != Kind::Comment);
    all
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

fn is_text_prefix(name: &str) -> bool {
    name.len() <= 2 && name.chars().all(|c| matches!(c.to_ascii_lowercase(), 'r' | 'b' | 'u' | 'f' | 't'))
}

struct Cursor<'code> {
    rest: &'code str,
    line: usize,
}

impl<'code> Cursor<'code> {
    fn take(&mut self, bytes: usize) -> &'code str {
        let whole = self.rest;
        let (taken, rest) = whole.split_at_checked(bytes).unwrap_or((whole, ""));
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, holds: impl Fn(char) -> bool) -> &'code str {
        let end = self.rest.find(|c| !holds(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// A text whose quotes begin after `prefix` bytes. One in single quotes ends with its line at the latest.
    fn take_text(&mut self, prefix: usize, quote: char) -> &'code str {
        let body = self.rest.get(prefix..).unwrap_or_default();
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let is_triple = body.starts_with(&triple);
        let opening = if is_triple { 3 } else { 1 };
        let inside = body.get(opening..).unwrap_or_default();
        let mut escaped = false;
        let mut length = inside.len();
        for (at, c) in inside.char_indices() {
            let here = inside.get(at..).unwrap_or_default();
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote && is_triple && here.starts_with(&triple) => {
                    length = at + 3;
                    break;
                }
                c if c == quote && !is_triple => {
                    length = at + 1;
                    break;
                }
                '\n' if !is_triple => {
                    length = at;
                    break;
                }
                _ => {}
            }
        }
        let text = self.take(prefix + opening + length);
        self.line += text.matches('\n').count();
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(code: &str) -> Vec<(Kind, &str)> {
        tokens(code).iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn comments_and_texts_are_told_from_code() {
        assert_eq!(
            kinds("x = 'a # b' # c\n!pip install y"),
            [
                (Kind::Name, "x"),
                (Kind::Sign, "="),
                (Kind::Text, "'a # b'"),
                (Kind::Comment, "# c"),
                (Kind::Shell, "!pip install y"),
            ]
        );
        assert_eq!(kinds("rb'\\''")[0], (Kind::Text, "rb'\\''"));
        assert_eq!(kinds("f\"{x}\" y"), [(Kind::Text, "f\"{x}\""), (Kind::Name, "y")]);
        assert_eq!(kinds("'''a\n# %%\n''' z"), [(Kind::Text, "'''a\n# %%\n'''"), (Kind::Name, "z")]);
        assert_eq!(kinds("'open\ny"), [(Kind::Text, "'open"), (Kind::Name, "y")], "it ends with its line");
        assert_eq!(kinds("(a\n% b)")[2], (Kind::Sign, "%"), "within brackets it is no magic");
    }

    #[test]
    fn lines_margins_and_brackets_are_counted() {
        let all = tokens("a = f(\n  b)\nif a:\n    c\n\"\"\"x\ny\"\"\"\nd");
        let of = |name: &str| *all.iter().find(|token| token.text == name).unwrap();
        assert_eq!((of("b").line, of("b").depth, of("b").at_margin), (1, 1, false));
        assert_eq!((of("if").line, of("if").at_margin), (2, true));
        assert_eq!((of("c").line, of("c").at_margin), (3, false));
        assert_eq!((of("d").line, of("d").at_margin, of("d").depth), (6, true, 0));
    }

    #[test]
    fn the_content_of_a_text_has_no_quotes() {
        for (code, content) in [("'a'", "a"), ("r\"a\"", "a"), ("\"\"\"a\"\"\"", "a"), ("''", ""), ("'a", "a")] {
            assert_eq!(tokens(code)[0].content(), Some(content), "{code}");
        }
        assert_eq!(tokens("a")[0].content(), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it_and_nothing_is_invented(code in "(?s)[a-z'\"#\\\\\n(){}%!= ä]{0,60}") {
            let mut rest = code.as_str();
            for token in tokens(&code) {
                let at = rest.find(token.text);
                prop_assert!(at.is_some(), "{:?} is not left in {rest:?}", token.text);
                rest = rest.get(at.unwrap() + token.text.len()..).unwrap();
            }
        }
    }
}
