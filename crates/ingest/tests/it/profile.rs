//! Statistics against a naive computation.

use std::collections::HashMap;

use gristmill_domain::{datasets::ColumnProfile, key_sketches::KeySketch};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Random, csv};

fn close(found: Option<f64>, expected: f64) {
    let found = found.expect("a number");
    assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{found} is not {expected}");
}

/// What the contract says, computed in the simplest way.
fn check_numbers(profile: &ColumnProfile, values: &[f64]) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = f64::from(u32::try_from(values.len()).unwrap());
    let mean = values.iter().sum::<f64>() / n;
    let deviation =
        if values.len() > 1 { (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt() } else { 0.0 };
    #[expect(clippy::as_conversions, reason = "a place in a short list")]
    let quantile = |q: f64| {
        let place = q * (n - 1.0);
        let low = sorted[place.floor() as usize];
        let high = sorted[place.ceil() as usize];
        low + (high - low) * (place - place.floor())
    };
    close(profile.min, sorted[0]);
    close(profile.max, sorted[sorted.len() - 1]);
    close(profile.mean, mean);
    close(profile.std_dev, deviation);
    close(profile.median, quantile(0.5));
    close(profile.q1, quantile(0.25));
    close(profile.q3, quantile(0.75));
    if deviation > 1e-9 {
        close(profile.skewness, values.iter().map(|v| ((v - mean) / deviation).powi(3)).sum::<f64>() / n);
    }
}

fn check_top(profile: &ColumnProfile, values: &[String]) {
    let mut counts: HashMap<&str, (u64, usize)> = HashMap::new();
    for (at, value) in values.iter().enumerate() {
        counts.entry(value).or_insert((0, at)).0 += 1;
    }
    assert_eq!(profile.unique_count, u64::try_from(counts.len()).unwrap());
    let mut ranked: Vec<_> = counts.into_iter().map(|(value, (count, at))| (std::cmp::Reverse(count), at, value)).collect();
    ranked.sort();
    let expected: Vec<_> = ranked.iter().take(5).map(|(count, _, value)| ((*value).to_owned(), count.0)).collect();
    let found: Vec<_> = profile.top_values.iter().map(|top| (top.value.clone(), top.count)).collect();
    assert_eq!(found, expected, "{}", profile.name);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn statistics_match_the_naive_computation(
        numbers in proptest::collection::vec(proptest::option::weighted(0.9, -1000_i32..1000), 1..120),
        words in proptest::collection::vec("[a-e]{1,2}", 120),
    ) {
        prop_assume!(numbers.iter().any(Option::is_some));
        let mut text = "i,f,w\n".to_owned();
        for (number, word) in numbers.iter().zip(&words) {
            match number {
                Some(n) => text.push_str(&format!("{n},{}.5,{word}\n", n.unsigned_abs())),
                None => text.push_str(&format!(",,{word}\n")),
            }
        }
        let found = csv(text);
        let integers: Vec<f64> = numbers.iter().flatten().map(|n| f64::from(*n)).collect();
        check_numbers(found.column("i"), &integers);
        let floats: Vec<f64> = numbers.iter().flatten().map(|n| f64::from(n.unsigned_abs()) + 0.5).collect();
        check_numbers(found.column("f"), &floats);
        check_top(found.column("i"), &numbers.iter().flatten().map(i32::to_string).collect::<Vec<_>>());
        check_top(found.column("w"), &words[..numbers.len()]);
        let missing = numbers.iter().filter(|n| n.is_none()).count();
        prop_assert_eq!(found.column("i").null_count, u64::try_from(missing).unwrap());
    }
}

