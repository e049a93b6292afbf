//! Writes and reads numbers by a template: `FM999,990.00`, `S0000`, `9.99PR`, `L99`.

use datafusion::error::Result;

use crate::{
    error::failed,
    functions::{decimal, input},
};

/// A template of a number.
#[derive(Debug, Default)]
struct Template {
    /// Digits, separators and plain text before and behind the point.
    whole: Vec<Slot>,
    fraction: Vec<Slot>,
    has_point: bool,
    fill: bool,
    sign: Sign,
    /// Powers of ten of `V`.
    shift: usize,
    ordinal: Option<bool>,
    roman: bool,
    scientific: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// `9` or `0`.
    Digit {
        zero: bool,
    },
    Group,
    Text(char),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Sign {
    /// A minus before the first digit, a blank otherwise.
    #[default]
    Plain,
    /// `S` in front, `S` or `MI` behind, `PR`.
    Leading,
    Trailing,
    TrailingMinus,
    Brackets,
    /// `MI` in front.
    LeadingMinus,
}

fn parse(template: &str) -> Result<Template> {
    let mut parsed = Template::default();
    let upper = template.to_ascii_uppercase();
    let mut at = 0;
    let starts = |at: usize, name: &str| upper.get(at..).is_some_and(|rest| rest.starts_with(name));
    while let Some(character) = template.get(at..).and_then(|rest| rest.chars().next()) {
        let digits_yet = parsed.whole.iter().chain(&parsed.fraction).any(|slot| matches!(slot, Slot::Digit { .. }));
        let mut width = character.len_utf8();
        if starts(at, "FM") {
            (parsed.fill, width) = (true, 2);
        } else if starts(at, "MI") {
            (parsed.sign, width) = (if digits_yet { Sign::TrailingMinus } else { Sign::LeadingMinus }, 2);
        } else if starts(at, "PR") {
            (parsed.sign, width) = (Sign::Brackets, 2);
        } else if starts(at, "SG") {
            (parsed.sign, width) = (if digits_yet { Sign::Trailing } else { Sign::Leading }, 2);
        } else if starts(at, "PL") {
            (parsed.sign, width) = (Sign::Leading, 2);
        } else if starts(at, "TH") {
            (parsed.ordinal, width) = (Some(template.get(at..at + 2) == Some("TH")), 2);
        } else if starts(at, "RN") {
            (parsed.roman, width) = (true, 2);
        } else if starts(at, "EEEE") {
            (parsed.scientific, width) = (true, 4);
        } else if character == '"' {
            let inner = template.get(at + 1..).unwrap_or_default();
            let end = inner.find('"').unwrap_or(inner.len());
            let texts = inner.get(..end).unwrap_or_default().chars().map(Slot::Text);
            if parsed.has_point {
                parsed.fraction.extend(texts)
            } else {
                parsed.whole.extend(texts)
            }
            width = end + 2;
        } else {
            one(&mut parsed, character, digits_yet)?;
        }
        at += width;
    }
    Ok(parsed)
}

fn one(parsed: &mut Template, character: char, digits_yet: bool) -> Result<()> {
    let slot = match character {
        '9' => Slot::Digit { zero: false },
        '0' => Slot::Digit { zero: true },
        ',' | 'G' | 'g' => Slot::Group,
        '.' | 'D' | 'd' => {
            if parsed.has_point {
                return Err(failed("multiple decimal points"));
            }
            parsed.has_point = true;
            return Ok(());
        }
        'S' | 's' => {
            parsed.sign = if digits_yet { Sign::Trailing } else { Sign::Leading };
            return Ok(());
        }
        'V' | 'v' => {
            parsed.shift = 1;
            return Ok(());
        }
        // The currency symbol of the C locale is nothing.
        'L' | 'l' => Slot::Text(' '),
        other => Slot::Text(other),
    };
    if parsed.shift > 0 && matches!(slot, Slot::Digit { .. }) {
        parsed.shift += 1;
    }
    if parsed.has_point {
        parsed.fraction.push(slot)
    } else {
        parsed.whole.push(slot)
    }
    Ok(())
}

fn digits(slots: &[Slot]) -> usize {
    slots.iter().filter(|slot| matches!(slot, Slot::Digit { .. })).count()
}

/// Writes a number given as its digits (`-12.50`, `NaN`).
pub(super) fn write(out: &mut String, number: &str, template: &str) -> Result<()> {
    let parsed = parse(template)?;
    if parsed.roman {
        return write_roman(out, number, parsed.fill);
    }
    if parsed.scientific {
        write_scientific(out, number, &parsed);
        return Ok(());
    }
    let Some((value, scale)) = input::free_numeric(number) else {
        // NaN and the infinities fill the template with marks.
        out.extend(std::iter::repeat_n('#', digits(&parsed.whole) + usize::from(!parsed.fill)));
        return Ok(());
    };
    let places = digits(&parsed.fraction);
    let shift = parsed.shift.saturating_sub(1);
    let target = i8::try_from(places + shift).map_err(|_error| failed("too many decimal places in the template"))?;
    let rounded = decimal::rescale(value, scale, target).ok_or_else(decimal::overflow)?;
    let text = rounded.unsigned_abs().to_string();
    let text = format!("{text:0>width$}", width = places + 1);
    let (whole, fraction) = text.split_at_checked(text.len() - places).unwrap_or((&text, ""));
    let negative = rounded < 0;
    write_filled(out, &parsed, whole.trim_start_matches('0'), fraction, negative);
    Ok(())
}

fn write_filled(out: &mut String, parsed: &Template, whole: &str, fraction: &str, negative: bool) {
    let room = digits(&parsed.whole);
    let overflows = whole.len() > room;
    let mut body = String::new();
    let first_digit = write_whole(&mut body, parsed, whole, overflows);
    if parsed.has_point {
        body.push('.');
        write_fraction(&mut body, parsed, fraction, overflows);
    }
    place_sign(out, parsed, &body, first_digit, negative);
    if let Some(upper) = parsed.ordinal.filter(|_| !negative && !parsed.has_point) {
        let suffix = match (whole.as_bytes().iter().rev().nth(1), whole.as_bytes().last()) {
            (Some(b'1'), _) => "th",
            (_, Some(b'1')) => "st",
            (_, Some(b'2')) => "nd",
            (_, Some(b'3')) => "rd",
            _ => "th",
        };
        out.push_str(&if upper { suffix.to_ascii_uppercase() } else { suffix.to_owned() });
    }
}

/// Writes the part before the point, blanks where digits are missing. Returns where the first digit is.
fn write_whole(body: &mut String, parsed: &Template, whole: &str, overflows: bool) -> usize {
    let room = digits(&parsed.whole);
    let first_zero = parsed
        .whole
        .iter()
        .filter(|slot| matches!(slot, Slot::Digit { .. }))
        .position(|slot| *slot == Slot::Digit { zero: true });
    let lead = room.saturating_sub(whole.len());
    // Zeros are shown from the first `0` of the template on.
    let shown_from = first_zero.map_or(lead, |first| first.min(lead));
    let mut position = 0;
    let mut first_digit = None;
    let mut source = whole.chars();
    for slot in &parsed.whole {
        match slot {
            Slot::Digit { .. } => {
                if overflows {
                    first_digit.get_or_insert(body.len());
                    body.push('#');
                } else if position >= lead {
                    first_digit.get_or_insert(body.len());
                    body.push(source.next().unwrap_or('0'));
                } else if position >= shown_from {
                    first_digit.get_or_insert(body.len());
                    body.push('0');
                } else if !parsed.fill {
                    body.push(' ');
                }
                position += 1;
            }
            Slot::Group if first_digit.is_some() => body.push(','),
            Slot::Group if !parsed.fill => body.push(' '),
            Slot::Group => {}
            Slot::Text(character) => body.push(*character),
        }
    }
    // A number below 1 shows its zero when there is no point, or the template ends in `0`.
    if first_digit.is_none() && !parsed.has_point && room > 0 {
        if !parsed.fill {
            body.pop();
        }
        first_digit = Some(body.len());
        body.push('0');
    }
    first_digit.unwrap_or(body.len())
}

fn write_fraction(body: &mut String, parsed: &Template, fraction: &str, overflows: bool) {
    // With `FM`, zeros at the end go, down to the last `0` of the template.
    let keep = if parsed.fill {
        let needed = parsed
            .fraction
            .iter()
            .filter(|slot| matches!(slot, Slot::Digit { .. }))
            .enumerate()
            .filter(|(_, slot)| **slot == Slot::Digit { zero: true })
            .map(|(index, _)| index + 1)
            .max()
            .unwrap_or(0);
        fraction.trim_end_matches('0').len().max(needed)
    } else {
        fraction.len()
    };
    let mut source = fraction.chars().take(keep);
    for slot in &parsed.fraction {
        match slot {
            Slot::Digit { .. } => match source.next() {
                Some(_) if overflows => body.push('#'),
                Some(digit) => body.push(digit),
                None => {}
            },
            Slot::Group => body.push(','),
            Slot::Text(character) => body.push(*character),
        }
    }
}

fn place_sign(out: &mut String, parsed: &Template, body: &str, first_digit: usize, negative: bool) {
    let (before, behind) = body.split_at_checked(first_digit).unwrap_or((body, ""));
    let insert = |out: &mut String, sign: &str| {
        out.push_str(before);
        out.push_str(sign);
        out.push_str(behind);
    };
    match parsed.sign {
        Sign::Plain if negative => insert(out, "-"),
        Sign::Plain if parsed.fill => out.push_str(body),
        Sign::Plain => insert(out, " "),
        Sign::Leading => insert(out, if negative { "-" } else { "+" }),
        Sign::LeadingMinus => {
            out.push_str(if negative {
                "-"
            } else if parsed.fill {
                ""
            } else {
                " "
            });
            out.push_str(body);
        }
        Sign::Trailing => {
            out.push_str(body);
            out.push(if negative { '-' } else { '+' });
        }
        Sign::TrailingMinus => {
            out.push_str(body);
            out.push_str(if negative {
                "-"
            } else if parsed.fill {
                ""
            } else {
                " "
            });
        }
        Sign::Brackets if negative => {
            insert(out, "<");
            out.push('>');
        }
        Sign::Brackets if parsed.fill => out.push_str(body),
        Sign::Brackets => {
            insert(out, " ");
            out.push(' ');
        }
    }
}

fn write_scientific(out: &mut String, number: &str, parsed: &Template) {
    let value = number.parse::<f64>().unwrap_or(f64::NAN);
    let text = format!("{value:.*e}", digits(&parsed.fraction));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    if !mantissa.starts_with('-') && !parsed.fill {
        out.push(' ');
    }
    out.push_str(mantissa);
    out.push_str(if exponent.starts_with('-') { "e-" } else { "e+" });
    out.push_str(&format!("{:0>2}", exponent.trim_start_matches('-')));
}

fn write_roman(out: &mut String, number: &str, fill: bool) -> Result<()> {
    const NUMERALS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let rounded = input::numeric(number, 0).ok_or_else(decimal::overflow)?;
    let Some(mut rest) = u32::try_from(rounded).ok().filter(|value| (1..4000).contains(value)) else {
        out.push_str("###############");
        return Ok(());
    };
    let mut text = String::new();
    for (value, numeral) in NUMERALS {
        while rest >= value {
            text.push_str(numeral);
            rest -= value;
        }
    }
    out.push_str(&if fill { text } else { format!("{text:>15}") });
    Ok(())
}

/// Reads a number by a template: separators and text are passed over.
pub(super) fn read(text: &str, template: &str, scale: i8) -> Result<i128> {
    let parsed = parse(template)?;
    let negative = text.contains('-') || (parsed.sign == Sign::Brackets && text.contains('<'));
    let places = digits(&parsed.fraction);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let only_digits = |part: &str| part.chars().filter(char::is_ascii_digit).collect::<String>();
    let whole = only_digits(whole);
    let fraction: String = only_digits(fraction).chars().take(if parsed.has_point { places } else { 0 }).collect();
    let shown: String = text.chars().take(60).collect();
    if whole.is_empty() && fraction.is_empty() {
        return Err(failed(format!("invalid input syntax for type numeric: \"{shown}\"")));
    }
    let value = input::numeric(&format!("0{whole}.{fraction}0"), scale).ok_or_else(decimal::overflow)?;
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers_as_postgresql_does() {
        for (number, template, expected) in [
            ("1234.5", "9,999.99", " 1,234.50"),
            ("1234.5", "FM9,999.99", "1,234.5"),
            ("1234.5", "FM9,999.00", "1,234.50"),
            ("-12", "999", " -12"),
            ("12", "00000", " 00012"),
            ("0.5", "9.99", "  .50"),
            ("0.5", "0.99", " 0.50"),
            ("0.5", "FM990.00", "0.50"),
            ("-7", "S999", "  -7"),
            ("7", "S000", "+007"),
            ("-7", "999MI", "  7-"),
            ("7", "999MI", "  7 "),
            ("-7", "999PR", "  <7>"),
            ("12345", "999", " ###"),
            ("0", "999", "   0"),
            ("0", "FM999", "0"),
            ("1485", "RN", "       MCDLXXXV"),
            ("1485", "FMRN", "MCDLXXXV"),
            ("482", "999th", " 482nd"),
            ("1.005", "FM9.00", "1.01"),
            ("12.4", "99V9", " 124"),
            ("485", "\"Good number:\"999", "Good number: 485"),
            ("0.0004859", "9.99EEEE", " 4.86e-04"),
        ] {
            let mut out = String::new();
            write(&mut out, number, template).unwrap();
            assert_eq!(out, expected, "to_char({number}, {template})");
        }
    }

    #[test]
    fn reads_numbers_through_their_separators() {
        assert_eq!(read("12,454.8-", "99G999D9S", 2).unwrap(), -1_245_480);
        assert_eq!(read("$1,234.56", "L9,999.99", 2).unwrap(), 123_456);
        assert!(read("abc", "999", 2).is_err());
    }
}
