//! One watcher of one notebook: reads the log from where it is, and sends.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use actix_web::web;
use actix_ws::Session;
use gristmill_api_types::{
    cells::CellView,
    live::{EventStamp, NotebookSocketMessage as Message},
};
use gristmill_domain::{
    Caller, CellId, NotebookId,
    notebooks::{LoggedEvent, NotebookEvent},
    ports::StoreError,
};

use crate::{error::chain, state::AppState};

/// Entries read at once.
const STRETCH: u32 = 500;
/// A watcher that is further behind gets the cells as they are now instead of how they came to be so.
const BEHIND_MAX: i64 = 5_000;
/// Text outputs of one cell are joined up to this size.
const JOINED_BYTES_MAX: usize = 256 * 1024;
const RETRY: Duration = Duration::from_secs(1);

/// A watcher.
pub(super) struct Follower {
    pub(super) state: web::Data<AppState>,
    pub(super) caller: Caller,
    pub(super) notebook: NotebookId,
    pub(super) session: Session,
    /// Number of the last event that the client has.
    pub(super) cursor: i64,
}

/// Why a watcher ends.
enum End {
    /// The client is gone.
    Closed,
    /// The notebook is.
    Gone,
}

impl Follower {
    /// Follows until the notebook or the client goes away.
    pub(super) async fn run(mut self) {
        let mut wake = self.state.live.watch(self.notebook);
        loop {
            wake.borrow_and_update();
            match self.catch_up().await {
                Ok(()) => {}
                Err(End::Closed) => return,
                Err(End::Gone) => {
                    let message = Message::Error { message: "The notebook is gone".into() };
                    drop(send(&mut self.session, &message).await);
                    return;
                }
            }
            // A signal that got lost delays, and does not hang.
            drop(tokio::time::timeout(self.state.live.poll_interval(), wake.changed()).await);
        }
    }

