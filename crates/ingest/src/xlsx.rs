//! Workbooks: the first sheet, read cell by cell while the rest of the pipeline works.

mod cells;
mod guard;
mod reader;

use std::{
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

pub(crate) use self::cells::CellRecords;
use crate::{
    block::{Block, BlockSource},
    error::IngestError,
    request::{IngestLimits, IngestObserver},
    source::Mended,
};

/// The first row of a sheet, and what else is to be said about the workbook.
#[derive(Debug, Clone, Default)]
pub(crate) struct SheetHeader {
    /// Column of the first name, from 0.
    pub(crate) first_column: usize,
    /// The names, blank where there is none.
    pub(crate) names: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// What the reading thread sends: the header, then blocks, then perhaps an error.
enum Message {
    Header(SheetHeader),
    Block(Block),
}

type Answer = Result<Message, IngestError>;

/// The blocks of a sheet, as another thread reads them.
pub(crate) struct XlsxSource<'a> {
    answers: Receiver<Answer>,
    /// Blocks that were looked at and put back.
    peeked: Option<Block>,
    observer: &'a dyn IngestObserver,
}

/// How long a wait for the reading thread goes on before cancellation is asked about.
const WAIT: Duration = Duration::from_millis(20);
/// Blocks that the reading thread may be ahead.
const BLOCKS_AHEAD: usize = 1;

/// Opens a workbook and hands its first sheet to `work`. The sheet is read by a thread of its own, which is gone when
/// this returns.
pub(crate) fn with_sheet<R>(
    path: &Path,
    limits: &IngestLimits,
    observer: &dyn IngestObserver,
    work: impl FnOnce(SheetHeader, XlsxSource<'_>) -> Result<R, IngestError>,
) -> Result<R, IngestError> {
    guard::check(path, limits, observer)?;
    thread::scope(|scope| {
        let (sender, answers) = sync_channel(BLOCKS_AHEAD);
        scope.spawn(move || reader::run(path, limits, &sender));
        let source = XlsxSource { answers, peeked: None, observer };
        match source.receive()? {
            Some(Message::Header(header)) => work(header, source),
            Some(Message::Block(_)) | None => Err(IngestError::Internal { context: "the workbook reader stopped" }),
        }
    })
}

impl XlsxSource<'_> {
    /// Waits for what the reading thread sends next; `None` when it has finished.
    fn receive(&self) -> Result<Option<Message>, IngestError> {
        loop {
            match self.answers.recv_timeout(WAIT) {
                Ok(answer) => return answer.map(Some),
                Err(RecvTimeoutError::Timeout) if self.observer.is_cancelled() => return Err(IngestError::Cancelled),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    /// Looks at the first block without using it up.
    pub(crate) fn peek(&mut self) -> Result<Option<&mut Block>, IngestError> {
        if self.peeked.is_none() {
            self.peeked = self.next_block()?;
        }
        Ok(self.peeked.as_mut())
    }
}

impl BlockSource for XlsxSource<'_> {
    fn next_block(&mut self) -> Result<Option<Block>, IngestError> {
        if let Some(block) = self.peeked.take() {
            return Ok(Some(block));
        }
        match self.receive()? {
            Some(Message::Block(block)) => Ok(Some(block)),
            Some(Message::Header(_)) | None => Ok(None),
        }
    }

    fn mended(&self) -> Mended {
        Mended::default()
    }
}
