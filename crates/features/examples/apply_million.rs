//! Makes ten features of a million rows, and has pandas make the same:
//! `cargo run --release -p gristmill-features --example apply_million -- [rows]`. Both read a Parquet file and write one, and
//! every value must be equal. Prints lines of what, a number and its unit, which `cargo xtask bench features` makes a table
//! of. Needs what `gristmill setup` provisions.

use std::{
    error::Error,
    fs::File,
    io::Write,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use gristmill_domain::{execution::PythonVersion, features::FeatureMethod};
use gristmill_features::{FeatureSpec, FitOptions, apply, plan};
use gristmill_ingest::{IngestObserver, derive::DatasetFile};
use gristmill_runtime::environment;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use serde_json::Value;

const RUNS: usize = 3;
const ROWS_A_BATCH: usize = 65_536;
const WORDS: [&str; 8] = ["fine", "never", "again", "très bien", "quick", "late", "schön", "delivery"];

/// A generator with a fixed seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap_or(0)
    }

    fn choose<'a>(&mut self, among: &[&'a str]) -> Option<&'a str> {
        let end = u32::try_from(among.len()).ok()?;
        among.get(usize::try_from(self.below(end)).ok()?).copied()
    }

    fn share(&mut self) -> f64 {
        f64::from(self.below(1 << 30)) / f64::from(1 << 30)
    }
}

fn batch(random: &mut Random, rows: usize) -> Result<RecordBatch, Box<dyn Error>> {
    let amount: Float64Array = (0..rows).map(|_| (random.below(20) > 0).then_some(-(1.0 - random.share()).ln() * 40.0)).collect();
    let income: Float64Array = (0..rows).map(|_| Some(20_000.0 + random.share() * random.share() * 1e5)).collect();
    let city: StringArray = (0..rows).map(|_| Some(format!("city {}", random.below(2000)))).collect();
    let at: TimestampMicrosecondArray =
        (0..rows).map(|_| Some(1_500_000_000_000_000 + i64::from(random.below(1 << 31)) * 100_000)).collect();
    let comment: StringArray = (0..rows)
        .map(|_| {
            let count = random.below(12);
            let words: Vec<&str> = (0..count).filter_map(|_| random.choose(&WORDS)).collect();
            (random.below(10) > 0).then(|| words.join(" "))
        })
        .collect();
    let bought: BooleanArray = (0..rows).map(|_| Some(random.below(3) == 0)).collect();
    let columns: [(&str, ArrayRef); 6] = [
        ("amount", Arc::new(amount)),
        ("income", Arc::new(income)),
        ("city", Arc::new(city)),
        ("at", Arc::new(at)),
        ("comment", Arc::new(comment)),
        ("bought", Arc::new(bought)),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?)
}

fn write(path: &Path, rows: usize) -> Result<(), Box<dyn Error>> {
    let random = &mut Random(1);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROWS_A_BATCH))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path)?, batch(random, 0)?.schema(), Some(properties))?;
    let mut left = rows;
    while left > 0 {
        let some = left.min(ROWS_A_BATCH);
        writer.write(&batch(random, some)?)?;
        left -= some;
    }
    writer.close()?;
    Ok(())
}

fn specs() -> Vec<FeatureSpec> {
    let of = FeatureSpec::new;
    vec![
        of(FeatureMethod::Standardize, "amount", "amount_score"),
        of(FeatureMethod::MinMaxScale, "amount", "amount_scaled"),
        of(FeatureMethod::RobustScale, "income", "income_robust"),
        of(FeatureMethod::Bucketize, "amount", "amount_bin").with("bins", 10),
        of(FeatureMethod::QuantileBin, "income", "income_bin").with("quantiles", 10),
        of(FeatureMethod::TargetEncode, "city", "city_bought").with("targetColumn", "bought"),
        of(FeatureMethod::ExtractMonth, "at", "month"),
        of(FeatureMethod::ExtractWeekday, "at", "weekday"),
        of(FeatureMethod::TextLength, "comment", "comment_length"),
        of(FeatureMethod::WordCount, "comment", "comment_words"),
    ]
}

