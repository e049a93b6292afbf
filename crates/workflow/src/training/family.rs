//! Families of models: the one spelling of each, how it is recognised in names and in code, and what it needs.

use gristmill_domain::models::TaskType;

/// A family of models.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its one spelling.
    pub name: &'static str,
    /// Other spellings: small letters and digits only, without `classifier` and `regressor`.
    aliases: &'static [&'static str],
    /// What names it in the name of an experiment, without doubt: words with spaces between them.
    spoken: &'static [&'static str],
    /// The classes and functions that make one.
    pub estimators: &'static [&'static str],
    /// The modules that have nothing but it.
    pub modules: &'static [&'static str],
    /// What has to be installed for it, by the names of the package index; nothing for what every environment has.
    pub packages: &'static [&'static str],
    /// The one task that it can do; none: both.
    pub task: Option<TaskType>,
}

const NONE: Family = Family { name: "", aliases: &[], spoken: &[], estimators: &[], modules: &[], packages: &[], task: None };

/// Every family that is known. Other models are trained too; of them nothing is checked.
pub static FAMILIES: [Family; 24] = [
    Family {
        name: "random_forest",
        aliases: &["randomforest", "rf", "forest"],
        spoken: &["random forest", "randomforest", "rf"],
        estimators: &["RandomForestClassifier", "RandomForestRegressor"],
        ..NONE
    },
    Family {
        name: "extra_trees",
        aliases: &["extratrees", "extremelyrandomizedtrees"],
        spoken: &["extra trees", "extratrees"],
        estimators: &["ExtraTreesClassifier", "ExtraTreesRegressor"],
        ..NONE
    },
    Family {
        name: "gradient_boosting",
        aliases: &["gradientboosting", "gbm", "gbt", "gbdt", "gradientboostedtrees", "histgradientboosting", "gradientboost"],
        spoken: &["gradient boosting", "gradient boosted", "gbm", "gbdt", "gradientboosting"],
        estimators: &[
            "GradientBoostingClassifier",
            "GradientBoostingRegressor",
            "HistGradientBoostingClassifier",
            "HistGradientBoostingRegressor",
        ],
        ..NONE
    },
    Family {
        name: "adaboost",
        aliases: &["adaboost"],
        spoken: &["adaboost", "ada boost"],
        estimators: &["AdaBoostClassifier", "AdaBoostRegressor"],
        ..NONE
    },
    Family {
        name: "decision_tree",
        aliases: &["decisiontree", "tree", "dt", "cart"],
        spoken: &["decision tree"],
        estimators: &["DecisionTreeClassifier", "DecisionTreeRegressor"],
        ..NONE
    },
    Family {
        name: "knn",
        aliases: &["knn", "kneighbors", "knearestneighbors", "nearestneighbors", "kneighbours", "knearestneighbours"],
        spoken: &["knn", "nearest neighbors", "nearest neighbours", "kneighbors"],
        estimators: &["KNeighborsClassifier", "KNeighborsRegressor"],
        ..NONE
    },
    Family {
        name: "naive_bayes",
        aliases: &["naivebayes", "gaussiannb", "multinomialnb", "bernoullinb", "nb"],
        spoken: &["naive bayes"],
        estimators: &["GaussianNB", "MultinomialNB", "BernoulliNB", "ComplementNB", "CategoricalNB"],
        task: Some(TaskType::Classification),
        ..NONE
    },
    Family {
        name: "mlp",
        aliases: &["mlp", "multilayerperceptron", "neuralnetwork", "neuralnet", "nn", "perceptron"],
        spoken: &["mlp", "multilayer perceptron", "neural network"],
        estimators: &["MLPClassifier", "MLPRegressor"],
        ..NONE
    },
    Family {
        name: "svc",
        aliases: &["svc", "linearsvc", "supportvector", "svmc"],
        spoken: &["svc"],
        estimators: &["SVC", "LinearSVC", "NuSVC"],
        task: Some(TaskType::Classification),
        ..NONE
    },
    Family {
        name: "svr",
        aliases: &["svr", "linearsvr", "supportvectorregression"],
        spoken: &["svr"],
        estimators: &["SVR", "LinearSVR", "NuSVR"],
        task: Some(TaskType::Regression),
        ..NONE
    },
    Family {
        name: "linear_regression",
        aliases: &["linearregression", "linear", "ols", "leastsquares"],
        spoken: &["linear regression"],
        estimators: &["LinearRegression"],
        task: Some(TaskType::Regression),
        ..NONE
    },
    Family {
        name: "logistic_regression",
        aliases: &["logisticregression", "logistic", "logreg", "logit", "lr"],
        spoken: &["logistic regression", "logistic", "logreg"],
        estimators: &["LogisticRegression", "LogisticRegressionCV"],
        task: Some(TaskType::Classification),
        ..NONE
    },
    Family {
        name: "ridge",
        aliases: &["ridge", "ridgeregression"],
        spoken: &["ridge"],
        estimators: &["Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV"],
        ..NONE
    },
    Family {
        name: "lasso",
        aliases: &["lasso", "lassoregression"],
        spoken: &["lasso"],
        estimators: &["Lasso", "LassoCV", "LassoLars", "LassoLarsCV"],
        task: Some(TaskType::Regression),
        ..NONE
    },
    Family {
        name: "elasticnet",
        aliases: &["elasticnet", "elasticnetregression"],
        spoken: &["elasticnet", "elastic net"],
        estimators: &["ElasticNet", "ElasticNetCV"],
        task: Some(TaskType::Regression),
        ..NONE
    },
    Family {
        name: "kmeans",
        aliases: &["kmeans", "minibatchkmeans"],
        spoken: &["kmeans", "k means"],
        estimators: &["KMeans", "MiniBatchKMeans"],
        task: Some(TaskType::Clustering),
        ..NONE
    },
    Family {
        name: "catboost",
        aliases: &["catboost"],
        spoken: &["catboost"],
        estimators: &["CatBoostClassifier", "CatBoostRegressor", "CatBoost"],
        modules: &["catboost"],
        packages: &["catboost"],
        ..NONE
    },
    Family {
        name: "xgboost",
        aliases: &["xgboost", "xgb", "xgbrf"],
        spoken: &["xgboost", "xgb"],
        estimators: &["XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"],
        modules: &["xgboost"],
        ..NONE
    },
    Family {
        name: "lightgbm",
        aliases: &["lightgbm", "lgbm", "lgb"],
        spoken: &["lightgbm", "lgbm", "light gbm"],
        estimators: &["LGBMClassifier", "LGBMRegressor"],
        modules: &["lightgbm"],
        ..NONE
    },
    Family {
        name: "statsmodels",
        aliases: &["statsmodels", "glm", "arima", "sarimax", "statsmodel"],
        spoken: &["statsmodels", "arima", "sarimax"],
        estimators: &["OLS", "GLM", "Logit", "ARIMA", "SARIMAX", "ExponentialSmoothing"],
        modules: &["statsmodels"],
        packages: &["statsmodels"],
        ..NONE
    },
    Family {
        name: "tabtransformer",
        aliases: &["tabtransformer"],
        spoken: &["tabtransformer", "tab transformer"],
        estimators: &["TabTransformer"],
        modules: &["tab_transformer_pytorch"],
        packages: &["torch", "tab-transformer-pytorch"],
        ..NONE
    },
    Family {
        name: "fttransformer",
        aliases: &["fttransformer", "featuretokenizertransformer"],
        spoken: &["fttransformer", "ft transformer"],
        estimators: &["FTTransformer"],
        modules: &["rtdl_revisiting_models", "rtdl"],
        packages: &["torch", "rtdl-revisiting-models"],
        ..NONE
    },
    Family {
        name: "tabnet",
        aliases: &["tabnet"],
        spoken: &["tabnet"],
        estimators: &["TabNetClassifier", "TabNetRegressor"],
        modules: &["pytorch_tabnet"],
        packages: &["torch", "pytorch-tabnet"],
        ..NONE
    },
    Family {
        name: "prophet",
        aliases: &["prophet", "fbprophet"],
        spoken: &["prophet"],
        estimators: &["Prophet"],
        modules: &["prophet"],
        packages: &["prophet"],
        task: Some(TaskType::Regression),
    },
];

