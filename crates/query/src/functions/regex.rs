//! Regular expressions. PostgreSQL's flavour is close to that of the `regex` crate; what is not (back-references,
//! look-around) is refused. Matching takes linear time, and looks at the deadline between rows.

use std::collections::HashMap;

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, Field, Int32Type, Int64Type},
};
use datafusion::error::Result;
use regex::{Captures, Regex, RegexBuilder};

use super::{
    Call, Function, Overload,
    types::Ty::{Bool, Int4, Int8, Text},
};
use crate::error::{failed, too_expensive};

/// Memory of one compiled expression, bytes.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// Compiled expressions kept for one batch.
const COMPILED_MAX: usize = 64;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::pure("$regex", &[Overload::new(&[Text, Text], Bool, is_match)]),
    Function::pure("$iregex", &[Overload::new(&[Text, Text], Bool, is_match_ignoring_case)]),
    Function::pure("$similar", &[Overload::new(&[Text, Text], Bool, similar), Overload::new(&[Text, Text, Text], Bool, similar)]),
    Function::pure(
        "regexp_like",
        &[Overload::new(&[Text, Text], Bool, is_match), Overload::new(&[Text, Text, Text], Bool, is_match)],
    ),
    Function::pure(
        "regexp_replace",
        &[Overload::new(&[Text, Text, Text], Text, replace), Overload::new(&[Text, Text, Text, Text], Text, replace)],
    ),
    Function::pure(
        "regexp_match",
        &[Overload::of(&[Text, Text], texts, first_match), Overload::of(&[Text, Text, Text], texts, first_match)],
    ),
    Function::pure(
        "regexp_matches",
        &[Overload::of(&[Text, Text], texts, first_match), Overload::of(&[Text, Text, Text], texts, first_match)],
    ),
    Function::pure(
        "regexp_split_to_array",
        &[Overload::of(&[Text, Text], texts, split), Overload::of(&[Text, Text, Text], texts, split)],
    ),
    Function::pure(
        "regexp_count",
        &[
            Overload::new(&[Text, Text], Int4, count),
            Overload::new(&[Text, Text, Int8], Int4, count),
            Overload::new(&[Text, Text, Int8, Text], Int4, count),
        ],
    ),
    Function::pure(
        "regexp_substr",
        &[
            Overload::new(&[Text, Text], Text, substr),
            Overload::new(&[Text, Text, Int8], Text, substr),
            Overload::new(&[Text, Text, Int8, Int8], Text, substr),
            Overload::new(&[Text, Text, Int8, Int8, Text], Text, substr),
        ],
    ),
    Function::pure("regexp_instr", &[Overload::new(&[Text, Text], Int4, instr), Overload::new(&[Text, Text, Int8], Int4, instr)]),
];

fn texts(_given: &[DataType]) -> DataType {
    DataType::List(std::sync::Arc::new(Field::new_list_field(DataType::Utf8View, true)))
}

/// The options behind a pattern: `i`, `g`, `n`, `x` and the like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Flags {
    ignore_case: bool,
    global: bool,
    lines: bool,
    extended: bool,
    literal: bool,
}

impl Flags {
    fn parse(text: &str) -> Result<Self> {
        let mut flags = Self::default();
        for flag in text.chars() {
            match flag {
                'i' => flags.ignore_case = true,
                'c' => flags.ignore_case = false,
                'g' => flags.global = true,
                'n' | 'm' => flags.lines = true,
                'x' => flags.extended = true,
                'q' => flags.literal = true,
                's' | 'e' | 't' => {}
                other => return Err(failed(format!("invalid regular expression option: \"{other}\""))),
            }
        }
        Ok(flags)
    }
}

/// Patterns of one batch, compiled once each.
#[derive(Default)]
struct Compiled {
    known: HashMap<(String, Flags), Regex>,
}

