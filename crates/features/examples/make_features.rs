//! Makes features of a file, without any server: what they learned goes beside the new Parquet file, and makes the same of
//! rows that come later.
//!
//! `cargo run --release -p gristmill-features --example make_features -- file.csv features.json out.parquet`, where
//! `features.json` is what `POST /api/feature-engineering/apply` takes as `features`:
//! `[{ "sourceColumn": "age", "featureName": "age_scaled", "method": "standardize" }]`.

use std::{error::Error, fs, io::Write, path::PathBuf, time::SystemTime};

use gristmill_features::{FeatureError, FeatureSpec, FitOptions, Transformer, apply, plan};
use gristmill_ingest::{IngestLimits, IngestRequest, Unobserved, derive::DatasetFile, ingest};

/// Most of the new rows that are shown.
const SHOWN_MAX: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [source, features, output] = arguments.as_slice() else {
        return Err("usage: make_features <file> <features.json> <out.parquet>".into());
    };
    let specs: Vec<FeatureSpec> = serde_json::from_slice(&fs::read(features)?)?;
    let filename = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let work = tempfile::tempdir()?;
    let dataset = work.path().join("dataset.parquet");
    let request = IngestRequest {
        source,
        filename: &filename,
        media_type: None,
        output: &dataset,
        rejects: &work.path().join("rejects.ndjson"),
        limits: IngestLimits::default(),
    };
    ingest(&request, &Unobserved).map_err(|error| error.public_message())?;
    let file = DatasetFile::open(&dataset).map_err(|error| error.public_message())?;
    let said = |error: FeatureError| error.public_message();
    let plan = plan(&specs, file.columns()).map_err(said)?;
    let options = FitOptions::new(SystemTime::now().into());
    let applied = apply(&plan, &dataset, output, &options, &Unobserved).map_err(said)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string_pretty(&applied.report)?)?;
    fs::write(output.with_extension("fitted.json"), serde_json::to_vec(&applied.fitted)?)?;

    // The first rows once more, as rows that come later: none of them was learned from.
    let places: Vec<usize> = (0..file.columns().len()).collect();
    let first = file.batches(&places).map_err(|error| error.public_message())?.next();
    if let Some(rows) = first.transpose().map_err(|error| error.public_message())? {
        let rows = rows.slice(0, rows.num_rows().min(SHOWN_MAX));
        let made = Transformer::new(&applied.fitted).and_then(|transformer| transformer.transform(&rows)).map_err(said)?;
        writeln!(out, "{made:?}")?;
    }
    Ok(())
}