    async fn catch_up(&mut self) -> Result<(), End> {
        loop {
            let stretch = match self.state.notebooks.events(&self.caller, self.notebook, self.cursor, STRETCH).await {
                Ok(stretch) => stretch,
                Err(StoreError::NotFound) => return Err(End::Gone),
                Err(error) => {
                    tracing::warn!(error.cause = chain(&error), "a notebook's log could not be read; trying again");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            if stretch.head == self.cursor {
                return Ok(());
            }
            let has_gap = stretch.events.first().is_none_or(|event| event.seq != self.cursor + 1);
            if has_gap || stretch.head - self.cursor > BEHIND_MAX {
                // Pruned, or a number that the log never had.
                self.reset(stretch.head).await?;
                continue;
            }
            self.send_events(stretch.events).await?;
        }
    }

    /// Sends all cells as they are now.
    async fn reset(&mut self, head: i64) -> Result<(), End> {
        let message = self.cells_reset(EventStamp { timestamp: self.state.clock.now().into(), seq: head }).await?;
        self.cursor = head;
        self.send(&message).await
    }

    async fn cells_reset(&self, stamp: EventStamp) -> Result<Message, End> {
        loop {
            match self.state.notebooks.list_cells(&self.caller, self.notebook, self.state.clock.now()).await {
                Ok(cells) => {
                    let cells = cells.into_iter().map(CellView::from).collect();
                    return Ok(Message::CellsReset { notebook_id: self.notebook, cells, stamp });
                }
                Err(StoreError::NotFound) => return Err(End::Gone),
                Err(error) => {
                    tracing::warn!(error.cause = chain(&error), "a notebook's cells could not be read; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn send_events(&mut self, events: Vec<LoggedEvent>) -> Result<(), End> {
        let events = coalesced(events);
        let cells = self.cells_of(&events).await?;
        for LoggedEvent { seq, at, event } in events {
            let stamp = EventStamp { timestamp: at.into(), seq };
            let cell = |id: &CellId| cells.get(id).cloned().map(Box::new);
            let message = match event {
                NotebookEvent::CellCreated { cell_id } => cell(&cell_id).map(|cell| Message::CellCreated { cell, stamp }),
                NotebookEvent::CellUpdated { cell_id } => cell(&cell_id).map(|cell| Message::CellUpdated { cell, stamp }),
                NotebookEvent::CellExecuted { cell_id } => cell(&cell_id).map(|cell| Message::CellExecuted { cell, stamp }),
                NotebookEvent::CellDeleted { cell_id } => Some(Message::CellDeleted { cell_id, stamp }),
                NotebookEvent::CellExecuting { cell_id } => Some(Message::CellExecuting { cell_id, stamp }),
                NotebookEvent::CellUnlocked { cell_id } => Some(Message::CellUnlocked { cell_id, stamp }),
                NotebookEvent::CellLocked { cell_id, locked_by } => Some(Message::CellLocked { cell_id, locked_by, stamp }),
                NotebookEvent::CellOutput { cell_id, output } => Some(Message::CellOutput { cell_id, output, stamp }),
                NotebookEvent::CellsReset => Some(self.cells_reset(stamp).await?),
                NotebookEvent::KernelStopped => Some(Message::KernelStopped { notebook_id: self.notebook, stamp }),
            };
            // A cell that is gone by now is named by a later event.
            if let Some(message) = message {
                self.send(&message).await?;
            }
            self.cursor = seq;
        }
        Ok(())
    }

    async fn cells_of(&self, events: &[LoggedEvent]) -> Result<HashMap<CellId, CellView>, End> {
        let ids: HashSet<CellId> = events.iter().filter_map(|logged| whole_cell(&logged.event)).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<CellId> = ids.into_iter().collect();
        loop {
            match self.state.notebooks.find_cells(&self.caller, self.notebook, &ids, self.state.clock.now()).await {
                Ok(cells) => return Ok(cells.into_iter().map(|cell| (cell.id, cell.into())).collect()),
                Err(StoreError::NotFound) => return Err(End::Gone),
                Err(error) => {
                    tracing::warn!(error.cause = chain(&error), "cells could not be read; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn send(&mut self, message: &Message) -> Result<(), End> {
        send(&mut self.session, message).await
    }
}

/// The cell that an event is sent with.
fn whole_cell(event: &NotebookEvent) -> Option<CellId> {
    match event {
        NotebookEvent::CellCreated { cell_id }
        | NotebookEvent::CellUpdated { cell_id }
        | NotebookEvent::CellExecuted { cell_id } => Some(*cell_id),
        _ => None,
    }
}

/// Joins what a watcher that is behind need not get piece by piece: text of one cell, and updates of one cell, of which
/// the last one says all.
fn coalesced(events: Vec<LoggedEvent>) -> Vec<LoggedEvent> {
    let mut last_whole = HashMap::new();
    for logged in &events {
        if let NotebookEvent::CellUpdated { cell_id } = logged.event {
            last_whole.insert(cell_id, logged.seq);
        }
    }
    let mut kept: Vec<LoggedEvent> = Vec::with_capacity(events.len());
    for logged in events {
        if matches!(&logged.event, NotebookEvent::CellUpdated { cell_id } if last_whole.get(cell_id) != Some(&logged.seq)) {
            continue;
        }
        match (kept.last_mut(), &logged.event) {
            (
                Some(LoggedEvent { seq, event: NotebookEvent::CellOutput { cell_id: of, output: before }, .. }),
                NotebookEvent::CellOutput { cell_id, output },
            ) if of == cell_id && is_text(before) && is_text(output) && before.content.len() < JOINED_BYTES_MAX => {
                before.content.push_str(&output.content);
                *seq = logged.seq;
            }
            _ => kept.push(logged),
        }
    }
    kept
}

fn is_text(output: &gristmill_domain::execution::RichOutput) -> bool {
    output.kind == gristmill_domain::execution::OutputKind::Text && output.data.is_none()
}

/// Sends a message; waits while the client does not read.
async fn send(session: &mut Session, message: &Message) -> Result<(), End> {
    let Ok(text) = serde_json::to_string(message) else { return Ok(()) };
    session.text(text).await.map_err(|_closed| End::Closed)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use gristmill_domain::execution::{OutputKind, RichOutput};

    use super::*;

    #[test]
    fn text_of_one_cell_is_joined_and_the_last_update_says_all() {
        let (a, b) = (CellId::random(), CellId::random());
        let text =
            |cell_id, content: &str| NotebookEvent::CellOutput { cell_id, output: RichOutput::new(OutputKind::Text, content) };
        let error = NotebookEvent::CellOutput { cell_id: a, output: RichOutput::new(OutputKind::Error, "e") };
        let events = [
            NotebookEvent::CellUpdated { cell_id: a },
            text(a, "1"),
            text(a, "2"),
            text(b, "3"),
            error.clone(),
            NotebookEvent::CellUpdated { cell_id: a },
        ];
        let logged = (1..).zip(events).map(|(seq, event)| LoggedEvent { seq, at: DateTime::UNIX_EPOCH, event }).collect();
        let kept = coalesced(logged);
        let kept: Vec<_> = kept.into_iter().map(|logged| (logged.seq, logged.event)).collect();
        let expected = [(3, text(a, "12")), (4, text(b, "3")), (5, error), (6, NotebookEvent::CellUpdated { cell_id: a })];
        assert_eq!(kept, expected);
    }
}