/// Notes when the features were learned.
struct Watch {
    begin: Instant,
    learned: std::sync::Mutex<Duration>,
}

impl IngestObserver for Watch {
    fn progress(&self, _fraction: f64, stage: &str) {
        if stage == "learning"
            && let Ok(mut learned) = self.learned.lock()
        {
            *learned = self.begin.elapsed();
        }
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Seconds until the features were learned, and until they were written.
fn ours(source: &Path, output: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    let watch = Watch { begin: Instant::now(), learned: std::sync::Mutex::default() };
    let file = DatasetFile::open(source)?;
    let plan = plan(&specs(), file.columns())?;
    let options = FitOptions::new("2024-06-01T00:00:00Z".parse()?);
    apply(&plan, source, output, &options, &watch)?;
    let all = watch.begin.elapsed().as_secs_f64();
    let learned = watch.learned.lock().map_err(|_poisoned| "a thread panicked")?.as_secs_f64();
    Ok((learned, all))
}

/// What pandas took, step by step. It looks at what we made too, and tells how many values differ.
#[expect(clippy::disallowed_methods, reason = "the comparison runs in Python")]
fn pandas(source: &Path, output: &Path, ours: &Path) -> Result<Value, Box<dyn Error>> {
    let cache = std::env::home_dir().ok_or("there is no home directory")?.join(".cache/gristmill");
    let python = environment::locate(&cache, PythonVersion::default())?.interpreter();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/apply_million.py");
    let ran = Command::new(python).arg(script).args([source, output, ours]).env("PYTHONDONTWRITEBYTECODE", "1").output()?;
    if !ran.status.success() {
        return Err(String::from_utf8_lossy(&ran.stderr).into_owned().into());
    }
    let told: Value = serde_json::from_slice(&ran.stdout)?;
    match told.get("differing").and_then(Value::as_object) {
        Some(differing) if differing.is_empty() => Ok(told),
        differing => Err(format!("values differ from those of pandas: {differing:?}").into()),
    }
}

/// The most memory that this process had, as Linux tells it, megabytes.
fn peak_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows = std::env::args().nth(1).map_or(Ok(1_000_000), |rows| rows.parse::<usize>())?;
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    let (source, output, output_of_pandas) = (path("source.parquet"), path("output.parquet"), path("pandas.parquet"));
    write(&source, rows)?;
    let mut own = Vec::new();
    for _ in 0..RUNS {
        own.push(ours(&source, &output)?);
    }
    own.sort_by(|one, other| one.1.total_cmp(&other.1));
    let (learned, all) = own.get(RUNS / 2).copied().ok_or("no run")?;
    let own_peak = peak_megabytes().unwrap_or_default();
    let mut theirs = Vec::new();
    for _ in 0..RUNS {
        let run = pandas(&source, &output_of_pandas, &output)?;
        let seconds = |name: &str| run.get(name).and_then(Value::as_f64).unwrap_or_default();
        let megabytes = run.get("megabytes").and_then(Value::as_u64).unwrap_or_default();
        theirs.push((seconds("read"), seconds("make"), seconds("write"), megabytes));
    }
    theirs.sort_by(|one, other| (one.0 + one.1 + one.2).total_cmp(&(other.0 + other.1 + other.2)));
    let (read, make, wrote, peak) = theirs.get(RUNS / 2).copied().ok_or("no run")?;
    let sum = read + make + wrote;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} features of {rows} rows\t{all:.3}\ts", specs().len())?;
    writeln!(out, "… of these learning\t{learned:.3}\ts")?;
    writeln!(out, "… memory at its peak\t{own_peak}\tMB")?;
    writeln!(out, "… pandas, the same values\t{sum:.3}\ts")?;
    writeln!(out, "… pandas, of these making, without reading and writing\t{make:.3}\ts")?;
    writeln!(out, "… pandas, memory at its peak\t{peak}\tMB")?;
    writeln!(out, "… times faster than pandas\t{:.2}\tx", sum / all)?;
    Ok(())
}
