//! The driver: performs the steps in order, one method each.

use std::{collections::BTreeSet, sync::Arc};

use gristmill_domain::{
    markdown,
    nl::{NlBlockKind, NlBlockStatus, NlPhase, NlResult},
};
use gristmill_llm::{LlmError, Message, Request, Spender};
use gristmill_sql_safety::SqlRefusal;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    NlEngine, NlQuestion,
    answers::{Plan, SqlAnswer, plan_schema, sql_schema},
    check::{Checked, check},
    context::{self, SchemaContext},
    narrator::{Block, ModelCall, Narrator},
    outcome::{self, Draft, Ran},
};
use crate::{
    error::NlError,
    ports::{Executed, ProjectSchema, Snippet, SqlFailure},
    prompts::{self, Marks, cut, fill, line},
};

const PLAN_TOKENS_MAX: u32 = 1200;
const SQL_TOKENS_MAX: u32 = 4096;
const COMPACT_TOKENS_MAX: u32 = 1024;
const REPAIR_TOKENS_MAX: u32 = 2048;
/// Longest passage of a document in a prompt, characters.
const SNIPPET_CHARS_MAX: usize = 700;
/// Longest statement that is shown to a model again, characters.
const STATEMENT_CHARS_MAX: usize = 8000;

/// What all prompts of one question share.
struct Material {
    marks: Marks,
    system: String,
    question: String,
    tables: String,
    documents: String,
}

/// One question on its way.
pub(super) struct Run<'r, 'n> {
    pub(super) engine: &'r NlEngine,
    pub(super) question: &'r NlQuestion,
    pub(super) cancel: &'r CancellationToken,
    pub(super) narrator: &'r mut Narrator<'n>,
}

impl Run<'_, '_> {
    pub(super) async fn stages(mut self) -> Result<NlResult, NlError> {
        let schema = self.engine.schema.schema(&self.question.caller, self.question.project).await?;
        if schema.tables.iter().all(|table| table.columns.is_empty()) {
            return Err(NlError::NoDatasets);
        }
        let (context, material) = self.schema_context(&schema).await?;
        let plan = self.planning(&material).await?;
        let drafts = self.sql_generation(&schema, &context, &plan, &material).await?;
        let candidates = self.validation(drafts).await?;
        let (draft, ran) = self.execution(candidates).await?;
        let (draft, ran) = match &ran {
            Ran::Failed(failure) if failure.is_of_the_statement() => {
                Box::pin(self.repair(&schema, draft, ran, &material)).await?
            }
            _ => (draft, ran),
        };
        let facts = outcome::Facts { engine: self.engine, context: &context, plan: &plan };
        Ok(outcome::result(&facts, draft, ran))
    }

    fn alive(&self) -> Result<(), NlError> {
        if self.cancel.is_cancelled() { Err(NlError::Cancelled) } else { Ok(()) }
    }

    async fn schema_context(&mut self, schema: &ProjectSchema) -> Result<(SchemaContext, Material), NlError> {
        const PHASE: NlPhase = NlPhase::SchemaContext;
        self.narrator.start(PHASE, "Looking for the tables and columns that the question is about").await?;
        let snippets_max = self.engine.options.snippets_max;
        let (context, snippets) = self.gather(schema).await?;
        self.alive()?;
        let summary = format!("{} of {} tables, {} columns", context.tables.len(), schema.tables.len(), context.columns_shown());
        let details = json!({
            "tables": context.tables.iter().map(|table| &table.name).collect::<Vec<_>>(),
            "tablesLeftOut": context.tables_left_out,
            "joinCandidates": context.joins.len(),
            "documentPassages": snippets.len(),
        });
        self.narrator.complete_with(PHASE, summary, details).await?;
        let status = outcome::context_markdown(&context);
        self.say(PHASE, NlBlockKind::Status, "Tables in view", &status, 1).await?;
        let marks = Marks::random();
        let documents: Vec<String> = snippets
            .iter()
            .take(snippets_max)
            .map(|snippet| {
                marks.block("document", &format!("{}\n{}", line(&snippet.filename, 80), cut(&snippet.text, SNIPPET_CHARS_MAX)))
            })
            .collect();
        let material = Material {
            system: fill(prompts::SYSTEM, &[("mark", marks.mark()), ("dialect", &prompts::dialect_notes())]),
            question: marks.block("question", &self.question.text),
            tables: marks.block("tables", &context.text),
            documents: documents.join("\n"),
            marks,
        };
        Ok((context, material))
    }

