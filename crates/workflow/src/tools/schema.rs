//! JSON Schemas from Rust types, and values checked against them.
//!
//! Models send what is nearly right: a number as a text, one thing where a list is wanted, null for nothing. What is meant
//! without doubt is taken; everything else is refused with the place and the reason, for the model to mend.

use gristmill_domain::CellId;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Number, Value};

/// Why arguments are not what a tool takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {reason}")]
pub struct ArgsError {
    /// The argument, with its place in it: `questions[0].id`.
    pub path: String,
    /// What is wrong with it, and what it should be.
    pub reason: String,
}

impl ArgsError {
    /// An argument is wrong.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

/// The schema of a type (draft 7, without references): an object that refuses what it does not know.
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    if let Value::Object(fields) = &mut schema {
        // The tool's own description says more.
        fields.remove("title");
        fields.remove("description");
        fields.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        fields.entry("required").or_insert_with(|| Value::Array(Vec::new()));
    }
    schema
}

/// Takes out what only a program could use: types of Rust, null where absent does, defaults that say nothing.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Bool(_) => *schema = Value::Object(Map::new()),
        Value::Object(fields) => {
            fields.remove("$schema");
            without_null(fields);
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<&str>>().join(" ");
            }
            if fields.get("format").and_then(Value::as_str).is_some_and(|format| format != "uuid") {
                fields.remove("format");
            }
            let is_nothing = |default: &Value| match default {
                Value::Null => true,
                Value::Array(items) => items.is_empty(),
                _ => false,
            };
            if fields.get("default").is_some_and(is_nothing) {
                fields.remove("default");
            }
            if let Some(inner) = fields.get_mut("items") {
                tidy(inner);
            }
            // Yes and no are said here, and mean something.
            if let Some(inner) = fields.get_mut("additionalProperties")
                && inner.is_object()
            {
                tidy(inner);
            }
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                properties.values_mut().for_each(tidy);
            }
        }
        _ => {}
    }
}

fn without_null(fields: &mut Map<String, Value>) {
    // What an option of something larger becomes.
    if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").and_then(Value::as_str) != Some("null"));
        if let [Value::Object(only)] = choices.as_mut_slice() {
            let only = std::mem::take(only);
            fields.remove("anyOf");
            for (key, value) in only {
                fields.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name.as_str() != Some("null"));
        if let [only] = types.as_mut_slice() {
            let only = only.take();
            fields.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(words)) = fields.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
}

/// Checks a value against a schema of [`schema_of`], and puts right what is meant without doubt. Nowhere in what is taken is
/// the character NUL, which PostgreSQL keeps in no text and reads in no JSON: not in what the schema leaves open either.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn checked(value: Value, schema: &Value) -> Result<Value, ArgsError> {
    let taken = fitting(value, schema, "")?;
    match nul_in(&taken) {
        Some(place) => Err(ArgsError::new(place, "must not have the character NUL")),
        None => Ok(taken),
    }
}

/// Where the character NUL is.
fn nul_in(value: &Value) -> Option<String> {
    let joined = |place: String, within: &str| {
        let joint = if within.is_empty() || within.starts_with('[') { "" } else { "." };
        format!("{place}{joint}{within}")
    };
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => {
            let mut places = items.iter().enumerate();
            places.find_map(|(index, item)| Some(joined(format!("[{index}]"), &nul_in(item)?)))
        }
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let within = if key.contains('\0') { String::new() } else { nul_in(value)? };
            Some(joined(below("", key), &within))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn fitting(value: Value, schema: &Value, path: &str) -> Result<Value, ArgsError> {
    let Some(kind) = schema.get("type").and_then(Value::as_str) else {
        return Ok(value);
    };
    match (kind, meant(value, kind)) {
        ("object", Value::Object(fields)) => Ok(Value::Object(object(fields, schema, path)?)),
        ("array", Value::Array(items)) => Ok(Value::Array(array(items, schema, path)?)),
        ("string", Value::String(text)) => {
            string(&text, schema, path)?;
            Ok(Value::String(text))
        }
        ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
            in_range(&number, schema, path)?;
            Ok(Value::Number(number))
        }
        ("number", Value::Number(number)) => {
            in_range(&number, schema, path)?;
            Ok(Value::Number(number))
        }
        ("boolean", Value::Bool(answer)) => Ok(Value::Bool(answer)),
        (kind, other) => Err(ArgsError::new(path, format!("must be {}, not {}", with_article(kind), kind_of(&other)))),
    }
}

