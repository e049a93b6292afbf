//! Outputs, in both directions, by the rules of contract 3 section 4.

use gristmill_domain::execution::{OutputKind, RichOutput};
use serde_json::{Map, Value, json};

use super::{
    NbformatError,
    import::{field, joined, list, object, required, text},
};

const PLOTLY: &str = "application/vnd.plotly.v1+json";
/// A table of ours, beside the HTML that Jupyter shows.
const TABLE: &str = "application/vnd.gristmill.table+json";
const TRACEBACK_MAX: usize = 100_000;

pub(super) fn read(output: &Value, place: &str) -> Result<RichOutput, NbformatError> {
    let output = object(output, place)?;
    let at = |name: &str| format!("{place}.{name}");
    match text(required(output, "output_type", &at("output_type"))?, &at("output_type"))? {
        "stream" => {
            let content = joined(required(output, "text", &at("text"))?, &at("text"))?;
            let kind = match text(required(output, "name", &at("name"))?, &at("name"))? {
                "stderr" if is_warning(&content) => OutputKind::Warning,
                "stderr" => OutputKind::Error,
                _ => OutputKind::Text,
            };
            Ok(RichOutput::new(kind, content))
        }
        "display_data" | "execute_result" => read_data(object(required(output, "data", &at("data"))?, &at("data"))?, &at("data")),
        "error" => {
            let lines = output.get("traceback").map(|lines| list(lines, &at("traceback"), TRACEBACK_MAX)).transpose()?;
            let lines = lines.unwrap_or_default().iter().map(|line| text(line, &at("traceback")));
            let mut content = without_colours(&lines.collect::<Result<Vec<_>, _>>()?.join("\n"));
            if content.is_empty() {
                let name = text(required(output, "ename", &at("ename"))?, &at("ename"))?;
                let value = text(required(output, "evalue", &at("evalue"))?, &at("evalue"))?;
                content = [name, value].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
            }
            Ok(RichOutput::new(OutputKind::Error, content))
        }
        _ => Err(field(&at("output_type"), "\"stream\", \"display_data\", \"execute_result\" or \"error\"", "another text")),
    }
}

/// The first form that is known wins, in the order of the contract.
fn read_data(data: &Map<String, Value>, place: &str) -> Result<RichOutput, NbformatError> {
    let at = |mime: &str| format!("{place}[\"{mime}\"]");
    for (mime, kind) in [(PLOTLY, OutputKind::Chart), (TABLE, OutputKind::Table)] {
        if let Some(value) = data.get(mime) {
            return Ok(RichOutput { data: Some(value.clone()), ..RichOutput::new(kind, "") });
        }
    }
    for mime in ["image/png", "image/jpeg", "image/gif"] {
        if let Some(value) = data.get(mime) {
            let base64: String = joined(value, &at(mime))?.split_whitespace().collect();
            let content = format!("data:{mime};base64,{base64}");
            return Ok(RichOutput { mime_type: Some(mime.to_owned()), ..RichOutput::new(OutputKind::Image, content) });
        }
    }
    for mime in ["text/html", "image/svg+xml", "text/latex", "text/plain"] {
        let Some(value) = data.get(mime) else { continue };
        let content = joined(value, &at(mime))?;
        return Ok(match mime {
            "text/plain" => RichOutput::new(OutputKind::Text, content),
            "text/latex" if !content.starts_with('$') => RichOutput::new(OutputKind::Html, format!("$${content}$$")),
            _ => RichOutput::new(OutputKind::Html, content),
        });
    }
    Ok(RichOutput::new(OutputKind::Text, ""))
}

pub(super) fn write(output: &RichOutput) -> Value {
    let content = &output.content;
    match output.kind {
        OutputKind::Text => stream("stdout", content),
        OutputKind::Warning => stream("stderr", content),
        OutputKind::Error => error(content),
        OutputKind::Html => display(&json!({ "text/html": content })),
        OutputKind::Chart => display(&json!({ PLOTLY: output.data.clone().unwrap_or_else(|| json!({})) })),
        OutputKind::Table => {
            let data = output.data.clone().unwrap_or_else(|| json!({}));
            display(&json!({ "text/html": html_table(&data), TABLE: data }))
        }
        OutputKind::Image => display(&image(content)),
    }
}

fn stream(name: &str, content: &str) -> Value {
    json!({ "output_type": "stream", "name": name, "text": content })
}

fn display(data: &Value) -> Value {
    json!({ "output_type": "display_data", "data": data, "metadata": {} })
}

fn image(content: &str) -> Value {
    let parts = content.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match parts {
        Some((mime @ ("image/png" | "image/jpeg" | "image/gif"), base64)) => json!({ mime: base64 }),
        Some(_) => json!({ "text/html": [format!("<img src=\"{}\">", escaped(content))] }),
        None => json!({ "text/plain": ["(an image that is not in this file)"] }),
    }
}

/// The last line of a traceback tells the name and the text of the exception.
fn error(content: &str) -> Value {
    let last = content.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let (name, value) = last.split_once(": ").unwrap_or((last, ""));
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    let (name, value) = if is_name { (name, value) } else { ("Error", last) };
    let traceback: Vec<&str> = if content.is_empty() { Vec::new() } else { content.split('\n').collect() };
    let name = if content.is_empty() { "" } else { name };
    json!({ "output_type": "error", "ename": name, "evalue": value, "traceback": traceback })
}

fn html_table(data: &Value) -> String {
    let columns: Vec<&str> =
        data.get("columns").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut html = String::from("<table>\n<tr>");
    for column in &columns {
        html.push_str(&format!("<th>{}</th>", escaped(column)));
    }
    html.push_str("</tr>\n");
    for row in data.get("rows").and_then(Value::as_array).into_iter().flatten() {
        html.push_str("<tr>");
        for column in &columns {
            let cell = match row.get(column) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => escaped(text),
                Some(other) => escaped(&other.to_string()),
            };
            html.push_str(&format!("<td>{cell}</td>"));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>");
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Whether a first line looks like `file:12: SomeWarning: …`.
fn is_warning(content: &str) -> bool {
    let Some((place, rest)) = content.lines().next().and_then(|line| line.split_once(": ")) else { return false };
    let numbered = place.rsplit_once(':').is_some_and(|(_, line)| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()));
    numbered && rest.split(':').next().is_some_and(|name| name.trim_end().ends_with("Warning"))
}

/// Removes the colours of a terminal (`ESC [ … m`).
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        let Some(code) = after.strip_prefix('[') else {
            rest = after;
            continue;
        };
        // A sequence ends with its first letter.
        rest = code.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    plain
}
