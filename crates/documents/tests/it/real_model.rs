//! The model of `gristmill_documents::local`, installed as `gristmill setup` does, in a process without a sandbox. In one, it is
//! tested with the server.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use async_trait::async_trait;
use gristmill_documents::{EmbedError, Embedder, Texts, local};
use gristmill_runtime::environment::{PackageSet, ProvisionOptions};
use serde_json::Value;

use crate::locked::{cache_dir, python};

#[derive(Debug)]
pub(crate) struct RealModel {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl RealModel {
    /// Installs what is missing, starts the program, and waits until it can be asked.
    #[expect(clippy::disallowed_methods, reason = "set-up and the program are child processes")]
    pub(crate) fn start() -> Self {
        let python = python();
        let options = ProvisionOptions { cache_dir: cache_dir(), search_path: std::env::var("PATH").unwrap() };
        // The set of the server's own set-up: its name and lock are the same there.
        let set = PackageSet { name: local::PACKAGE_SET, lock: local::LOCK };
        let packages = set.provision(&options, &mut |line| println!("{line}")).unwrap();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/python/gristmill_embed/src");
        let mut child = Command::new(python.interpreter())
            .args(["-s", "-m", local::PACKAGE, "lines"])
            .arg(packages.join(local::MODEL_DIRECTORY))
            .env("PYTHONPATH", format!("{program}:{}", packages.display()))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipes = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut ready = String::new();
        pipes.1.read_line(&mut ready).unwrap();
        assert_eq!(ready.trim(), r#"{"ready": true}"#);
        Self { child, pipes: Mutex::new(pipes) }
    }
}

#[async_trait]
impl Embedder for RealModel {
    fn model(&self) -> &str {
        local::MODEL
    }

    async fn embed(&self, texts: Texts<'_>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut pipes = self.pipes.lock().unwrap();
        writeln!(pipes.0, "{}", Value::Object(local::question(texts.all))).unwrap();
        let mut line = String::new();
        pipes.1.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        local::vectors(&answer["answer"].to_string(), texts.all.len())
    }
}

impl Drop for RealModel {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