/// The value as the kind that is wanted, where it can only mean that.
fn meant(value: Value, kind: &str) -> Value {
    match (kind, value) {
        ("integer" | "number", Value::String(text)) => match serde_json::from_str::<Number>(text.trim()) {
            Ok(number) => meant(Value::Number(number), kind),
            Err(_) => Value::String(text),
        },
        ("integer", Value::Number(number)) => whole(&number).map_or(Value::Number(number), Value::Number),
        ("boolean", Value::String(text)) => match text.trim() {
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            _ => Value::String(text),
        },
        ("string", Value::Number(number)) => Value::String(number.to_string()),
        ("array", Value::String(text)) => match serde_json::from_str(&text) {
            Ok(list @ Value::Array(_)) => list,
            _ => Value::Array(vec![Value::String(text)]),
        },
        ("array", single @ (Value::Object(_) | Value::Number(_))) => Value::Array(vec![single]),
        ("object", Value::String(text)) => match serde_json::from_str(&text) {
            Ok(fields @ Value::Object(_)) => fields,
            _ => Value::String(text),
        },
        (_, value) => value,
    }
}

/// `2.0` as `2`.
fn whole(number: &Number) -> Option<Number> {
    if number.is_i64() || number.is_u64() {
        return Some(number.clone());
    }
    let value = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e15)?;
    format!("{value:.0}").parse::<i64>().ok().map(Number::from)
}

fn object(fields: Map<String, Value>, schema: &Value, path: &str) -> Result<Map<String, Value>, ArgsError> {
    let known = schema.get("properties").and_then(Value::as_object);
    let others = schema.get("additionalProperties");
    let mut taken = Map::with_capacity(fields.len());
    for (key, value) in fields {
        let place = below(path, &key);
        match (known.and_then(|known| known.get(&key)), others) {
            // Null is how some say that there is nothing.
            (Some(_), _) if value.is_null() => {}
            (Some(inner), _) => drop(taken.insert(key, fitting(value, inner, &place)?)),
            (None, Some(Value::Bool(false))) => {
                let names: Vec<&str> = known.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                let takes = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
                return Err(ArgsError::new(place, format!("is unknown; known: {takes}")));
            }
            (None, Some(inner @ Value::Object(_))) => drop(taken.insert(key, fitting(value, inner, &place)?)),
            (None, _) => drop(taken.insert(key, value)),
        }
    }
    let mut required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    match required.find(|key| !taken.contains_key(*key)) {
        Some(missing) => Err(ArgsError::new(below(path, missing), "is required")),
        None => Ok(taken),
    }
}

fn array(items: Vec<Value>, schema: &Value, path: &str) -> Result<Vec<Value>, ArgsError> {
    within(items.len(), schema, ("minItems", "maxItems"), "entries", path)?;
    let Some(inner) = schema.get("items") else {
        return Ok(items);
    };
    items.into_iter().enumerate().map(|(index, item)| fitting(item, inner, &format!("{path}[{index}]"))).collect()
}

fn string(text: &str, schema: &Value, path: &str) -> Result<(), ArgsError> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.iter().any(|word| word.as_str() == Some(text))
    {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return Err(ArgsError::new(path, format!("must be one of {}", words.join(", "))));
    }
    if schema.get("format").is_some() && !text.parse::<CellId>().is_ok_and(|id| !id.0.is_nil()) {
        return Err(ArgsError::new(path, "must be the id of one, a UUID as another tool gave it"));
    }
    within(text.chars().count(), schema, ("minLength", "maxLength"), "characters", path)
}

fn within(count: usize, schema: &Value, bounds: (&str, &str), what: &str, path: &str) -> Result<(), ArgsError> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    match (bound(bounds.0), bound(bounds.1)) {
        (Some(1), _) if count == 0 => Err(ArgsError::new(path, "must not be empty")),
        (Some(least), _) if count < least => Err(ArgsError::new(path, format!("must have at least {least} {what}, not {count}"))),
        (_, Some(most)) if count > most => Err(ArgsError::new(path, format!("must have at most {most} {what}, not {count}"))),
        _ => Ok(()),
    }
}

fn in_range(number: &Number, schema: &Value, path: &str) -> Result<(), ArgsError> {
    let Some(value) = number.as_f64() else { return Ok(()) };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), _) if value < least => Err(ArgsError::new(path, format!("must be at least {least}, not {number}"))),
        (_, Some(most)) if value > most => Err(ArgsError::new(path, format!("must be at most {most}, not {number}"))),
        _ => Ok(()),
    }
}

