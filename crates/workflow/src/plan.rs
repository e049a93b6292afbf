//! Plans that models hand in: found wherever they put them, and brought into the form that clients show.

use serde_json::{Map, Value};

/// Longest plan, characters.
pub const PLAN_CHARS_MAX: usize = 50_000;
/// Longest name of a plan, characters.
pub const PLAN_NAME_CHARS_MAX: usize = 120;
/// How deep a plan may be wrapped.
const DEPTH_MAX: usize = 6;
/// Longest stem of a file name, characters.
const SLUG_CHARS_MAX: usize = 100;
const HEADING: &str = "Project Plan";

const MARKDOWN_KEYS: [&str; 8] =
    ["planMarkdown", "plan_markdown", "markdown", "content", "text", "body", "plan_text", "plan_content"];
const WRAPPING_KEYS: [&str; 5] = ["payload", "plan", "data", "result", "output"];
const NAME_KEYS: [&str; 4] = ["planName", "plan_name", "name", "title"];

/// The sections of a plan, each with the other names that models give it.
const SECTIONS: [(&str, &[&str]); 7] = [
    ("Objective", &["objective", "objectives", "goal", "goals", "aim", "purpose", "problem statement", "business objective"]),
    (
        "Data Summary",
        &[
            "data summary",
            "data overview",
            "dataset summary",
            "dataset overview",
            "data understanding",
            "dataset",
            "datasets",
            "data",
        ],
    ),
    ("Approach", &["approach", "methodology", "method", "strategy", "modeling", "modelling", "proposed approach", "solution"]),
    ("Feature Engineering", &["feature engineering", "feature plan", "feature preparation", "features"]),
    ("Evaluation", &["evaluation", "metrics", "validation", "success metrics", "success criteria"]),
    ("Risks & Assumptions", &["risks and assumptions", "risks", "assumptions", "limitations", "caveats"]),
    ("Next Steps", &["next steps", "next step", "action items", "actions", "roadmap", "timeline"]),
];
/// Names at least this long count also when more words follow.
const PREFIX_CHARS_MIN: usize = 8;

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name, 1 to [`PLAN_NAME_CHARS_MAX`] characters.
    pub name: Option<String>,
    /// The plan in Markdown, at most [`PLAN_CHARS_MAX`] characters.
    pub markdown: String,
}

/// A plan in its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// The plan, from a level-1 heading on.
    pub markdown: String,
    /// Sections that it does not have.
    pub missing: Vec<&'static str>,
}

/// Reads the arguments of `plan_exit`, or any other value that a model wrote for it, and brings the plan into its form. None:
/// there is no plan in it.
#[must_use]
pub fn read(args: &Value) -> Option<Plan> {
    let found = extract(args)?;
    let plan = normalise(&found.markdown)?;
    if !plan.missing.is_empty() {
        tracing::info!(plan.missing = plan.missing.join(", "), "a plan lacks sections");
    }
    Some(Plan { markdown: plan.markdown, ..found })
}

/// Finds the text of a plan, as it is, in whatever a model wrote.
#[must_use]
pub fn extract(args: &Value) -> Option<Plan> {
    let (text, name) = find(args, 0)?;
    let name = name.map(|name| name.chars().take(PLAN_NAME_CHARS_MAX).collect::<String>().trim_end().to_owned());
    Some(Plan { name, markdown: clipped(&text) })
}

/// Brings a plan into its form: out of a fence, from its heading on, with a heading where only its sections are there. None:
/// it is no plan.
#[must_use]
pub fn normalise(text: &str) -> Option<Normalised> {
    let lines: Vec<&str> = inside(text).lines().collect();
    let headings = headings(&lines);
    let top = |heading: &&Heading| heading.level == 1;
    let named = headings.iter().filter(top).find(|heading| heading.text.to_lowercase().starts_with("project plan"));
    let markdown = match named.or_else(|| headings.iter().find(top)) {
        Some(heading) => from_line(&lines, heading.line),
        None => rebuilt(&lines, &headings).or_else(|| relabelled(&lines))?,
    };
    let markdown = clipped(&markdown);
    let lines: Vec<&str> = markdown.lines().collect();
    let present: Vec<&str> = self::headings(&lines).iter().filter_map(|heading| section(&heading.text)).collect();
    let missing = SECTIONS.iter().map(|(name, _)| *name).filter(|name| !present.contains(name)).collect();
    Some(Normalised { markdown, missing })
}

/// The name of a plan's file: of its name, or of the day (`YYYY-MM-DD`) when there is none.
#[must_use]
pub fn file_name(name: Option<&str>, day: &str) -> String {
    let stem = name.map(slug).filter(|stem| !stem.is_empty()).unwrap_or_else(|| format!("project-plan-{}", slug(day)));
    format!("{stem}.md")
}

/// A text without the code fence around it.
pub(crate) fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some((language, body)) = text.strip_prefix("```").and_then(|rest| rest.split_once('\n')) else {
        return text;
    };
    if !language.trim().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+')) {
        return text;
    }
    closed(body)
}

/// What stands before the fence that closes a block. Blocks within it come in pairs.
fn closed(body: &str) -> &str {
    let fences: Vec<usize> =
        line_starts(body).filter(|(_, line)| line.trim_start().starts_with("```")).map(|(at, _)| at).collect();
    match fences.last() {
        Some(last) if fences.len() % 2 == 1 => body.get(..*last).unwrap_or(body).trim(),
        // It was cut off.
        _ => body.trim(),
    }
}

fn line_starts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line)
    })
}

