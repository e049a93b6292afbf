//! Columns of a model's rows, computed from what the rows have.

use gristmill_domain::{
    datasets::ColumnType,
    features::{FeatureMethod, RawColumn, SentColumn},
};
use gristmill_features::{
    CodeNote, FeatureError, Fitted, RECIPE_VERSION, Recipe, RecipeStep, RowFault, RowFeatures, RowProblem, RowsError,
    ServingFeatures, transform,
};
use serde_json::{Map, Value, json};

use crate::support::{dates, fitted, flags, floats, integers, make, numbers, options, spec, table, texts};

type Row = Map<String, Value>;

fn rows(values: &Value) -> Vec<Row> {
    values.as_array().unwrap().iter().map(|row| row.as_object().unwrap().clone()).collect()
}

fn native(fitted: Fitted) -> RecipeStep {
    RecipeStep::Native { fitted }
}

fn code(made: &[&str], changed: &[&str]) -> RecipeStep {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let features = vec![CodeNote { feature_name: "f".to_owned(), code: "df['f'] = 1".to_owned() }];
    RecipeStep::Code { features, made: names(made), changed: names(changed) }
}

fn recipe(steps: Vec<RecipeStep>) -> Recipe {
    Recipe { version: RECIPE_VERSION, steps }
}

/// What is known of the columns of the dataset that steps left.
fn columns(recipe: &Recipe) -> Vec<(String, ColumnType)> {
    let mut columns = Vec::new();
    for step in &recipe.steps {
        let RecipeStep::Native { fitted } = step else { continue };
        let outputs = fitted.features.iter().flat_map(|feature| &feature.outputs);
        columns.extend(fitted.inputs.iter().chain(outputs).map(|column| (column.name.clone(), column.dtype)));
    }
    columns
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn kept(recipe: &Recipe, needed: &[&str]) -> ServingFeatures {
    // As it is stored beside the dataset, and with the model.
    let stored = Recipe::from_json(&serde_json::to_vec(recipe).unwrap()).unwrap();
    assert_eq!(&stored, recipe);
    let kept = stored.serving(&columns(recipe), &names(needed)).unwrap();
    let read = ServingFeatures::from_json(&serde_json::to_vec(&kept).unwrap()).unwrap();
    assert_eq!(read, kept);
    read
}

fn served(recipe: &Recipe, needed: &[&str]) -> RowFeatures {
    RowFeatures::new(&kept(recipe, needed)).unwrap()
}

/// Computes all columns of all rows.
fn computed(features: &RowFeatures, rows: &[Row]) -> Result<Vec<Row>, RowsError> {
    let all: Vec<usize> = (0..features.served().computed_columns.len()).collect();
    features.compute(rows, &vec![all; rows.len()])
}

fn one(features: &RowFeatures, row: &Value) -> Row {
    computed(features, &rows(&json!([row]))).unwrap().remove(0)
}

fn problems(result: Result<Vec<Row>, RowsError>) -> Vec<RowProblem> {
    match result.unwrap_err() {
        RowsError::Rows { problems, .. } => problems,
        RowsError::Features(error) => panic!("{error}"),
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_bool().map_or_else(|| value.as_f64(), |flag| Some(f64::from(u8::from(flag))))
}

/// The logarithm of `n`, and its standard score.
fn scores() -> Recipe {
    let numbers = table([("n", floats([Some(1.0), Some(2.5), None, Some(7.0)]))]);
    let specs = [spec(FeatureMethod::Log1pTransform, "n", "log"), spec(FeatureMethod::Standardize, "log", "score")];
    recipe(vec![native(fitted(&numbers, &specs).unwrap())])
}

#[test]
fn rows_get_what_the_dataset_has() {
    let source = table([
        ("n", floats([Some(1.0), Some(2.5), None, Some(0.1), Some(7.0)])),
        ("i", integers([Some(3), None, Some(4), Some(-2), Some(3)])),
        ("t", texts([Some("a"), None, Some("b"), Some("a"), Some("c d")])),
        ("d", dates([Some(0), Some(45 * 86_400_000_000 + 18_000_000_000), None, Some(1_709_249_400_000_000), Some(5)])),
        ("f", flags([Some(true), Some(false), None, Some(true), Some(false)])),
    ]);
    let sent = rows(&json!([
        { "n": 1.0, "i": 3, "t": "a", "d": "1970-01-01", "f": true },
        { "n": 2.5, "i": null, "t": null, "d": "1970-02-15T05:00:00", "f": false },
        { "n": null, "i": 4, "t": "b", "d": null, "f": null },
        { "n": 0.1, "i": -2, "t": "a", "d": "2024-02-29T23:30:00.000Z", "f": true },
        { "n": 7, "i": 3.0, "t": "c d", "d": "1970-01-01T00:00:00.000005", "f": false },
    ]));
    let specs = [
        spec(FeatureMethod::Standardize, "n", "score"),
        spec(FeatureMethod::MinMaxScale, "i", "scaled"),
        spec(FeatureMethod::RobustScale, "n", "robust"),
        spec(FeatureMethod::QuantileBin, "n", "quantile"),
        spec(FeatureMethod::Bucketize, "i", "bucket"),
        spec(FeatureMethod::YeoJohnson, "n", "power"),
        spec(FeatureMethod::OneHotEncode, "t", "is"),
        spec(FeatureMethod::LabelEncode, "i", "label"),
        spec(FeatureMethod::BinaryEncode, "d", "bits"),
        spec(FeatureMethod::FrequencyEncode, "t", "share"),
        spec(FeatureMethod::FrequencyEncode, "f", "count").with("normalize", false),
        spec(FeatureMethod::ExtractMonth, "d", "month"),
        spec(FeatureMethod::CyclicalEncode, "d", "hour").with("period", "hour"),
        spec(FeatureMethod::TimeSince, "d", "age"),
        spec(FeatureMethod::Difference, "i", "less").and("f"),
        spec(FeatureMethod::Ratio, "score", "ratio").and("n"),
        spec(FeatureMethod::Polynomial, "i", "power_of").with("degree", 3),
        spec(FeatureMethod::WordCount, "t", "words"),
        spec(FeatureMethod::ContainsPattern, "t", "has_a").with("pattern", "A"),
        spec(FeatureMethod::MissingIndicator, "d", "never"),
    ];
    let made = make(&source, &specs, &options()).unwrap();
    let outputs: Vec<&str> = made.applied.fitted.output_names().collect();
    let features = served(&recipe(vec![native(made.applied.fitted.clone())]), &outputs);
    let computed = computed(&features, &sent).unwrap();
    for name in &outputs {
        let of_rows: Vec<Option<f64>> = computed.iter().map(|row| number(&row[*name])).collect();
        assert_eq!(of_rows, made.numbers(name), "{name}");
    }
    // One by one they are the same.
    for (row, expected) in sent.iter().zip(&computed) {
        assert_eq!(&one(&features, &json!(row)), expected);
    }
    assert!(computed[0]["is_a"].is_boolean() && computed[0]["month"].is_i64(), "{:?}", computed[0]);
}

#[test]
fn target_encodings_are_those_of_all_rows() {
    let categories = || (0..40).map(|row| Some(["a", "b", "c"][row % 3]));
    let source = table([("t", texts(categories())), ("y", floats((0..40).map(|row| Some(f64::from(row * row % 17)))))]);
    let specs = [spec(FeatureMethod::TargetEncode, "t", "by_t").with("targetColumn", "y")];
    let made = make(&source, &specs, &options()).unwrap();
    let sent: Vec<Row> = categories().map(|text| Map::from_iter([("t".to_owned(), json!(text))])).collect();
    let features = served(&recipe(vec![native(made.applied.fitted.clone())]), &["by_t"]);
    let of_rows: Vec<Option<f64>> = computed(&features, &sent).unwrap().iter().map(|row| number(&row["by_t"])).collect();
    let later = transform(&made.applied.fitted, &table([("t", texts(categories()))])).unwrap();
    assert_eq!(of_rows, numbers(later.column_by_name("by_t").unwrap()));
    assert!(of_rows.iter().zip(made.numbers("by_t")).all(|(one, other)| *one != other), "not those of other folds");
    // The target is nothing that rows have.
    assert_eq!(features.served().raw_columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["t"]);
}

#[test]
fn what_is_missing_is_named_with_what_needs_it() {
    let features = served(&scores(), &["log", "score"]);
    let sent = rows(&json!([{ "n": 1 }, { "other": 1 }, { "n": null }]));
    let found = problems(computed(&features, &sent));
    let fault = RowFault::Missing { feature: "log".to_owned() };
    let message = fault.to_string();
    assert!(message.contains("\"log\" is computed from it"), "{message}");
    assert_eq!(found, [RowProblem { row: 1, column: "n".to_owned(), fault, input: Value::Null }]);
    // A row that has one of them lacks nothing for it.
    let wanted = [vec![0, 1], Vec::new(), vec![1]];
    let made = features.compute(&sent, &wanted).unwrap();
    assert_eq!(made.iter().map(Map::len).collect::<Vec<_>>(), [2, 0, 1]);
    assert_eq!(made[2]["score"], Value::Null);
    // There are bounds for what is told.
    let many = vec![Row::new(); 250];
    let RowsError::Rows { problems, more } = computed(&features, &many).unwrap_err() else { panic!("the rows are at fault") };
    assert_eq!((problems.len(), more), (100, 150));
}

#[test]
fn a_column_in_between_may_be_sent() {
    let features = served(&scores(), &["score"]);
    let of_log = one(&features, &json!({ "log": 0.5 }));
    assert!(of_log["score"].is_number());
    assert_eq!(one(&features, &json!({ "log": 0.5, "n": 6 })), of_log, "what is sent is taken");
    let of_n = one(&features, &json!({ "n": 6 }));
    assert_ne!(of_n, of_log);
    let sent = rows(&json!([{ "n": 6 }, { "log": 0.5 }, { "log": 0.5, "n": 6 }]));
    assert_eq!(computed(&features, &sent).unwrap(), [of_n, of_log.clone(), of_log]);
    let served = features.served();
    let raw = RawColumn { name: "n".to_owned(), dtype: ColumnType::Float, computes: names(&["score"]), by_code: false };
    assert_eq!(served.raw_columns, [raw]);
    let score = &served.computed_columns[0];
    assert_eq!((score.method, score.dtype, &score.sources), (FeatureMethod::Standardize, ColumnType::Float, &names(&["n"])));
}

#[test]
fn only_what_a_model_needs_is_kept() {
    let source = table([
        ("n", floats([Some(1.0), Some(2.0)])),
        ("t", texts([Some("a"), Some("b")])),
        ("x", floats([Some(3.0), Some(4.0)])),
    ]);
    let specs = [
        spec(FeatureMethod::OneHotEncode, "t", "is"),
        spec(FeatureMethod::Log1pTransform, "n", "log"),
        spec(FeatureMethod::Standardize, "x", "unused"),
    ];
    let first = fitted(&source, &specs).unwrap();
    let second = fitted(&table([("log", floats([Some(0.5), Some(0.7)]))]), &[spec(FeatureMethod::Standardize, "log", "score")]);
    let kept = kept(&recipe(vec![native(first), native(second.unwrap())]), &["x", "score", "is_b"]);
    assert_eq!(kept.computed, ["score", "is_b"]);
    let made: Vec<&str> = kept.steps.iter().flat_map(Fitted::output_names).collect();
    assert_eq!(made, ["is_a", "is_b", "log", "score"]);
    let inputs: Vec<&str> = kept.steps[0].inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(inputs, ["t", "n"]);
    let features = RowFeatures::new(&kept).unwrap();
    assert_eq!(one(&features, &json!({ "t": "b", "n": 1 }))["is_b"], true);
    assert!(features.work(1000) > features.work(1));
    let needed = names(&["n", "x", "y"]);
    assert_eq!(scores().serving(&columns(&scores()), &needed), None, "nothing of it was made");
}

#[test]
fn what_code_touched_must_be_sent() {
    let first = fitted(
        &table([("n", floats([Some(1.0), Some(2.0)])), ("old", floats([Some(1.0), Some(2.0)]))]),
        &[spec(FeatureMethod::Log1pTransform, "n", "log"), spec(FeatureMethod::SquareTransform, "old", "before")],
    );
    let second = fitted(
        &table([("c", floats([Some(1.0), Some(2.0)])), ("old", floats([Some(3.0), Some(4.0)]))]),
        &[
            spec(FeatureMethod::SquareTransform, "c", "of_code"),
            spec(FeatureMethod::SquareTransform, "old", "behind"),
            spec(FeatureMethod::SqrtTransform, "behind", "further"),
        ],
    );
    let recipe = recipe(vec![native(first.unwrap()), code(&["c"], &["old"]), native(second.unwrap())]);
    let kept = kept(&recipe, &["log", "n", "before", "c", "of_code", "old", "further"]);
    assert_eq!(kept.computed, ["log", "of_code"]);
    let sent = |name: &str, reason: &str| SentColumn { name: name.to_owned(), reason: reason.to_owned() };
    let spoiled = "it is made from \"old\", whose values custom code changed";
    let expected = [
        sent("before", spoiled),
        sent("c", "custom code made it, which a deployment does not run"),
        sent("old", "custom code changed its values; send it as the code left it"),
        sent("further", spoiled),
    ];
    assert_eq!(kept.must_be_sent, expected);
    let features = RowFeatures::new(&kept).unwrap();
    let raw: Vec<(&str, bool)> =
        features.served().raw_columns.iter().map(|column| (column.name.as_str(), column.by_code)).collect();
    assert_eq!(raw, [("n", false), ("c", true)]);
    assert_eq!(one(&features, &json!({ "n": 0, "c": 3 })), *json!({ "log": 0.0, "of_code": 9.0 }).as_object().unwrap());
    // What is too large to be kept is sent too.
    let all = kept.sent_instead("it is too large");
    assert_eq!((all.computed.len(), all.must_be_sent.len()), (0, 6));
    assert!(RowFeatures::new(&all).unwrap().served().raw_columns.is_empty());
}

#[test]
fn columns_of_another_type_are_not_computed() {
    let recipe_of_scores = scores();
    let mut types = columns(&recipe_of_scores);
    types.iter_mut().filter(|(name, _)| name == "log").for_each(|(_, kind)| *kind = ColumnType::String);
    let kept = recipe_of_scores.serving(&types, &names(&["log", "score"])).unwrap();
    // It was made in its own type before that was changed, and so was what is made from it.
    assert_eq!((&kept.computed, &kept.must_be_sent[0].name), (&names(&["score"]), &"log".to_owned()));
    let other = fitted(&table([("n", texts([Some("1")]))]), &[spec(FeatureMethod::TextLength, "n", "length")]).unwrap();
    let mut steps = recipe_of_scores.steps;
    steps.push(native(other));
    let kept = recipe(steps).serving(&[], &names(&["log", "length"])).unwrap();
    assert!(kept.computed.is_empty(), "one of the two is of another column: {kept:?}");
}

#[test]
fn values_are_read_as_those_of_the_dataset_were() {
    let source = table([
        ("n", floats([Some(1.0), Some(2.0)])),
        ("i", integers([Some(1), Some(2)])),
        ("t", texts([Some("a"), Some("12")])),
        ("d", dates([Some(0), Some(1)])),
        ("f", flags([Some(true), Some(false)])),
    ]);
    let specs = [
        spec(FeatureMethod::SquareTransform, "n", "n2"),
        spec(FeatureMethod::SquareTransform, "i", "i2"),
        spec(FeatureMethod::TextLength, "t", "length"),
        spec(FeatureMethod::ExtractDay, "d", "day"),
        spec(FeatureMethod::SquareTransform, "f", "f2"),
    ];
    let features = served(&recipe(vec![native(fitted(&source, &specs).unwrap())]), &["n2", "i2", "length", "day", "f2"]);
    let row = || json!({ "n": 3, "i": 3, "t": "abc", "d": "2024-01-31", "f": true });
    let with = |field: &str, value: &Value| {
        let mut row = row();
        row[field] = value.clone();
        rows(&json!([row]))
    };
    for (field, value, output, expected) in [
        ("n", json!("1,5"), None, None),
        ("n", json!(" 1.5 "), Some("n2"), Some(2.25)),
        ("n", json!("NA"), Some("n2"), None),
        ("i", json!(4.0), Some("i2"), Some(16.0)),
        ("i", json!("4"), Some("i2"), Some(16.0)),
        ("i", json!(4.5), None, None),
        ("i", json!("1e30"), None, None),
        ("i", json!(true), None, None),
        ("t", json!(12), Some("length"), Some(2.0)),
        ("t", json!("N/A"), Some("length"), None),
        ("t", json!([]), None, None),
        ("d", json!("12/31/2024"), Some("day"), Some(31.0)),
        ("d", json!("2024-01-31T23:30:00-01:00"), Some("day"), Some(1.0)),
        ("d", json!("soon"), None, None),
        ("d", json!(20_240_131), None, None),
        ("f", json!("no"), Some("f2"), Some(0.0)),
        ("f", json!(1), Some("f2"), Some(1.0)),
        ("f", json!("maybe"), None, None),
        ("f", json!({}), None, None),
    ] {
        let result = computed(&features, &with(field, &value));
        match output {
            Some(output) => assert_eq!(number(&result.unwrap()[0][output]), expected, "{field} {value}"),
            None => {
                let found = problems(result);
                assert_eq!((found.len(), found[0].column.as_str()), (1, field), "{value}");
                assert!(found[0].fault.to_string().starts_with("Input should be"), "{value}");
            }
        }
    }
    assert_eq!(problems(computed(&features, &with("n", &json!({ "a": 1 }))))[0].input, json!({}), "not what is in it");
}

/// Preprocessing and code leave such texts; an upload has none.
#[test]
fn words_for_no_value_are_texts_where_they_were_learned_or_made_by_code() {
    let with = |word: &str| table([("t", texts([Some(word), Some("a")]))]);
    let label = spec(FeatureMethod::LabelEncode, "t", "label");
    let length = spec(FeatureMethod::TextLength, "t", "length");
    let fit = |word: &str| native(fitted(&with(word), &[label.clone(), length.clone()]).unwrap());
    for (steps, label, length) in
        [(vec![fit("None")], 0, json!(4)), (vec![fit("b")], -1, Value::Null), (vec![code(&["t"], &[]), fit("b")], -1, json!(4))]
    {
        let features = served(&recipe(steps), &["label", "length"]);
        let row = one(&features, &json!({ "t": "None" }));
        assert_eq!((&row["label"], &row["length"]), (&json!(label), &length));
        assert_eq!(one(&features, &json!({ "t": "" }))["length"], Value::Null);
    }
}

#[test]
fn damaged_features_are_refused() {
    let good = kept(&scores(), &["score"]);
    let refused = |damage: &dyn Fn(&mut ServingFeatures)| {
        let mut features = good.clone();
        damage(&mut features);
        match RowFeatures::new(&features).map(drop).unwrap_err() {
            FeatureError::Fitted { reason } => reason,
            other => panic!("{other}"),
        }
    };
    assert_eq!(refused(&|features| features.version = 2), "version 2 is not 1");
    assert_eq!(refused(&|features| features.computed.push("n".to_owned())), "nothing makes \"n\"");
    assert_eq!(refused(&|features| features.computed.push("x".to_owned())), "nothing makes \"x\"");
    assert!(refused(&|features| features.steps.push(features.steps[0].clone())).contains("two columns are named"));
    assert!(refused(&|features| features.steps[0].version = 7).contains("version 7"));
    for json in ["", "[]", "{\"version\": 1}"] {
        assert!(ServingFeatures::from_json(json.as_bytes()).is_err(), "{json}");
        assert!(Recipe::from_json(json.as_bytes()).is_err(), "{json}");
    }
    let mut later = serde_json::to_value(scores()).unwrap();
    later["version"] = json!(2);
    assert!(Recipe::from_json(later.to_string().as_bytes()).unwrap_err().to_string().contains("version 2"));
}
