//! Text functions: those that make size, with a bound on it, and those where DataFusion differs.

use arrow::{
    array::ArrayRef,
    datatypes::{Int32Type, Int64Type},
};
use datafusion::{error::Result, logical_expr::Volatility};

use super::{
    Call, Function, Overload, output,
    types::Ty::{Any, Bytes, Int4, Int8, Text},
};
use crate::error::failed;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::pure("repeat", &[Overload::new(&[Text, Int8], Text, repeat)]),
    Function::pure("lpad", &[Overload::new(&[Text, Int8], Text, lpad), Overload::new(&[Text, Int8, Text], Text, lpad)]),
    Function::pure("rpad", &[Overload::new(&[Text, Int8], Text, rpad), Overload::new(&[Text, Int8, Text], Text, rpad)]),
    Function::pure("replace", &[Overload::new(&[Text, Text, Text], Text, replace)]),
    Function::pure("$concat", &[Overload::new(&[Text, Text], Text, concat_operator)]),
    Function { name: "concat", volatility: Volatility::Immutable, overloads: &[Overload::variadic(&[Any], Text, concat)] },
    Function {
        name: "concat_ws",
        volatility: Volatility::Immutable,
        overloads: &[Overload::variadic(&[Text, Any], Text, concat_ws)],
    },
    Function { name: "format", volatility: Volatility::Immutable, overloads: &[Overload::variadic(&[Text, Any], Text, format)] },
    Function::pure(
        "overlay",
        &[Overload::new(&[Text, Text, Int8], Text, overlay), Overload::new(&[Text, Text, Int8, Int8], Text, overlay)],
    ),
    Function::pure("substring", SUBSTRING),
    Function::pure("substr", SUBSTR),
    Function::pure("left", &[Overload::new(&[Text, Int8], Text, left)]),
    Function::pure("right", &[Overload::new(&[Text, Int8], Text, right)]),
    Function::pure("chr", &[Overload::new(&[Int8], Text, chr)]),
    Function::pure("quote_literal", &[Overload::new(&[Text], Text, quote_literal)]),
    Function::pure("quote_ident", &[Overload::new(&[Text], Text, quote_ident)]),
    Function::pure("$text", &[Overload::new(&[Text], Text, text)]),
    Function::pure("encode", &[Overload::new(&[Bytes, Text], Text, super::encoding::encode)]),
    Function::pure("decode", &[Overload::new(&[Text, Text], Bytes, super::encoding::decode)]),
    Function::pure("md5", &[Overload::new(&[Text], Text, super::encoding::md5)]),
    Function::pure("ascii", &[Overload::new(&[Text], Int4, ascii)]),
];

const SUBSTR: &[Overload] = &[Overload::new(&[Text, Int8], Text, substring), Overload::new(&[Text, Int8, Int8], Text, substring)];

const SUBSTRING: &[Overload] = &[
    Overload::new(&[Text, Int8], Text, substring),
    Overload::new(&[Text, Int8, Int8], Text, substring),
    Overload::new(&[Text, Text], Text, super::regex::substring),
    Overload::new(&[Text, Text, Text], Text, super::regex::substring_similar),
];

fn text(call: &Call<'_>) -> Result<ArrayRef> {
    call.array(0)
}

fn length(value: i64) -> usize {
    usize::try_from(value.max(0)).unwrap_or(usize::MAX)
}

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0)?, call.numbers::<Int64Type>(1)?);
    call.build_text(|row, out| {
        let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else { return Ok(None) };
        let count = length(count);
        // Refused before it is made.
        call.scope.check_value(text.len().saturating_mul(count))?;
        for _ in 0..count {
            out.push_str(text);
        }
        Ok(Some(()))
    })
}

/// Which side is filled.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

