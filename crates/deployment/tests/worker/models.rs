//! The package itself with trained models: it answers as Python does directly, and explains.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use gristmill_deployment::worker::{Explanation, Label, Worker, WorkerError};
use serde_json::{Map, Value, json};

use crate::{
    backend,
    support::{Bench, open_to_all},
};

/// Trains a model on a table with awkward names and gaps, and lets Python predict for some rows directly.
const TRAIN: &str = r#"
import json, sys
from pathlib import Path
import joblib, numpy as np, pandas as pd
from gristmill_ml.__main__ import main
place, template, kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
random = np.random.default_rng(5)
rows = 400
frame = pd.DataFrame({
    "height (cm)": np.where(random.random(rows) < 0.1, np.nan, random.normal(170, 10, rows)),
    "größe.2": random.integers(0, 50, rows),
    "plan": random.choice(["basic", "pro", 'the "best"'], rows),
    "member": random.random(rows) < 0.5,
})
signal = frame["größe.2"] / 10 + (frame["plan"] == "pro") * 2 + random.normal(0, 0.3, rows)
frame["target"] = signal if kind == "regression" else np.where(signal > 3.5, "high", np.where(signal > 1.5, "middle", "low"))
(place / "in").mkdir()
frame.to_parquet(place / "in/train.parquet", index=False)
spec = {"version": 1, "templateId": template, "target": "target", "cv": None, "learningCurve": None, "onnx": False}
(place / "in/spec.json").write_text(json.dumps({**spec, "limits": {"cpus": 1}}))
code = main(["train", "--in", str(place / "in"), "--out", str(place / "model")])
assert code == 0, code
model = joblib.load(place / "model/model.joblib")
asked = frame.drop(columns="target").head(20)
asked.loc[3, "plan"] = "unseen"
asked.loc[4, "height (cm)"] = np.nan
answers = {"rows": json.loads(asked.to_json(orient="records", double_precision=15)),
           "predictions": model.predict(asked).tolist()}
if kind == "classification":
    answers["classes"] = model.classes_.tolist()
    answers["probabilities"] = model.predict_proba(asked).tolist()
(place / "answers.json").write_text(json.dumps(answers))
"#;

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../modeling/python/gristmill_ml/src").canonicalize().unwrap()
}

/// The package as the server keeps it: away from whoever owns the sources.
pub(crate) fn package_of(bench: &Bench) -> PathBuf {
    let copy = bench.directory.path().join("package");
    let files = copy.join("gristmill_ml");
    fs::create_dir_all(&files).unwrap();
    for file in fs::read_dir(package().join("gristmill_ml")).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), files.join(file.file_name())).unwrap();
        }
    }
    open_to_all(&copy);
    copy
}

struct Trained {
    worker: Worker,
    rows: Vec<Map<String, Value>>,
    answers: Value,
}

#[expect(clippy::disallowed_methods, reason = "the comparison runs in Python")]
async fn trained(bench: &Bench, template: &str, kind: &str) -> Trained {
    let place = bench.directory.path().join("trained");
    fs::create_dir(&place).unwrap();
    let mut command = Command::new(backend::locked::python().root.join("bin/python"));
    command.args(["-c", TRAIN]).arg(&place).args([template, kind]).stdin(Stdio::null());
    command.envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("PYTHONDONTWRITEBYTECODE", "1")]);
    let output = command.env("PYTHONPATH", package()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Value = serde_json::from_slice(&fs::read(place.join("answers.json")).unwrap()).unwrap();
    open_to_all(&place.join("model"));
    let mut spec = bench.spec_of(place.join("model"), package_of(bench));
    spec.explains = true;
    spec.limits.memory_bytes = 2 << 30;
    let worker = bench.ready(spec).await;
    let rows = answers["rows"].as_array().unwrap().iter().map(crate::support::row).collect();
    Trained { worker, rows, answers }
}

#[tokio::test]
async fn labels_are_those_of_python_and_are_explained() {
    let bench = Bench::new().await;
    let Trained { worker, rows, answers } = trained(&bench, "random_forest_classifier", "classification").await;
    let predicted = worker.predict(&rows).await.unwrap();
    for (place, row) in predicted.iter().enumerate() {
        assert_eq!(row.prediction, Label::Text(answers["predictions"][place].as_str().unwrap().to_owned()));
        let chances = row.probabilities.as_ref().unwrap();
        for (number, (label, chance)) in chances.iter().enumerate() {
            assert_eq!(answers["classes"][number], json!(label));
            let expected = answers["probabilities"][place][number].as_f64().unwrap();
            assert!((chance - expected).abs() <= 1e-5, "{label}: {chance} and {expected}");
        }
    }
    let Explanation::Available { output, explainer, rows: explained } = worker.explain(&rows[..3]).await.unwrap() else {
        panic!("it is explained")
    };
    assert_eq!((output.as_str(), explainer.as_str(), explained.len()), ("probability", "tree", 3));
    for (row, answer) in explained.iter().zip(&predicted) {
        let mut columns: Vec<&str> = row.values.iter().map(|(column, _)| column.as_str()).collect();
        columns.sort_unstable();
        assert_eq!(columns, ["größe.2", "height (cm)", "member", "plan"]);
        let class = row.class.as_ref().unwrap();
        assert_eq!(answer.prediction, Label::Text(class.clone()));
        let total: f64 = row.base + row.values.iter().map(|(_, value)| value).sum::<f64>();
        let chance = answer.probabilities.as_ref().unwrap().iter().find(|(label, _)| label == class).unwrap().1;
        assert!((total - chance).abs() < 1e-3, "values and base add up: {total} and {chance}");
    }
    let mut lacking = rows[0].clone();
    lacking.remove("plan");
    match worker.predict(&[lacking]).await {
        Err(WorkerError::Rejected { code, field, .. }) => {
            assert_eq!((code.as_str(), field.as_deref()), ("missing_column", Some("columns.plan")));
        }
        other => panic!("{other:?}"),
    }
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn numbers_are_those_of_python_and_its_log_says_why_it_died() {
    let bench = Bench::new().await;
    let Trained { worker, rows, answers } = trained(&bench, "hist_gradient_boosting_regressor", "regression").await;
    let predicted = worker.predict(&rows).await.unwrap();
    for (row, expected) in predicted.iter().zip(answers["predictions"].as_array().unwrap()) {
        let Label::Number(number) = row.prediction else { panic!("{row:?}") };
        assert!((number - expected.as_f64().unwrap()).abs() <= 1e-5);
        assert_eq!(row.probabilities, None);
    }
    let Explanation::Available { output, rows: explained, .. } = worker.explain(&rows).await.unwrap() else {
        panic!("it is explained")
    };
    assert_eq!(output, "value");
    for (row, answer) in explained.iter().zip(&predicted) {
        let total = row.base + row.values.iter().map(|(_, value)| value).sum::<f64>();
        let Label::Number(number) = answer.prediction else { panic!("{answer:?}") };
        assert!((total - number).abs() < 1e-3 && row.class.is_none(), "{total} and {number}");
    }
    worker.stop().await;
    // The same directory with an artifact that is none.
    fs::write(bench.directory.path().join("trained/model/model.joblib"), [0; 100]).unwrap();
    let spec = bench.spec_of(bench.directory.path().join("trained/model"), bench.directory.path().join("package"));
    let broken = bench.start(spec);
    match tokio::time::timeout(crate::support::DEADLINE, broken.ready()).await.unwrap() {
        Err(WorkerError::Failed(reason)) => assert!(reason.contains("model.joblib does not load"), "{reason}"),
        other => panic!("{other:?}"),
    }
    bench.finish().await;
}
