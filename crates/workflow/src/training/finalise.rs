//! The cell that ends a training whose own cells did not save a model or did not say that they are done.

use super::{experiments::Experiment, markers::COMPLETE, python::active_tokens};

/// The file that models are saved as.
pub const MODEL_FILE: &str = "model.joblib";
/// The heading of the cell.
pub const TITLE: &str = "Save the model";

/// Whether code saves a model where it is taken from, and as what is read there: a library's own `save_model` writes another
/// format under any name.
#[must_use]
pub fn saves_model(code: &str) -> bool {
    let all = active_tokens(code);
    let is_file = |text: &str| text.strip_prefix("./").or_else(|| text.strip_prefix("/workspace/")).unwrap_or(text) == MODEL_FILE;
    let dumps = all.iter().any(|token| token.is_name("dump"));
    dumps && all.iter().any(|token| token.content().is_some_and(is_file))
}

/// Whether code prints the marker that ends a training.
#[must_use]
pub fn prints_completion(code: &str) -> bool {
    active_tokens(code).iter().any(|token| token.content().is_some_and(|text| text.contains(COMPLETE)))
}

/// The code of the cell. It takes the fitted model that comes nearest to the dataset's raw columns: a pipeline before an
/// estimator, and what is named like a model before others. It fails when there is none, or no scores.
#[must_use]
pub fn cell(experiment: &Experiment) -> String {
    let target = experiment.target_column.as_deref().unwrap_or_default();
    // A JSON text is a Python text, whatever is in it.
    let target = serde_json::to_string(target).unwrap_or_else(|_error| "\"\"".to_owned());
    TEMPLATE.replace("@FILE@", MODEL_FILE).replace("@MARKER@", COMPLETE).replace("@TARGET@", &target)
}

const TEMPLATE: &str = r#"import json as _json
import math as _math

import joblib as _joblib
from sklearn.exceptions import NotFittedError as _NotFittedError
from sklearn.utils.validation import check_is_fitted as _check_is_fitted

_NAMES = ("final_pipeline", "best_pipeline", "pipeline", "pipe", "best_model", "final_model", "model", "clf", "classifier",
          "regressor", "reg", "estimator", "best_estimator")
_SCORES = ("metrics", "test_metrics", "final_metrics", "eval_metrics", "results", "scores", "evaluation")


def _is_fitted(value):
    if isinstance(value, type) or not callable(getattr(value, "predict", None)):
        return False
    try:
        _check_is_fitted(value)
    except _NotFittedError:
        return False
    except TypeError:
        # It is none of scikit-learn's, and cannot be asked.
        return True
    return True


def _rank(name, value):
    takes_raw_columns = hasattr(value, "steps") or hasattr(value, "best_estimator_")
    return (not takes_raw_columns, _NAMES.index(name) if name in _NAMES else len(_NAMES), name)


_models = {name: value for name, value in list(globals().items()) if not name.startswith("_") and _is_fitted(value)}
if not _models:
    raise RuntimeError("there is no fitted model to save: fit one, and keep it in a variable named `model`")
_chosen = min(_models, key=lambda name: _rank(name, _models[name]))
_model = getattr(_models[_chosen], "best_estimator_", _models[_chosen])

_found = {}
for _name in _SCORES:
    _value = globals().get(_name)
    if isinstance(_value, dict):
        for _key, _number in _value.items():
            try:
                _number = float(_number)
            except (TypeError, ValueError):
                continue
            if _math.isfinite(_number):
                _found.setdefault(str(_key), _number)
if not _found:
    raise RuntimeError("there are no scores: put the numbers for the test rows into a dict named `metrics`")

_joblib.dump(_model, "@FILE@")
print(f"saved {_chosen} ({type(_model).__name__}), which predicts", @TARGET@)
print("@MARKER@|" + _json.dumps(_found))
"#;

#[cfg(test)]
mod tests {
    use super::{super::fixtures::run_with, *};

    #[test]
    fn the_cell_saves_and_says_so() {
        let run = run_with(&["Forest"]);
        let experiment = run.experiments.get("exp-1").unwrap();
        let code = cell(experiment);
        assert!(saves_model(&code) && prints_completion(&code), "{code}");
        assert!(code.contains("which predicts\", \"churned\")") && !code.contains('@'), "{code}");
        assert!(code.lines().count() <= super::super::code::CELL_LINES_MAX);
    }

    #[test]
    fn a_column_s_name_stays_a_text() {
        let run = run_with(&["Forest"]);
        let hostile = "x\"); __import__('os').system('y') #\n";
        let experiment = Experiment { target_column: Some(hostile.to_owned()), ..run.experiments.get("exp-1").unwrap().clone() };
        let code = cell(&experiment);
        assert!(!super::super::python::tokens(&code).iter().any(|token| token.is_name("__import__")), "{code}");
    }

    #[test]
    fn saving_is_seen_in_code_only() {
        for code in
            ["joblib.dump(pipe, 'model.joblib')", "dump(m, \"./model.joblib\")", "p = '/workspace/model.joblib'\ndump(m, p)"]
        {
            assert!(saves_model(code), "{code}");
        }
        for code in [
            "# joblib.dump(m, 'model.joblib')",
            "t = \"joblib.dump(m, 'model.joblib')\"",
            "joblib.dump(m, 'other')",
            "joblib.dump(m, 'out/model.joblib')",
            "m.save_model('model.joblib')",
        ] {
            assert!(!saves_model(code), "{code}");
        }
        assert!(prints_completion("print(f'__TRAIN_COMPLETE__|{x}')"));
        assert!(!prints_completion("# __TRAIN_COMPLETE__"));
    }
}
