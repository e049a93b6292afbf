//! Which packages a training needs, and which one a failed cell lacked.

use super::{
    family::family_of,
    python::{Kind, active_tokens},
};

/// Modules whose package has another name.
const NAMED_OTHERWISE: [(&str, &str); 22] = [
    ("Crypto", "pycryptodome"),
    ("PIL", "pillow"),
    ("attr", "attrs"),
    ("bs4", "beautifulsoup4"),
    ("category_encoders", "category-encoders"),
    ("cv2", "opencv-python-headless"),
    ("dateutil", "python-dateutil"),
    ("dotenv", "python-dotenv"),
    ("fbprophet", "prophet"),
    ("feature_engine", "feature-engine"),
    ("imblearn", "imbalanced-learn"),
    ("pytorch_lightning", "pytorch-lightning"),
    ("pytorch_tabnet", "pytorch-tabnet"),
    ("pytorch_tabular", "pytorch-tabular"),
    ("rtdl_revisiting_models", "rtdl-revisiting-models"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("tab_transformer_pytorch", "tab-transformer-pytorch"),
    ("tensorflow", "tensorflow-cpu"),
    ("umap", "umap-learn"),
    ("xgboost", "xgboost-cpu"),
    ("yaml", "pyyaml"),
];
/// Modules that come with every environment, or with Python itself, or are a project's own files: nothing to install.
const NO_PACKAGES: [&str; 34] = [
    "IPython",
    "__future__",
    "abc",
    "argparse",
    "asyncio",
    "collections",
    "config",
    "copy",
    "csv",
    "data",
    "datetime",
    "functools",
    "glob",
    "helpers",
    "io",
    "itertools",
    "json",
    "logging",
    "math",
    "model",
    "models",
    "os",
    "pathlib",
    "pickle",
    "random",
    "re",
    "src",
    "subprocess",
    "sys",
    "tempfile",
    "time",
    "typing",
    "utils",
    "warnings",
];
/// Longest name of a module, characters.
const NAME_CHARS_MAX: usize = 60;

/// What has to be installed before a model of this type is trained, beside what every environment has: scikit-learn, XGBoost
/// and LightGBM. The caller leaves out what is installed.
#[must_use]
pub fn packages_for(model_type: &str) -> &'static [&'static str] {
    family_of(model_type, None).map(|family| family.packages).unwrap_or_default()
}

/// The package whose lack ended a cell, from the error and the code of the cell; none when that was not it.
///
/// The error is what the cell printed, which may be anything: only a module that the code itself imports is taken for one.
#[must_use]
pub fn missing_package(error: &str, code: &str) -> Option<String> {
    let module = missing_module(error)?;
    let root = module.split('.').next()?;
    if NO_PACKAGES.contains(&root) || !imports(code).contains(&root) {
        return None;
    }
    let renamed = NAMED_OTHERWISE.iter().find(|(module, _)| *module == root).map(|(_, package)| (*package).to_owned());
    Some(renamed.unwrap_or_else(|| root.replace('_', "-")))
}

/// The module that an error names as missing.
#[must_use]
pub fn missing_module(error: &str) -> Option<&str> {
    let after = error.split("No module named ").nth(1)?;
    let quoted = after.strip_prefix(['\'', '"'])?;
    let name = quoted.split(['\'', '"']).next()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let good = !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(is_plain) && !name.starts_with(['.', '_']);
    good.then_some(name)
}

/// The modules at the roots of what code imports.
fn imports(code: &str) -> Vec<&str> {
    let all = active_tokens(code);
    let mut found = Vec::new();
    let mut listing = false;
    let mut line = usize::MAX;
    let mut previous = "";
    for token in &all {
        if token.line != line {
            (line, listing, previous) = (token.line, false, "");
        }
        let begins = matches!(previous, "" | ";" | ":");
        match (token.kind, token.text) {
            (Kind::Name, "import" | "from") if begins => listing = true,
            // `from a import b`: b is no module at the root.
            (Kind::Name, "import") => listing = false,
            (Kind::Name, name) if listing && matches!(previous, "import" | "from" | ",") => found.push(name),
            _ => {}
        }
        previous = token.text;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_say_what_they_need() {
        assert_eq!(packages_for("CatBoostClassifier"), ["catboost"]);
        assert_eq!(packages_for("tabnet"), ["torch", "pytorch-tabnet"]);
        for model_type in ["random_forest", "xgboost", "LGBMClassifier", "my_model", ""] {
            assert!(packages_for(model_type).is_empty(), "{model_type}");
        }
    }

    #[test]
    fn imports_are_those_of_the_code() {
        let code = "import numpy as np, a.b\nfrom c.d import e, f\nif x: import g\n# import h\nt = 'import i'\nfrom . import j\nx.import_k()";
        assert_eq!(imports(code), ["numpy", "a", "c", "g"]);
    }

    #[test]
    fn the_package_that_a_cell_lacked_is_found() {
        let long = "x".repeat(61);
        let error = |module: &str| format!("Traceback ...\nModuleNotFoundError: No module named '{module}'");
        for (module, code, expected) in [
            ("catboost", "from catboost import CatBoostClassifier", Some("catboost")),
            ("sklearn.foo", "import sklearn.foo", Some("scikit-learn")),
            ("imblearn", "import imblearn", Some("imbalanced-learn")),
            ("some_thing", "import some_thing", Some("some-thing")),
            // A message alone installs nothing.
            ("evil", "import pandas", None),
            ("evil", "# import evil", None),
            ("evil", "x = 'import evil'", None),
            ("utils", "import utils", None),
            ("json", "import json", None),
            ("", "import x", None),
            ("a b", "import a", None),
            ("a; rm", "import a", None),
            ("_private", "import _private", None),
            (long.as_str(), "import x", None),
        ] {
            assert_eq!(missing_package(&error(module), code).as_deref(), expected, "{module}: {code}");
        }
        assert_eq!(missing_package("ValueError: no", "import x"), None);
    }
}
