//! Policies around a scripted provider.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use futures_util::StreamExt;
use gristmill_domain::{Clock, ProjectId, UserId, ports::StoreError};
use gristmill_llm::{
    Effort, EmbedRequest, Event, FailureCode, LlmError, Message, Provider, Request, Spender, TimeoutStage, Usage,
    catalog::{Catalog, ModelEntry},
    layers::{Catalogued, Limited, Limits, MemoryUsage, RetryPolicy, Retrying, UsageEntry, UsageStore, UsageTotals},
    scripted::Scripted,
};
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn script(turns: &Value) -> Scripted {
    Scripted::from_value(&json!({ "turns": turns })).unwrap()
}

fn question() -> Request {
    Request::new(vec![Message::user("x")])
}

fn down(times: u32) -> Value {
    json!({ "times": times, "reply": { "error": { "kind": "unavailable" } } })
}

fn retrying(model: &Scripted) -> Retrying {
    Retrying::new(Arc::new(model.clone()), RetryPolicy::default())
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again() {
    let model = script(&json!([down(2), { "reply": { "text": "there" } }]));
    let began = Instant::now();
    assert_eq!(retrying(&model).complete(&question()).await.unwrap().text, "there");
    let waited = began.elapsed();
    assert!((Duration::from_millis(750)..=Duration::from_millis(1510)).contains(&waited), "{waited:?}");
    let model = script(&json!([down(3)]));
    assert!(matches!(retrying(&model).complete(&question()).await, Err(LlmError::Unavailable { .. })));
    assert_eq!(model.requests().len(), 3, "three attempts at most");
    let model = script(&json!([{ "reply": { "error": { "kind": "authentication" } } }, { "reply": {} }]));
    assert!(matches!(retrying(&model).complete(&question()).await, Err(LlmError::Authentication { .. })));
    assert_eq!(model.requests().len(), 1, "a wrong key stays wrong");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_within_reason() {
    let limited = |wait: u64| json!({ "reply": { "error": { "kind": "rate_limited", "retryAfterMs": wait } } });
    let model = script(&json!([limited(7000), { "reply": { "text": "there" } }]));
    let began = Instant::now();
    retrying(&model).complete(&question()).await.unwrap();
    assert!((7000..=7710).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    for (wait, deadline) in [(3_600_000, None), (7000, Some(Duration::from_secs(5)))] {
        let model = script(&json!([limited(wait), { "reply": {} }]));
        let mut request = question();
        request.deadline = deadline.map(|deadline| Instant::now() + deadline);
        let began = Instant::now();
        let error = retrying(&model).complete(&request).await.unwrap_err();
        assert_eq!((error.failure_code(), model.requests().len()), (FailureCode::UpstreamRateLimited, 1));
        assert!(began.elapsed().is_zero(), "it does not wait for what would come too late");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_not_repeated_once_it_was_seen() {
    let half = json!({ "reply": { "text": "half", "error": { "kind": "unavailable" } } });
    let model = script(&json!([down(1), half, { "reply": { "text": "whole" } }]));
    let events: Vec<_> = retrying(&model).stream(&question()).await.unwrap().collect().await;
    assert!(matches!(events.as_slice(), [Ok(Event::Text(_)), Err(LlmError::Unavailable { .. })]));
    let model = script(&json!([half, { "reply": { "text": "whole" } }]));
    assert_eq!(retrying(&model).complete(&question()).await.unwrap().text, "whole", "a whole answer is repeated");
    assert_eq!(retrying(&model).embed(&EmbedRequest::new(vec!["x".into()])).await.unwrap().vectors.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_when_it_is_cancelled() {
    let model = script(&json!([down(2), { "reply": {} }]));
    let cancel = CancellationToken::new();
    let request = question().with_cancel(cancel.clone());
    let provider = retrying(&model);
    let (answer, ()) = tokio::join!(provider.complete(&request), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    });
    assert!(matches!(answer, Err(LlmError::Cancelled)));
    assert_eq!(model.requests().len(), 1);
}

#[derive(Debug)]
struct Noon(Mutex<DateTime<Utc>>);

impl Clock for Noon {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// Keeps entries beside the sums.
#[derive(Debug, Default)]
struct Book {
    sums: MemoryUsage,
    entries: Mutex<Vec<UsageEntry>>,
}

#[async_trait]
impl UsageStore for Book {
    async fn totals(&self, spender: Spender, since: DateTime<Utc>) -> Result<UsageTotals, StoreError> {
        self.sums.totals(spender, since).await
    }

    fn record(&self, entry: UsageEntry) {
        self.entries.lock().unwrap().push(entry.clone());
        self.sums.record(entry);
    }
}

struct Setting {
    provider: Limited,
    book: Arc<Book>,
    clock: Arc<Noon>,
    model: Scripted,
}

fn setting(limits: Limits, turns: &Value) -> Setting {
    let model = script(turns);
    let book = Arc::new(Book::default());
    let clock = Arc::new(Noon(Mutex::new(Utc.with_ymd_and_hms(2026, 11, 26, 12, 0, 0).unwrap())));
    let catalog = r#"{"models": [{"id": "scripted", "label": "S", "kind": "base", "price": {"input": 1, "output": 2}}]}"#;
    let catalog = Arc::new(Catalog::from_json(catalog).unwrap());
    let provider = Limited::new(Arc::new(model.clone()), limits, book.clone(), catalog, clock.clone());
    Setting { provider, book, clock, model }
}

fn spender() -> Spender {
    Spender { user: UserId::random(), project: Some(ProjectId::random()) }
}

/// A turn that says so many tokens, always.
fn turn(tokens: u64) -> Value {
    json!({ "always": true, "reply": { "text": "x", "usage": { "input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens } } })
}

/// A stream that has begun and stays.
fn hanging() -> Value {
    json!([{ "always": true, "reply": { "text": "twelve bytes", "hangs": true } }])
}

#[tokio::test]
async fn a_user_and_a_project_have_so_many_places() {
    let limits = Limits { user_concurrency: 2, project_concurrency: 3, ..Limits::default() };
    let setting = setting(limits, &hanging());
    let ada = spender();
    let of = |spender: Spender| question().with_spender(spender);
    let first = setting.provider.stream(&of(ada)).await.unwrap();
    let _second = setting.provider.stream(&of(ada)).await.unwrap();
    let busy = setting.provider.stream(&of(ada)).await.err().unwrap();
    assert!(matches!(busy, LlmError::Busy { scope: "user" }) && busy.retry_after().is_some());
    let bob = Spender { user: UserId::random(), ..ada };
    let _third = setting.provider.stream(&of(bob)).await.unwrap();
    assert!(matches!(setting.provider.stream(&of(bob)).await.err().unwrap(), LlmError::Busy { scope: "project" }));
    let elsewhere = Spender { project: None, ..bob };
    let _fourth = setting.provider.stream(&of(elsewhere)).await.unwrap();
    drop(first);
    drop(setting.provider.stream(&of(ada)).await.unwrap());
    drop(setting.provider.stream(&question()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_server_has_so_many_places_and_a_queue() {
    let limits = Limits { concurrency: 1, queue_timeout: Duration::from_secs(5), ..Limits::default() };
    let setting = setting(limits, &hanging());
    let held = setting.provider.stream(&question()).await.unwrap();
    let late = setting.provider.stream(&question().with_spender(spender())).await.err().unwrap();
    assert!(matches!(late, LlmError::Timeout { stage: TimeoutStage::Queue, .. }), "{late:?}");
    assert_eq!(setting.book.entries.lock().unwrap().len(), 0, "who never asked pays nothing");
    let waiting = question();
    let (next, ()) = tokio::join!(setting.provider.stream(&waiting), async {
        tokio::task::yield_now().await;
        drop(held);
    });
    drop(next.unwrap());
}

#[tokio::test]
async fn a_budget_is_used_up_and_comes_back() {
    let limits = Limits { user_tokens_per_day: Some(10_000), ..Limits::default() };
    let setting = setting(limits, &json!([turn(4000)]));
    let ada = spender();
    let ask = async |spender: Spender| setting.provider.complete(&question().with_spender(spender)).await;
    ask(ada).await.unwrap();
    ask(ada).await.unwrap();
    let error = ask(ada).await.unwrap_err();
    let LlmError::BudgetExhausted { scope: "user", used, limit: 10_000, .. } = error else { panic!("{error:?}") };
    assert_eq!(used, 8000 + 2048, "what is asked for counts");
    assert_eq!(error.failure_code(), FailureCode::WorkflowBudgetExhausted);
    ask(spender()).await.unwrap();
    *setting.clock.0.lock().unwrap() += TimeDelta::hours(26);
    ask(ada).await.unwrap();
}

#[tokio::test]
async fn requests_at_once_cannot_exceed_a_budget() {
    let limits = Limits { project_tokens_per_day: Some(5000), ..Limits::default() };
    let setting = setting(limits, &hanging());
    let ada = spender();
    let first = setting.provider.stream(&question().with_spender(ada)).await.unwrap();
    let _second = setting.provider.stream(&question().with_spender(ada)).await.unwrap();
    let third = setting.provider.stream(&question().with_spender(ada)).await.err().unwrap();
    assert!(matches!(third, LlmError::BudgetExhausted { scope: "project", used: 6144, .. }), "{third:?}");
    drop(first);
    drop(setting.provider.stream(&question().with_spender(ada)).await.unwrap());
}

#[tokio::test]
async fn what_was_used_is_noted() {
    let setting = setting(
        Limits::default(),
        &json!([
            { "reply": { "text": "x", "usage": { "input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500 } } },
            { "reply": { "error": { "kind": "unavailable" } } },
            { "reply": { "text": "twelve bytes", "hangs": true } },
        ]),
    );
    let ada = spender();
    let request = question().with_spender(ada);
    let events: Vec<_> = setting.provider.stream(&request).await.unwrap().collect().await;
    assert_eq!(events.len(), 3);
    assert!(setting.provider.complete(&request).await.is_err());
    let mut left = setting.provider.stream(&request).await.unwrap();
    left.next().await.unwrap().unwrap();
    drop(left);
    setting.provider.embed(&EmbedRequest { spender: Some(ada), ..EmbedRequest::new(vec!["12345678".into()]) }).await.unwrap();
    let entries = setting.book.entries.lock().unwrap();
    let noted: Vec<(u64, bool, Option<u64>)> =
        entries.iter().map(|entry| (entry.usage.total_tokens, entry.estimated, entry.cost_micros)).collect();
    assert_eq!(
        noted,
        [(1500, false, Some(2000)), (3, true, Some(6)), (2, false, None)],
        "a failure costs nothing, a part of an answer is estimated"
    );
    assert!(entries.iter().all(|entry| entry.spender == Some(ada)));
    assert_eq!(setting.model.requests().len(), 3);
}

#[tokio::test]
async fn the_catalog_says_what_is_asked() {
    let model = script(&json!([{ "always": true, "reply": { "text": "x" } }]));
    let provider = Catalogued::new(Arc::new(model.clone()), Arc::new(Catalog::built_in()));
    assert_eq!(provider.info().model, "gpt-5.4");
    for (sent, effort, asked, with) in [
        (None, None, "gpt-5.4", None),
        (Some("auto"), Some(Effort::Minimal), "gpt-5.4", Some(Effort::High)),
        (Some("gpt-5-mini"), Some(Effort::Low), "gpt-5.4-mini", Some(Effort::Low)),
        (Some("unknown"), Some(Effort::Xhigh), "gpt-5.4", Some(Effort::Xhigh)),
    ] {
        let request = Request { model: sent.map(Into::into), effort, ..question() };
        provider.complete(&request).await.unwrap();
        let last = model.requests().pop().unwrap();
        assert_eq!((last.model.as_deref(), last.effort), (Some(asked), with), "{sent:?}");
    }
    let small = ModelEntry { context_window: Some(1000), ..ModelEntry::named("small") };
    let provider = Catalogued::new(Arc::new(model.clone()), Arc::new(Catalog::of(small)));
    let effortful = Request { effort: Some(Effort::High), ..question().with_output_tokens_max(500) };
    provider.complete(&effortful).await.unwrap();
    assert_eq!(model.requests().pop().unwrap().effort, None, "a model without efforts gets none");
    let long = Request::new(vec![Message::user("x".repeat(20_000))]);
    let error = provider.stream(&long).await.err().unwrap();
    assert!(matches!(&error, LlmError::Refused { status: 413, detail } if detail.contains("small")), "{error:?}");
}

#[tokio::test]
async fn sums_in_memory_are_of_whom_and_when() {
    let store = MemoryUsage::default();
    let noon = Utc.with_ymd_and_hms(2026, 11, 26, 12, 30, 0).unwrap();
    let (ada, project) = (UserId::random(), ProjectId::random());
    let entry = |user, project, at| UsageEntry {
        at,
        spender: Some(Spender { user, project }),
        model: "m".into(),
        usage: Usage::new(3, 4),
        estimated: false,
        cost_micros: None,
    };
    store.record(entry(ada, Some(project), noon - TimeDelta::hours(30)));
    store.record(entry(ada, Some(project), noon));
    store.record(entry(ada, None, noon));
    store.record(entry(UserId::random(), Some(project), noon));
    store.record(UsageEntry { spender: None, ..entry(ada, None, noon) });
    let spender = Spender { user: ada, project: Some(project) };
    let totals = async |hours| store.totals(spender, noon - TimeDelta::hours(hours)).await.unwrap();
    assert_eq!(totals(24).await, UsageTotals { user_tokens: 14, project_tokens: 14 });
    assert_eq!(totals(40).await, UsageTotals { user_tokens: 21, project_tokens: 21 });
}
