//! Measures predictions of model directories: time to load, memory, and microseconds a row, alone and in a batch.
//!
//! ```text
//! cargo run --release -p gristmill-deployment --example predict_speed -- DIRECTORY...
//! ```

use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use gristmill_deployment::inference::{FeatureKind, NativeModel, Rows, Signature, ValueType};
use serde_json::{Map, Value};

type Failure = Box<dyn std::error::Error>;

const BATCH: usize = 1000;
/// How long each number is measured.
const MEASURING: Duration = Duration::from_millis(300);

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn main() -> Result<(), Failure> {
    println!("{:<44} {:>9} {:>10} {:>12} {:>12} {:>12}", "model", "load ms", "KiB", "one row µs", "checked µs", "of 1000 µs");
    for directory in std::env::args().skip(1) {
        match measure(Path::new(&directory)) {
            Ok(line) => println!("{directory:<44} {line}"),
            Err(error) => println!("{directory:<44} {error}"),
        }
    }
    Ok(())
}

fn measure(directory: &Path) -> Result<String, Failure> {
    let (signature, graph) = (std::fs::read(directory.join("signature.json"))?, std::fs::read(directory.join("model.onnx"))?);
    let started = Instant::now();
    let model = NativeModel::from_bytes(&signature, &graph)?;
    let load = started.elapsed();
    let requests = rows(model.signature());
    let sample = requests.first().ok_or("there is no row")?.clone();
    let singles: Vec<Rows> = requests
        .iter()
        .map(|row| Rows::from_object(model.signature(), row).map(|accepted| accepted.rows))
        .collect::<Result<_, _>>()?;
    let many = Rows::from_objects(model.signature(), &requests)?.rows;
    let mut next = singles.iter().cycle();
    let alone = each(|| {
        let row = next.next().ok_or("there is no row")?;
        model.predict(row).map(|answer| drop(black_box(answer))).map_err(Into::into)
    })?;
    let checked = each(|| {
        let rows = Rows::from_object(model.signature(), &sample)?.rows;
        black_box(model.predict(&rows)?);
        Ok(())
    })?;
    let batch = each(|| model.predict(&many).map(|answer| drop(black_box(answer))).map_err(Into::into))?;
    Ok(format!(
        "{:>9.1} {:>10} {:>12.2} {:>12.2} {:>12.3}",
        load.as_secs_f64() * 1e3,
        model.memory_bytes() / 1024,
        alone * 1e6,
        checked * 1e6,
        batch * 1e6 / 1000.0
    ))
}

/// Different rows: numbers all over the range of the training, and each text in turn.
fn rows(signature: &Signature) -> Vec<Map<String, Value>> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut share = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from(u32::try_from(state >> 32).unwrap_or_default()) / f64::from(u32::MAX)
    };
    let row = |number: usize, share: &mut dyn FnMut() -> f64| {
        let mut row = signature.sample_request.clone();
        for feature in &signature.features {
            let value = match (feature.kind, feature.range) {
                (FeatureKind::Numeric, Some(range)) => {
                    let value = range.min + (range.max - range.min) * share();
                    Value::from(if feature.value_type == ValueType::Int { value.round() } else { value })
                }
                (FeatureKind::Boolean, _) => Value::from(share() < 0.5),
                (FeatureKind::Categorical, _) => {
                    let place = number.checked_rem(feature.categories.len()).unwrap_or_default();
                    feature.categories.get(place).map_or(Value::Null, |text| Value::from(text.as_str()))
                }
                _ => continue,
            };
            row.insert(feature.name.clone(), value);
        }
        row
    };
    (0..BATCH).map(|number| row(number, &mut share)).collect()
}

/// Seconds that something takes on average.
fn each(mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    work()?;
    let started = Instant::now();
    let mut times = 0_u32;
    while started.elapsed() < MEASURING {
        work()?;
        times += 1;
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(times))
}
