//! A live sketch of requests: counts in the reference's cells, and a sample of rows for the tests.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    cells::Place,
    estimate::Confidences,
    reference::{CategoricalReference, Kind, NumericReference, Reference},
    sample::Sample,
    values::{number_of, text_of, usable},
};

/// Version of the stored form.
const VERSION: u32 = 1;

/// Why a stored window cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// It is not JSON of this form.
    #[error("the stored window cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// It was written by another version.
    #[error("the stored window has version {0}, and version {VERSION} is read")]
    Version(u32),
    /// It was made for another reference, or its counts do not fit it.
    #[error("the window belongs to another reference")]
    OtherReference,
}

/// What a model answered for a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Prediction<'a> {
    /// A class, and the probability that the model gave it, if it gives any.
    Label {
        /// The label's text.
        label: &'a str,
        /// Between 0 and 1.
        confidence: Option<f64>,
    },
    /// A number.
    Number(f64),
}

/// A sketch of the requests of some time: constant memory, a row costs time in proportion to the columns.
///
/// It can be stored as JSON ([`Window::to_json`]) and read back for the same reference.
///
/// ```
/// use gristmill_deployment::drift::{DriftAnswer, Prediction, Reference, Window, report};
///
/// let baseline = br#"{"rows": 4, "categorical": {"color": {"red": 2, "blue": 2}},
///                     "prediction_distribution": {"no": 3, "yes": 1}}"#;
/// let reference = Reference::parse(baseline)?;
/// let mut window = Window::new(&reference, 42);
/// let row = serde_json::json!({"color": "green"});
/// for _ in 0..20 {
///     let answer = Prediction::Label { label: "no", confidence: Some(0.9) };
///     window.observe(&reference, row.as_object().unwrap(), Some(answer))?;
/// }
/// let answer = report(&reference, &window, None, chrono::DateTime::UNIX_EPOCH);
/// assert!(matches!(answer, DriftAnswer::Report(report) if report.features[0].drift.psi > 1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Window {
    version: u32,
    reference: String,
    pub(super) rows: u64,
    pub(super) columns: Vec<Counts>,
    pub(super) prediction: Option<Counts>,
    pub(super) sample: Sample,
    pub(super) confidences: Confidences,
}

/// The rows in each cell of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Counts {
    Numeric { cells: Vec<u64>, below: u64, above: u64, missing: u64 },
    Categorical { known: Vec<u64>, other: u64, missing: u64 },
}

impl Window {
    /// An empty window. The seed chooses the sample: windows that will be merged need different ones.
    #[must_use]
    pub fn new(reference: &Reference, seed: u64) -> Self {
        let numbers = |kind: &Kind| matches!(kind, Kind::Numeric(_));
        let kinds = reference.columns.iter().map(|column| &column.kind).chain(&reference.prediction);
        let width = kinds.filter(|kind| numbers(kind)).count();
        Self {
            version: VERSION,
            reference: reference.fingerprint.clone(),
            rows: 0,
            columns: reference.columns.iter().map(|column| Counts::of(&column.kind)).collect(),
            prediction: reference.prediction.as_ref().map(Counts::of),
            sample: Sample::new(width, seed),
            confidences: Confidences::default(),
        }
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Counts one row: the columns by their original names, and what was answered (`None` when the request failed).
    /// A column that is absent, null or no value of its type is a missing one.
    ///
    /// # Errors
    /// `OtherReference`; nothing is counted then.
    pub fn observe(
        &mut self,
        reference: &Reference,
        row: &Map<String, Value>,
        prediction: Option<Prediction<'_>>,
    ) -> Result<(), WindowError> {
        self.check(reference)?;
        let mut numbers = Vec::with_capacity(self.sample.width());
        for (column, counts) in reference.columns.iter().zip(&mut self.columns) {
            let value = row.get(&column.name);
            match &column.kind {
                Kind::Numeric(kind) => {
                    let number = number_of(value, kind.unit);
                    counts.number(kind, number);
                    numbers.push(number.unwrap_or(f64::NAN));
                }
                Kind::Categorical(kind) => counts.text(kind, text_of(value).as_deref()),
            }
        }
        match (&reference.prediction, self.prediction.as_mut()) {
            (Some(Kind::Numeric(kind)), Some(counts)) => {
                let number = match prediction {
                    Some(Prediction::Number(number)) => usable(number),
                    _ => None,
                };
                counts.number(kind, number);
                numbers.push(number.unwrap_or(f64::NAN));
            }
            (Some(Kind::Categorical(kind)), Some(counts)) => match prediction {
                Some(Prediction::Label { label, .. }) => counts.text(kind, Some(label)),
                _ => counts.text(kind, None),
            },
            _ => {}
        }
        if let Some(Prediction::Label { label, confidence: Some(confidence) }) = prediction {
            self.confidences.add(label, confidence);
        }
        self.sample.add(&numbers);
        self.rows = self.rows.saturating_add(1);
        Ok(())
    }

    /// Adds the requests of another window over the same reference.
    ///
    /// # Errors
    /// `OtherReference`; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), WindowError> {
        let alike = self.columns.len() == other.columns.len()
            && self.prediction.is_some() == other.prediction.is_some()
            && other.confidences.are_sound()
            && self.sample.width() == other.sample.width()
            && self
                .columns
                .iter()
                .chain(&self.prediction)
                .zip(other.columns.iter().chain(&other.prediction))
                .all(|(a, b)| a.alike(b));
        if self.reference != other.reference || !alike {
            return Err(WindowError::OtherReference);
        }
        let mine = self.columns.iter_mut().chain(&mut self.prediction);
        for (mine, theirs) in mine.zip(other.columns.iter().chain(&other.prediction)) {
            mine.merge(theirs);
        }
        self.sample.merge(&other.sample);
        self.confidences.merge(&other.confidences);
        self.rows = self.rows.saturating_add(other.rows);
        Ok(())
    }

