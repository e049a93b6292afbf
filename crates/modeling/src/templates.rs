//! The templates that can be trained, from the file that `gristmill_ml` has too.

use std::{collections::BTreeMap, sync::OnceLock};

use gristmill_domain::models::{TaskType, normalized_template_id};
use serde::Deserialize;
use serde_json::{Map, Value};

const CATALOGUE: &str = include_str!("../python/gristmill_ml/src/gristmill_ml/templates.json");
/// Largest seed that libraries take.
const SEED_MAX: u64 = 4_294_967_295;

/// A parameter of a template.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Parameter {
    /// Its name in the library.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// `number`, `select` or `boolean`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is when nothing is sent.
    pub default: Value,
    /// Smallest number.
    #[serde(default)]
    pub min: Option<f64>,
    /// Largest number.
    #[serde(default)]
    pub max: Option<f64>,
    /// Step of a slider.
    #[serde(default)]
    pub step: Option<f64>,
    /// Whether only whole numbers make sense.
    #[serde(default)]
    pub integer: bool,
    /// Whether it is searched on a logarithmic scale.
    #[serde(default)]
    pub log: bool,
    /// The values of a `select`.
    #[serde(default)]
    pub options: Vec<ParameterOption>,
}

/// A value of a `select`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ParameterOption {
    /// What is sent.
    pub value: String,
    /// What people see.
    pub label: String,
}

/// Something that can be trained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Identity.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What its models are for.
    pub task_type: TaskType,
    /// What it is, in a sentence.
    pub description: String,
    /// The library that it comes from.
    pub library: String,
    /// The module of its class.
    pub import_path: String,
    /// Its class.
    pub model_class: String,
    /// What can be set.
    pub parameters: Vec<Parameter>,
    /// All that is set when nothing is sent.
    pub default_params: Map<String, Value>,
    /// The metrics that are shown first.
    pub metrics: Vec<String>,
    /// Whether its parameters can be searched for.
    #[serde(default)]
    tunable: Option<bool>,
}

/// Why a template or a parameter was refused: the field and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct TemplateError {
    /// The field.
    pub field: String,
    /// What is wrong with it, and what is allowed.
    pub message: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Alias {
    One(String),
    ByTask(BTreeMap<String, String>),
}

#[derive(Debug, Deserialize)]
struct File {
    templates: Vec<Template>,
    aliases: BTreeMap<String, Alias>,
}

/// All templates.
#[derive(Debug)]
pub struct Catalogue {
    file: File,
}

impl Catalogue {
    /// The templates of this version.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Catalogue> = OnceLock::new();
        SHARED.get_or_init(|| {
            // The file is compiled in, and a test reads it: there is nothing to do about one that does not parse.
            let file = serde_json::from_str(CATALOGUE).unwrap_or_else(|error| {
                tracing::error!(%error, "templates.json does not parse");
                File { templates: Vec::new(), aliases: BTreeMap::new() }
            });
            Self { file }
        })
    }

    /// Every template, in the order in which they are shown.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.file.templates
    }

    /// The template of an id in its own spelling.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Template> {
        self.file.templates.iter().find(|template| template.id == id)
    }

    /// The template of an id in any spelling; `task` picks among those of one name.
    ///
    /// # Errors
    /// There is none, or it is for another task.
    pub fn resolve(&self, id: &str, task: Option<TaskType>) -> Result<&Template, TemplateError> {
        let name = normalized_template_id(id);
        let refuse = |field: &str, message: String| Err(TemplateError { field: field.to_owned(), message });
        let name = match self.file.aliases.get(&name) {
            None => name,
            Some(Alias::One(name)) => name.clone(),
            Some(Alias::ByTask(names)) => match task.and_then(|task| names.get(task.as_str())) {
                Some(name) => name.clone(),
                None => {
                    let tasks: Vec<&str> = names.keys().map(String::as_str).collect();
                    return refuse("problemType", format!("{id} needs one of {}", tasks.join(", ")));
                }
            },
        };
        let Some(template) = self.find(&name) else {
            let names: Vec<&str> = self.templates().iter().map(|template| template.id.as_str()).collect();
            return refuse("templateId", format!("there is no template \"{}\"; there are: {}", short(id), names.join(", ")));
        };
        match task.filter(|task| *task != template.task_type) {
            Some(task) => refuse(
                "problemType",
                format!("{} is for {}, not for {}", template.id, template.task_type.as_str(), task.as_str()),
            ),
            None => Ok(template),
        }
    }
}

impl Template {
    /// Whether its parameters can be searched for.
    #[must_use]
    pub fn is_tunable(&self) -> bool {
        self.tunable.unwrap_or(true) && self.task_type != TaskType::Clustering && !self.parameters.is_empty()
    }

    /// Checks parameters by name, type and bounds, and leaves out those that are null.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, TemplateError> {
        let mut checked = Map::new();
        for (key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            let refuse = |message: String| TemplateError { field: format!("parameters.{}", short(key)), message };
            if key == "random_state" && self.default_params.contains_key(key) {
                if value.as_u64().is_none_or(|seed| seed > SEED_MAX) {
                    return Err(refuse(format!("must be a whole number from 0 to {SEED_MAX}")));
                }
            } else {
                let Some(parameter) = self.parameters.iter().find(|parameter| parameter.key == *key) else {
                    let names: Vec<&str> = self.parameters.iter().map(|parameter| parameter.key.as_str()).collect();
                    let takes = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                    return Err(refuse(format!("{} has no such parameter; it takes: {takes}", self.id)));
                };
                parameter.check(value).map_err(refuse)?;
            }
            checked.insert(key.clone(), value.clone());
        }
        Ok(checked)
    }
}