/// The family that a `modelType` names. `svm` is one or the other by its task.
#[must_use]
pub fn family_of(model_type: &str, task: Option<TaskType>) -> Option<&'static Family> {
    let plain = plain(model_type);
    if matches!(plain.as_str(), "svm" | "supportvectormachine" | "supportvector") {
        let name = if task == Some(TaskType::Regression) { "svr" } else { "svc" };
        return FAMILIES.iter().find(|family| family.name == name);
    }
    FAMILIES.iter().find(|family| plain == self::plain(family.name) || family.aliases.contains(&plain.as_str()))
}

/// The one spelling of a `modelType`: its family's, or its own without spaces around it.
#[must_use]
pub fn canonical(model_type: &str, task: Option<TaskType>) -> String {
    family_of(model_type, task).map_or_else(|| model_type.trim().to_owned(), |family| family.name.to_owned())
}

/// The families that the name of an experiment speaks of.
#[must_use]
pub fn spoken_of(name: &str) -> Vec<&'static Family> {
    let words: String = name.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let words = format!(" {} ", words.split_whitespace().collect::<Vec<_>>().join(" "));
    FAMILIES.iter().filter(|family| family.spoken.iter().any(|spoken| words.contains(&format!(" {spoken} ")))).collect()
}

/// The family that a class or function of this name makes one of.
#[must_use]
pub fn made_by(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.estimators.contains(&name))
}

