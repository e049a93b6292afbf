//! Jupyter's notebook files: read into cells, and written from them. Pure functions over text and JSON.

mod export;
mod import;
mod outputs;

pub use export::export;
use gristmill_domain::execution::RichOutput;
pub use import::import;
use serde_json::{Map, Value};

/// The largest file that is read, bytes.
pub const FILE_BYTES_MAX: usize = 100 << 20;
/// The most cells that are read.
pub const CELLS_MAX: usize = 10_000;
/// The most outputs of a cell that are read.
pub const OUTPUTS_MAX: usize = 10_000;

/// What a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileCellKind {
    /// Python.
    Code,
    /// Text.
    Markdown,
}

/// A cell of a notebook file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileCell {
    /// Its id. On export it is replaced where Jupyter would not take it, or where it is there twice.
    pub id: Option<String>,
    /// What it is.
    pub kind: FileCellKind,
    /// Its title; Jupyter shows none, so it is kept in the metadata.
    pub title: Option<String>,
    /// Its text.
    pub content: String,
    /// What else is kept with it.
    pub metadata: Map<String, Value>,
    /// The number of its last run.
    pub execution_count: Option<i64>,
    /// What its last run showed. Images must be data URLs: a reference to a stored file means nothing outside.
    pub outputs: Vec<RichOutput>,
}

/// A notebook as a file holds it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileNotebook {
    /// Its name; none in most files.
    pub name: Option<String>,
    /// Its cells, in order.
    pub cells: Vec<FileCell>,
    /// What else is kept with it: kernel and language aside, which are written anew.
    pub metadata: Map<String, Value>,
}

/// What a file gave.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedNotebook {
    /// The notebook.
    pub notebook: FileNotebook,
    /// The language that the file says its code is in.
    pub language: Option<String>,
    /// Attached files of markdown cells that were left out.
    pub attachments_ignored: usize,
    /// Raw cells, which became markdown.
    pub raw_cells: usize,
}

/// Why a file cannot be read as a notebook. Each message is for the person who sent it.
#[derive(Debug, thiserror::Error)]
pub enum NbformatError {
    /// It is larger than may be.
    #[error("the notebook has {bytes} bytes; at most {max} can be read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most that is read.
        max: usize,
    },
    /// A list in it is longer than may be.
    #[error("{place} has {count} entries; at most {max} can be read")]
    TooMany {
        /// Which list.
        place: String,
        /// Its length.
        count: usize,
        /// The most that is read.
        max: usize,
    },
    /// It is not JSON.
    #[error("the notebook is not JSON (line {line}, column {column})")]
    Json {
        /// Where it stops being JSON, from 1.
        line: usize,
        /// The column there.
        column: usize,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// It is of another version of the format.
    #[error(
        "the notebook has nbformat {major}; only 4 can be read: open and save it with a current Jupyter, or run jupyter nbconvert --to notebook --nbformat 4"
    )]
    Version {
        /// The version it says.
        major: i64,
    },
    /// Something in it is not as it should be.
    #[error("{place} should be {expected}, and is {found}")]
    Field {
        /// Where: `cells[3].outputs[0].text`.
        place: String,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
}
