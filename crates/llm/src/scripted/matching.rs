//! Which turn is the answer, and why none is.

use std::collections::BTreeMap;

use super::script::{Order, Pattern, Reply, Script, ToolResultPattern, When};
use crate::{Format, Message, Request};

/// How much of a text is shown when nothing fits.
const SHOWN_CHARS: usize = 300;

/// The index of the turn that fits and its reply, or a description of what came and what each turn wanted.
pub(super) fn choose(script: &Script, used: &[u32], request: &Request) -> Result<(usize, Reply), String> {
    let mut report = format!("what came: {}", describe(request));
    for (index, (turn, used)) in script.turns.iter().zip(used).enumerate() {
        let label = turn.label(index);
        if !turn.is_open(*used) {
            report.push_str(&format!("\n{label}: used up"));
            continue;
        }
        match fits(&turn.when, request) {
            Ok(names) => return Ok((index, turn.reply.clone().filled(&names))),
            Err(reason) => report.push_str(&format!("\n{label}: {reason}")),
        }
        if script.order == Order::Sequence {
            report.push_str("\n(the script is a sequence: later turns do not count yet)");
            break;
        }
    }
    Err(report)
}

type Names = BTreeMap<String, String>;

/// The named groups of a turn that fits, or why it does not.
fn fits(when: &When, request: &Request) -> Result<Names, String> {
    let mut names = Names::new();
    fits_request(when, request)?;
    if let Some(pattern) = &when.last_message {
        let text = request.messages.last().map_or("", Message::text);
        check("the last message", pattern, text, &mut names)?;
    }
    if let Some(pattern) = &when.last_user {
        check("the last message of a person", pattern, last_user(request).unwrap_or_default(), &mut names)?;
    }
    if let Some(pattern) = &when.system {
        let system = system(request);
        check("the instructions", pattern, &system, &mut names)?;
    }
    if let Some(pattern) = &when.any_message {
        let found = request.messages.iter().any(|message| check("", pattern, message.text(), &mut names).is_ok());
        if !found {
            return Err(format!("no message {}", wanted(pattern)));
        }
    }
    if let Some(pattern) = &when.tool_result {
        tool_result(pattern, request, &mut names)?;
    }
    Ok(names)
}

/// What does not depend on texts.
fn fits_request(when: &When, request: &Request) -> Result<(), String> {
    for name in &when.tools {
        if !request.tools.iter().any(|tool| tool.name == *name) {
            return Err(format!("the tool `{name}` must be offered"));
        }
    }
    if when.tool_choice.is_some_and(|choice| choice != request.tool_choice) {
        return Err(format!("toolChoice must be {:?} and is {:?}", when.tool_choice, request.tool_choice));
    }
    if when.model.is_some() && when.model != request.model {
        return Err(format!("the model must be {:?} and is {:?}", when.model, request.model));
    }
    if when.effort.is_some() && when.effort != request.effort {
        return Err(format!("the effort must be {:?} and is {:?}", when.effort, request.effort));
    }
    let format = format_name(request);
    match &when.format {
        Some(wanted) if wanted != format => Err(format!("the format must be `{wanted}` and is `{format}`")),
        _ => Ok(()),
    }
}

fn format_name(request: &Request) -> &str {
    match &request.format {
        Format::Text => "text",
        Format::Json => "json",
        Format::Schema(schema) => &schema.name,
    }
}

fn last_user(request: &Request) -> Option<&str> {
    request.messages.iter().rev().find_map(|message| match message {
        Message::User { text } => Some(text.as_str()),
        _ => None,
    })
}

fn system(request: &Request) -> String {
    let texts: Vec<&str> = request
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::System { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    texts.join("\n")
}

fn tool_result(pattern: &ToolResultPattern, request: &Request, names: &mut Names) -> Result<(), String> {
    let mut reason = "the conversation must end with a result of a tool".to_owned();
    for message in request.messages.iter().rev() {
        let Message::ToolResult { tool, content, is_error, .. } = message else { break };
        if pattern.tool.as_ref().is_some_and(|wanted| wanted != tool) {
            reason = format!("the result must be of `{}` and is of `{tool}`", pattern.tool.as_deref().unwrap_or_default());
        } else if pattern.is_error.is_some_and(|wanted| wanted != *is_error) {
            reason = format!("isError must be {} and is {is_error}", !is_error);
        } else if let Some(wanted) = &pattern.content {
            match check("the result", wanted, content, names) {
                Ok(()) => return Ok(()),
                Err(why) => reason = why,
            }
        } else {
            return Ok(());
        }
    }
    Err(reason)
}

fn check(what: &str, pattern: &Pattern, text: &str, names: &mut Names) -> Result<(), String> {
    let fits = pattern.contains.iter().all(|part| text.contains(part))
        && !pattern.lacks.iter().any(|part| text.contains(part))
        && pattern.equals.as_ref().is_none_or(|wanted| wanted == text);
    let captures = pattern.regex.as_ref().map(|regex| (regex, regex.captures(text)));
    if !fits || matches!(captures, Some((_, None))) {
        return Err(format!("{what} {}, and is {}", wanted(pattern), shown(text)));
    }
    if let Some((regex, Some(captures))) = captures {
        for name in regex.capture_names().flatten() {
            if let Some(group) = captures.name(name) {
                names.insert(name.to_owned(), group.as_str().to_owned());
            }
        }
    }
    Ok(())
}

fn wanted(pattern: &Pattern) -> String {
    let mut wishes: Vec<String> = pattern.contains.iter().map(|part| format!("must contain {}", shown(part))).collect();
    wishes.extend(pattern.lacks.iter().map(|part| format!("must not contain {}", shown(part))));
    wishes.extend(pattern.equals.iter().map(|text| format!("must be {}", shown(text))));
    wishes.extend(pattern.regex.iter().map(|regex| format!("must match /{regex}/")));
    wishes.join(" and ")
}

fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN_CHARS).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    format!("{start:?}")
}

fn describe(request: &Request) -> String {
    let mut parts = vec![format!("{} messages", request.messages.len())];
    if let Some(last) = request.messages.last() {
        let kind = match last {
            Message::System { .. } => "instructions".to_owned(),
            Message::User { .. } => "a person's".to_owned(),
            Message::Assistant { .. } => "the model's".to_owned(),
            Message::ToolResult { tool, is_error, .. } => {
                format!("{} of `{tool}`", if *is_error { "the failure" } else { "the result" })
            }
        };
        parts.push(format!("the last {kind}: {}", shown(last.text())));
    }
    parts.push(format!("format `{}`", format_name(request)));
    if !request.tools.is_empty() {
        let tools: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        parts.push(format!("tools {}", tools.join(", ")));
    }
    parts.extend(request.model.as_ref().map(|model| format!("model `{model}`")));
    parts.join("; ")
}
