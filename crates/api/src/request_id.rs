//! The id of the request that the current task serves, for error bodies and logs.

use std::future::Future;

tokio::task_local! {
    static CURRENT: String;
}

/// Longest id that is taken over from a client.
const BYTES_MAX: usize = 128;

/// Runs `work` as part of the request `id`.
pub async fn scope<F: Future>(id: String, work: F) -> F::Output {
    CURRENT.scope(id, work).await
}

/// The id of the request being served, when there is one.
#[must_use]
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// The id to use for a request: what the client sent, when it is printable and not too long, else a new one.
#[must_use]
pub fn choose(sent: Option<&str>) -> String {
    let usable = |id: &&str| !id.is_empty() && id.len() <= BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
    sent.map(str::trim).filter(usable).map_or_else(|| uuid::Uuid::new_v4().to_string(), ToOwned::to_owned)
}
