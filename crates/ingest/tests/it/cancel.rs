//! Stopping a run, and watching it.

use std::sync::{
    Mutex,
    atomic::{AtomicI64, Ordering},
};

use gristmill_domain::ErrorCode;
use gristmill_ingest::IngestObserver;

use crate::support::{Place, Random};

/// Stops the run when it was asked so many times.
struct StopAfter(AtomicI64);

impl StopAfter {
    /// Whether the run was told to stop.
    fn has_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed) < 0
    }
}

impl IngestObserver for StopAfter {
    fn progress(&self, _fraction: f64, _stage: &str) {}

    fn is_cancelled(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) <= 0
    }
}

fn sources() -> Vec<(&'static str, Vec<u8>)> {
    let csv: String = (0..20_000).map(|row| format!("{row},word {},{}.5\n", row % 100, row % 7)).collect();
    let json: String = (0..8_000).map(|row| format!("{{\"a\":{row},\"b\":\"word\"}}\n")).collect();
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    for row in 0..500 {
        sheet.write(row, 0, row).unwrap();
        sheet.write(row, 1, "text").unwrap();
    }
    vec![
        ("a.csv", format!("a,b,c\n{csv}").into_bytes()),
        ("a.ndjson", json.into_bytes()),
        ("a.xlsx", workbook.save_to_buffer().unwrap()),
    ]
}

#[test]
fn a_run_that_is_stopped_anywhere_leaves_nothing() {
    let mut random = Random(9);
    for (name, bytes) in sources() {
        let questions = {
            let place = Place::new(name, &bytes);
            let counter = StopAfter(AtomicI64::new(i64::MAX));
            place.ingest_observed(&counter).unwrap();
            u64::try_from(i64::MAX - counter.0.load(Ordering::Relaxed)).unwrap()
        };
        assert!(questions > 5, "{name}: asked {questions} times");
        for attempt in 0..8 {
            let after = if attempt == 0 { 0 } else { random.below(questions.saturating_sub(3).max(1)) };
            let place = Place::new(name, &bytes);
            let observer = StopAfter(AtomicI64::new(i64::try_from(after).unwrap()));
            match place.ingest_observed(&observer) {
                Err(error) => {
                    assert_eq!(error.code(), ErrorCode::JobCancelled, "{name} after {after}: {error:?}");
                    place.assert_nothing_left();
                }
                // A workbook's run also asks as often as it waits in vain for its reading thread. On a busy machine the run
                // that was counted waited more often than this one, which may end before it was ever told to stop.
                Ok(_) => assert!(name == "a.xlsx" && !observer.has_stopped(), "{name} after {after}: it was stopped"),
            }
        }
    }
}

#[test]
fn a_conversion_that_is_stopped_leaves_nothing() {
    let (name, bytes) = sources().swap_remove(0);
    let found = Place::new(name, &bytes).ingest();
    let output = found.place.path("next.parquet");
    for after in [0, 3, 8] {
        let observer = StopAfter(AtomicI64::new(after));
        let error = gristmill_ingest::retype(
            &found.place.output(),
            &output,
            "a",
            gristmill_domain::datasets::ColumnType::Float,
            &observer,
        )
        .unwrap_err();
        assert_eq!(error.code(), ErrorCode::JobCancelled);
        let left = std::fs::read_dir(output.parent().unwrap()).unwrap().count();
        assert_eq!(left, 3, "source, dataset and rejects report");
    }
}

#[derive(Default)]
struct Watch(Mutex<Vec<(f64, String)>>);

impl IngestObserver for Watch {
    fn progress(&self, fraction: f64, stage: &str) {
        self.0.lock().unwrap().push((fraction, stage.to_owned()));
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

#[test]
fn progress_only_grows_and_names_its_stages() {
    for (name, bytes) in sources() {
        let watch = Watch::default();
        Place::new(name, &bytes).ingest_observed(&watch).unwrap();
        let seen = watch.0.into_inner().unwrap();
        assert!(seen.is_sorted_by(|a, b| a.0 <= b.0), "{name}: {seen:?}");
        assert_eq!(seen.last().unwrap().0, 1.0);
        let mut stages: Vec<&str> = seen.iter().map(|(_, stage)| stage.as_str()).collect();
        stages.dedup();
        assert_eq!(stages, ["reading", "writing", "profiling", "summarising"], "{name}");
    }
}
