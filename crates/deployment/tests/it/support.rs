//! What the tests share: the locked Python environment, models that it trains, and small models made by hand.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gristmill_deployment::inference::{NativeModel, Rows};
use gristmill_domain::{execution::PythonVersion, models::Artifact};
use gristmill_runtime::environment;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Trains a model for each template, and its variants, in a new directory; Python's own answers are beside each.
///
/// # Panics
/// `gristmill setup` was not run: there is no test without Python.
#[expect(clippy::disallowed_methods, reason = "tests use what `gristmill setup` provisioned, and run it themselves")]
pub(crate) fn trained(templates: &[&str]) -> tempfile::TempDir {
    let cache = std::env::var("XDG_CACHE_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cache")));
    let cache = PathBuf::from(cache.unwrap_or_default()).join("gristmill");
    let python = environment::locate(&cache, PythonVersion::default()).unwrap_or_else(|error| panic!("{error}"));
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempfile::tempdir().unwrap();
    let ran = std::process::Command::new(python.interpreter())
        .arg(crates.join("tests/it/reference.py"))
        .arg(out.path())
        .args(templates)
        .env("PYTHONPATH", crates.join("../modeling/python/gristmill_ml/src"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Numeric libraries are told here, before they start threads of their own on a busy machine.
        .envs(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"].map(|name| (name, "1")))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    out
}

/// The checksums that the server stores beside a model's files.
pub(crate) fn artifacts(directory: &Path) -> Vec<Artifact> {
    let names = ["signature.json", "model.onnx", "parity.json", "baseline.json"];
    let stored = names.into_iter().filter_map(|name| fs::read(directory.join(name)).ok().map(|bytes| (name, bytes)));
    stored
        .map(|(name, bytes)| Artifact {
            filename: name.to_owned(),
            size: u64::try_from(bytes.len()).unwrap(),
            sha256: hex::encode(Sha256::digest(&bytes)),
        })
        .collect()
}

pub(crate) fn json_file(directory: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(directory.join(name)).unwrap()).unwrap()
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

/// A signature of a regression over columns `(name, type, kind)`; a categorical column knows `a` and `b`.
pub(crate) fn signature(columns: &[(&str, &str, &str)]) -> Value {
    let used = || columns.iter().filter(|column| column.2 != "drop");
    let numeric: Vec<Value> = used()
        .filter(|column| column.2 != "categorical")
        .map(|(name, _, kind)| match *kind {
            "date" => json!({ "name": format!("{name}__days"), "column": name, "kind": kind, "part": "days" }),
            _ => json!({ "name": name, "column": name, "kind": kind }),
        })
        .collect();
    let categorical: Vec<Value> = used()
        .filter(|column| column.2 == "categorical")
        .map(|(name, ..)| json!({ "column": name, "categories": ["a", "b"] }))
        .collect();
    let listed: Vec<Value> = columns
        .iter()
        .map(|(name, value_type, kind)| match *kind {
            "categorical" => json!({ "name": name, "type": value_type, "kind": kind, "categories": ["b", "a"] }),
            _ => json!({ "name": name, "type": value_type, "kind": kind }),
        })
        .collect();
    json!({
        "version": 1, "taskType": "regression", "templateId": "ridge_regression", "target": "y", "targetType": "float",
        "labels": null, "featureColumns": used().map(|column| column.0).collect::<Vec<_>>(), "featureTypes": {},
        "sampleRequest": {}, "columns": listed,
        "prepare": { "missing": "__missing__", "other": "__other__", "numeric": numeric, "categorical": categorical },
        "output": { "prediction": "float" },
    })
}

/// Predicts one row that must be accepted.
pub(crate) fn number(model: &NativeModel, row: Value) -> f64 {
    let accepted = Rows::from_object(model.signature(), &object(row)).unwrap();
    model.predict(&accepted.rows).unwrap().number(0).unwrap()
}