impl Compiled {
    fn get(&mut self, pattern: &str, flags: Flags) -> Result<&Regex> {
        let key = (pattern.to_owned(), flags);
        if !self.known.contains_key(&key) {
            // A pattern of every row: keep a few, rather than all.
            if self.known.len() >= COMPILED_MAX {
                self.known.clear();
            }
            self.known.insert(key.clone(), compile(pattern, flags)?);
        }
        self.known.get(&key).ok_or_else(|| failed("invalid regular expression"))
    }
}

fn compile(pattern: &str, flags: Flags) -> Result<Regex> {
    let translated = if flags.literal { regex::escape(pattern) } else { translate(pattern) };
    RegexBuilder::new(&translated)
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.lines)
        .dot_matches_new_line(!flags.lines)
        .ignore_whitespace(flags.extended)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => too_expensive("the regular expression is too large"),
            other => failed(format!("invalid regular expression: {}", reason(&other.to_string()))),
        })
}

/// The last line of the crate's error, which says what is wrong without drawing it.
fn reason(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// PostgreSQL's escapes in the words of the `regex` crate.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('m') => out.push_str(r"\b{start}"),
            Some('M') => out.push_str(r"\b{end}"),
            Some('y') => out.push_str(r"\b"),
            Some('Y') => out.push_str(r"\B"),
            Some('Z') => out.push_str(r"\z"),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push_str(r"\\"),
        }
    }
    out
}

/// The flags in argument `index`, the same for all rows when it is a constant.
fn flags_at(call: &Call<'_>, index: usize) -> Result<Option<Flags>> {
    if call.args.len() <= index { Ok(None) } else { call.constant_text(index).map(Flags::parse).transpose() }
}

/// Reads text, pattern and flags row by row.
fn each_match<T>(
    call: &Call<'_>,
    base: Flags,
    flags_index: usize,
    mut on_row: impl FnMut(usize, &str, &Regex, Flags) -> Result<T>,
) -> Result<impl FnMut(usize) -> Result<Option<T>>> {
    let (texts, patterns) = (call.text(0)?, call.text(1)?);
    let constant = flags_at(call, flags_index)?;
    let varying = if call.has(flags_index) && constant.is_none() { Some(call.text(flags_index)?) } else { None };
    let mut compiled = Compiled::default();
    Ok(move |row: usize| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else { return Ok(None) };
        let mut flags = match &varying {
            Some(varying) => match varying.get(row) {
                Some(flags) => Flags::parse(flags)?,
                None => return Ok(None),
            },
            None => constant.unwrap_or_default(),
        };
        flags.ignore_case |= base.ignore_case;
        let regex = compiled.get(pattern, flags)?;
        on_row(row, text, regex, flags).map(Some)
    })
}

fn matches(call: &Call<'_>, base: Flags) -> Result<ArrayRef> {
    let mut row = each_match(call, base, 2, |_, text, regex, _| {
        call.scope.check()?;
        Ok(regex.is_match(text))
    })?;
    call.build_booleans(&mut row)
}

fn is_match(call: &Call<'_>) -> Result<ArrayRef> {
    matches(call, Flags::default())
}

fn is_match_ignoring_case(call: &Call<'_>) -> Result<ArrayRef> {
    matches(call, Flags { ignore_case: true, ..Flags::default() })
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let replacements = call.text(2)?;
    let mut row = each_match(call, Flags::default(), 3, |row, text, regex, flags| {
        let Some(replacement) = replacements.get(row) else { return Ok(None) };
        let limit = if flags.global { usize::MAX } else { 1 };
        let mut out = String::new();
        let mut end = 0;
        for found in regex.captures_iter(text).take(limit) {
            let Some(whole) = found.get(0) else { continue };
            out.push_str(text.get(end..whole.start()).unwrap_or_default());
            expand(&mut out, replacement, &found);
            end = whole.end();
            call.scope.check_value(out.len())?;
        }
        call.scope.check()?;
        out.push_str(text.get(end..).unwrap_or_default());
        Ok(Some(out))
    })?;
    call.build_text(|index, out| match row(index)?.flatten() {
        Some(text) => {
            out.push_str(&text);
            Ok(Some(()))
        }
        None => Ok(None),
    })
}

