//! Reading what a model wants to show. It may be a JSON text in `payload`, an object in `ui`, or stand in the arguments
//! themselves; what is wrong in it is left out, so that the rest is shown.

use gristmill_domain::features::FeatureMethod;
use serde_json::{Map, Number, Value};

use super::{ControlType, Impact, ReportFormat, UI_VERSION, UiItem, UiKind, UiLayout, UiSchema, UiSection};
use crate::plan::unfenced;

/// How deep what is to be shown may be wrapped.
const DEPTH_MAX: usize = 4;
/// Most sections, and items of all of them, that are shown.
const SECTIONS_MAX: usize = 50;
const ITEMS_MAX: usize = 200;
/// Where items stand when no section is named.
const SECTION_ID: &str = "main";

/// Reads the arguments of `render_ui`. None: there is nothing to show. Where the model names no pane, it is the one of feature
/// engineering, the only one that offers the tool.
#[must_use]
pub fn read(args: &Value) -> Option<UiSchema> {
    let shown = UiSchema::read(args, UiKind::FeatureEngineering);
    (shown.item_count() > 0).then_some(shown)
}

impl UiSchema {
    /// Reads the arguments of `render_ui`, or any other value that a model wrote for it. Without items, there is nothing to
    /// show. `kind` holds where the model names none.
    ///
    /// Code is never run at once, whatever the model says: running code is a call of its own, with its own approval.
    #[must_use]
    pub fn read(args: &Value, kind: UiKind) -> Self {
        let mut empty = Self { version: UI_VERSION.to_owned(), kind, title: None, summary: None, sections: Vec::new() };
        let Some(found) = payload(args, 0) else { return empty };
        match found {
            Value::Array(parts) => empty.sections = Reader::default().sections(&parts),
            Value::Object(fields) => {
                empty.kind = text(&fields, "kind").and_then(|name| UiKind::from_name(&name)).unwrap_or(kind);
                empty.title = text(&fields, "title");
                empty.summary = text(&fields, "summary");
                let mut parts = list(fields.get("sections"));
                parts.extend(list(fields.get("items")));
                empty.sections = Reader::default().sections(&parts);
            }
            _ => {}
        }
        empty
    }
}

/// What is to be shown, out of its wrapping: something with sections or items, or a list of them.
fn payload(value: &Value, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    match value {
        Value::String(json) => payload(&serde_json::from_str(unfenced(json)).ok()?, depth + 1),
        Value::Array(parts) if !parts.is_empty() => Some(value.clone()),
        Value::Object(fields) => {
            if fields.contains_key("sections") || fields.contains_key("items") {
                return Some(value.clone());
            }
            if fields.get("type").is_some_and(Value::is_string) {
                // A single item.
                return Some(Value::Array(vec![value.clone()]));
            }
            ["payload", "ui", "schema", "data"].iter().find_map(|key| payload(fields.get(*key)?, depth + 1))
        }
        _ => None,
    }
}

/// Reads sections, and counts what it has read.
#[derive(Debug, Default)]
struct Reader {
    sections: usize,
    items: usize,
}

impl Reader {
    /// Items among sections are put into a section of their own.
    fn sections(&mut self, parts: &[Value]) -> Vec<UiSection> {
        let mut sections: Vec<UiSection> = Vec::new();
        let mut loose: Vec<UiItem> = Vec::new();
        for part in parts {
            let Some(fields) = part.as_object() else { continue };
            match fields.get("items") {
                Some(items) => {
                    self.close(&mut sections, &mut loose);
                    let items = self.items(&list(Some(items)));
                    if let Some(section) = self.section(fields, items) {
                        sections.push(section);
                    }
                }
                None => loose.extend(self.items(std::slice::from_ref(part))),
            }
        }
        self.close(&mut sections, &mut loose);
        sections
    }