fn pad(call: &Call<'_>, side: Side) -> Result<ArrayRef> {
    let (texts, lengths) = (call.text(0)?, call.numbers::<Int64Type>(1)?);
    let fills = if call.has(2) { Some(call.text(2)?) } else { None };
    call.build_text(|row, out| {
        let (Some(text), Some(wanted)) = (texts.get(row), lengths.get(row)) else { return Ok(None) };
        let fill = match &fills {
            Some(fills) => match fills.get(row) {
                Some(fill) => fill,
                None => return Ok(None),
            },
            None => " ",
        };
        let wanted = length(wanted);
        call.scope.check_value(wanted)?;
        let has = text.chars().count();
        let missing = if fill.is_empty() { 0 } else { wanted.saturating_sub(has) };
        let filling = fill.chars().cycle().take(missing);
        match side {
            Side::Left => {
                out.extend(filling);
                out.extend(text.chars().take(wanted));
            }
            Side::Right => {
                out.extend(text.chars().take(wanted));
                out.extend(filling);
            }
        }
        Ok(Some(()))
    })
}

fn lpad(call: &Call<'_>) -> Result<ArrayRef> {
    pad(call, Side::Left)
}

fn rpad(call: &Call<'_>) -> Result<ArrayRef> {
    pad(call, Side::Right)
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, froms, tos) = (call.text(0)?, call.text(1)?, call.text(2)?);
    call.build_text(|row, out| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), froms.get(row), tos.get(row)) else {
            return Ok(None);
        };
        if from.is_empty() {
            out.push_str(text);
            return Ok(Some(()));
        }
        let mut parts = text.split(from);
        out.push_str(parts.next().unwrap_or_default());
        for part in parts {
            out.push_str(to);
            out.push_str(part);
            call.scope.check_value(out.len())?;
        }
        Ok(Some(()))
    })
}

fn concat_operator(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    call.build_text(|row, out| {
        let (Some(left), Some(right)) = (left.get(row), right.get(row)) else { return Ok(None) };
        call.scope.check_value(left.len().saturating_add(right.len()))?;
        out.push_str(left);
        out.push_str(right);
        Ok(Some(()))
    })
}

/// The arguments from `first` on, as columns.
fn columns(call: &Call<'_>, first: usize) -> Result<Vec<ArrayRef>> {
    (first..call.args.len()).map(|index| call.array(index)).collect()
}

/// Writes a value of any type; whether there was one.
fn write_any(out: &mut String, array: &ArrayRef, row: usize) -> Result<bool> {
    if array.is_null(row) || array.data_type().is_null() {
        return Ok(false);
    }
    if array.data_type() == &arrow::datatypes::DataType::Boolean {
        // `concat` uses the output function, which writes one letter.
        use arrow::array::AsArray;
        out.push(if array.as_boolean().value(row) { 't' } else { 'f' });
        return Ok(true);
    }
    output::write_value(out, array.as_ref(), row)?;
    Ok(true)
}

fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    let columns = columns(call, 0)?;
    call.build_text(|row, out| {
        for column in &columns {
            write_any(out, column, row)?;
            call.scope.check_value(out.len())?;
        }
        Ok(Some(()))
    })
}

fn concat_ws(call: &Call<'_>) -> Result<ArrayRef> {
    let separators = call.text(0)?;
    let columns = columns(call, 1)?;
    call.build_text(|row, out| {
        let Some(separator) = separators.get(row) else { return Ok(None) };
        let mut first = true;
        for column in &columns {
            let before = out.len();
            if !first {
                out.push_str(separator);
            }
            if write_any(out, column, row)? {
                first = false;
            } else {
                out.truncate(before);
            }
            call.scope.check_value(out.len())?;
        }
        Ok(Some(()))
    })
}

/// `format('%s of %I: %L', …)`, with positions (`%2$s`) and widths (`%-10s`).
fn format(call: &Call<'_>) -> Result<ArrayRef> {
    let formats = call.text(0)?;
    let columns = columns(call, 1)?;
    call.build_text(|row, out| {
        let Some(format) = formats.get(row) else { return Ok(None) };
        super::format::format(format, out, &mut |index, out| match columns.get(index) {
            Some(column) => write_any(out, column, row),
            None => Err(failed("too few arguments for format()")),
        })?;
        Ok(Some(()))
    })
}