/// Writes a replacement: `\1` is a group, `\&` the match, `\\` a backslash.
fn expand(out: &mut String, replacement: &str, found: &Captures<'_>) {
    let mut characters = replacement.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some(digit @ '1'..='9') => {
                let group = digit.to_digit(10).and_then(|group| usize::try_from(group).ok()).unwrap_or(0);
                out.push_str(found.get(group).map_or("", |group| group.as_str()));
            }
            Some('&') => out.push_str(found.get(0).map_or("", |whole| whole.as_str())),
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
}

/// The groups of a match, or the whole of it when there are none.
fn groups(found: &Captures<'_>) -> Vec<Option<String>> {
    let owned = |group: Option<regex::Match<'_>>| group.map(|group| group.as_str().to_owned());
    if found.len() == 1 { vec![owned(found.get(0))] } else { found.iter().skip(1).map(owned).collect() }
}

fn first_match(call: &Call<'_>) -> Result<ArrayRef> {
    let mut row =
        each_match(call, Flags::default(), 2, |_, text, regex, _| Ok(regex.captures(text).map(|found| groups(&found))))?;
    super::lists::build_texts(call, |index| Ok(row(index)?.flatten()))
}

fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let mut row = each_match(call, Flags::default(), 2, |_, text, regex, _| {
        Ok(regex.split(text).map(|part| Some(part.to_owned())).collect::<Vec<_>>())
    })?;
    super::lists::build_texts(call, &mut row)
}

/// The text behind the first `start - 1` characters, and how many bytes those have.
fn from_position(text: &str, start: i64) -> Result<(usize, &str)> {
    let skip = usize::try_from(start - 1).map_err(|_error| failed(format!("invalid value for parameter \"start\": {start}")))?;
    let at = text.char_indices().nth(skip).map_or(text.len(), |(at, _)| at);
    Ok((at, text.get(at..).unwrap_or_default()))
}

fn start_at(call: &Call<'_>, index: usize) -> Result<impl Fn(usize) -> i64> {
    let starts = if call.has(index) { Some(call.numbers::<Int64Type>(index)?) } else { None };
    Ok(move |row: usize| starts.as_ref().and_then(|starts| starts.get(row)).unwrap_or(1))
}

fn count(call: &Call<'_>) -> Result<ArrayRef> {
    let start = start_at(call, 2)?;
    let mut row = each_match(call, Flags::default(), 3, |row, text, regex, _| {
        let (_, rest) = from_position(text, start(row))?;
        Ok(i32::try_from(regex.find_iter(rest).count()).unwrap_or(i32::MAX))
    })?;
    call.build_numbers::<Int32Type>(&mut row)
}

fn substr(call: &Call<'_>) -> Result<ArrayRef> {
    let (start, nth) = (start_at(call, 2)?, start_at(call, 3)?);
    let mut row = each_match(call, Flags::default(), 4, |row, text, regex, _| {
        let (_, rest) = from_position(text, start(row))?;
        let nth = usize::try_from(nth(row) - 1).unwrap_or(usize::MAX);
        Ok(regex.find_iter(rest).nth(nth).map(|found| found.as_str().to_owned()))
    })?;
    call.build_text(|index, out| match row(index)?.flatten() {
        Some(text) => {
            out.push_str(&text);
            Ok(Some(()))
        }
        None => Ok(None),
    })
}

fn instr(call: &Call<'_>) -> Result<ArrayRef> {
    let start = start_at(call, 2)?;
    let mut row = each_match(call, Flags::default(), usize::MAX, |row, text, regex, _| {
        let (at, rest) = from_position(text, start(row))?;
        let Some(found) = regex.find(rest) else { return Ok(0) };
        let before = text.get(..at + found.start()).map_or(0, |before| before.chars().count());
        Ok(i32::try_from(before + 1).unwrap_or(i32::MAX))
    })?;
    call.build_numbers::<Int32Type>(&mut row)
}

