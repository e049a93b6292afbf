//! Reads a file into a Parquet dataset and prints what was found, without any server.
//!
//! `cargo run --release -p gristmill-ingest --example ingest_csv -- file.csv out.parquet [threads]`

use std::{
    error::Error,
    num::NonZeroUsize,
    path::PathBuf,
    time::{Duration, Instant},
};

use gristmill_ingest::{IngestLimits, IngestObserver, IngestRequest, IngestedDataset, RowReader, ingest};

/// Notes when each stage began.
struct Stages {
    begin: Instant,
    seen: std::sync::Mutex<Vec<(String, Duration)>>,
}

impl IngestObserver for Stages {
    fn progress(&self, _fraction: f64, stage: &str) {
        let Ok(mut seen) = self.seen.lock() else { return };
        if seen.last().is_none_or(|(last, _)| last != stage) {
            seen.push((stage.to_owned(), self.begin.elapsed()));
        }
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(source), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("usage: ingest_csv <file> <out.parquet> [threads]".into());
    };
    let (source, output) = (PathBuf::from(source), PathBuf::from(output));
    let mut limits = IngestLimits::default();
    if let Some(threads) = arguments.next() {
        limits.threads = threads.parse::<NonZeroUsize>()?;
    }
    let filename = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let rejects = output.with_extension("rejects.ndjson");
    let request =
        IngestRequest { source: &source, filename: &filename, media_type: None, output: &output, rejects: &rejects, limits };
    let stages = Stages { begin: Instant::now(), seen: std::sync::Mutex::default() };
    let dataset = match ingest(&request, &stages) {
        Ok(dataset) => dataset,
        Err(error) => return Err(format!("{} [{}]", error.public_message(), error.code()).into()),
    };
    let elapsed = stages.begin.elapsed();
    print(&dataset, &mut std::io::stdout().lock())?;
    let seen = stages.seen.lock().map_err(|_poisoned| "a thread panicked")?;
    let stages: Vec<String> = seen.iter().map(|(stage, at)| format!("{stage} from {} ms", at.as_millis())).collect();
    let mut out = std::io::stdout().lock();
    use std::io::Write as _;
    writeln!(out, "{} ms in all ({}), {} bytes of Parquet", elapsed.as_millis(), stages.join(", "), dataset.parquet_bytes)?;
    writeln!(out, "{}", peak_memory().unwrap_or_default())?;
    page_times(&output, dataset.row_count, &mut out)
}

/// The most memory that this process had, as Linux tells it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(format!("peak memory{}", line.trim_start_matches("VmHWM")))
}

fn print(dataset: &IngestedDataset, out: &mut impl std::io::Write) -> Result<(), Box<dyn Error>> {
    writeln!(out, "{} rows, {} columns, {}", dataset.row_count, dataset.columns.len(), dataset.file_type.as_str())?;
    for column in dataset.columns.iter().take(40) {
        let top: Vec<String> = column.top_values.iter().map(|top| format!("{} ({})", top.value, top.count)).collect();
        writeln!(
            out,
            "  {:<24} {:<8} missing {:<8} unique {:<8} mean {:<12} top {}",
            column.name,
            column.dtype.as_str(),
            column.null_count,
            column.unique_count,
            column.mean.map_or("-".to_owned(), |mean| mean.to_string()),
            top.join(", ")
        )?;
    }
    let report = &dataset.report;
    writeln!(
        out,
        "read {} records as {}, rejected {}, too long {}, too short {}, {} entries in the rejects report",
        report.rows_read,
        report.encoding,
        report.rows_rejected,
        report.rows_too_long,
        report.rows_too_short,
        report.rejects_listed
    )?;
    for coercion in &report.coercions {
        writeln!(out, "  {}: {} values {}", coercion.column, coercion.count, coercion.reason)?;
    }
    for note in &report.notes {
        writeln!(out, "  {note}")?;
    }
    if let Some(strongest) = dataset.eda.as_ref().and_then(|eda| eda.correlations.as_ref()?.first()) {
        writeln!(out, "strongest correlation: {} ~ {}: {:.4}", strongest.column_a, strongest.column_b, strongest.coefficient)?;
    }
    Ok(())
}

/// Times pages of 200 rows at the beginning, in the middle and at the end.
fn page_times(parquet: &std::path::Path, rows: u64, out: &mut impl std::io::Write) -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let reader = RowReader::open(parquet)?;
    let opened = begin.elapsed();
    for offset in [0, rows / 2, rows.saturating_sub(200)] {
        let begin = Instant::now();
        let page = reader.rows(offset, 200)?;
        writeln!(out, "page of {} rows at {offset}: {:.2} ms", page.len(), begin.elapsed().as_secs_f64() * 1000.0)?;
    }
    writeln!(out, "opening the reader took {:.2} ms; it holds {} bytes", opened.as_secs_f64() * 1000.0, reader.memory_bytes())?;
    Ok(())
}