    /// The stored form.
    ///
    /// # Errors
    /// `Unreadable` when it cannot be written, which a window of this crate always can.
    pub fn to_json(&self) -> Result<String, WindowError> {
        serde_json::to_string(self).map_err(WindowError::Unreadable)
    }

    /// Reads a stored window for a reference.
    ///
    /// # Errors
    /// `Unreadable`, `Version`, `OtherReference`.
    pub fn from_json(reference: &Reference, bytes: &[u8]) -> Result<Self, WindowError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes).map_err(WindowError::Unreadable)?;
        if version != VERSION {
            return Err(WindowError::Version(version));
        }
        let window: Self = serde_json::from_slice(bytes).map_err(WindowError::Unreadable)?;
        // Counts of another shape would be compared with the wrong cells.
        let mut fresh = Self::new(reference, 0);
        fresh.merge(&window)?;
        Ok(window)
    }

    pub(super) fn check(&self, reference: &Reference) -> Result<(), WindowError> {
        if self.reference == reference.fingerprint { Ok(()) } else { Err(WindowError::OtherReference) }
    }
}

impl Counts {
    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Numeric(numeric) => Self::Numeric { cells: vec![0; numeric.cells.len()], below: 0, above: 0, missing: 0 },
            Kind::Categorical(categorical) => Self::Categorical { known: vec![0; categorical.names.len()], other: 0, missing: 0 },
        }
    }

    fn number(&mut self, kind: &NumericReference, number: Option<f64>) {
        let Self::Numeric { cells, below, above, missing } = self else { return };
        let place = match number.map(|number| kind.cells.place(number)) {
            None => Some(missing),
            Some(Place::Below) => Some(below),
            Some(Place::Above) => Some(above),
            Some(Place::Cell(cell)) => cells.get_mut(cell),
        };
        increase(place);
    }

    fn text(&mut self, kind: &CategoricalReference, text: Option<&str>) {
        let Self::Categorical { known, other, missing } = self else { return };
        let place = match text.map(|text| kind.place(text)) {
            None => Some(missing),
            Some(None) => Some(other),
            Some(Some(place)) => known.get_mut(place),
        };
        increase(place);
    }

    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numeric { cells, .. }, Self::Numeric { cells: others, .. }) => cells.len() == others.len(),
            (Self::Categorical { known, .. }, Self::Categorical { known: others, .. }) => known.len() == others.len(),
            _ => false,
        }
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.all_mut().into_iter().zip(other.all()) {
            *mine = mine.saturating_add(theirs);
        }
    }

    fn all(&self) -> Vec<u64> {
        match self {
            Self::Numeric { cells, below, above, missing } => cells.iter().chain([below, above, missing]).copied().collect(),
            Self::Categorical { known, other, missing } => known.iter().chain([other, missing]).copied().collect(),
        }
    }

    fn all_mut(&mut self) -> Vec<&mut u64> {
        match self {
            Self::Numeric { cells, below, above, missing } => cells.iter_mut().chain([below, above, missing]).collect(),
            Self::Categorical { known, other, missing } => known.iter_mut().chain([other, missing]).collect(),
        }
    }

    /// Rows without a value.
    pub(super) fn missing(&self) -> u64 {
        match self {
            Self::Numeric { missing, .. } | Self::Categorical { missing, .. } => *missing,
        }
    }

    /// Rows with a value.
    pub(super) fn usable(&self) -> u64 {
        self.all().into_iter().fold(0_u64, u64::saturating_add).saturating_sub(self.missing())
    }
}

fn increase(count: Option<&mut u64>) {
    if let Some(count) = count {
        *count = count.saturating_add(1);
    }
}