fn below(path: &str, key: &str) -> String {
    // Names come from models: no longer than a person would write them.
    let key: String = key.chars().take(100).collect();
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn with_article(kind: &str) -> &'static str {
    match kind {
        "object" => "an object",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "true or false",
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "this number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// JSON of every kind, for tests of what must take any of it.
#[cfg(test)]
pub(crate) mod anything {
    use proptest::prelude::*;
    use serde_json::{Map, Number, Value};

    /// Any JSON, not too deep.
    pub(crate) fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            let fields = prop::collection::vec((".{0,8}", inner.clone()), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::from),
                fields.prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<String, Value>>())),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{anything, *};

    fn schema() -> Value {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name"],
            "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 5 },
                "kind": { "type": "string", "enum": ["a", "b"] },
                "id": { "type": "string", "format": "uuid" },
                "line": { "type": "integer", "minimum": 1 },
                "share": { "type": "number", "minimum": 0, "maximum": 1 },
                "is": { "type": "boolean" },
                "list": { "type": "array", "items": { "type": "string" }, "maxItems": 2 },
                "inner": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["x"],
                    "properties": { "x": { "type": "integer" } }
                },
                "free": { "type": "object", "additionalProperties": true },
                "any": {}
            }
        })
    }

    fn check(fields: Value) -> Result<Value, String> {
        let mut value = fields;
        value.as_object_mut().unwrap().entry("name").or_insert("n".into());
        checked(value, &schema()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_meant_is_taken() {
        for (given, taken) in [
            (json!({ "line": "7" }), json!({ "line": 7 })),
            (json!({ "line": 7.0 }), json!({ "line": 7 })),
            (json!({ "line": "7.0" }), json!({ "line": 7 })),
            (json!({ "share": "0.5" }), json!({ "share": 0.5 })),
            (json!({ "is": "true" }), json!({ "is": true })),
            (json!({ "list": "x" }), json!({ "list": ["x"] })),
            (json!({ "list": "[\"x\", \"y\"]" }), json!({ "list": ["x", "y"] })),
            (json!({ "list": [1, "y"] }), json!({ "list": ["1", "y"] })),
            (json!({ "inner": "{\"x\": 1}" }), json!({ "inner": { "x": 1 } })),
            (json!({ "kind": null, "inner": null }), json!({})),
            (json!({ "free": { "deep": [null] }, "any": [1] }), json!({ "free": { "deep": [null] }, "any": [1] })),
        ] {
            let mut expected = taken;
            expected["name"] = "n".into();
            assert_eq!(check(given.clone()), Ok(expected), "{given}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (given, reason) in [
            (json!({ "name": null }), "`name` is required"),
            (json!({ "name": "" }), "`name` must not be empty"),
            (json!({ "name": "toolong" }), "`name` must have at most 5 characters, not 7"),
            (json!({ "name": { "a": 1 } }), "`name` must be a text, not an object"),
            (json!({ "name": "a\0" }), "`name` must not have the character NUL"),
            (json!({ "list": "[\"x\", \"\\u0000\"]" }), "`list[1]` must not have the character NUL"),
            (json!({ "free": { "a": [{ "b": ["x\0"] }] } }), "`free.a[0].b[0]` must not have the character NUL"),
            (json!({ "free": { "a\0": 1 } }), "`free.a\0` must not have the character NUL"),
            (json!({ "any": "\0" }), "`any` must not have the character NUL"),
            (json!({ "kind": "c" }), "`kind` must be one of a, b"),
            (json!({ "id": "x" }), "`id` must be the id of one"),
            (json!({ "id": "00000000-0000-0000-0000-000000000000" }), "`id` must be the id of one"),
            (json!({ "line": 0 }), "`line` must be at least 1, not 0"),
            (json!({ "line": 1.5 }), "`line` must be a whole number, not this number"),
            (json!({ "line": "one" }), "`line` must be a whole number, not a text"),
            (json!({ "share": 2 }), "`share` must be at most 1, not 2"),
            (json!({ "is": "maybe" }), "`is` must be true or false, not a text"),
            (json!({ "list": ["a", "b", "c"] }), "`list` must have at most 2 entries, not 3"),
            (json!({ "list": ["a", {}] }), "`list[1]` must be a text, not an object"),
            (json!({ "inner": { "y": 1 } }), "`inner.y` is unknown; known: x"),
            (json!({ "inner": {} }), "`inner.x` is required"),
            (json!({ "nmae": "n" }), "`nmae` is unknown; known: name, kind"),
        ] {
            let refused = check(given.clone()).unwrap_err();
            assert!(refused.starts_with(reason), "{given}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_was_taken_is_taken_again(
            key in prop::sample::select(vec!["name", "kind", "id", "line", "share", "is", "list", "inner", "free", "any"]),
            value in anything::json(),
        ) {
            let mut fields = Map::new();
            fields.insert("name".to_owned(), "n".into());
            fields.insert(key.to_owned(), value);
            if let Ok(taken) = checked(Value::Object(fields), &schema()) {
                prop_assert_eq!(checked(taken.clone(), &schema()), Ok(taken));
            }
        }
    }
}
