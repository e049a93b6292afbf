//! The event logs: order, positions, repetition.

use anyhow::{Context, Result, bail, ensure};
use gristmill_domain::{
    jobs::{JobProgress, NewJobEvent, STRETCH_BYTES_MAX},
    ports::{EventBatch, StoreError},
};
use serde_json::json;

use super::{JobStoreEnvironment, LEASE, append, log, log_types, request, start};

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn appends_in_order_and_updates_progress(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let claimed = start(environment, &owner).await?;
    let progress = JobProgress { fraction: Some(0.5), message: Some("half".to_owned()) };
    let events = (0..100).map(|number| NewJobEvent::new(format!("type_{number}"), json!({ "number": number }))).collect();
    let batch = EventBatch { after: claimed.last_seq, events, progress: Some(progress.clone()) };
    let appended = store.append(claimed.lease, &batch).await?;
    ensure!(appended.last_seq == 102 && !appended.cancel_requested);
    ensure!(store.find(&owner, claimed.job.id).await?.progress == progress);
    ensure!(append(environment, claimed.lease, 102, "more", 1).await? == 103);
    ensure!(store.find(&owner, claimed.job.id).await?.progress == progress, "kept when none is given");
    let unchanged = EventBatch { after: 103, events: Vec::new(), progress: None };
    ensure!(store.append(claimed.lease, &unchanged).await?.last_seq == 103, "an empty batch is no event");
    let events = log(environment, &claimed.job, &owner).await?;
    for (event, number) in events.iter().skip(2).take(100).zip(0..) {
        ensure!(event.event_type == format!("type_{number}") && event.data.get("number") == Some(&json!(number)), "{event:?}");
    }
    ensure!(events.len() == 103);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn appends_a_repeated_batch_once(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let claimed = start(environment, &owner).await?;
    for _ in 0..3 {
        ensure!(append(environment, claimed.lease, claimed.last_seq, "once", 2).await? == 4);
    }
    ensure!(append(environment, claimed.lease, 4, "then", 1).await? == 5);
    let types = log_types(environment, &claimed.job, &owner).await?;
    ensure!(types == ["job_queued", "job_started", "once", "once", "then"], "{types:?}");
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn refuses_a_batch_for_another_position(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let claimed = start(environment, &owner).await?;
    append(environment, claimed.lease, claimed.last_seq, "there", 3).await?;
    for after in [-1, 0, 1, 3, 6, i64::MAX] {
        let refused = append(environment, claimed.lease, after, "astray", 1).await;
        ensure!(matches!(refused, Err(StoreError::Conflict(_))), "after {after}: {refused:?}");
    }
    ensure!(log(environment, &claimed.job, &owner).await?.len() == 5);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn reads_a_log_in_stretches(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let claimed = start(environment, &owner).await?;
    append(environment, claimed.lease, claimed.last_seq, "more", 8).await?;
    let seqs = async |after, limit| {
        let events = store.events(&owner, claimed.job.id, after, limit).await?;
        anyhow::Ok(events.iter().map(|event| event.seq).collect::<Vec<_>>())
    };
    ensure!(seqs(0, 3).await? == [1, 2, 3]);
    ensure!(seqs(3, 4).await? == [4, 5, 6, 7]);
    ensure!(seqs(7, 100).await? == [8, 9, 10]);
    ensure!(seqs(-5, 1).await? == [1]);
    for (after, limit) in [(10, 100), (11, 1), (i64::MAX, 1), (0, 0)] {
        ensure!(seqs(after, limit).await? == Vec::<i64>::new(), "after {after}");
    }
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn reads_less_at_once_where_events_are_long(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let claimed = start(environment, &owner).await?;
    // The third one is longer than a stretch by itself.
    let sizes = [STRETCH_BYTES_MAX / 2, STRETCH_BYTES_MAX / 2, 2 * STRETCH_BYTES_MAX, 10, 10];
    let events = sizes.iter().map(|size| NewJobEvent::new("long", json!({ "text": "x".repeat(*size) }))).collect();
    store.append(claimed.lease, &EventBatch { after: claimed.last_seq, events, progress: None }).await?;
    let (mut after, mut stretches) = (claimed.last_seq, Vec::new());
    loop {
        let events = store.events(&owner, claimed.job.id, after, 100).await?;
        let Some(last) = events.last() else { break };
        after = last.seq;
        stretches.push(events.iter().map(|event| event.seq).collect::<Vec<_>>());
    }
    ensure!(stretches == [vec![3, 4], vec![5], vec![6, 7]], "{stretches:?}");
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn stays_gapless_when_two_workers_write_at_once(environment: &dyn JobStoreEnvironment) -> Result<()> {
    const BATCHES: usize = 50;
    let owner = environment.caller().await?;
    let store = environment.store();
    let zombie = start(environment, &owner).await?;
    let writes_on = async {
        let mut after = zombie.last_seq;
        loop {
            match append(environment, zombie.lease, after, "of_zombie", 2).await {
                Ok(seq) => after = seq,
                Err(StoreError::LeaseLost) => return Ok(after),
                Err(error) => bail!("{error:?}"),
            }
            tokio::task::yield_now().await;
        }
    };
    let takes_over = async {
        while store.events(&owner, zombie.job.id, 0, 100).await?.len() < 10 {
            tokio::task::yield_now().await;
        }
        environment.pass(LEASE * 2).await?;
        let successor = loop {
            // A store may pass over a job that the zombie is writing to at this very moment.
            if let Some(claimed) = store.claim(request()).await? {
                break claimed;
            }
            tokio::task::yield_now().await;
        };
        let mut after = successor.last_seq;
        for _ in 0..BATCHES {
            after = append(environment, successor.lease, after, "of_successor", 3).await?;
        }
        anyhow::Ok((successor, after))
    };
    let (zombies_last, taken_over) = tokio::join!(writes_on, takes_over);
    let (zombies_last, (successor, last)) = (zombies_last?, taken_over?);
    let types = log_types(environment, &zombie.job, &owner).await?;
    ensure!(i64::try_from(types.len())? == last);
    let border = types.iter().position(|kind| kind == "job_retried").context("it was taken over")?;
    ensure!(i64::try_from(border)? == zombies_last, "what was acknowledged is there, and nothing else");
    ensure!(successor.last_seq == zombies_last + 2);
    ensure!(!types.iter().skip(border).any(|kind| kind == "of_zombie"), "nothing of the zombie's after the border");
    ensure!(types.iter().filter(|kind| *kind == "of_successor").count() == BATCHES * 3);
    Ok(())
}
