//! Predicts with a model directory, without the server.
//!
//! ```text
//! cargo run -p gristmill-deployment --example predict -- DIRECTORY ['{"age": 41, "plan": null}' ...]
//! ```
//!
//! The directory is one that `gristmill_ml train` wrote. Without rows, the sample of its signature is predicted.

use std::path::Path;

use gristmill_deployment::inference::{NativeModel, Rows};
use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "the answer is what this program is for")]
fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("say which directory has the model")?;
    let read = |name: &str| std::fs::read(Path::new(&directory).join(name));
    // The server has stored checksums and calls `NativeModel::load`; here the files are what they are.
    let model = NativeModel::from_bytes(&read("signature.json")?, &read("model.onnx")?)?;
    let given: Vec<Map<String, Value>> = arguments.map(|row| serde_json::from_str(&row)).collect::<Result<_, _>>()?;
    let rows = if given.is_empty() { vec![model.signature().sample_request.clone()] } else { given };
    let accepted = Rows::from_objects(model.signature(), &rows).map_err(|errors| {
        let listed = serde_json::to_string_pretty(&errors.errors).unwrap_or_default();
        format!("the rows do not fit the model:\n{listed}")
    })?;
    if !accepted.ignored.is_empty() {
        println!("not used: {}", accepted.ignored.join(", "));
    }
    let predictions = model.predict(&accepted.rows)?;
    for row in 0..predictions.len() {
        let interval = predictions.interval(row).map(|(lower, upper)| json!({ "lower": lower, "upper": upper }));
        let answer = json!({
            "prediction": predictions.value(row),
            "probabilities": predictions.probabilities(row),
            "interval": interval,
        });
        println!("{answer}");
    }
    Ok(())
}
