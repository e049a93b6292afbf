//! What generated training code must not do. Each check tells the model what to write instead.

use gristmill_domain::models::TaskType;

use super::{
    code::{CELL_LINES_MAX, Segment},
    experiments::Experiment,
    family::{Family, family_of, made_by},
    python::{Kind, Token, active_tokens},
};

/// What is selected for a training.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Name of the dataset's file.
    pub dataset_file: &'a str,
    /// The dataset's id.
    pub dataset_id: &'a str,
    /// The column to predict.
    pub target: Option<&'a str>,
}

/// What code is expected to train.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// What is selected.
    pub selection: Selection<'a>,
    /// The experiment's model type.
    pub model_type: &'a str,
    /// What the model is for.
    pub task: Option<TaskType>,
}

/// Why the cells of an experiment are not to be run, in words for the model: what is wrong with one, and with all of them
/// together. None when nothing was found.
#[must_use]
pub fn objection(segments: &[Segment], experiment: &Experiment, dataset_file: &str) -> Option<String> {
    let dataset_id = experiment.dataset_id.to_string();
    let selection = Selection { dataset_file, dataset_id: &dataset_id, target: experiment.target_column.as_deref() };
    let expected = Expected { selection, model_type: &experiment.model_type, task: experiment.task_type };
    let code: Vec<&str> = segments.iter().map(|segment| segment.code.as_str()).collect();
    let mut found: Vec<String> = segments.iter().filter_map(too_long).collect();
    found.extend(problems(&code.join("\n\n"), &expected));
    (!found.is_empty()).then(|| found.join("; "))
}

/// Everything that is wrong with the code of a training as a whole, in words for the model. Empty: nothing was found.
#[must_use]
pub fn problems(code: &str, expected: &Expected<'_>) -> Vec<String> {
    let all = active_tokens(code);
    let mut found: Vec<String> = Vec::new();
    found.extend(other_family(&all, expected));
    found.extend(stratified_regression(&all, expected.task));
    found.extend(inline_install(&all));
    found.extend(cell_problem(&all, &expected.selection));
    found
}

fn too_long(segment: &Segment) -> Option<String> {
    let lines = segment.lines();
    (lines > CELL_LINES_MAX).then(|| format!("A cell has {lines} lines; at most {CELL_LINES_MAX} are allowed: write it shorter"))
}

fn cell_problem(all: &[Token<'_>], selection: &Selection<'_>) -> Option<String> {
    let device = device_argument(all).map(|device| {
        format!("The code asks for the device \"{device}\", but training runs on processors only; leave the device out")
    });
    device.or_else(|| other_dataset(all, selection)).or_else(|| other_target(all, selection))
}

/// The names that are called: each before an opening bracket.
fn calls<'code>(all: &[Token<'code>]) -> Vec<&'code str> {
    let pairs = all.windows(2).filter_map(|pair| match pair {
        [name, bracket] if name.kind == Kind::Name && bracket.is_sign("(") => Some(name.text),
        _ => None,
    });
    pairs.collect()
}

