//! `gristmill doctor`: what is configured, reachable and missing, and how to mend it.

use std::{sync::Arc, time::Duration};

use gristmill_api_types::health::HealthStatus;
use gristmill_domain::{SystemClock, execution::PythonVersion};
use gristmill_jobs::Tasks;
use gristmill_llm::layers::MemoryUsage;
use gristmill_persistence::{Database, DatabaseOptions, migrations};
use gristmill_runtime::{
    Runtime,
    environment::{self, EnvironmentError},
    sandbox::BackendKind,
};

use super::{postgres, say};
use crate::{
    config::{Config, EmbeddingsSetting},
    documents::{PACKAGES, VectorSource},
    google,
    llm::LanguageModels,
    server::runtime_options,
};

/// Prints one line a finding; fails when the server could not run.
pub(super) async fn doctor(config: &Config) -> anyhow::Result<()> {
    let mut healthy = true;
    let mut report = |ok: bool, critical: bool, text: String| {
        healthy &= ok || !critical;
        let mark = match (ok, critical) {
            (true, _) => "ok      ",
            (false, true) => "MISSING ",
            (false, false) => "note    ",
        };
        say(&format!("{mark}{text}"))
    };
    let data_dir = &config.data_dir;
    match check_data_dir(data_dir) {
        Ok(free) => report(true, true, format!("data directory {} ({} GB free)", data_dir.display(), free / 1_000_000_000))?,
        Err(error) => report(false, true, format!("data directory {}: {error}; set GRISTMILL_DATA_DIR", data_dir.display()))?,
    }
    match &config.database.url {
        Some(_) => {
            let (ok, text) = check_database(config).await;
            report(ok, true, text)?;
        }
        None => match postgres::binaries(config) {
            Ok(found) => {
                report(true, true, format!("embedded PostgreSQL {} from {}", found.version(), found.directory().display()))?;
            }
            Err(error) => report(false, true, error.to_string())?,
        },
    }
    for (ok, text) in check_sandboxes(config).await? {
        report(ok, false, text)?;
    }
    let (ok, text) = check_llm(config).await;
    report(ok, false, text)?;
    if let Some((ok, text)) = check_embeddings(config) {
        report(ok, false, text)?;
    }
    let secret = config.identity.jwt_secret.is_some();
    let text = if secret { "JWT_SECRET is set" } else { "JWT_SECRET is not set: one is kept in the data directory" };
    report(true, false, text.into())?;
    let mail = config.mail.is_some();
    let text = if mail {
        "mail is configured"
    } else {
        "mail is not configured (SMTP_HOST, SMTP_USER, SMTP_PASSWORD): addresses are not verified, passwords cannot be reset"
    };
    report(mail, false, text.into())?;
    let google = config.google.is_some();
    let text = if google {
        format!("sign-in with Google is configured; the redirect URI to register there is {}", google::redirect_url(config))
    } else {
        "sign-in with Google is not configured (GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET)".to_owned()
    };
    report(google, false, text)?;
    if let Some(text) = check_proxies(config) {
        report(false, false, text)?;
    }
    anyhow::ensure!(healthy, "the server cannot run like this");
    Ok(())
}

/// What goes wrong when a proxy speaks https for us and we do not know of it. A sign-in with Google is bound to the browser's
/// address: with the proxy's in its place it is bound to nothing, and all people share the bound on logins.
fn check_proxies(config: &Config) -> Option<String> {
    let behind_tls = config.http.public_url.scheme() == "https" && config.http.trusted_proxies == 0;
    (config.google.is_some() && behind_tls).then(|| {
        "PUBLIC_URL is https, so a proxy stands before this server, and TRUSTED_PROXIES is 0: everybody seems to come from the \
         proxy's address, which sign-in with Google and the bounds on logins go by; set TRUSTED_PROXIES to the number of proxies"
            .to_owned()
    })
}

/// Tries the sandboxes: which isolation a server would have, what keeps it apart, and why others are not used. Without any
/// the server runs, and code does not.
async fn check_sandboxes(config: &Config) -> anyhow::Result<Vec<(bool, String)>> {
    let tasks = Tasks::new();
    let status = Runtime::survey(&runtime_options(config)?, &tasks).await;
    tasks.shutdown(Duration::from_secs(10)).await;
    let mut findings = Vec::new();
    match &status.isolation {
        Some(isolation) => {
            let backend = isolation.backend.as_str();
            findings.push((true, format!("sandboxes of the {backend} backend: {}", isolation.measures.join("; "))));
        }
        None => findings.push((false, "no sandboxes: code cannot be run".to_owned())),
    }
    findings.extend(status.reasons.into_iter().map(|reason| (false, reason)));
    // Its Python is in the image.
    let docker = status.isolation.is_some_and(|isolation| isolation.backend == BackendKind::Docker);
    findings.push(match status.versions.as_slice() {
        versions if docker && !versions.is_empty() => {
            let versions: Vec<_> = versions.iter().map(|version| version.as_str()).collect();
            (true, format!("Python for sandboxes: {}, in their image", versions.join(", ")))
        }
        _ => check_python(config),
    });
    Ok(findings)
}

