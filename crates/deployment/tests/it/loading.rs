//! Model directories: checked against what was stored, and loaded once.

use std::{fs, path::Path, sync::Arc};

use gristmill_deployment::inference::{CacheCounters, InferenceError, ModelCache, NativeModel};
use gristmill_domain::{ErrorCode, models::Artifact};
use serde_json::json;

use crate::{
    onnx_file::linear,
    support::{artifacts, number, signature},
};

/// A model directory over some columns; the same number gives the same model.
fn directory(columns: usize) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..columns).map(|number| format!("x{number}")).collect();
    let text = signature(&names.iter().map(|name| (name.as_str(), "float", "numeric")).collect::<Vec<_>>());
    fs::write(out.path().join("signature.json"), text.to_string()).unwrap();
    fs::write(out.path().join("model.onnx"), linear(columns).file()).unwrap();
    fs::write(out.path().join("parity.json"), json!({ "converted": true, "withinTolerance": true }).to_string()).unwrap();
    out
}

fn load(directory: &Path, stored: &[Artifact]) -> InferenceError {
    NativeModel::load(directory, stored).unwrap_err()
}

#[test]
fn loads_what_was_stored() {
    let out = directory(2);
    let model = NativeModel::load(out.path(), &artifacts(out.path())).unwrap();
    assert_eq!(number(&model, json!({ "x0": 1, "x1": 1 })), 4.0);
}

#[test]
fn an_altered_file_is_refused() {
    for name in ["signature.json", "model.onnx", "parity.json"] {
        let out = directory(1);
        let stored = artifacts(out.path());
        let path = out.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let error = load(out.path(), &stored);
        assert!(matches!(&error, InferenceError::FileAltered { file } if file == name), "{error}");
        assert_eq!(error.code(), ErrorCode::FileMissing);
        assert!(!error.wants_worker());
        bytes.push(b' ');
        bytes[last] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(load(out.path(), &stored), InferenceError::FileAltered { .. }), "a longer file");
        bytes.truncate(last);
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(load(out.path(), &stored), InferenceError::FileAltered { .. }), "a shorter file");
        fs::remove_file(&path).unwrap();
        assert!(matches!(load(out.path(), &stored), InferenceError::FileMissing { .. }));
    }
}

#[test]
fn only_regular_files_are_read() {
    let out = directory(1);
    let stored = artifacts(out.path());
    let (path, aside) = (out.path().join("model.onnx"), out.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &path).unwrap();
    assert!(matches!(load(out.path(), &stored), InferenceError::Io { .. }), "a link");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(load(out.path(), &stored), InferenceError::Io { .. }), "a directory");
}

#[test]
fn a_model_without_an_equal_conversion_is_a_workers() {
    let out = directory(1);
    for parity in [
        json!({ "converted": false, "reason": "no converter" }),
        json!({ "converted": true, "withinTolerance": false }),
        json!({}),
    ] {
        fs::write(out.path().join("parity.json"), parity.to_string()).unwrap();
        let error = load(out.path(), &artifacts(out.path()));
        assert!(matches!(error, InferenceError::NotConverted { .. }) && error.wants_worker(), "{error}");
    }
    fs::write(out.path().join("parity.json"), json!({ "converted": true, "withinTolerance": true }).to_string()).unwrap();
    fs::remove_file(out.path().join("model.onnx")).unwrap();
    assert!(load(out.path(), &artifacts(out.path())).wants_worker());
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let out = directory(1);
    let mut stored = artifacts(out.path());
    stored.iter_mut().find(|artifact| artifact.filename == "model.onnx").unwrap().size = 1 << 40;
    assert!(matches!(load(out.path(), &stored), InferenceError::FileTooLarge { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_ask_at_once_share_one_load() {
    let out = directory(3);
    let (cache, stored) = (Arc::new(ModelCache::new(1 << 20)), artifacts(out.path()));
    let ask = || async { cache.get(out.path(), &stored).await.unwrap() };
    let models = futures_util::future::join_all((0..50).map(|_| ask())).await;
    assert!(models.iter().all(|model| Arc::ptr_eq(model, &models[0])));
    let counters = cache.counters();
    assert_eq!((counters.loads, counters.models, counters.failures), (1, 1, 0));
    assert_eq!(counters.bytes, u64::try_from(models[0].memory_bytes()).unwrap());
    assert!(Arc::ptr_eq(&ask().await, &models[0]));
    assert_eq!(cache.counters().hits, counters.hits + 1);
}

#[tokio::test]
async fn the_model_that_was_not_used_for_longest_makes_room() {
    let outs = [directory(1), directory(2), directory(3)];
    let sizes = outs.iter().map(|out| NativeModel::load(out.path(), &artifacts(out.path())).unwrap().memory_bytes());
    let budget = u64::try_from(sizes.max().unwrap() * 2).unwrap();
    let cache = ModelCache::new(budget);
    let get = |place: usize| cache.get(outs[place].path(), &[]);
    assert!(get(0).await.is_err(), "nothing is stored under this name");
    let cache = ModelCache::new(budget);
    let stored: Vec<Vec<Artifact>> = outs.iter().map(|out| artifacts(out.path())).collect();
    let get = |place: usize| cache.get(outs[place].path(), &stored[place]);
    let first = get(0).await.unwrap();
    get(1).await.unwrap();
    assert!(Arc::ptr_eq(&first, &get(0).await.unwrap()));
    get(2).await.unwrap();
    let CacheCounters { models, bytes, loads, evictions, .. } = cache.counters();
    assert_eq!((models, loads, evictions), (2, 3, 1));
    assert!(bytes <= budget);
    assert!(Arc::ptr_eq(&first, &get(0).await.unwrap()), "the second one went: the first was used after it");
    get(1).await.unwrap();
    assert_eq!(cache.counters().loads, 4);
    assert_eq!(number(&first, json!({ "x0": 1 })), 2.0, "who has a model keeps it");
}

#[tokio::test]
async fn a_model_larger_than_the_budget_is_handed_out_and_not_kept() {
    let out = directory(1);
    let cache = ModelCache::new(10);
    let stored = artifacts(out.path());
    for loads in 1..=2 {
        cache.get(out.path(), &stored).await.unwrap();
        assert_eq!(cache.counters(), CacheCounters { loads, ..CacheCounters::default() });
    }
}

#[tokio::test]
async fn a_model_that_fails_is_not_read_again_at_once() {
    let out = directory(1);
    let stored = artifacts(out.path());
    fs::write(out.path().join("model.onnx"), "altered").unwrap();
    let cache = ModelCache::new(1 << 20);
    for _ in 0..10 {
        assert!(matches!(*cache.get(out.path(), &stored).await.unwrap_err(), InferenceError::FileAltered { .. }));
    }
    assert_eq!((cache.counters().failures, cache.counters().models), (1, 0));
}
