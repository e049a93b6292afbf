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

use gristmill_deployment::inference::{NativeModel, Rows};

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
    let sample = model.signature().sample_request.clone();
    let one = Rows::from_object(model.signature(), &sample)?.rows;
    let many = Rows::from_objects(model.signature(), &vec![sample.clone(); BATCH])?.rows;
    let alone = each(|| model.predict(&one).map(|answer| drop(black_box(answer))).map_err(Into::into))?;
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