/// Asks the language model's provider for a sign of life.
async fn check_llm(config: &Config) -> (bool, String) {
    let models = match LanguageModels::new(&config.llm, Arc::new(MemoryUsage::default()), Arc::new(SystemClock)) {
        Ok(models) => models,
        Err(error) => return (false, format!("language model: {error:#}")),
    };
    let (check, cause) = models.probe().await;
    let ok = check.configured && check.status == HealthStatus::Ok;
    let name = match (&check.provider, &check.model) {
        (Some(provider), Some(model)) => format!("language model `{model}` ({provider})"),
        _ => "language model".to_owned(),
    };
    (ok, format!("{name}: {}", cause.or(check.message).unwrap_or_else(|| "it answers".to_owned())))
}

/// Tells which model makes vectors of documents. Nothing when there is no telling: then the language model's line says why.
fn check_embeddings(config: &Config) -> Option<(bool, String)> {
    let models = LanguageModels::new(&config.llm, Arc::new(MemoryUsage::default()), Arc::new(SystemClock)).ok()?;
    let how = "run `EMBEDDINGS=local gristmill setup` for a small model on this machine";
    Some(match VectorSource::choose(config, &models) {
        VectorSource::Provider { provider, model } => {
            (true, format!("vectors of documents: by `{model}` ({})", provider.info().id))
        }
        VectorSource::Local => match PACKAGES.locate(&config.database.cache_dir) {
            Some(directory) => (true, format!("vectors of documents: by the model in {}", directory.display())),
            None => (false, format!("no vectors of documents: the model of EMBEDDINGS=local is not installed; {how}")),
        },
        VectorSource::Nothing if config.documents.embeddings == EmbeddingsSetting::Off => {
            (true, "no vectors of documents (EMBEDDINGS=none): they are found by words".to_owned())
        }
        VectorSource::Nothing => {
            let text = "no vectors of documents: they are found by words alone; set LLM_EMBEDDING_MODEL or a key of OpenAI, or";
            (false, format!("{text} {how}"))
        }
    })
}

/// Tells which Python environments sandboxes of this machine can run.
fn check_python(config: &Config) -> (bool, String) {
    let mut ready = Vec::new();
    let mut wrong = Vec::new();
    for version in PythonVersion::ALL {
        match environment::locate(&config.database.cache_dir, version) {
            Ok(found) => ready.push(format!("{} ({})", version.as_str(), found.root.display())),
            Err(EnvironmentError::NotProvisioned { .. }) => {}
            Err(error) => wrong.push(crate::error::chain(&error)),
        }
    }
    if !wrong.is_empty() {
        return (false, wrong.join("; "));
    }
    if !ready.is_empty() {
        return (true, format!("Python for sandboxes: {}", ready.join(", ")));
    }
    let installed: Vec<_> =
        environment::installable(&config.database.search_path).iter().map(|version| version.as_str()).collect();
    let text = if installed.is_empty() {
        "no Python for sandboxes: install Python 3.11 with its venv module, then run `gristmill setup`".to_owned()
    } else {
        format!("no Python for sandboxes yet: run `gristmill setup` (Python {} is installed)", installed.join(", "))
    };
    (false, text)
}

/// Checks that the data directory can be written, and tells the free bytes.
fn check_data_dir(path: &std::path::Path) -> std::io::Result<u64> {
    std::fs::create_dir_all(path)?;
    let probe = tempfile::Builder::new().prefix(".doctor-").tempfile_in(path)?;
    probe.close()?;
    let space = rustix::fs::statvfs(path)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

async fn check_database(config: &Config) -> (bool, String) {
    let Some(url) = config.database.url.clone() else { return (false, "DATABASE_URL is not set".into()) };
    let mut options = DatabaseOptions::new(url.clone());
    options.acquire_timeout = Duration::from_secs(3);
    let reached = match Database::connect(&options).await {
        Ok(database) => database.ping().await,
        Err(error) => Err(error),
    };
    if let Err(error) = reached {
        return (false, format!("the database of DATABASE_URL does not answer: {}", crate::error::chain(&error)));
    }
    match migrations::pending(&url).await {
        Ok(pending) if pending.is_empty() => (true, "the database of DATABASE_URL answers, its schema is up to date".into()),
        Ok(pending) => (true, format!("the database answers; {} migrations will be applied at the next start", pending.len())),
        Err(error) => (false, format!("the schema cannot be read: {}", crate::error::chain(&error))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_unknown_proxy_before_google_s_way_is_told() {
        let google = [("GOOGLE_CLIENT_ID", "id"), ("GOOGLE_CLIENT_SECRET", "secret")];
        let (https, proxies) = (("PUBLIC_URL", "https://mill.example.org"), ("TRUSTED_PROXIES", "1"));
        for (more, is_told) in [
            (vec![https], true),
            (vec![https, ("TRUSTED_PROXIES", "0")], true),
            (vec![https, proxies], false),
            (vec![("PUBLIC_URL", "http://localhost:4000")], false),
            (vec![], false),
        ] {
            let pairs = google.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.to_owned()));
            let config = Config::read(&pairs.collect::<BTreeMap<_, _>>()).unwrap();
            assert_eq!(check_proxies(&config).is_some(), is_told);
        }
        let without = BTreeMap::from([("PUBLIC_URL".to_owned(), "https://mill.example.org".to_owned())]);
        assert_eq!(check_proxies(&Config::read(&without).unwrap()), None);
    }
}