/// What is in the block of Markdown that a text has, else the text without a fence around it.
fn inside(text: &str) -> &str {
    let is_markdown = |line: &str| matches!(line.trim().to_ascii_lowercase().as_str(), "```markdown" | "```md");
    let block = line_starts(text).find(|(_, line)| is_markdown(line)).and_then(|(at, line)| text.get(at + line.len()..));
    block.map_or_else(|| unfenced(text), closed)
}

fn find(value: &Value, depth: usize) -> Option<(String, Option<String>)> {
    if depth > DEPTH_MAX {
        return None;
    }
    match value {
        Value::String(text) => {
            let bare = unfenced(text);
            if bare.is_empty() {
                return None;
            }
            match serde_json::from_str::<Value>(bare) {
                Ok(inner @ (Value::Object(_) | Value::Array(_) | Value::String(_))) => find(&inner, depth + 1),
                _ => Some((text.trim().to_owned(), None)),
            }
        }
        Value::Array(parts) if !parts.is_empty() && parts.iter().all(Value::is_string) => {
            let lines: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            let text = lines.join("\n");
            (!text.trim().is_empty()).then(|| (text.trim().to_owned(), None))
        }
        Value::Array(parts) => parts.iter().find_map(|part| find(part, depth + 1)),
        Value::Object(fields) => {
            let mut keys = MARKDOWN_KEYS.iter().chain(&WRAPPING_KEYS);
            let (text, name) = keys.find_map(|key| find(fields.get(*key)?, depth + 1))?;
            Some((text, name.or_else(|| plan_name(fields))))
        }
        _ => None,
    }
}

fn plan_name(fields: &Map<String, Value>) -> Option<String> {
    NAME_KEYS.iter().find_map(|key| {
        let name = fields.get(*key)?.as_str()?.trim();
        (!name.is_empty()).then(|| name.to_owned())
    })
}

#[derive(Debug)]
struct Heading {
    line: usize,
    level: usize,
    text: String,
}

/// The headings outside of code.
fn headings(lines: &[&str]) -> Vec<Heading> {
    let mut in_code = false;
    let mut found = Vec::new();
    for (line, text) in lines.iter().enumerate() {
        if text.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        let level = text.chars().take_while(|c| *c == '#').count();
        let rest = text.trim_start_matches('#');
        if !in_code && (1..=6).contains(&level) && rest.starts_with([' ', '\t']) && !rest.trim().is_empty() {
            found.push(Heading { line, level, text: rest.trim().to_owned() });
        }
    }
    found
}

fn from_line(lines: &[&str], first: usize) -> String {
    lines.iter().skip(first).copied().collect::<Vec<&str>>().join("\n").trim().to_owned()
}

/// With a heading above sections that have their own.
fn rebuilt(lines: &[&str], headings: &[Heading]) -> Option<String> {
    let known = headings.iter().filter(|heading| section(&heading.text).is_some()).count();
    if known < 2 && !headings.iter().any(|heading| heading.level == 2) {
        return None;
    }
    let first = headings.first()?.line;
    Some(format!("# {HEADING}\n\n{}", from_line(lines, first)))
}

/// With headings in the place of labels (`**Objective:** …`).
fn relabelled(lines: &[&str]) -> Option<String> {
    let labels: Vec<Option<(&str, &str)>> = lines.iter().map(|line| label(line)).collect();
    let mut names: Vec<&str> = labels.iter().flatten().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < 3 {
        return None;
    }
    let mut text = format!("# {HEADING}\n");
    for (line, label) in lines.iter().zip(&labels).skip_while(|(_, label)| label.is_none()) {
        match label {
            Some((name, rest)) => {
                text.push_str(&format!("\n## {name}\n\n"));
                if !rest.is_empty() {
                    text.push_str(rest);
                    text.push('\n');
                }
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Some(text.trim().to_owned())
}

/// The section that a line begins, and what follows on the line.
fn label(line: &str) -> Option<(&'static str, &str)> {
    let line = line.trim();
    let (head, rest) = match line.split_once(':') {
        Some((head, rest)) => (head, rest),
        None if line.starts_with("**") || line.starts_with("__") => (line, ""),
        None => return None,
    };
    if head.chars().count() > 60 {
        return None;
    }
    let name = exact_section(head)?;
    Some((name, rest.trim_start_matches(['*', '_']).trim()))
}

/// The section that a heading names.
fn section(heading: &str) -> Option<&'static str> {
    exact_section(heading).or_else(|| {
        let words = words(heading);
        let begins =
            |name: &&str| name.len() >= PREFIX_CHARS_MIN && words.strip_prefix(*name).is_some_and(|rest| rest.starts_with(' '));
        SECTIONS.iter().find(|(_, names)| names.iter().any(&begins)).map(|(name, _)| *name)
    })
}

fn exact_section(heading: &str) -> Option<&'static str> {
    let words = words(heading);
    SECTIONS.iter().find(|(_, names)| names.contains(&words.as_str())).map(|(name, _)| *name)
}

/// A heading without numbers and marks: `2) **Risks & Assumptions**` as `risks and assumptions`.
fn words(heading: &str) -> String {
    let plain = heading.to_lowercase().replace(['&', '/'], " and ");
    let words = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.skip_while(|word| word.chars().all(|c| c.is_ascii_digit()) || matches!(*word, "step" | "section"));
    words.collect::<Vec<&str>>().join(" ")
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(PLAN_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or(text).trim_end().to_owned(),
        None => text.to_owned(),
    }
}

/// Lower-case letters, digits and single dashes.
fn slug(text: &str) -> String {
    let plain = text.to_lowercase();
    let parts = plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let joined = parts.collect::<Vec<&str>>().join("-");
    joined.chars().take(SLUG_CHARS_MAX).collect::<String>().trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests;