fn plain(text: &str) -> String {
    let plain: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let short = plain.strip_suffix("classifier").or_else(|| plain.strip_suffix("regressor")).unwrap_or(&plain);
    if short.is_empty() { plain } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_one_family() {
        use TaskType::{Classification, Regression};
        for (written, task, expected) in [
            ("rf", None, "random_forest"),
            ("RandomForestClassifier", None, "random_forest"),
            ("random forest", None, "random_forest"),
            ("GradientBoostingRegressor", None, "gradient_boosting"),
            ("GBM", None, "gradient_boosting"),
            ("decision-tree", None, "decision_tree"),
            ("KNeighborsClassifier", None, "knn"),
            ("MLPRegressor", None, "mlp"),
            ("svm", Some(Classification), "svc"),
            ("SVM", Some(Regression), "svr"),
            ("LinearRegression", None, "linear_regression"),
            ("logreg", None, "logistic_regression"),
            ("Elastic Net", None, "elasticnet"),
            ("XGBClassifier", None, "xgboost"),
            ("LGBMRegressor", None, "lightgbm"),
            ("CatBoostClassifier", None, "catboost"),
            ("TabNetRegressor", None, "tabnet"),
            ("FT-Transformer", None, "fttransformer"),
            ("prophet", None, "prophet"),
        ] {
            assert_eq!(canonical(written, task), expected, "{written}");
        }
        for own in ["my_model", "Classifier", "TabPFN"] {
            assert_eq!(canonical(&format!(" {own} "), None), own);
        }
    }

    #[test]
    fn spellings_do_not_overlap() {
        let mut seen = std::collections::BTreeMap::new();
        for family in FAMILIES.iter() {
            for alias in family.aliases {
                assert_eq!(*alias, plain(alias), "{alias} is plain");
                if let Some(other) = seen.insert(*alias, family.name) {
                    panic!("{alias} is of {other} and of {}", family.name);
                }
            }
            for estimator in family.estimators {
                assert_eq!(made_by(estimator).map(|made| made.name), Some(family.name));
            }
        }
    }

    #[test]
    fn names_speak_of_families() {
        let names = |text: &str| spoken_of(text).iter().map(|family| family.name).collect::<Vec<_>>();
        assert_eq!(names("Random-Forest, tuned"), ["random_forest"]);
        assert_eq!(names("XGBoost v2"), ["xgboost"]);
        assert_eq!(names("Gradient boosted trees (LightGBM)"), ["gradient_boosting", "lightgbm"]);
        for text in ["Baseline", "Best tree", "Linear thing", "perfect", "transfer"] {
            assert!(names(text).is_empty(), "{text}: {:?}", names(text));
        }
    }
}