    /// Chooses tables, columns and joins, and finds passages of documents.
    async fn gather(&self, schema: &ProjectSchema) -> Result<(SchemaContext, Vec<Snippet>), NlError> {
        let broken = |error: tokio::task::JoinError| NlError::Internal(error.to_string());
        let (text, hint, limits) = (self.question.text.clone(), self.question.table.clone(), self.engine.options.context);
        let tables = Arc::new(schema.clone());
        let known = Arc::clone(&tables);
        // Some ten thousand columns take longer than other requests should wait for.
        let chosen = tokio::task::spawn_blocking(move || context::choose(&text, hint.as_deref(), &known, &limits));
        let chosen = chosen.await.map_err(broken)?;
        let ids = chosen.ids(schema);
        let (caller, project) = (&self.question.caller, self.question.project);
        let snippets_max = self.engine.options.snippets_max;
        let reading = async {
            let sketches = self.engine.schema.sketches(caller, project, &ids).await?;
            let found = self.engine.snippets.snippets(caller, project, &self.question.text, snippets_max).await;
            Ok::<_, NlError>((sketches, found))
        };
        let (sketches, found) = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(NlError::Cancelled),
            read = reading => read?,
        };
        let snippets = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "answering without documents");
            Vec::new()
        });
        let joined = tokio::task::spawn_blocking(move || chosen.with_joins(&tables, &sketches));
        Ok((joined.await.map_err(broken)?, snippets))
    }

    async fn planning(&mut self, material: &Material) -> Result<Plan, NlError> {
        const PHASE: NlPhase = NlPhase::Planning;
        self.alive()?;
        self.narrator.start(PHASE, "Planning the query").await?;
        let prompt = material.fill(prompts::PLAN, &[]);
        let request = self.request(material, vec![prompt], PLAN_TOKENS_MAX);
        let plan: Plan = self.ask(request, plan_schema(), PHASE, 1).await?;
        self.say(PHASE, NlBlockKind::Plan, "Plan", &outcome::plan_markdown(&plan), 1).await?;
        if !plan.answerable {
            let missing = if plan.missing.is_empty() { plan.intent_summary } else { plan.missing.join("; ") };
            let missing = if missing.is_empty() { "the model did not say what".to_owned() } else { missing };
            return Err(NlError::NoSuchData { missing });
        }
        let tables = plan.selected_tables.len();
        self.narrator.complete(PHASE, format!("The plan reads {tables} table{}", if tables == 1 { "" } else { "s" })).await?;
        Ok(plan)
    }

    async fn sql_generation(
        &mut self,
        schema: &ProjectSchema,
        context: &SchemaContext,
        plan: &Plan,
        material: &Material,
    ) -> Result<Vec<Draft>, NlError> {
        const PHASE: NlPhase = NlPhase::SqlGeneration;
        self.alive()?;
        self.narrator.start(PHASE, "Writing the SQL").await?;
        self.narrator.progress(PHASE, "The model writes the SQL").await?;
        let planned = material.marks.block("plan", &outcome::plan_text(plan));
        let prompt = material.fill(prompts::SQL, &[("plan", &planned)]);
        let request = self.request(material, vec![prompt.clone()], SQL_TOKENS_MAX);
        let first = self.ask::<SqlAnswer>(request, sql_schema("nl_sql"), PHASE, 1).await;
        let problem = match first {
            Ok(answer) => {
                let checked = check(&answer.sql, schema);
                self.say_sql(PHASE, &answer, checked.as_ref().err(), 1).await?;
                match checked {
                    Ok(checked) => {
                        let mut drafts = vec![Draft { answer, checked, compact: false, repaired: false }];
                        self.more_candidates(schema, context, plan, material, &prompt, &mut drafts).await?;
                        self.narrator.complete(PHASE, outcome::count(drafts.len(), "statement")).await?;
                        return Ok(drafts);
                    }
                    Err(refusal) => refusal_words(&refusal),
                }
            }
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => error.public_message(),
        };
        self.narrator.fail(PHASE, problem.clone()).await?;
        self.narrator.resume(PHASE);
        self.alive()?;
        self.narrator.progress(PHASE, "Trying again in a compact form").await?;
        let problem = line(&problem, 400);
        let prompt = material.fill(prompts::COMPACT, &[("problem", &material.marks.block("problem", &problem))]);
        let request = self.request(material, vec![prompt], COMPACT_TOKENS_MAX);
        let answer: SqlAnswer = self.ask(request, sql_schema("nl_sql_compact"), PHASE, 2).await?;
        let checked = check(&answer.sql, schema);
        self.say_sql(PHASE, &answer, checked.as_ref().err(), 2).await?;
        self.narrator.complete(PHASE, "The compact form gave a statement").await?;
        match checked {
            Ok(checked) => Ok(vec![Draft { answer, checked, compact: true, repaired: false }]),
            Err(refusal) => self.refuse(&answer, refusal).await,
        }
    }

    /// Writes further statements while the first is not sure enough. That these fail does not matter.
    async fn more_candidates(
        &mut self,
        schema: &ProjectSchema,
        context: &SchemaContext,
        plan: &Plan,
        material: &Material,
        prompt: &str,
        drafts: &mut Vec<Draft>,
    ) -> Result<(), NlError> {
        const PHASE: NlPhase = NlPhase::SqlGeneration;
        let Some(first) = drafts.first() else { return Ok(()) };
        let facts = outcome::Facts { engine: self.engine, context, plan };
        let confidence = outcome::first_confidence(&facts, first);
        if confidence >= self.engine.options.warn_below {
            return Ok(());
        }
        for attempt in 2..=self.engine.options.candidates_max {
            self.alive()?;
            self.narrator
                .progress(PHASE, format!("The first statement is not sure ({confidence:.2}); writing another to compare"))
                .await?;
            let request = self.request(material, vec![prompt.to_owned(), prompts::ANOTHER.to_owned()], SQL_TOKENS_MAX);
            match self.ask::<SqlAnswer>(request, sql_schema("nl_sql_another"), PHASE, attempt).await {
                Ok(answer) => {
                    let checked = check(&answer.sql, schema);
                    self.say_sql(PHASE, &answer, checked.as_ref().err(), attempt).await?;
                    if let Ok(checked) = checked {
                        drafts.push(Draft { answer, checked, compact: false, repaired: false });
                    }
                }
                Err(NlError::Model(error)) => {
                    tracing::info!(%error, "no further statement to compare with");
                    return Ok(());
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// The end of a statement that is not let through.
    async fn refuse<T>(&mut self, answer: &SqlAnswer, refusal: SqlRefusal) -> Result<T, NlError> {
        const PHASE: NlPhase = NlPhase::Validation;
        self.narrator.start(PHASE, "Checking the SQL").await?;
        let markdown = outcome::refusal_markdown(answer, &refusal);
        let block = Block {
            kind: NlBlockKind::Validation,
            title: "Checks",
            markdown: &markdown,
            attempt: 1,
            status: NlBlockStatus::Failed,
        };
        self.narrator.say(PHASE, block).await?;
        Err(NlError::Refused(refusal))
    }

    async fn validation(&mut self, drafts: Vec<Draft>) -> Result<Vec<Draft>, NlError> {
        const PHASE: NlPhase = NlPhase::Validation;
        self.alive()?;
        self.narrator.start(PHASE, "Checking the SQL").await?;
        let mut distinct: Vec<Draft> = Vec::new();
        let mut texts = BTreeSet::new();
        for (draft, attempt) in drafts.into_iter().zip(1..) {
            self.say(PHASE, NlBlockKind::Validation, "Checks", &outcome::checks_markdown(&draft.checked), attempt).await?;
            // The same statement twice agrees with itself: it is kept, and the cache answers for it.
            texts.insert(draft.checked.sql.text().to_owned());
            distinct.push(draft);
        }
        self.narrator.complete(PHASE, format!("{} may run", outcome::count(texts.len(), "statement"))).await?;
        Ok(distinct)
    }

    async fn execution(&mut self, drafts: Vec<Draft>) -> Result<(Draft, Ran), NlError> {
        const PHASE: NlPhase = NlPhase::InitialExecution;
        self.alive()?;
        self.narrator.start(PHASE, "Running the SQL").await?;
        let mut results = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let result = self.run(&draft.checked).await?;
            results.push((draft, result));
        }
        // To compare rows is to read all of them.
        let chosen = tokio::task::spawn_blocking(move || outcome::vote(results)).await;
        let chosen = chosen.map_err(|error| NlError::Internal(error.to_string()))?;
        let (draft, ran) = chosen.ok_or_else(|| NlError::Internal("no statement was left to run".to_owned()))?;
        match &ran {
            Ran::Done { executed, agreement } => self.narrator.complete(PHASE, outcome::rows_words(executed, *agreement)).await?,
            Ran::Failed(failure) => self.narrator.fail(PHASE, failure.message.clone()).await?,
        }
        Ok((draft, ran))
    }

    async fn repair(
        &mut self,
        schema: &ProjectSchema,
        draft: Draft,
        ran: Ran,
        material: &Material,
    ) -> Result<(Draft, Ran), NlError> {
        const PHASE: NlPhase = NlPhase::Repair;
        let Ran::Failed(failure) = &ran else { return Ok((draft, ran)) };
        self.alive()?;
        self.narrator.start(PHASE, "Mending the SQL").await?;
        let status = markdown::plain(&outcome::failure_words(failure));
        self.say(PHASE, NlBlockKind::Status, "What went wrong", &status, 1).await?;
        let statement = material.marks.block("statement", &cut(draft.checked.sql.text(), STATEMENT_CHARS_MAX));
        let error = material.marks.block("error", &outcome::failure_words(failure));
        let prompt = material.fill(prompts::REPAIR, &[("statement", &statement), ("error", &error)]);
        let request = self.request(material, vec![prompt], REPAIR_TOKENS_MAX);
        let answer = match self.ask::<SqlAnswer>(request, sql_schema("nl_repair"), PHASE, 1).await {
            Ok(answer) => answer,
            Err(NlError::Model(error)) => {
                self.narrator.fail(PHASE, error.public_message()).await?;
                return Ok((draft, ran));
            }
            Err(other) => return Err(other),
        };
        let checked = match check(&answer.sql, schema) {
            Ok(checked) => checked,
            Err(refusal) => {
                self.say_sql(PHASE, &answer, Some(&refusal), 1).await?;
                self.narrator.fail(PHASE, format!("The mended SQL cannot be run: {}", refusal.message())).await?;
                return Ok((draft, ran));
            }
        };
        self.say_sql(PHASE, &answer, None, 1).await?;
        self.say(PHASE, NlBlockKind::Repair, "What was changed", &outcome::repair_markdown(&answer, &checked), 1).await?;
        self.narrator.complete(PHASE, "The statement was mended").await?;
        let mended = Draft { answer, checked, compact: draft.compact, repaired: true };
        self.rerun(mended).await
    }

    async fn rerun(&mut self, mended: Draft) -> Result<(Draft, Ran), NlError> {
        const PHASE: NlPhase = NlPhase::InitialExecution;
        self.alive()?;
        self.narrator.resume(PHASE);
        self.narrator.progress(PHASE, "Running the mended SQL").await?;
        match self.run(&mended.checked).await? {
            Ok(executed) => {
                self.narrator.complete(PHASE, outcome::rows_words(&executed, None)).await?;
                Ok((mended, Ran::Done { executed, agreement: None }))
            }
            Err(failure) => {
                self.narrator.fail(PHASE, failure.message.clone()).await?;
                Ok((mended, Ran::Failed(failure)))
            }
        }
    }

    async fn run(&self, checked: &Checked) -> Result<Result<Executed, SqlFailure>, NlError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(NlError::Cancelled),
            result = self.engine.sql.run(&self.question.caller, self.question.project, &checked.sql) => Ok(result),
        }
    }

    fn request(&self, material: &Material, prompts: Vec<String>, tokens_max: u32) -> Request {
        let mut messages = vec![Message::system(material.system.clone())];
        messages.extend(prompts.into_iter().map(Message::user));
        let request = Request::new(messages)
            .with_output_tokens_max(tokens_max)
            .with_effort(gristmill_llm::Effort::Low)
            .with_cancel(self.cancel.child_token())
            .with_deadline(Instant::now() + self.engine.options.timeout)
            .with_spender(Spender { user: self.question.caller.user_id, project: Some(self.question.project) });
        match &self.engine.options.model {
            Some(model) => request.with_model(model),
            None => request,
        }
    }

    async fn ask<T: serde::de::DeserializeOwned + Send>(
        &self,
        request: Request,
        schema: gristmill_llm::OutputSchema,
        phase: NlPhase,
        attempt: u32,
    ) -> Result<T, NlError> {
        let provider = self.engine.provider.as_ref();
        self.narrator.ask(ModelCall { provider, request, schema, phase, attempt, cancel: self.cancel }).await
    }

    async fn say(&self, phase: NlPhase, kind: NlBlockKind, title: &str, markdown: &str, attempt: u32) -> Result<(), NlError> {
        let block = Block { kind, title, markdown, attempt, status: NlBlockStatus::Completed };
        Ok(self.narrator.say(phase, block).await?)
    }

    /// Shows a statement, failed when the gate refuses it.
    async fn say_sql(
        &self,
        phase: NlPhase,
        answer: &SqlAnswer,
        refusal: Option<&SqlRefusal>,
        attempt: u32,
    ) -> Result<(), NlError> {
        let (kind, title) =
            if phase == NlPhase::Repair { (NlBlockKind::Repair, "Mended SQL") } else { (NlBlockKind::Sql, "SQL") };
        let markdown = outcome::sql_markdown(answer, refusal);
        let status = if refusal.is_some() { NlBlockStatus::Failed } else { NlBlockStatus::Completed };
        Ok(self.narrator.say(phase, Block { kind, title, markdown: &markdown, attempt, status }).await?)
    }
}

impl Material {
    fn fill(&self, template: &str, more: &[(&str, &str)]) -> String {
        let mut values = vec![("question", self.question.as_str()), ("tables", &self.tables), ("documents", &self.documents)];
        values.extend(more);
        fill(template, &values)
    }
}

/// Failures after which another question to the model is pointless.
fn is_final(error: &NlError) -> bool {
    match error {
        NlError::Model(error) => matches!(
            error,
            LlmError::Authentication { .. } | LlmError::BudgetExhausted { .. } | LlmError::Busy { .. } | LlmError::Cancelled
        ),
        _ => true,
    }
}

fn refusal_words(refusal: &SqlRefusal) -> String {
    match refusal.position() {
        Some(at) => format!("{} (line {}, column {})", refusal.message(), at.line, at.column),
        None => refusal.message(),
    }
}
