//! Input that nobody would upload in good faith. Nothing panics, hangs, or leaves a file behind.

use gristmill_domain::ErrorCode;
use gristmill_ingest::{HEAD_BYTES, Unobserved, sniff};
use proptest::prelude::*;

use crate::support::{Place, Random, csv};

fn check(name: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut place = Place::new(name, bytes);
    place.limits.record_bytes_max = 4096;
    match place.ingest_observed(&Unobserved) {
        Ok(dataset) => {
            prop_assert!(dataset.row_count > 0);
            prop_assert_eq!(dataset.report.rows_read, dataset.row_count + dataset.report.rows_rejected);
            for column in &dataset.columns {
                prop_assert_eq!(column.null_count + column.sample_count, dataset.row_count);
            }
        }
        Err(error) => {
            prop_assert_ne!(error.code(), ErrorCode::Internal, "{:?}", error);
            place.assert_nothing_left();
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(name in prop::sample::select(vec!["a.csv", "a.tsv", "a.json", "a.ndjson", "a.xlsx", "a"]), bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        check(name, &bytes)?;
    }

    #[test]
    fn random_csv(text in "([a-c0-9.,;\"\n\r \t|-]|\u{0}|é|\u{a0}|\u{feff}){0,300}") {
        check("a.csv", text.as_bytes())?;
    }

    #[test]
    fn random_json(text in r#"[\[{]?([\[\]{}":,a-c0-9\\.\-u \n]|null|true|"a":|"b":1|\\ud800|\{"a":1\}){0,120}"#) {
        check("a.json", text.as_bytes())?;
        check("a.ndjson", text.as_bytes())?;
    }

    #[test]
    fn sniffing_never_panics(name in ".{0,12}", media in proptest::option::of(".{0,20}"), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = sniff(&name, media.as_deref(), &bytes);
    }
}

#[test]
fn damage_to_a_good_file_does_not_lose_the_rest() {
    let mut random = Random(21);
    let good: String = (0..500).map(|row| format!("{row},\"text, {row}\",{}.5\n", row % 9)).collect();
    for _ in 0..25 {
        let mut bytes = format!("a,b,c\n{good}").into_bytes();
        let at = usize::try_from(random.below(u64::try_from(bytes.len()).unwrap())).unwrap();
        bytes[at] = b'"';
        let found = csv(&bytes);
        assert!(found.dataset.row_count >= 495, "a quote at {at} left {} rows", found.dataset.row_count);
    }
}

#[test]
fn patterns_that_invite_slow_code_are_quick() {
    let size = 1 << 18;
    for (name, text) in [
        ("a.csv", format!("a,b\n{}", "\"x\n".repeat(size / 3))),
        ("a.csv", format!("a,b\n{}", "\"a\"b".repeat(size / 4))),
        ("a.csv", format!("a,b\n{}", "\"".repeat(size))),
        ("a.csv", format!("a,b\n\"{}", "\"\"".repeat(size / 2))),
        ("a.csv", format!("a,b\n{}", "\" \"x ".repeat(size / 5))),
        ("a.csv", format!("a,b\n{}", "\r".repeat(size))),
        ("a.csv", format!("a,b\n{}1", ",".repeat(size))),
        ("a.csv", format!("{}\n1\n", "a".repeat(size))),
        ("a.json", format!("[{}", "[".repeat(size))),
        ("a.json", format!("[{}]", "{\"a\":\"\\".repeat(size / 7))),
        ("a.ndjson", "{\"a\":".repeat(size / 5)),
        ("a.json", format!("[{}1]", "1,".repeat(size / 2))),
    ] {
        let place = Place::new(name, &text);
        if let Err(error) = place.ingest_observed(&Unobserved) {
            assert_ne!(error.code(), ErrorCode::Internal, "{error:?}");
            place.assert_nothing_left();
        }
    }
}

#[test]
fn heads_of_any_length_are_sniffed() {
    let text = "name,n\nä,1\n".repeat(HEAD_BYTES / 11 + 1);
    for length in (0..40).chain(HEAD_BYTES - 4..HEAD_BYTES) {
        let head = &text.as_bytes()[..length];
        assert_eq!(sniff("a.csv", None, head).is_ok(), length > 0, "{length}");
    }
}

#[test]
fn two_runs_at_once_do_not_meet() {
    let place = Place::new("a.csv", (0..5000).map(|row| format!("{row},x\n")).collect::<String>());
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| place.ingest_observed(&Unobserved))).collect();
        for run in runs {
            assert_eq!(run.join().unwrap().unwrap().row_count, 4999);
        }
    });
    let left = std::fs::read_dir(place.output().parent().unwrap()).unwrap().count();
    assert_eq!(left, 3);
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let place = Place::new("a.csv", "a\n1\n");
    let output = place.path("missing/out.parquet");
    let error = place
        .request(|request| {
            gristmill_ingest::ingest(&gristmill_ingest::IngestRequest { output: &output, ..*request }, &Unobserved)
        })
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);
    place.assert_nothing_left();
}