impl Parameter {
    fn check(&self, value: &Value) -> Result<(), String> {
        match self.kind.as_str() {
            "number" => {
                let (low, high) = (self.min.unwrap_or(f64::MIN), self.max.unwrap_or(f64::MAX));
                let what = if self.integer { "a whole number" } else { "a number" };
                let number = value.as_f64().filter(|number| !self.integer || number.fract() == 0.0);
                match number {
                    Some(number) if (low..=high).contains(&number) => Ok(()),
                    _ => Err(format!("must be {what} from {low} to {high}")),
                }
            }
            "select" => {
                let names: Vec<&str> = self.options.iter().map(|option| option.value.as_str()).collect();
                match value.as_str() {
                    Some(name) if names.contains(&name) => Ok(()),
                    _ => Err(format!("must be one of {}", names.join(", "))),
                }
            }
            "boolean" if value.is_boolean() => Ok(()),
            "boolean" => Err("must be true or false".to_owned()),
            _ => Err("cannot be set".to_owned()),
        }
    }
}

/// Metrics that a study can make better.
const CLASSIFICATION: [&str; 12] = [
    "accuracy",
    "balanced_accuracy",
    "f1",
    "f1_macro",
    "f1_weighted",
    "precision",
    "precision_macro",
    "recall",
    "recall_macro",
    "roc_auc",
    "log_loss",
    "neg_log_loss",
];
const REGRESSION: [&str; 7] =
    ["r2", "rmse", "mae", "mse", "neg_root_mean_squared_error", "neg_mean_absolute_error", "neg_mean_squared_error"];

/// Checks that a study of such a model can make this metric better.
///
/// # Errors
/// It cannot; the reason lists those that it can.
pub fn tuning_metric(task: TaskType, metric: &str) -> Result<(), String> {
    let names: &[&str] = match task {
        TaskType::Classification => &CLASSIFICATION,
        TaskType::Regression => &REGRESSION,
        TaskType::Clustering => return Err("clusters cannot be tuned: there is nothing to be right about".to_owned()),
    };
    if names.contains(&metric) { Ok(()) } else { Err(format!("must be one of {}", names.join(", "))) }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(id: &str, given: &Value) -> Result<Map<String, Value>, String> {
        let template = Catalogue::shared().find(id).unwrap();
        template.check(given.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_contract_s_templates_are_there() {
        let catalogue = Catalogue::shared();
        for id in [
            "random_forest_classifier",
            "logistic_regression",
            "random_forest_regressor",
            "linear_regression",
            "ridge_regression",
            "knn_classifier",
            "gradient_boosting_classifier",
            "kmeans",
        ] {
            assert!(catalogue.find(id).is_some(), "{id}");
        }
        assert_eq!(catalogue.templates().len(), 19);
        let defaults = |template: &Template| template.check(&template.default_params).is_ok();
        assert!(catalogue.templates().iter().all(defaults), "a default is out of its own bounds");
    }

    #[test]
    fn ids_are_found_in_any_spelling() {
        let find = |id: &str, task| Catalogue::shared().resolve(id, task).map(|template| template.id.clone());
        assert_eq!(find(" seed-Ridge ", None).unwrap(), "ridge_regression");
        assert_eq!(find("random-forest", Some(TaskType::Regression)).unwrap(), "random_forest_regressor");
        assert_eq!(find("auto", None).unwrap_err().field, "problemType");
        assert_eq!(find("kmeans", Some(TaskType::Regression)).unwrap_err().field, "problemType");
        let unknown = find("__import__('os')", None).unwrap_err();
        assert!(unknown.field == "templateId" && unknown.message.contains("kmeans"), "{unknown}");
    }

    #[test]
    fn parameters_are_checked_by_name_type_and_bounds() {
        let forest = "random_forest_classifier";
        assert_eq!(checked(forest, &json!({ "n_estimators": 50, "max_depth": null })).unwrap().len(), 1);
        assert_eq!(checked(forest, &json!({ "n_estimators": 50.0, "random_state": 7 })).unwrap().len(), 2);
        for (given, says) in [
            (json!({ "n_estimators": 5 }), "from 10 to 1000"),
            (json!({ "n_estimators": 50.5 }), "a whole number"),
            (json!({ "n_estimators": "100" }), "a whole number"),
            (json!({ "n_estimators": true }), "a whole number"),
            (json!({ "random_state": -1 }), "from 0 to"),
            (json!({ "__class__": 1 }), "no such parameter"),
            (json!({ "n_jobs": 64 }), "no such parameter"),
            (json!({ "x); import os #": 1 }), "no such parameter"),
        ] {
            let error = checked(forest, &given).unwrap_err();
            assert!(error.contains(says), "{given}: {error}");
        }
        assert!(checked("knn_classifier", &json!({ "weights": "distance" })).is_ok());
        assert!(checked("knn_classifier", &json!({ "weights": "eval" })).unwrap_err().contains("uniform, distance"));
    }

    #[test]
    fn what_can_be_tuned_is_known() {
        let tunable = |id: &str| Catalogue::shared().find(id).unwrap().is_tunable();
        assert!(tunable("ridge_regression") && tunable("lightgbm_classifier"));
        assert!(!tunable("kmeans") && !tunable("linear_regression") && !tunable("auto_classifier"));
        assert!(tuning_metric(TaskType::Classification, "f1").is_ok());
        assert!(tuning_metric(TaskType::Regression, "f1").is_err());
        assert!(tuning_metric(TaskType::Clustering, "silhouette").is_err());
    }
}
