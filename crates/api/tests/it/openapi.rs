//! The OpenAPI document: as committed, and well-formed.

use std::{collections::BTreeSet, path::Path};

use gristmill_api::openapi;
use gristmill_api_types::SNAKE_CASE_SCHEMAS;
use gristmill_domain::ErrorCode;
use serde_json::Value;

fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(|(method, operation)| (format!("{} {path}", method.to_uppercase()), operation.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn the_committed_document_is_the_generated_one() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/gristmill.v1.json");
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(committed).unwrap()).unwrap();
    assert!(committed == document(), "the document changed: run `cargo xtask openapi` and `cargo xtask ts`, and commit");
}

#[test]
fn every_operation_is_described() {
    let document = document();
    let tags: BTreeSet<&str> = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no operationId"));
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        assert!(id.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}: {id} is not snake_case");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
        let tag = operation["tags"][0].as_str().unwrap_or_else(|| panic!("{name} has no tag"));
        assert!(tags.contains(tag), "{name}: the tag {tag} is not declared");
        let path = name.split_once(' ').unwrap().1;
        for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let declared = operation["parameters"].as_array().is_some_and(|list| {
                list.iter().any(|one| one["in"] == "path" && one["name"] == parameter && one["required"] == true)
            });
            assert!(declared, "{name}: the path parameter {parameter} is not declared");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let is_error = status == "default" || status.starts_with('4') || status.starts_with('5');
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            if is_error && name != "GET /api/health" {
                assert_eq!(schema, "#/components/schemas/ErrorBody", "{name} {status} must answer the error body");
            }
        }
        assert!(operation["responses"].get("default").is_some(), "{name} does not say how it fails");
    }
}

#[test]
fn every_reference_resolves() {
    let document = document();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let Some(target) = map.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}

#[test]
fn field_names_are_camel_case() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if SNAKE_CASE_SCHEMAS.contains(&name.as_str()) {
            continue;
        }
        for field in schema["properties"].as_object().into_iter().flat_map(serde_json::Map::keys) {
            assert!(!field.contains('_') && !field.starts_with(char::is_uppercase), "{name}.{field} is not camelCase");
        }
    }
}

#[test]
fn snake_case_exceptions_are_used() {
    let document = document();
    for name in SNAKE_CASE_SCHEMAS {
        let schema = &document["components"]["schemas"][name];
        let snake = schema["properties"].as_object().is_some_and(|fields| fields.keys().any(|field| field.contains('_')));
        assert!(snake, "{name} needs no exception any more");
    }
}

#[test]
fn the_error_reference_lists_every_code_with_its_status() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ERRORS.md");
    let page = std::fs::read_to_string(page).unwrap();
    for code in ErrorCode::ALL {
        let row = format!("| `{}` | {} | {} |", code, gristmill_api::error::status(*code).as_u16(), code.description());
        assert!(page.contains(&row), "docs/ERRORS.md lacks this row:\n{row}");
    }
}

#[test]
fn every_setting_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
    let page = std::fs::read_to_string(page).unwrap();
    for name in gristmill_api::config::Config::variables() {
        assert!(page.contains(&format!("`{name}`")), "docs/OPERATIONS.md does not mention {name}");
    }
}