/// `substring(text from 'pattern')`: the first group, or the whole match.
pub(super) fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let mut row = each_match(call, Flags::default(), usize::MAX, |_, text, regex, _| {
        Ok(regex.captures(text).and_then(|found| groups(&found).into_iter().next().flatten()))
    })?;
    call.build_text(|index, out| match row(index)?.flatten() {
        Some(text) => {
            out.push_str(&text);
            Ok(Some(()))
        }
        None => Ok(None),
    })
}

/// `substring(text from 'pattern' for '#')`: the part between `#"` and `#"` of an SQL pattern.
pub(super) fn substring_similar(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, escapes) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let mut compiled = Compiled::default();
    call.build_text(|row, out| {
        let (Some(text), Some(pattern), Some(escape)) = (texts.get(row), patterns.get(row), escapes.get(row)) else {
            return Ok(None);
        };
        let translated = from_similar(pattern, escape.chars().next())?;
        let regex = compiled.get(&translated, Flags::default())?;
        let Some(found) = regex.captures(text) else { return Ok(None) };
        out.push_str(found.get(1).or_else(|| found.get(0)).map_or("", |part| part.as_str()));
        Ok(Some(()))
    })
}

fn similar(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.text(0)?, call.text(1)?);
    let escape = match call.constant_text(2) {
        Some(text) => text.chars().next(),
        None => Some('\\'),
    };
    let mut compiled = Compiled::default();
    call.build_booleans(|row| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else { return Ok(None) };
        let translated = from_similar(pattern, escape)?;
        Ok(Some(compiled.get(&translated, Flags::default())?.is_match(text)))
    })
}

/// An SQL pattern (`%`, `_`, alternatives, groups, repetitions) as a regular expression for the whole text.
fn from_similar(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::from("^(?:");
    let mut characters = pattern.chars();
    let mut marks = 0;
    let mut in_brackets = false;
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            match characters.next() {
                // The two marks of `substring … for`.
                Some('"') => {
                    out.push_str(if marks == 0 { ")(" } else { ")(?:" });
                    marks += 1;
                }
                Some(next) => out.push_str(&regex::escape(&next.to_string())),
                None => return Err(failed("invalid escape string")),
            }
            continue;
        }
        match character {
            '[' => {
                in_brackets = true;
                out.push('[');
            }
            ']' => {
                in_brackets = false;
                out.push(']');
            }
            other if in_brackets => out.push(other),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '|' | ')' | '*' | '+' | '?' | '{' | '}' | ',' => out.push(character),
            '.' | '^' | '$' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out.push_str(")$");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_patterns_cover_the_whole_text() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("a", "abc", false),
            ("%(b|d)%", "abc", true),
            ("(b|c)%", "abc", false),
            ("a_c", "abc", true),
            ("[a-c]+", "abc", true),
            ("a.c", "abc", false),
            (r"100\%", "100%", true),
        ] {
            let regex = compile(&from_similar(pattern, Some('\\')).unwrap(), Flags::default()).unwrap();
            assert_eq!(regex.is_match(text), expected, "{text} similar to {pattern}");
        }
    }

    #[test]
    fn refuses_what_is_no_expression_and_what_is_too_large() {
        for bad in ["(", "[a", "a{2,1}", r"(a)\1", "(?=a)"] {
            let error = compile(bad, Flags::default()).unwrap_err().to_string();
            assert!(error.contains("invalid regular expression"), "{bad}: {error}");
        }
        let error = compile("((a{100}){100}){100}", Flags::default()).unwrap_err().to_string();
        assert!(error.contains("too large"), "{error}");
    }

    #[test]
    fn words_have_beginnings_and_ends() {
        let regex = compile(r"\mcat\M", Flags::default()).unwrap();
        assert!(regex.is_match("a cat sat") && !regex.is_match("concatenate"));
    }
}
