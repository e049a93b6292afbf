//! Text from outside within Markdown that this program composes: what a model, a file or a person wrote is shown as it is, and
//! makes no link, picture, heading or end of a fence.

/// A text on one line of Markdown, with nothing in it that is markup.
#[must_use]
pub fn plain(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut plain = String::with_capacity(text.len());
    let mut before: Option<char> = None;
    let mut chars = text.chars().peekable();
    // A number at the beginning makes a list with the sign behind it.
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    for at in 0_usize.. {
        let Some(c) = chars.next() else { break };
        let is_markup = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '~' | '|' | '&' => true,
            // Within a word it is a sign like any other.
            '_' => !(before.is_some_and(char::is_alphanumeric) && chars.peek().is_some_and(|next| next.is_alphanumeric())),
            '#' | '-' | '+' | '=' => at == 0,
            '.' | ')' => digits > 0 && at == digits,
            _ => false,
        };
        if is_markup {
            plain.push('\\');
        }
        plain.push(c);
        before = Some(c);
    }
    plain
}

/// A text as code within a line.
#[must_use]
pub fn code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let fence = "`".repeat(longest_run(&text) + 1);
    // A space on both sides is not shown, and keeps its own signs apart from ours.
    let space = if text.is_empty() || text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A text as a block of code in a language.
#[must_use]
pub fn block(language: &str, text: &str) -> String {
    let fence = "`".repeat((longest_run(text) + 1).max(3));
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// How many backticks stand together at most.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_plain_text_is_markup() {
        for (text, expected) in [
            ("orders by customer_id", "orders by customer_id"),
            ("![x](https://evil.example/p.png)", r"!\[x\](https://evil.example/p.png)"),
            ("[click](javascript:alert(1))", r"\[click\](javascript:alert(1))"),
            ("<img src=x onerror=alert(1)> &lt;", r"\<img src=x onerror=alert(1)\> \&lt;"),
            ("a\n\n# Heading\n```", r"a # Heading \`\`\`"),
            ("# Heading", r"\# Heading"),
            ("- item", r"\- item"),
            ("1. item", r"1\. item"),
            ("12) item 1.5", r"12\) item 1.5"),
            ("2.5 is a number", r"2\.5 is a number"),
            ("count(*) of _a_ and b_", r"count(\*) of \_a\_ and b\_"),
            (r"\*", r"\\\*"),
            ("", ""),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn code_holds_any_code() {
        assert_eq!(code("orders"), "`orders`");
        assert_eq!(code("a`b\nc"), "``a`b c``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code(""), "`  `");
        assert_eq!(block("sql", "select 1"), "```sql\nselect 1\n```\n");
        assert_eq!(block("sql", "select '```'\n````"), "`````sql\nselect '```'\n````\n`````\n");
    }
}