    fn close(&mut self, sections: &mut Vec<UiSection>, loose: &mut Vec<UiItem>) {
        let items = std::mem::take(loose);
        if !items.is_empty()
            && let Some(section) = self.section(&Map::new(), items)
        {
            sections.push(section);
        }
    }

    fn section(&mut self, fields: &Map<String, Value>, items: Vec<UiItem>) -> Option<UiSection> {
        if items.is_empty() || self.sections == SECTIONS_MAX {
            return None;
        }
        self.sections += 1;
        let numbered = || if self.sections == 1 { SECTION_ID.to_owned() } else { format!("{SECTION_ID}-{}", self.sections) };
        Some(UiSection {
            id: text(fields, "id").unwrap_or_else(numbered),
            title: text(fields, "title"),
            layout: text(fields, "layout").and_then(|name| UiLayout::from_name(&name)),
            columns: number(fields.get("columns")),
            items,
        })
    }

    fn items(&mut self, values: &[Value]) -> Vec<UiItem> {
        let mut items = Vec::new();
        for value in values.iter().filter_map(Value::as_object) {
            if self.items == ITEMS_MAX {
                break;
            }
            if let Some(item) = item(value, self.items + 1) {
                self.items += 1;
                items.push(item);
            }
        }
        items
    }
}

fn item(fields: &Map<String, Value>, number: usize) -> Option<UiItem> {
    let mut fields = without_null(fields);
    if text(&fields, "id").is_none() {
        fields.insert("id".into(), format!("item-{number}").into());
    }
    match fields.get("type").and_then(Value::as_str)? {
        "report" => {
            fields.entry("title").or_insert_with(|| "Report".into());
            if text(&fields, "format").is_some_and(|name| ReportFormat::from_name(&name).is_none()) {
                fields.remove("format");
            }
        }
        "feature_suggestion" => {
            let method = fields.get("feature").and_then(|feature| feature.get("method")).and_then(Value::as_str);
            if method.and_then(FeatureMethod::from_name).is_none() {
                return Some(as_report(&fields));
            }
            if text(&fields, "impact").is_none_or(|name| Impact::from_name(&name).is_none()) {
                fields.insert("impact".into(), "medium".into());
            }
            fields.entry("rationale").or_insert_with(|| "".into());
            only_sound_controls(&mut fields);
        }
        "input_form" => only_sound_controls(&mut fields),
        "code_cell" => {
            // Clients would run it without anybody's approval.
            fields.remove("autoRun");
            fields.entry("language").or_insert_with(|| "python".into());
        }
        _ => {}
    }
    serde_json::from_value(Value::Object(fields)).ok()
}

/// A suggestion that no method of the catalog makes, in words.
fn as_report(fields: &Map<String, Value>) -> UiItem {
    let empty = Map::new();
    let feature = fields.get("feature").and_then(Value::as_object).unwrap_or(&empty);
    let mut lines = Vec::new();
    lines.extend(text(fields, "rationale"));
    lines.extend(text(feature, "description"));
    for (key, what) in [("method", "Method"), ("sourceColumn", "Column"), ("secondaryColumn", "Second column")] {
        lines.extend(text(feature, key).map(|value| format!("{what}: {value}")));
    }
    UiItem::Report {
        id: text(fields, "id").unwrap_or_default(),
        title: text(feature, "featureName").unwrap_or_else(|| "Feature".to_owned()),
        content: lines.join("\n\n"),
        format: Some(ReportFormat::Markdown),
    }
}

fn only_sound_controls(fields: &mut Map<String, Value>) {
    if let Some(controls) = fields.get_mut("controls") {
        let sound = list(Some(&*controls)).into_iter().filter_map(|control| {
            let control = without_null(control.as_object()?);
            let known = text(&control, "type").is_some_and(|name| ControlType::from_name(&name).is_some());
            (known && control.contains_key("value") && text(&control, "key").is_some()).then_some(Value::Object(control))
        });
        *controls = Value::Array(sound.collect());
    }
}

