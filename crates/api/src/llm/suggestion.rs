//! Cells that the language model writes (contract 3, section 7.8).

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix_web::web;
use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use gristmill_api_types::cells::{InsightContext, SuggestionLine};
use gristmill_domain::{Caller, ProjectId, notebooks::CELL_CHARS_MAX};
use gristmill_llm::{Event, LlmError, Message, Provider, Request, Spender};
use gristmill_persistence::repo::notebooks::RunLease;
use tokio::{sync::mpsc, time::Instant};

use crate::state::AppState;

const PROMPT: &str = include_str!("prompts/cell_suggestion.md");
/// Contract 3, section 7.8.
const OUTPUT_TOKENS_MAX: u32 = 2048;
const TEMPERATURE: f32 = 0.3;
/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A cell whose server died is free after this; longer than it may take.
pub const SUGGESTION_LEASE: Duration = Duration::from_secs(90);
/// Lines that may wait for a client that reads slowly; then the model waits.
const WAITING_LINES: usize = 64;

/// What is asked for code, for which cell.
#[derive(Debug)]
pub struct Suggestion {
    /// Who asks.
    pub caller: Caller,
    /// The notebook's project.
    pub project: ProjectId,
    /// The right to write the cell.
    pub lease: RunLease,
    /// Who writes it.
    pub model: String,
    /// What the code is for.
    pub context: InsightContext,
}

/// Has the cell written by a task of the server, and hands on its lines. A client that goes away stops the writing; the
/// cell keeps what there was, and is free in any case.
pub fn suggestion_lines(
    state: &web::Data<AppState>,
    provider: Arc<dyn Provider>,
    suggestion: Suggestion,
) -> BoxStream<'static, Result<Bytes, Infallible>> {
    let (sender, receiver) = mpsc::channel(WAITING_LINES);
    let shared = state.clone();
    state.tasks.spawn("cell suggestion", async move {
        let lease = suggestion.lease;
        drop(sender.send(SuggestionLine::CellCreated { cell_id: lease.cell }).await);
        let mut written = String::new();
        let told = write(&*provider, &suggestion, &mut written, &sender).await;
        let code: String = code_of(&written).chars().filter(|c| *c != '\0').take(CELL_CHARS_MAX).collect();
        let stored = shared.notebooks.finish_suggestion(&lease, &code, shared.clock.now()).await;
        let last = match (told, stored) {
            (Ok(()), Ok(_)) => SuggestionLine::Done,
            (Err(error), _) => {
                tracing::warn!(error.cause = crate::error::chain(&error), "a suggestion was not written");
                SuggestionLine::Error { message: error.public_message() }
            }
            (Ok(()), Err(error)) => {
                tracing::warn!(error.cause = crate::error::chain(&error), "a suggestion could not be stored");
                SuggestionLine::Error { message: "The suggestion could not be stored; ask for it again".into() }
            }
        };
        drop(sender.send(last).await);
    });
    let lines = stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    lines.filter_map(|line| async move { Some(Ok(Bytes::from(format!("{}\n", serde_json::to_string(&line).ok()?)))) }).boxed()
}

/// Hands on the code as it comes, as long as somebody reads it.
async fn write(
    provider: &dyn Provider,
    suggestion: &Suggestion,
    written: &mut String,
    sender: &mpsc::Sender<SuggestionLine>,
) -> Result<(), LlmError> {
    let context = serde_json::to_string(&suggestion.context).unwrap_or_default();
    let request = Request::new(vec![Message::system(PROMPT), Message::user(context)])
        .with_model(&suggestion.model)
        .with_output_tokens_max(OUTPUT_TOKENS_MAX)
        .with_temperature(TEMPERATURE)
        .with_deadline(Instant::now() + TIMEOUT)
        .with_spender(Spender { user: suggestion.caller.user_id, project: Some(suggestion.project) });
    let writing = async {
        let mut events = provider.stream(&request).await?;
        while let Some(event) = events.next().await {
            if let Event::Text(content) = event? {
                written.push_str(&content);
                drop(sender.send(SuggestionLine::Token { content }).await);
            }
        }
        Ok(())
    };
    tokio::select! {
        biased;
        // Dropping the stream closes the connection to the provider.
        () = sender.closed() => Err(LlmError::Cancelled),
        ended = writing => ended,
    }
}

/// The code in what a model wrote: of a fenced block what is in it.
fn code_of(text: &str) -> &str {
    let inner = text.split_once("```").and_then(|(_, after)| {
        let (first, body) = after.split_once('\n')?;
        // What follows the fence on its line names the language.
        let names = first.trim().chars().all(|c| c.is_ascii_alphanumeric());
        names.then(|| body.split_once("```").map_or(body, |(code, _)| code))
    });
    inner.unwrap_or(text).trim_matches(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_found() {
        for (text, code) in [
            ("df.head()", "df.head()"),
            ("```python\ndf.head()\n```", "df.head()"),
            ("Sure:\n```\nx = 1\nprint(x)\n```\nDone.", "x = 1\nprint(x)"),
            ("```python\ncut off", "cut off"),
            ("\n  x = '''```'''\n", "  x = '''```'''"),
            ("", ""),
        ] {
            assert_eq!(code_of(text), code, "{text:?}");
        }
    }
}