/// The estimator must be of the approved family, and a network is no stand-in for a transformer.
fn other_family(all: &[Token<'_>], expected: &Expected<'_>) -> Option<String> {
    const TRANSFORMERS: [&str; 3] = ["tabtransformer", "fttransformer", "tabnet"];
    let family = family_of(expected.model_type, expected.task)?;
    let made: Vec<&'static Family> = calls(all).into_iter().filter_map(made_by).collect();
    let is_stand_in = TRANSFORMERS.contains(&family.name) && made.iter().any(|made| made.name == "mlp");
    let uses_module = all.iter().any(|token| family.modules.iter().any(|module| token.is_name(module)));
    let is_its_own = made.iter().any(|made| made.name == family.name) || uses_module;
    if is_stand_in {
        return Some(format!(
            "The code trains a multilayer perceptron in the place of {}; use {} itself",
            family.name,
            classes(family)
        ));
    }
    if is_its_own {
        return None;
    }
    // Where none is made here, it may come from a function of an earlier cell: nothing contradicts.
    made.first().map(|other| format!("The code trains {}, but {} was approved; use {}", other.name, family.name, classes(family)))
}

fn classes(family: &Family) -> String {
    family.estimators.join(" or ")
}

fn stratified_regression(all: &[Token<'_>], task: Option<TaskType>) -> Option<String> {
    if task != Some(TaskType::Regression) {
        return None;
    }
    let argument = all.windows(3).any(|three| match three {
        [name, sign, value] => name.is_name("stratify") && name.depth > 0 && sign.is_sign("=") && !value.is_name("None"),
        _ => false,
    });
    let splitter = calls(all).iter().any(|name| matches!(*name, "StratifiedKFold" | "StratifiedShuffleSplit"));
    (argument || splitter).then(|| "Numbers cannot be divided by class: leave stratify out for regression".to_owned())
}

fn inline_install(all: &[Token<'_>]) -> Option<String> {
    let in_shell = |text: &str| {
        let words: Vec<&str> = text.trim_start_matches(['!', '%']).split_whitespace().collect();
        let installer = words.iter().any(|word| matches!(*word, "pip" | "pip3" | "conda" | "mamba" | "uv"));
        installer && words.contains(&"install")
    };
    let by_magic = all.iter().any(|token| token.kind == Kind::Shell && in_shell(token.text));
    let names_pip = |token: &Token<'_>| {
        token.content().is_some_and(|text| text == "pip" || text.contains("pip install")) || token.is_name("pip")
    };
    let runs_programs =
        all.iter().any(|token| ["subprocess", "system", "popen", "run_module"].iter().any(|name| token.is_name(name)));
    let by_program = runs_programs && all.iter().any(names_pip);
    let by_import = all.windows(2).any(|pair| matches!(pair, [import, pip] if import.is_name("import") && pip.is_name("pip")));
    (by_magic || by_program || by_import)
        .then(|| "Cells do not install packages; call install_package, then run the cell".to_owned())
}

/// A device that is no processor.
fn device_argument(all: &[Token<'_>]) -> Option<String> {
    const KEYS: [&str; 8] =
        ["device", "device_type", "device_name", "task_type", "accelerator", "tree_method", "predictor", "map_location"];
    let is_device = |text: &str| {
        let text = text.trim().to_lowercase();
        let root = text.split([':', '_']).next().unwrap_or_default();
        matches!(root, "cuda" | "gpu" | "mps" | "tpu")
    };
    for window in all.windows(3) {
        let [first, second, third] = window else { continue };
        let Some(text) = third.content().filter(|text| is_device(text)) else { continue };
        let is_key = KEYS.iter().any(|key| first.is_name(key)) || first.content().is_some_and(|key| KEYS.contains(&key));
        let is_given = is_key && (second.is_sign("=") || second.is_sign(":"));
        let is_called = second.is_sign("(") && ["to", "device"].iter().any(|name| first.is_name(name));
        if is_given || is_called {
            return Some(text.to_owned());
        }
    }
    all.windows(3).find_map(|three| match three {
        [dot, name, bracket] if dot.is_sign(".") && (name.is_name("cuda") || name.is_name("mps")) && bracket.is_sign("(") => {
            Some(name.text.to_owned())
        }
        _ => None,
    })
}

/// Another file than the selected one.
fn other_dataset(all: &[Token<'_>], selection: &Selection<'_>) -> Option<String> {
    const LOADERS: [&str; 2] = ["resolve_dataset_path", "load_preprocessing_dataset"];
    for (at, window) in all.windows(3).enumerate() {
        let [name, bracket, first] = window else { continue };
        if !LOADERS.iter().any(|loader| name.is_name(loader)) || !bracket.is_sign("(") {
            continue;
        }
        let id = match all.get(at + 3..at + 5) {
            Some([comma, id]) if comma.is_sign(",") => id.content(),
            _ => None,
        };
        let wrong_file = first.content().filter(|file| file.to_lowercase() != selection.dataset_file.to_lowercase());
        let wrong_id = id.filter(|id| *id != selection.dataset_id);
        if let Some(other) = wrong_file.or(wrong_id) {
            return Some(format!(
                "The code loads \"{other}\", but the selected dataset is {}; use resolve_dataset_path(\"{}\", \"{}\")",
                selection.dataset_file, selection.dataset_file, selection.dataset_id
            ));
        }
    }
    None
}

/// Another target than the selected one: named in a variable for it, or taken out of the frame.
fn other_target(all: &[Token<'_>], selection: &Selection<'_>) -> Option<String> {
    const NAMES: [&str; 11] = [
        "target",
        "target_column",
        "target_col",
        "target_name",
        "target_variable",
        "label_column",
        "label_col",
        "label_name",
        "y_column",
        "y_col",
        "outcome_column",
    ];
    const VALUES: [&str; 6] = ["y", "y_all", "y_full", "labels", "target", "y_true_all"];
    let target = selection.target?;
    let is_one_of = |token: &Token<'_>, names: &[&str]| {
        token.kind == Kind::Name && token.depth == 0 && names.contains(&token.text.to_lowercase().as_str())
    };
    let other = all.iter().enumerate().find_map(|(at, name)| {
        let rest = all.get(at + 1..)?;
        let (equals, rest) = rest.split_first()?;
        if !equals.is_sign("=") {
            return None;
        }
        let named = match rest {
            [text, ..] if is_one_of(name, &NAMES) && text.kind == Kind::Text => text.content(),
            // y = df["x"]
            [_, open, text, close, ..] if is_one_of(name, &VALUES) && open.is_sign("[") && close.is_sign("]") => text.content(),
            // y = df.pop("x")
            [_, dot, pop, open, text, ..]
                if is_one_of(name, &VALUES) && dot.is_sign(".") && pop.is_name("pop") && open.is_sign("(") =>
            {
                text.content()
            }
            _ => None,
        };
        named.filter(|named| *named != target)
    })?;
    Some(format!("The code predicts \"{other}\", but the selected target is \"{target}\"; predict \"{target}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELECTION: Selection<'static> = Selection { dataset_file: "customers.csv", dataset_id: "d-1", target: Some("churned") };

    fn checked(code: &str, model_type: &str, task: TaskType) -> Vec<String> {
        problems(code, &Expected { selection: SELECTION, model_type, task: Some(task) })
    }

    fn of_classes(code: &str, model_type: &str) -> Vec<String> {
        checked(code, model_type, TaskType::Classification)
    }

    /// What is wrong with a cell of a model that nothing is known of.
    fn cell_problem(code: &str, selection: &Selection<'_>) -> Option<String> {
        problems(code, &Expected { selection: *selection, model_type: "my_own", task: None }).into_iter().next()
    }

    #[test]
    fn the_estimator_is_the_approved_one() {
        for (code, model_type) in [
            ("m = RandomForestClassifier(n_estimators=10)", "random_forest"),
            ("m = Pipeline([('s', StandardScaler()), ('m', SVC())])", "svm"),
            ("import xgboost as xgb\nm = xgb.train(p, d)", "xgboost"),
            ("s = SelectFromModel(RandomForestClassifier())\nm = LogisticRegression()", "logistic_regression"),
            ("m = make_model()", "random_forest"),
            ("m = Anything()", "my_own_model"),
            ("# RandomForestClassifier()\nm = GaussianNB()", "naive_bayes"),
            ("m = TabNetClassifier()", "tabnet"),
        ] {
            assert_eq!(of_classes(code, model_type), Vec::<String>::new(), "{code}");
        }
        for (code, model_type, reason) in [
            ("m = RandomForestClassifier()", "xgboost", "trains random_forest, but xgboost was approved"),
            ("m = LogisticRegression() # XGBClassifier()", "xgboost", "trains logistic_regression"),
            ("t = 'XGBClassifier()'\nm = SVC()", "xgboost", "trains svc"),
            ("import pytorch_tabnet\nm = MLPClassifier()", "tabnet", "in the place of tabnet"),
            ("m = MLPRegressor()", "fttransformer", "in the place of fttransformer"),
        ] {
            assert!(of_classes(code, model_type).iter().any(|found| found.contains(reason)), "{code}");
        }
    }

    #[test]
    fn regression_is_not_stratified() {
        let numbers = |code| checked(code, "my_own", TaskType::Regression);
        for code in ["train_test_split(x, y, stratify=y)", "cv = StratifiedKFold(5)"] {
            assert_eq!(numbers(code).len(), 1, "{code}");
            assert!(of_classes(code, "my_own").is_empty(), "{code}");
        }
        for code in ["train_test_split(x, y, stratify=None)", "# stratify=y", "stratify = y"] {
            assert!(numbers(code).is_empty(), "{code}");
        }
    }

    #[test]
    fn cells_install_nothing() {
        for code in [
            "!pip install catboost",
            "%pip install catboost",
            "!python -m pip install x",
            "import subprocess\nsubprocess.run(['pip', 'install', 'x'])",
            "os.system('pip install x')",
            "import pip",
        ] {
            assert!(cell_problem(code, &SELECTION).is_some_and(|found| found.contains("install_package")), "{code}");
        }
        for code in ["# !pip install x", "text = 'pip install x'", "!ls", "pipe = make_pipeline()"] {
            assert_eq!(cell_problem(code, &SELECTION), None, "{code}");
        }
    }

    #[test]
    fn there_are_processors_only() {
        for code in [
            "m = XGBClassifier(device='cuda')",
            "m = XGBClassifier(tree_method=\"gpu_hist\")",
            "m = LGBMClassifier(device_type='gpu')",
            "m = CatBoostClassifier(task_type='GPU')",
            "device = 'cuda:0'",
            "params = {'device': 'cuda'}",
            "model.to('cuda')",
            "d = torch.device('mps')",
            "model.cuda()",
            "t = Trainer(accelerator='tpu')",
        ] {
            assert!(cell_problem(code, &SELECTION).is_some_and(|found| found.contains("processors only")), "{code}");
        }
        for code in
            ["device='cpu'", "tree_method='hist'", "task_type='CPU'", "# device='cuda'", "print('cuda')", "torch.device('cpu')"]
        {
            assert_eq!(cell_problem(code, &SELECTION), None, "{code}");
        }
    }

    #[test]
    fn the_selected_dataset_is_loaded() {
        for code in [
            "p = resolve_dataset_path('other.csv')",
            "p = resolve_dataset_path(\"customers.csv\", \"d-2\")",
            "load_preprocessing_dataset('other.csv', 'd-1', 'csv', 'df')",
        ] {
            assert!(
                cell_problem(code, &SELECTION).is_some_and(|found| found.contains("selected dataset is customers.csv")),
                "{code}"
            );
        }
        for code in [
            "p = resolve_dataset_path('customers.csv')",
            "p = resolve_dataset_path('Customers.csv', 'd-1')",
            "p = resolve_dataset_path(name, dataset_id)",
            "# resolve_dataset_path('other.csv')",
            "t = \"resolve_dataset_path('other.csv')\"",
        ] {
            assert_eq!(cell_problem(code, &SELECTION), None, "{code}");
        }
    }

    #[test]
    fn the_selected_target_is_predicted() {
        for code in
            ["TARGET = 'plan'", "target_column = \"plan\"", "y = df['plan']", "y = df.pop('plan')", "labels = data[\"plan\"]"]
        {
            assert!(
                cell_problem(code, &SELECTION).is_some_and(|found| found.contains("selected target is \"churned\"")),
                "{code}"
            );
        }
        for code in [
            "TARGET = 'churned'",
            "y = df['churned']",
            "y = df[TARGET]",
            "target == 'plan'",
            "plt.plot(x, label='plan')",
            "f(target='plan')",
            "x = df['plan']",
            "# y = df['plan']",
        ] {
            assert_eq!(cell_problem(code, &SELECTION), None, "{code}");
        }
        let open = Selection { target: None, ..SELECTION };
        assert_eq!(cell_problem("y = df['plan']", &open), None);
    }

    #[test]
    fn generated_cells_are_checked_together() {
        let run = super::super::fixtures::run_with(&["Forest"]);
        let experiment = Experiment { model_type: "xgboost".to_owned(), ..run.experiments.get("exp-1").unwrap().clone() };
        let cells = |codes: &[&str]| -> Vec<Segment> {
            codes.iter().map(|code| Segment { title: "Cell".to_owned(), code: (*code).to_owned() }).collect()
        };
        let good = cells(&["from xgboost import XGBClassifier", "m = XGBClassifier()\ny = df['churned']"]);
        assert_eq!(objection(&good, &experiment, "customers.csv"), None);
        let bad = cells(&["p = resolve_dataset_path('other.csv')", "m = SVC()"]);
        let why = objection(&bad, &experiment, "customers.csv").unwrap();
        assert!(why.contains("xgboost was approved") && why.contains("; ") && why.contains("other.csv"), "{why}");
        let (longest, longer) = ("x = 1\n".repeat(100), "x = 1\n".repeat(101));
        assert_eq!(objection(&cells(&[longest.as_str(), "m = XGBClassifier()"]), &experiment, "customers.csv"), None);
        let why = objection(&cells(&["m = XGBClassifier()", longer.as_str()]), &experiment, "customers.csv").unwrap();
        assert!(why.contains("101 lines"), "{why}");
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let code = "!pip install x\nm = SVC(device='cuda')\ny = df['plan']";
        assert_eq!(of_classes(code, "xgboost").len(), 3, "{:?}", of_classes(code, "xgboost"));
    }
}
