//! Taking packages out of a layer. Needs no sandbox: nothing of a package runs.

use std::{collections::BTreeSet, io, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Layer, PackageNames};
use crate::InstallOutcome;

const LOCK_POLL: Duration = Duration::from_millis(100);
/// How long an installation may hold the layer.
const LOCK_PATIENCE: Duration = Duration::from_mins(10);

/// Takes packages out of a layer, after whoever changes it now. What they depend on stays. A `call` that is repeated is told
/// again what it took out.
///
/// # Cancel safety
/// The layer is then as it was, or complete.
pub(crate) async fn uninstall(layer: &Layer, names: &PackageNames, call: &str) -> InstallOutcome {
    let wanted = names.normalized();
    match remove(layer, wanted.clone(), call.to_owned()).await {
        Ok(gone) if gone.is_empty() => failed(format!("Not among the packages that this project installed: {}", listed(&wanted))),
        Ok(gone) => {
            let missing: BTreeSet<String> = wanted.difference(&gone).cloned().collect();
            let mut message = format!("Uninstalled {}. A kernel that has imported it keeps it until it restarts.", listed(&gone));
            if !missing.is_empty() {
                message.push_str(&format!(" Not installed by this project: {}.", listed(&missing)));
            }
            InstallOutcome { success: true, message }
        }
        Err(error) => {
            tracing::warn!(error = %error, "packages could not be uninstalled");
            failed("The packages could not be uninstalled; try again".to_owned())
        }
    }
}

async fn remove(layer: &Layer, names: BTreeSet<String>, call: String) -> io::Result<BTreeSet<String>> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    let lock = loop {
        if let Some(lock) = layer.try_lock()? {
            break lock;
        }
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        sleep(LOCK_POLL).await;
    };
    let layer = layer.clone();
    // The lock goes along: a caller who leaves now does not cut the change in half.
    let removing = tokio::task::spawn_blocking(move || {
        let gone = layer.remove(&names, &call);
        drop(lock);
        gone
    });
    removing.await.map_err(io::Error::other)?
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<&str>>().join(", ")
}

fn failed(message: String) -> InstallOutcome {
    InstallOutcome { success: false, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_what_went_and_what_was_never_there() {
        let directory = tempfile::tempdir().unwrap();
        let layer = Layer::open(directory.path().join("packages")).unwrap();
        let staging = layer.staging().unwrap();
        std::fs::create_dir(staging.path().join("six-1.dist-info")).unwrap();
        layer.merge(staging.path()).unwrap();
        let ask = async |text: &str, call: &str| uninstall(&layer, &PackageNames::parse(text).unwrap(), call).await;
        let none = ask("humanize", "1").await;
        assert!(!none.success && none.message.contains("humanize"), "{none:?}");
        let one = ask("Six==1 humanize", "2").await;
        assert!(one.success && one.message.contains("Uninstalled six.") && one.message.contains("humanize"), "{one:?}");
        assert_eq!(ask("Six==1 humanize", "2").await, one, "a repeated call");
        assert!(!ask("six", "3").await.success);
        assert!(!ask("humanize", "1").await.success, "a repeated call that took nothing out");
    }
}