/// Absent instead of null, in every object.
fn without_null(fields: &Map<String, Value>) -> Map<String, Value> {
    let kept = fields.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| {
        let value = match value {
            Value::Object(inner) => Value::Object(without_null(inner)),
            other => other.clone(),
        };
        (key.clone(), value)
    });
    kept.collect()
}

fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items.clone(),
        Some(single @ Value::Object(_)) => vec![single.clone()],
        Some(Value::String(json)) => match serde_json::from_str(json) {
            Ok(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// A text that says something.
fn text(fields: &Map<String, Value>, key: &str) -> Option<String> {
    let text = fields.get(key)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn number(value: Option<&Value>) -> Option<Number> {
    match value? {
        Value::Number(number) => Some(number.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::tools::schema::anything;

    fn report(id: &str) -> Value {
        json!({ "type": "report", "id": id, "title": "T", "content": "C" })
    }

    fn read(args: &Value) -> Value {
        serde_json::to_value(UiSchema::read(args, UiKind::Training)).unwrap()
    }

    #[test]
    fn it_is_found_wherever_a_model_puts_it() {
        let schema =
            json!({ "version": "1", "kind": "training", "title": "Look", "sections": [{ "id": "s", "items": [report("r")] }] });
        for args in [
            json!({ "payload": schema.to_string() }),
            json!({ "payload": format!("```json\n{schema}\n```"), "message": "m" }),
            json!({ "payload": schema }),
            json!({ "ui": schema }),
            json!({ "ui": schema.to_string() }),
            json!({ "payload": { "ui": schema } }),
            json!({ "payload": json!({ "ui": schema.to_string() }).to_string() }),
            schema.clone(),
            Value::String(schema.to_string()),
        ] {
            assert_eq!(read(&args), schema, "{args}");
        }
    }

    #[test]
    fn items_without_a_section_get_one() {
        for args in [
            json!({ "sections": [report("a"), report("b")] }),
            json!({ "items": [report("a"), report("b")] }),
            json!([report("a"), report("b")]),
            json!({ "sections": [{ "id": "main", "items": [report("a"), report("b")] }] }),
            json!({ "sections": { "id": "main", "items": [report("a"), report("b")] } }),
        ] {
            let section = json!({ "id": "main", "items": [report("a"), report("b")] });
            assert_eq!(read(&args), json!({ "version": "1", "kind": "training", "sections": [section] }), "{args}");
        }
        let mixed = read(&json!({ "sections": [report("a"), { "title": "B", "items": [report("b")] }, report("c")] }));
        let ids: Vec<&str> =
            mixed["sections"].as_array().unwrap().iter().map(|section| section["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["main", "main-2", "main-3"]);
    }

    #[test]
    fn a_suggestion_of_no_known_method_becomes_a_report() {
        let feature = |method: &str| {
            json!({ "sections": [{ "id": "s", "items": [{
                "type": "feature_suggestion", "id": "f", "rationale": "Because.", "impact": "huge",
                "feature": { "sourceColumn": "a", "secondaryColumn": null, "featureName": "a_log", "method": method }
            }] }] })
        };
        let known = read(&feature("log_transform"))["sections"][0]["items"][0].clone();
        assert_eq!(
            known,
            json!({
                "type": "feature_suggestion", "id": "f", "rationale": "Because.", "impact": "medium",
                "feature": { "sourceColumn": "a", "featureName": "a_log", "method": "log_transform" }
            })
        );
        let unknown = read(&feature("magic"))["sections"][0]["items"][0].clone();
        assert_eq!(
            unknown,
            json!({
                "type": "report", "id": "f", "title": "a_log", "format": "markdown",
                "content": "Because.\n\nMethod: magic\n\nColumn: a"
            })
        );
    }

    #[test]
    fn every_kind_of_item_passes_and_what_is_wrong_is_left_out() {
        let items = json!([
            { "type": "report", "content": "no id, no title", "format": "html" },
            { "type": "callout", "tone": "info", "text": "t" },
            { "type": "callout", "tone": "loud", "text": "t" },
            { "type": "dataset_summary", "datasetId": "d", "filename": "f", "rows": 3, "columns": 2.0, "notes": ["n"] },
            { "type": "input_form", "id": "i", "controls": [
                { "key": "k", "label": "K", "type": "slider", "value": 1, "min": 0, "max": null },
                { "key": "k", "label": "K", "type": "dial", "value": 1 }
            ] },
            { "type": "model_recommendation", "id": "m", "rationale": "r", "parameters": {}, "template": {
                "name": "n", "taskType": "regression", "library": "l", "importPath": "p", "modelClass": "c", "metrics": [],
                "parameters": [{ "key": "k", "label": "K", "type": "number", "default": 1 }]
            } },
            { "type": "code_cell", "id": "c", "content": "import os", "autoRun": true },
            { "type": "action", "id": "a", "label": "Go", "actionType": "train_model", "payload": { "x": 1 } },
            { "type": "action", "id": "a", "label": "Go", "actionType": "format_disk" },
            { "type": "iframe", "src": "https://evil" },
            "text",
            null
        ]);
        let shown = read(&json!({ "sections": [{ "id": "s", "layout": "spiral", "columns": 2, "items": items }] }));
        let section = &shown["sections"][0];
        assert_eq!((section.get("layout"), &section["columns"]), (None, &json!(2)));
        let types: Vec<&str> = section["items"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
        let expected = ["report", "callout", "dataset_summary", "input_form", "model_recommendation", "code_cell", "action"];
        assert_eq!(types, expected);
        assert_eq!(
            section["items"][0],
            json!({ "type": "report", "id": "item-1", "title": "Report", "content": "no id, no title" })
        );
        assert_eq!(section["items"][3]["controls"].as_array().unwrap().len(), 1);
        assert_eq!(section["items"][5], json!({ "type": "code_cell", "id": "c", "language": "python", "content": "import os" }));
    }

    #[test]
    fn nothing_to_show_is_no_items() {
        for args in [
            Value::Null,
            json!({}),
            json!({ "payload": "not json" }),
            json!({ "payload": "{\"sections\": []}" }),
            json!({ "sections": "x" }),
            json!({ "sections": [{ "id": "s", "items": [] }] }),
            json!({ "sections": [{ "id": "s", "items": [{ "type": "report" }] }] }),
            json!({ "ui": { "ui": { "ui": { "ui": { "ui": { "ui": { "sections": [report("r")] } } } } } } }),
        ] {
            assert_eq!(UiSchema::read(&args, UiKind::Onboarding).item_count(), 0, "{args}");
        }
        assert_eq!(super::read(&json!({ "items": [{}] })), None);
        assert_eq!(super::read(&json!({ "items": [report("r")] })).unwrap().kind, UiKind::FeatureEngineering);
        let many = json!({ "items": vec![report("r"); 1000] });
        assert_eq!(UiSchema::read(&many, UiKind::Training).item_count(), ITEMS_MAX);
    }

    fn no_null(value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.values().all(|value| !value.is_null()),
            _ => true,
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_and_what_comes_out_reads_the_same(value in anything::json(), inner in anything::json()) {
            for args in [
                value.clone(),
                json!({ "sections": value }),
                json!({ "items": [{ "type": "report", "title": value, "content": inner }] }),
                json!({ "items": [{ "type": "feature_suggestion", "feature": { "method": inner, "featureName": value } }] }),
                json!({ "payload": inner.to_string() }),
            ] {
                let shown = UiSchema::read(&args, UiKind::Training);
                let json = serde_json::to_value(&shown).unwrap();
                prop_assert!(no_null(&json));
                prop_assert_eq!(serde_json::from_value::<UiSchema>(json.clone()).unwrap(), shown.clone());
                prop_assert_eq!(UiSchema::read(&json, UiKind::Training), shown);
            }
        }
    }
}