fn overlay(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, news, starts) = (call.text(0)?, call.text(1)?, call.numbers::<Int64Type>(2)?);
    let counts = if call.has(3) { Some(call.numbers::<Int64Type>(3)?) } else { None };
    call.build_text(|row, out| {
        let (Some(text), Some(new), Some(start)) = (texts.get(row), news.get(row), starts.get(row)) else {
            return Ok(None);
        };
        let count = match &counts {
            Some(counts) => match counts.get(row) {
                Some(count) => count,
                None => return Ok(None),
            },
            None => i64::try_from(new.chars().count()).unwrap_or(i64::MAX),
        };
        if start <= 0 {
            return Err(failed("negative substring length not allowed"));
        }
        out.extend(text.chars().take(length(start - 1)));
        out.push_str(new);
        out.extend(text.chars().skip(length(start.saturating_sub(1).saturating_add(count))));
        Ok(Some(()))
    })
}

/// Bytes of the first `count` characters of a text behind the first `skip`.
fn slice(text: &str, skip: usize, count: usize) -> &str {
    if text.is_ascii() {
        let start = skip.min(text.len());
        let end = start.saturating_add(count).min(text.len());
        return text.get(start..end).unwrap_or_default();
    }
    let mut at = text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len()));
    let Some(start) = at.nth(skip) else { return "" };
    let end = if count == 0 { start } else { at.nth(count - 1).unwrap_or(text.len()) };
    text.get(start..end).unwrap_or_default()
}

fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, starts) = (call.text(0)?, call.numbers::<Int64Type>(1)?);
    let counts = if call.has(2) { Some(call.numbers::<Int64Type>(2)?) } else { None };
    call.build_text(|row, out| {
        let (Some(text), Some(start)) = (texts.get(row), starts.get(row)) else { return Ok(None) };
        // Positions count from 1; those before it exist, but hold nothing.
        let end = match &counts {
            Some(counts) => match counts.get(row) {
                Some(count) if count < 0 => return Err(failed("negative substring length not allowed")),
                Some(count) => start.saturating_add(count),
                None => return Ok(None),
            },
            None => i64::MAX,
        };
        let first = start.max(1);
        if end > first {
            out.push_str(slice(text, length(first - 1), length(end.saturating_sub(first))));
        }
        Ok(Some(()))
    })
}

fn left(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0)?, call.numbers::<Int64Type>(1)?);
    call.build_text(|row, out| {
        let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else { return Ok(None) };
        // A negative count leaves out that many at the other end.
        let take = if count >= 0 { length(count) } else { text.chars().count().saturating_sub(length(-count)) };
        out.push_str(slice(text, 0, take));
        Ok(Some(()))
    })
}

fn right(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0)?, call.numbers::<Int64Type>(1)?);
    call.build_text(|row, out| {
        let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else { return Ok(None) };
        let skip = if count >= 0 { text.chars().count().saturating_sub(length(count)) } else { length(-count) };
        out.push_str(slice(text, skip, usize::MAX));
        Ok(Some(()))
    })
}

fn chr(call: &Call<'_>) -> Result<ArrayRef> {
    let codes = call.numbers::<Int64Type>(0)?;
    call.build_text(|row, out| {
        let Some(code) = codes.get(row) else { return Ok(None) };
        if code == 0 {
            return Err(failed("null character not permitted"));
        }
        let character = u32::try_from(code).ok().and_then(char::from_u32);
        out.push(character.ok_or_else(|| failed("requested character not valid for encoding"))?);
        Ok(Some(()))
    })
}

fn ascii(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_numbers::<Int32Type>(|row| {
        Ok(texts.get(row).map(|text| text.chars().next().map_or(0, |first| i32::try_from(u32::from(first)).unwrap_or(0))))
    })
}

fn quote_literal(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_text(|row, out| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        super::format::write_literal(out, text);
        Ok(Some(()))
    })
}

fn quote_ident(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_text(|row, out| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        super::format::write_ident(out, text);
        Ok(Some(()))
    })
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn slices_by_characters() {
        for (text, skip, count, expected) in [
            ("abcdef", 1, 2, "bc"),
            ("abc", 5, 2, ""),
            ("žluťoučký", 1, 3, "luť"),
            ("žlu", 2, 10, "u"),
            ("日本語", 0, 0, ""),
            ("日本語", 3, 1, ""),
            ("日本語", 1, usize::MAX, "本語"),
        ] {
            assert_eq!(slice(text, skip, count), expected, "{text} {skip} {count}");
        }
    }
}