#[test]
fn profiles_cover_every_row_of_a_large_file() {
    let mut random = Random(3);
    let rows = 80_000;
    let mut text = "n,word,when\n".to_owned();
    let (mut numbers, mut words) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let number = random.below(1_000_000);
        // Rare at first and frequent later: a sample of the head would see another order.
        let word = if row < 40_000 { format!("w{}", random.below(50)) } else { format!("w{}", 40 + random.below(50)) };
        text.push_str(&format!("{number},{word},2024-{:02}-{:02}\n", row % 12 + 1, row % 28 + 1));
        numbers.push(f64::from(u32::try_from(number).unwrap()));
        words.push(word);
    }
    let found = csv(text);
    check_numbers(found.column("n"), &numbers);
    check_top(found.column("n"), &numbers.iter().map(f64::to_string).collect::<Vec<_>>());
    check_top(found.column("word"), &words);
    let when = json!(found.column("when"));
    assert_eq!((&when["minDate"], &when["maxDate"]), (&json!("2024-01-01T00:00:00.000Z"), &json!("2024-12-28T00:00:00.000Z")));
    assert_eq!(found.column("when").unique_count, 84);
}

#[test]
fn the_wire_form_is_the_contracts() {
    let found = csv("n,b,d,s\n1,true,2024-01-02,x\n2,false,2024-01-01,x\n4,true,2024-01-01,\n");
    assert_eq!(
        json!(found.dataset.columns),
        json!([
            {"name": "n", "dtype": "integer", "nullCount": 0, "sampleCount": 3, "uniqueCount": 3,
             "topValues": [{"value": "1", "count": 1, "percentage": 33.33}, {"value": "2", "count": 1, "percentage": 33.33},
                           {"value": "4", "count": 1, "percentage": 33.33}],
             "min": 1.0, "max": 4.0, "mean": 2.3333, "median": 2.0, "stdDev": 1.5275, "skewness": 0.2078, "q1": 1.5, "q3": 3.0},
            {"name": "b", "dtype": "boolean", "nullCount": 0, "sampleCount": 3, "uniqueCount": 2,
             "topValues": [{"value": "true", "count": 2, "percentage": 66.67}, {"value": "false", "count": 1, "percentage": 33.33}]},
            {"name": "d", "dtype": "date", "nullCount": 0, "sampleCount": 3, "uniqueCount": 2,
             "topValues": [{"value": "2024-01-01T00:00:00.000Z", "count": 2, "percentage": 66.67},
                           {"value": "2024-01-02T00:00:00.000Z", "count": 1, "percentage": 33.33}],
             "minDate": "2024-01-01T00:00:00.000Z", "maxDate": "2024-01-02T00:00:00.000Z"},
            {"name": "s", "dtype": "string", "nullCount": 1, "sampleCount": 2, "uniqueCount": 1,
             "topValues": [{"value": "x", "count": 2, "percentage": 100.0}]},
        ])
    );
    assert_eq!(json!(found.dataset.sample), json!(found.rows()));
}

#[test]
fn keys_of_two_files_are_found_to_belong_together() {
    let lines = |header: &str, rows: std::ops::Range<u32>, repeat: u32| {
        rows.fold(format!("{header}\n"), |text, row| text + &format!("{},K-{},{}.5\n", row / repeat, row / repeat, row))
    };
    let customers = csv(lines("id,customerCode,spent", 0..2_000, 1)).dataset;
    let orders = csv(lines("customer_id,customerCode,amount", 0..1_500, 3)).dataset;
    let strangers = csv(lines("customer_id,customerCode,amount", 900_000..901_000, 1)).dataset;
    let columns = |sketches: &[KeySketch]| sketches.iter().map(|sketch| sketch.column.clone()).collect::<Vec<_>>();
    assert_eq!(columns(&customers.key_sketches), ["id", "customerCode"], "keys only");
    for place in 0..2 {
        let (of, there) = (&orders.key_sketches[place], &customers.key_sketches[place]);
        assert_eq!(of.distinct, 500);
        let share = of.share_in(there).unwrap();
        assert!(share > 0.8, "{} {share}", of.column);
        assert!(strangers.key_sketches[place].share_in(there).unwrap() < 0.05, "{}", of.column);
    }
}
