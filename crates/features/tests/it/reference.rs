//! Every method beside pandas, numpy, scipy and scikit-learn of the locked environment, on random tables.
//!
//! Features must be equal within 1e-9 of their size, the powers of Box-Cox and Yeo-Johnson within 1e-6; features of these
//! are compared with what scipy makes with our power.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use arrow::array::RecordBatch;
use gristmill_domain::features::FeatureMethod;
use gristmill_features::{FeatureSpec, FitOptions};

use crate::{
    locked,
    support::{Random, dates, flags, floats, integers, make, numbers, options, read, spec, table, texts, write},
};

const TOLERANCE: f64 = 1e-9;
/// Differences of numbers near 0 leave nothing but rounding.
const TOLERANCE_ABSOLUTE: f64 = 1e-12;
/// Likelihoods are flat at their top: rounding moves where it is found by the root of the machine's precision times its height.
const TOLERANCE_OF_POWERS: f64 = 1e-5;

const WORDS: [&str; 12] = [
    "alpha",
    "Beta",
    "gamma  delta",
    "",
    " ",
    "straße",
    "STRASSE",
    "été\u{a0}là",
    "日本 語",
    "🦀 crab",
    "tab\tline\nend",
    "a\x1cb",
];
const NAMES: [&str; 7] = ["red", "Green", "blau", "noir é", "日本", "", "zz top"];

/// A table with columns of every kind: with ties, constants, missing values, texts of many scripts.
fn random_table(seed: u64, rows: u64) -> RecordBatch {
    let random = &mut Random(seed);
    let mut column =
        |make: &mut dyn FnMut(&mut Random) -> Option<f64>| floats((0..rows).map(|_| make(random)).collect::<Vec<_>>());
    let normal = column(&mut |random| {
        let x = random.normal() * 3.0;
        random.unless(9, x)
    });
    let positive = column(&mut |random| {
        let x = random.normal().exp();
        random.unless(7, x)
    });
    let shifted = column(&mut |random| Some(1e5 + random.normal() * 1e3));
    let constant = column(&mut |random| random.unless(5, 0.1));
    let zeros = column(&mut |random| random.unless(5, 0.0));
    let mut whole =
        |make: &mut dyn FnMut(&mut Random) -> Option<i64>| integers((0..rows).map(|_| make(random)).collect::<Vec<_>>());
    let below = |random: &mut Random, end: u64| i64::try_from(random.below(end)).unwrap();
    let ties = whole(&mut |random| {
        let n = below(random, 7) - 3;
        random.unless(8, n)
    });
    let large = whole(&mut |random| {
        let n = (1 << 60) + below(random, 1000);
        random.unless(10, n)
    });
    let larger = whole(&mut |random| Some((1 << 60) - below(random, 1000)));
    let at = dates(
        (0..rows)
            .map(|_| {
                let at = below(random, 4_000_000_000_000_000) - 1_000_000_000_000_000;
                random.unless(6, at)
            })
            .collect::<Vec<_>>(),
    );
    let day = dates((0..rows).map(|_| Some(below(random, 5) * 86_400_000_000)).collect::<Vec<_>>());
    let flag = flags(
        (0..rows)
            .map(|_| {
                let flag = random.below(2) == 0;
                random.unless(6, flag)
            })
            .collect::<Vec<_>>(),
    );
    let mut chosen = |among: &[&'static str]| {
        texts(
            (0..rows)
                .map(|_| {
                    let at = usize::try_from(random.below(u64::try_from(among.len()).unwrap())).unwrap();
                    random.unless(8, among[at])
                })
                .collect::<Vec<_>>(),
        )
    };
    table([
        ("normal", normal),
        ("positive", positive),
        ("shifted", shifted),
        ("constant", constant),
        ("zeros", zeros),
        ("ties", ties),
        ("large", large),
        ("larger", larger),
        ("at", at),
        ("day", day),
        ("flag", flag),
        ("name", chosen(&NAMES)),
        ("words", chosen(&WORDS)),
        ("label", chosen(&["yes", "no"])),
    ])
}

