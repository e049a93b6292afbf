//! Windows: what they hold, how they add up, and that they never lose a row.

use gristmill_deployment::drift::{DriftAnswer, Prediction, Reference, Window, WindowError, report};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn reference() -> Reference {
    let baseline = json!({
        "rows": 100,
        "numeric": { "size": { "histogram": { "bins": [0.0, 1.0, 2.0, 3.0], "counts": [40, 30, 30] }, "missing": 0 } },
        "categorical": { "color": { "red": 60, "blue": 40 } },
        "prediction_distribution": { "no": 70, "yes": 30 },
    });
    Reference::parse(baseline.to_string().as_bytes()).unwrap()
}

fn observe(window: &mut Window, reference: &Reference, row: &Value) {
    let answer = Prediction::Label { label: "no", confidence: Some(0.8) };
    window.observe(reference, row.as_object().unwrap(), Some(answer)).unwrap();
}

fn answer(reference: &Reference, window: &Window) -> Value {
    serde_json::to_value(report(reference, window, None, chrono::DateTime::UNIX_EPOCH)).unwrap()
}

#[test]
fn windows_of_several_processes_add_up() {
    let reference = reference();
    let mut parts: Vec<Window> = (0..4).map(|seed| Window::new(&reference, seed)).collect();
    let mut whole = Window::new(&reference, 99);
    for number in 0..200_u32 {
        let row = json!({ "size": f64::from(number % 37) / 10.0, "color": if number % 3 == 0 { "red" } else { "green" } });
        observe(&mut parts[usize::try_from(number % 4).unwrap()], &reference, &row);
        observe(&mut whole, &reference, &row);
    }
    let mut merged = Window::new(&reference, 7);
    for part in &parts {
        // Through the store.
        let stored = part.to_json().unwrap();
        merged.merge(&Window::from_json(&reference, stored.as_bytes()).unwrap()).unwrap();
    }
    let (mut one, mut other) = (answer(&reference, &merged), answer(&reference, &whole));
    // Sums of confidences in another order differ in their last digit.
    for side in [&mut one, &mut other] {
        let value = side["performanceEstimate"]["value"].take();
        assert!((value.as_f64().unwrap() - 0.8).abs() < 1e-12);
        side["performanceEstimate"]["standardError"].take();
    }
    assert_eq!(one, other);
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    let reference = reference();
    let mut window = Window::new(&reference, 1);
    let mut sizes = Vec::new();
    for number in 0..40_000_u32 {
        observe(&mut window, &reference, &json!({ "size": f64::from(number), "color": format!("color {number}") }));
        if number == 999 || number == 39_999 {
            sizes.push(window.to_json().unwrap().len());
        }
    }
    assert!(sizes[1] <= sizes[0] + 100, "{sizes:?} bytes after 1000 and 40000 rows");
}

#[test]
fn what_is_stored_is_checked() {
    let reference = reference();
    let mut window = Window::new(&reference, 1);
    observe(&mut window, &reference, &json!({ "size": 1, "color": "red" }));
    let stored: Value = serde_json::from_str(&window.to_json().unwrap()).unwrap();
    let read = |change: &dyn Fn(&mut Value)| {
        let mut altered = stored.clone();
        change(&mut altered);
        Window::from_json(&reference, altered.to_string().as_bytes())
    };
    assert_eq!(read(&|_| {}).unwrap().rows(), 1);
    assert!(matches!(read(&|window| window["version"] = json!(2)), Err(WindowError::Version(2))));
    assert!(matches!(read(&|window| window["reference"] = json!("other")), Err(WindowError::OtherReference)));
    assert!(matches!(read(&|window| window["columns"][0]["cells"] = json!([1])), Err(WindowError::OtherReference)));
    assert!(matches!(read(&|window| window["columns"] = json!([])), Err(WindowError::OtherReference)));
    assert!(matches!(read(&|window| window["prediction"] = json!(null)), Err(WindowError::OtherReference)));
    assert!(matches!(read(&|window| window["confidences"] = json!({ "no": [] })), Err(WindowError::OtherReference)));
    assert!(matches!(read(&|window| window["rows"] = json!(-1)), Err(WindowError::Unreadable(_))));
    assert!(matches!(Window::from_json(&reference, b"\xff"), Err(WindowError::Unreadable(_))));
}

#[test]
fn a_window_of_another_reference_is_refused() {
    let one = reference();
    let other = Reference::parse(br#"{"categorical": {"color": {"red": 1}}}"#).unwrap();
    let mut window = Window::new(&one, 1);
    assert!(matches!(window.merge(&Window::new(&other, 2)), Err(WindowError::OtherReference)));
    assert!(matches!(window.observe(&other, &Map::new(), None), Err(WindowError::OtherReference)));
    for _ in 0..20 {
        observe(&mut window, &one, &json!({ "size": 1, "color": "red" }));
    }
    assert!(matches!(report(&other, &window, None, chrono::DateTime::UNIX_EPOCH), DriftAnswer::Unavailable { rows: 0, .. }));
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("red")),
        Just(json!("NaN")),
        Just(json!([1])),
        (0.0..4.0).prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is sent: every row is in exactly one place of every column, and the report is finite.
    #[test]
    fn no_row_is_lost(rows in proptest::collection::vec((any_value(), any_value(), any::<bool>()), 10..60)) {
        let reference = reference();
        let mut window = Window::new(&reference, 3);
        for (size, color, answered) in &rows {
            let row = json!({ "size": size, "color": color });
            let answer = answered.then_some(Prediction::Label { label: "maybe", confidence: Some(f64::NAN) });
            window.observe(&reference, row.as_object().unwrap(), answer).unwrap();
        }
        let stored: Value = serde_json::from_str(&window.to_json().unwrap()).unwrap();
        let sum = |counts: &Value| counts.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum::<u64>();
        let [size, color, prediction] = [&stored["columns"][0], &stored["columns"][1], &stored["prediction"]];
        let number = |value: &Value| value.as_u64().unwrap();
        let expected = u64::try_from(rows.len()).unwrap();
        prop_assert_eq!(sum(&size["cells"]) + number(&size["below"]) + number(&size["above"]) + number(&size["missing"]), expected);
        for counts in [color, prediction] {
            prop_assert_eq!(sum(&counts["known"]) + number(&counts["other"]) + number(&counts["missing"]), expected);
        }
        let DriftAnswer::Report(report) = report(&reference, &window, None, chrono::DateTime::UNIX_EPOCH) else {
            return Err(TestCaseError::fail("no report"));
        };
        for feature in &report.features {
            prop_assert!(feature.drift.psi.is_finite() && feature.drift.psi >= 0.0);
            prop_assert!((0.0..=0.833).contains(&feature.drift.jensen_shannon));
            prop_assert!(feature.drift.p_value.is_none_or(|value| (0.0..=1.0).contains(&value)));
        }
    }
}
