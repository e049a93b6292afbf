use gristmill_domain::features::FeatureMethod;

use super::*;

fn columns() -> Vec<(String, ColumnType)> {
    [
        ("n", ColumnType::Float),
        ("m", ColumnType::Integer),
        ("flag", ColumnType::Boolean),
        ("text", ColumnType::String),
        ("date", ColumnType::Date),
        ("empty", ColumnType::Unknown),
        ("taken_sin", ColumnType::Float),
        ("__row_id", ColumnType::Integer),
    ]
    .map(|(name, kind)| (name.to_owned(), kind))
    .into()
}

fn of(method: FeatureMethod, source: &str, name: &str) -> FeatureSpec {
    FeatureSpec::new(method, source, name)
}

fn problems(specs: &[FeatureSpec]) -> Vec<String> {
    match plan(specs, &columns()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(|problem| format!("{} {}", problem.path(), problem.reason)).collect(),
    }
}

fn check(spec: FeatureSpec, expected: &str) {
    let found = problems(&[spec]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(expected), "{found:?} is not {expected}");
}

#[test]
fn wants_at_least_one_enabled_feature() {
    let mut off = of(FeatureMethod::SquareTransform, "n", "x");
    off.enabled = false;
    for specs in [&[][..], &[off][..]] {
        assert!(matches!(plan(specs, &columns()), Err(FeatureError::NoFeatures)));
    }
}

#[test]
fn names_must_be_free_and_sound() {
    check(of(FeatureMethod::SquareTransform, "n", "m"), "features[0].featureName makes a column \"m\", which the dataset");
    check(of(FeatureMethod::SquareTransform, "n", " "), "features[0].featureName must be a name");
    check(of(FeatureMethod::SquareTransform, "n", "a\nb"), "features[0].featureName must be a name");
    check(of(FeatureMethod::SquareTransform, "n", &"x".repeat(201)), "features[0].featureName must be a name");
    check(of(FeatureMethod::SquareTransform, "n", "__row_id"), "features[0].featureName \"__row_id\" is reserved");
    check(of(FeatureMethod::CyclicalEncode, "date", "taken"), "features[0].featureName makes a column \"taken_sin\", which");
    let twice = [of(FeatureMethod::SquareTransform, "n", "x"), of(FeatureMethod::SqrtTransform, "n", "x")];
    assert_eq!(problems(&twice), ["features[1].featureName \"x\" is the name of an earlier feature; choose another name"]);
    let made = [of(FeatureMethod::Polynomial, "n", "x"), of(FeatureMethod::SqrtTransform, "n", "x_pow2")];
    assert!(problems(&made)[0].contains("\"x_pow2\", which feature \"x\" makes already"), "{:?}", problems(&made));
}

#[test]
fn columns_must_be_there_in_the_right_type() {
    check(of(FeatureMethod::SquareTransform, "nope", "x"), "features[0].sourceColumn \"nope\" is no column of the dataset");
    check(of(FeatureMethod::SquareTransform, "text", "x"), "features[0].sourceColumn \"text\" holds texts, and square_transform");
    check(of(FeatureMethod::Standardize, "date", "x"), "features[0].sourceColumn \"date\" holds dates");
    check(
        of(FeatureMethod::ExtractDay, "text", "x"),
        "features[0].sourceColumn \"text\" holds texts, and extract_day needs dates",
    );
    check(of(FeatureMethod::LabelEncode, "__row_id", "x"), "features[0].sourceColumn \"__row_id\" is reserved");
    check(of(FeatureMethod::Ratio, "n", "x"), "features[0].secondaryColumn is required: ratio is of two columns");
    check(of(FeatureMethod::Ratio, "n", "x").and(""), "features[0].secondaryColumn is required");
    check(of(FeatureMethod::Ratio, "n", "x").and("date"), "features[0].secondaryColumn \"date\" holds dates");
    check(of(FeatureMethod::TargetEncode, "text", "x"), "features[0].params.targetColumn is required");
    let target = |name: &str| of(FeatureMethod::TargetEncode, "text", "x").with("targetColumn", name);
    check(target("nope"), "features[0].params.targetColumn \"nope\" is no column");
    check(target("text"), "features[0].params.targetColumn \"text\" is the source column too");
    check(target("date"), "features[0].params.targetColumn \"date\" holds dates; a target");
    check(of(FeatureMethod::Bucketize, "n", "x").with("bin", 3), "features[0].params.bin is no parameter of bucketize");
    for fits in ["flag", "m", "n", "empty"] {
        assert_eq!(problems(&[of(FeatureMethod::Standardize, fits, "x")]), [""; 0]);
    }
}

#[test]
fn features_may_be_chained_in_order() {
    let specs = [
        of(FeatureMethod::LogTransform, "n", "log"),
        of(FeatureMethod::Standardize, "log", "score"),
        of(FeatureMethod::OneHotEncode, "text", "is"),
        of(FeatureMethod::Product, "score", "both").and("is_a"),
        of(FeatureMethod::Standardize, "both", "again"),
    ];
    let plan = plan(&specs, &columns()).unwrap();
    let levels: Vec<usize> = plan.features.iter().map(|feature| feature.level).collect();
    assert_eq!(levels, [0, 0, 0, 1, 1]);
    assert_eq!(plan.passes(), 2);
}

#[test]
fn chains_that_cannot_be_are_explained() {
    let later = [of(FeatureMethod::Standardize, "log", "score"), of(FeatureMethod::LogTransform, "n", "log")];
    assert_eq!(problems(&later), ["features[0].sourceColumn \"log\" is made by a feature that comes later; put that one first"]);
    let several = [of(FeatureMethod::CyclicalEncode, "date", "at"), of(FeatureMethod::SquareTransform, "at", "x")];
    assert!(problems(&several)[0].contains("it makes at_sin, at_cos; name one of them"));
    let hot = [of(FeatureMethod::OneHotEncode, "text", "is"), of(FeatureMethod::SquareTransform, "is", "x")];
    assert!(problems(&hot)[0].contains("columns that begin with is_"));
}

#[test]
fn all_problems_are_told_and_consequences_are_not() {
    let specs = [
        of(FeatureMethod::LogTransform, "nope", "log"),
        of(FeatureMethod::Standardize, "log", "score"),
        of(FeatureMethod::SquareTransform, "score", "square"),
        of(FeatureMethod::ExtractYear, "n", "year"),
    ];
    let found = problems(&specs);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("features[0].sourceColumn") && found[1].starts_with("features[3].sourceColumn"));
}

#[test]
fn there_is_a_limit() {
    let specs: Vec<FeatureSpec> = (0..=FEATURES_MAX).map(|n| of(FeatureMethod::SquareTransform, "n", &format!("x{n}"))).collect();
    assert!(problems(&specs)[0].starts_with("features[500].featureName is one of more than 500"));
    assert!(plan(&specs[..FEATURES_MAX], &columns()).is_ok());
}
