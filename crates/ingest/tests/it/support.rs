//! Files written, read and looked at.

use std::path::{Path, PathBuf};

use gristmill_domain::datasets::{ColumnProfile, ColumnType, Reject, Row};
use gristmill_ingest::{
    IngestError, IngestLimits, IngestObserver, IngestRequest, IngestedDataset, RowReader, Unobserved, ingest,
};
use serde_json::Value;
use tempfile::TempDir;

/// A directory with a source file and room for what becomes of it.
pub(crate) struct Place {
    directory: TempDir,
    pub(crate) filename: String,
    pub(crate) media_type: Option<String>,
    pub(crate) limits: IngestLimits,
}

impl Place {
    pub(crate) fn new(filename: &str, content: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self { directory, filename: filename.to_owned(), media_type: None, limits: IngestLimits::default() };
        std::fs::write(place.source(), content).unwrap();
        place
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.directory.path().join("source")
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.directory.path().join("out.parquet")
    }

    pub(crate) fn rejects(&self) -> PathBuf {
        self.directory.path().join("rejects.ndjson")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn request<R>(&self, work: impl FnOnce(&IngestRequest<'_>) -> R) -> R {
        work(&IngestRequest {
            source: &self.source(),
            filename: &self.filename,
            media_type: self.media_type.as_deref(),
            output: &self.output(),
            rejects: &self.rejects(),
            limits: self.limits,
        })
    }

    pub(crate) fn ingest_observed(&self, observer: &dyn IngestObserver) -> Result<IngestedDataset, IngestError> {
        self.request(|request| ingest(request, observer))
    }

    /// Reads the file and expects it to work.
    pub(crate) fn ingest(self) -> Ingested {
        let dataset = self.ingest_observed(&Unobserved).unwrap_or_else(|error| panic!("{error:?}"));
        let text = std::fs::read_to_string(self.rejects()).unwrap();
        let rejects = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Ingested { place: self, dataset, rejects }
    }

    /// Reads the file, expects it to fail and to leave nothing behind.
    pub(crate) fn refused(self) -> IngestError {
        let error = self.ingest_observed(&Unobserved).expect_err("the file should be refused");
        self.assert_nothing_left();
        assert!(!error.public_message().is_empty());
        assert!(!error.public_message().contains(self.directory.path().to_str().unwrap()), "a message may not name paths");
        error
    }

    pub(crate) fn assert_nothing_left(&self) {
        let left: Vec<_> = std::fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["source"], "only the source may be there");
    }
}

/// A dataset and the files it came from.
pub(crate) struct Ingested {
    pub(crate) place: Place,
    pub(crate) dataset: IngestedDataset,
    pub(crate) rejects: Vec<Reject>,
}

impl Ingested {
    pub(crate) fn column(&self, name: &str) -> &ColumnProfile {
        self.dataset.columns.iter().find(|column| column.name == name).unwrap_or_else(|| panic!("no column {name:?}"))
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.dataset.columns.iter().map(|column| column.name.as_str()).collect()
    }

    pub(crate) fn types(&self) -> Vec<ColumnType> {
        self.dataset.columns.iter().map(|column| column.dtype).collect()
    }

    /// All rows.
    pub(crate) fn rows(&self) -> Vec<Row> {
        all_rows(&self.place.output())
    }

    /// All values of a column.
    pub(crate) fn values(&self, column: &str) -> Vec<Value> {
        self.rows().into_iter().map(|mut row| row.remove(column).unwrap_or_else(|| panic!("no {column:?}"))).collect()
    }

    /// Text of everything that the report says about a column.
    pub(crate) fn coercions(&self, column: &str) -> Vec<(u64, String)> {
        let of_column = self.dataset.report.coercions.iter().filter(|coercion| coercion.column == column);
        of_column.map(|coercion| (coercion.count, coercion.reason.clone())).collect()
    }

    pub(crate) fn has_note(&self, part: &str) -> bool {
        self.dataset.report.notes.iter().any(|note| note.contains(part))
    }
}

pub(crate) fn all_rows(parquet: &Path) -> Vec<Row> {
    let reader = RowReader::open(parquet).unwrap();
    let mut rows = Vec::new();
    while u64::try_from(rows.len()).unwrap() < reader.row_count() {
        rows.extend(reader.rows(u64::try_from(rows.len()).unwrap(), 1000).unwrap());
    }
    rows
}

/// Reads CSV text.
pub(crate) fn csv(text: impl AsRef<[u8]>) -> Ingested {
    Place::new("data.csv", text).ingest()
}

/// Reads JSON text.
pub(crate) fn json(text: impl AsRef<[u8]>) -> Ingested {
    Place::new("data.json", text).ingest()
}

/// A generator with a fixed seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
