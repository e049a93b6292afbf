//! The templates of `format()`, and quoting.

use datafusion::error::Result;

use crate::error::failed;

/// Writes the value of the argument at an index (from 0); whether it is not null.
type Argument<'a> = dyn FnMut(usize, &mut String) -> Result<bool> + 'a;

/// Fills a template.
pub(super) fn format(template: &str, out: &mut String, argument: &mut Argument<'_>) -> Result<()> {
    let mut characters = template.chars().peekable();
    let mut next = 0usize;
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let mut spec = String::new();
        let kind = loop {
            match characters.next() {
                Some('%') if spec.is_empty() => break '%',
                Some(kind @ ('s' | 'I' | 'L')) => break kind,
                Some(part @ ('0'..='9' | '$' | '-')) => spec.push(part),
                Some(other) => return Err(failed(format!("unrecognized format() type specifier \"{other}\""))),
                None => return Err(failed("unterminated format() type specifier")),
            }
        };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let (index, width) = position_and_width(&spec, &mut next)?;
        let mut value = String::new();
        let present = argument(index, &mut value)?;
        let mut written = String::new();
        match (kind, present) {
            ('L', false) => written.push_str("NULL"),
            ('L', true) => write_literal(&mut written, &value),
            ('I', false) => return Err(failed("null values cannot be formatted as an SQL identifier")),
            ('I', true) => write_ident(&mut written, &value),
            _ => written = value,
        }
        pad(out, &written, width);
    }
    Ok(())
}

/// Reads `2$-10`: the argument's index from 0, and the width, negative for left-aligned.
fn position_and_width(spec: &str, next: &mut usize) -> Result<(usize, i64)> {
    let wrong = || failed("format specifies an argument or width that is not a number");
    let (index, width) = match spec.split_once('$') {
        Some((position, width)) => {
            let position: usize = position.parse().map_err(|_error| wrong())?;
            (
                position
                    .checked_sub(1)
                    .ok_or_else(|| failed("format specifies argument 0, but arguments are numbered from 1"))?,
                width,
            )
        }
        None => (*next, spec),
    };
    *next = index + 1;
    let width = if width.is_empty() { 0 } else { width.parse::<i16>().map_err(|_error| wrong())?.into() };
    Ok((index, width))
}

fn pad(out: &mut String, text: &str, width: i64) {
    let missing = usize::try_from(width.unsigned_abs()).unwrap_or(0).saturating_sub(text.chars().count());
    if width > 0 {
        out.extend(std::iter::repeat_n(' ', missing));
    }
    out.push_str(text);
    if width < 0 {
        out.extend(std::iter::repeat_n(' ', missing));
    }
}

/// Writes `'it''s'`.
pub(super) fn write_literal(out: &mut String, text: &str) {
    let escape = text.contains('\\');
    out.push_str(if escape { "E'" } else { "'" });
    for character in text.chars() {
        if character == '\'' || (escape && character == '\\') {
            out.push(character);
        }
        out.push(character);
    }
    out.push('\'');
}

/// Writes a name, in quotes when it needs them.
pub(super) fn write_ident(out: &mut String, text: &str) {
    let mut characters = text.chars();
    let plain = characters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_');
    if plain {
        out.push_str(text);
    } else {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_templates() {
        let fill = |template: &str| {
            let mut out = String::new();
            let mut argument = |index: usize, out: &mut String| match index {
                0 => {
                    out.push_str("it's");
                    Ok(true)
                }
                1 => Ok(false),
                _ => Err(failed("too few arguments for format()")),
            };
            format(template, &mut out, &mut argument).map(|()| out)
        };
        assert_eq!(fill("%s|%L|100%%").unwrap(), "it's|NULL|100%");
        assert_eq!(fill("%1$L %1$I").unwrap(), r#"'it''s' "it's""#);
        assert_eq!(fill("[%6s][%1$-6s]").unwrap(), "[  it's][it's  ]");
        for bad in ["%", "%d", "%3$s", "%2$I", "%0$s"] {
            assert!(fill(bad).is_err(), "{bad}");
        }
    }
}
