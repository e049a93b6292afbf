//! A piece of a file that one thread turns into one row group.

use crate::{
    csv::CsvRecords, error::IngestError, json::JsonRecords, record::RecordNotes, source::Mended, table::SpanTable,
    xlsx::CellRecords,
};

/// How large blocks should be: whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockSize {
    /// Bytes of text.
    pub(crate) bytes: usize,
    /// Records.
    pub(crate) rows: usize,
}

/// Rows of a row group.
pub(crate) const ROWS_A_GROUP: usize = 65_536;
/// From here on a table counts as wide.
pub(crate) const WIDE_COLUMNS: usize = 1024;
const BYTES_A_BLOCK: usize = 16 << 20;
const BYTES_A_BLOCK_MIN: usize = 128 << 10;
/// A wide table has a column chunk per column and row group, each of which costs memory in every reader: so fewer, larger
/// row groups.
const BYTES_A_WIDE_BLOCK: usize = 32 << 20;

impl Default for BlockSize {
    fn default() -> Self {
        Self { bytes: BYTES_A_BLOCK, rows: ROWS_A_GROUP }
    }
}

impl BlockSize {
    /// The size for a table with this many columns, in which a record has about this many bytes.
    pub(crate) fn suited(columns: usize, record_bytes: usize) -> Self {
        let bytes_max = if columns > WIDE_COLUMNS { BYTES_A_WIDE_BLOCK } else { BYTES_A_BLOCK };
        // A little more than the rows need, so that most blocks are cut by rows and little text is carried over.
        let wanted = record_bytes.saturating_mul(ROWS_A_GROUP + ROWS_A_GROUP / 16);
        Self { bytes: wanted.clamp(BYTES_A_BLOCK_MIN, bytes_max), rows: ROWS_A_GROUP }
    }
}

/// A piece of text with whole records.
#[derive(Debug)]
pub(crate) struct Block {
    /// The text. Readers of records may rewrite it in place.
    pub(crate) text: Vec<u8>,
    /// Bytes of the file up to the block's end, about.
    pub(crate) position: u64,
    /// How to find the records.
    pub(crate) records: Records,
}

/// Finds the records of a block.
#[derive(Debug)]
pub(crate) enum Records {
    Csv(CsvRecords),
    Json(JsonRecords),
    Cells(CellRecords),
}

/// What readers of records need to know.
#[derive(Debug)]
pub(crate) struct RecordContext<'a> {
    /// Names of the columns, for formats that name values.
    pub(crate) keys: Option<&'a crate::json::Keys>,
    /// Column of the sheet with which the table begins, for workbooks.
    pub(crate) first_column: usize,
    pub(crate) columns_max: usize,
    pub(crate) record_bytes_max: usize,
    pub(crate) rejects_listed_max: usize,
}

impl Block {
    /// Reads records until the table is full. Afterwards the table is empty when the block is used up.
    pub(crate) fn fill(
        &mut self,
        table: &mut SpanTable,
        notes: &mut RecordNotes,
        context: &RecordContext<'_>,
    ) -> Result<(), IngestError> {
        table.clear();
        match &mut self.records {
            Records::Csv(records) => records.fill(&mut self.text, table, notes, context),
            Records::Json(records) => records.fill(&mut self.text, table, notes, context),
            Records::Cells(records) => records.fill(&self.text, table, notes, context),
        }
    }
}

/// Gives the blocks of a file, one after the other.
pub(crate) trait BlockSource: Send {
    /// The next block, or `None` at the end.
    fn next_block(&mut self) -> Result<Option<Block>, IngestError>;

    /// What was mended while decoding, so far.
    fn mended(&self) -> Mended;
}