/// Every method, on every column that it is for, with other parameters too.
fn specs() -> Vec<FeatureSpec> {
    use FeatureMethod as M;
    let numeric = ["normal", "positive", "shifted", "constant", "zeros", "ties", "flag"];
    let every: [&[&str]; 2] = [&numeric, &["day", "name", "words"]];
    let mut specs = Vec::new();
    let mut add = |spec: FeatureSpec| {
        let name = format!("x{}_{}", specs.len(), spec.method.as_str());
        specs.push(FeatureSpec { feature_name: name, ..spec });
    };
    for source in numeric {
        for method in [
            M::LogTransform,
            M::Log1pTransform,
            M::SqrtTransform,
            M::SquareTransform,
            M::ReciprocalTransform,
            M::Standardize,
            M::MinMaxScale,
            M::RobustScale,
            M::MaxAbsScale,
            M::Bucketize,
            M::QuantileBin,
            M::Polynomial,
        ] {
            add(spec(method, source, ""));
        }
        add(spec(M::LogTransform, source, "").with("offset", 2.5));
        add(spec(M::MinMaxScale, source, "").with("min", -1).with("max", 3));
        add(spec(M::Bucketize, source, "").with("bins", 17));
        add(spec(M::QuantileBin, source, "").with("quantiles", 7));
        add(spec(M::Polynomial, source, "").with("degree", 4));
        for method in [M::Ratio, M::Difference, M::Product] {
            add(spec(method, source, "").and("ties"));
            add(spec(method, source, "").and("normal"));
        }
    }
    for method in [M::Difference, M::Product, M::Ratio] {
        add(spec(method, "large", "").and("larger"));
        add(spec(method, "larger", "").and("flag"));
    }
    add(spec(M::BoxCox, "positive", ""));
    add(spec(M::BoxCox, "shifted", ""));
    for source in ["normal", "positive", "ties"] {
        add(spec(M::YeoJohnson, source, ""));
    }
    for source in every.concat() {
        if source != "normal" && source != "positive" && source != "shifted" {
            add(spec(M::OneHotEncode, source, ""));
            add(spec(M::BinaryEncode, source, ""));
        }
        for method in [M::LabelEncode, M::FrequencyEncode, M::MissingIndicator, M::TextLength, M::WordCount] {
            add(spec(method, source, ""));
        }
        add(spec(M::FrequencyEncode, source, "").with("normalize", false));
        for pattern in ["ta", "ß", "0", " ", "Tr", "É"] {
            add(spec(M::ContainsPattern, source, "").with("pattern", pattern));
            add(spec(M::ContainsPattern, source, "").with("pattern", pattern).with("case_sensitive", true));
        }
    }
    add(spec(M::OneHotEncode, "name", "").with("drop_first", true));
    for source in ["name", "ties", "flag", "words", "day"] {
        for target in ["normal", "label", "large", "zeros"] {
            add(spec(M::TargetEncode, source, "").with("targetColumn", target));
        }
        add(spec(M::TargetEncode, source, "").with("targetColumn", "shifted").with("smoothing", 7.5));
    }
    for source in ["at", "day"] {
        for method in [M::ExtractYear, M::ExtractMonth, M::ExtractDay, M::ExtractWeekday, M::ExtractHour] {
            add(spec(method, source, ""));
        }
        for period in ["month", "hour", "weekday", "day_of_year"] {
            add(spec(M::CyclicalEncode, source, "").with("period", period));
        }
        for unit in ["days", "hours", "weeks", "months"] {
            add(spec(M::TimeSince, source, "").with("unit", unit));
        }
    }
    chained(&mut add);
    specs
}

/// Features of features.
fn chained(add: &mut impl FnMut(FeatureSpec)) {
    use FeatureMethod as M;
    add(spec(M::Standardize, "x0_log_transform", ""));
    add(spec(M::QuantileBin, "x3_square_transform", ""));
    add(spec(M::OneHotEncode, "x9_bucketize", ""));
    add(spec(M::Difference, "x5_standardize", "").and("x6_min_max_scale"));
}

#[expect(clippy::disallowed_methods, reason = "the comparison runs in Python")]
fn ask_python(directory: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/reference.py");
    let mut command = std::process::Command::new(locked::python().interpreter());
    // One thread each: other tests run beside this one.
    command.envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("PYTHONDONTWRITEBYTECODE", "1")]);
    for name in ["VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"] {
        command.env_remove(name);
    }
    let ran = command.arg(script).arg(directory).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

fn is_close(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= TOLERANCE * expected.abs() + TOLERANCE_ABSOLUTE,
        (None, None) => true,
        _ => false,
    }
}

/// Compares one table; returns how many values were compared.
fn compare(directory: &Path, made: &crate::support::Made, seed: u64) -> usize {
    let expected = read(&directory.join("expected.parquet"));
    let schema = expected.schema();
    let ours: BTreeSet<&str> = made.applied.fitted.output_names().collect();
    let theirs: BTreeSet<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(ours, theirs);
    let mut compared = 0;
    for name in theirs {
        let (found, expected) = (made.numbers(name), numbers(expected.column_by_name(name).unwrap()));
        for (row, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            assert!(is_close(found, expected), "table {seed}, {name}, row {row}: {found:?} is not {expected:?}");
            compared += 1;
        }
    }
    let powers: BTreeMap<String, f64> = serde_json::from_slice(&fs::read(directory.join("powers.json")).unwrap()).unwrap();
    assert!(powers.len() >= 5);
    for (name, expected) in powers {
        let found = made.outcome(&name)["learned"]["lambda"].as_f64().unwrap();
        let difference = (found - expected).abs() / expected.abs().max(1.0);
        assert!(difference <= TOLERANCE_OF_POWERS, "table {seed}, {name}: {found} is not {expected}");
    }
    compared
}

#[test]
fn features_are_those_of_pandas_scipy_and_scikit_learn() {
    let specs = specs();
    let methods: BTreeSet<&str> = specs.iter().map(|spec| spec.method.as_str()).collect();
    assert_eq!(methods.len(), FeatureMethod::ALL.len());
    let directory = tempfile::tempdir().unwrap();
    let mut tables = Vec::new();
    for (seed, rows) in [(1, 60), (2, 251), (3, 1000), (4, 777)] {
        let place = directory.path().join(seed.to_string());
        fs::create_dir(&place).unwrap();
        let rows = random_table(seed, rows);
        let options = FitOptions { seed: u32::try_from(seed * 1_000_003).unwrap(), ..options() };
        let made = make(&rows, &specs, &options).unwrap_or_else(|error| panic!("{error}"));
        write(&place.join("source.parquet"), &rows);
        fs::write(place.join("specs.json"), serde_json::to_vec(&specs).unwrap()).unwrap();
        fs::write(place.join("fitted.json"), serde_json::to_vec(&made.applied.fitted).unwrap()).unwrap();
        tables.push((seed, place, made));
    }
    ask_python(directory.path());
    let compared: usize = tables.iter().map(|(seed, place, made)| compare(place, made, *seed)).sum();
    println!("{compared} values of {} features are equal", specs.len());
}
