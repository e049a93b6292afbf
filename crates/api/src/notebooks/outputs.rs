//! Which outputs stay in the cell, and which become files with a preview.

use std::{collections::HashMap, path::PathBuf};

use base64::Engine;
use gristmill_domain::{
    ProjectId,
    execution::{OutputKind, RichOutput},
    notebooks::OutputRef,
};
use gristmill_persistence::{
    files::{self, LocalFiles},
    repo::notebooks::{RunLease, StoredOutput},
};
use sha2::{Digest, Sha256};

use super::links::{OutputLinks, extension_of};

/// What a preview shows of a text that is in a file.
const PREVIEW_BYTES: usize = 64 * 1024;
/// A figure or table may be this many times as large as a text: it cannot be shown in part.
const DATA_FACTOR: usize = 8;

/// What is kept of an output.
#[derive(Debug, Clone)]
struct Kept {
    output: RichOutput,
    file: Option<(OutputRef, StoredOutput)>,
}

/// What is kept of a run.
#[derive(Debug, Default)]
pub(super) struct KeptOutputs {
    pub(super) outputs: Vec<RichOutput>,
    pub(super) refs: Vec<OutputRef>,
    pub(super) files: Vec<StoredOutput>,
}

/// Keeps the outputs of one run. An output that was streamed and is in the result too becomes one file.
pub(super) struct OutputKeeper {
    links: OutputLinks,
    files: LocalFiles,
    project: ProjectId,
    lease: RunLease,
    inline_bytes_max: usize,
    made: HashMap<[u8; 32], Kept>,
}

/// A file to be written.
struct NewFile {
    extension: &'static str,
    media_type: String,
    stem: &'static str,
    bytes: Vec<u8>,
}

impl OutputKeeper {
    pub(super) fn new(
        links: OutputLinks,
        files: LocalFiles,
        project: ProjectId,
        lease: RunLease,
        inline_bytes_max: usize,
    ) -> Self {
        Self { links, files, project, lease, inline_bytes_max, made: HashMap::new() }
    }

    /// What a watcher is shown of an output.
    pub(super) async fn show(&mut self, output: RichOutput) -> RichOutput {
        self.keep(output).await.output
    }

    /// What is kept of a result.
    pub(super) async fn keep_all(&mut self, outputs: Vec<RichOutput>) -> KeptOutputs {
        let mut kept = KeptOutputs::default();
        for output in outputs {
            let Kept { output, file } = self.keep(output).await;
            kept.outputs.push(output);
            if let Some((reference, stored)) = file {
                // Twice the same picture is one file.
                if !kept.files.contains(&stored) {
                    kept.files.push(stored);
                    kept.refs.push(reference);
                }
            }
        }
        kept
    }

    async fn keep(&mut self, output: RichOutput) -> Kept {
        let Some(file) = self.to_file(&output) else { return Kept { output, file: None } };
        let mut digest = Sha256::new();
        digest.update(file.media_type.as_bytes());
        digest.update([0]);
        digest.update(&file.bytes);
        let digest: [u8; 32] = digest.finalize().into();
        if let Some(kept) = self.made.get(&digest) {
            return kept.clone();
        }
        let kept = self.store(output, file).await;
        self.made.insert(digest, kept.clone());
        kept
    }

    fn to_file(&self, output: &RichOutput) -> Option<NewFile> {
        let text = |extension, media_type: &str, bytes: &[u8]| NewFile {
            extension,
            media_type: media_type.to_owned(),
            stem: "output",
            bytes: bytes.to_vec(),
        };
        match output.kind {
            OutputKind::Image => {
                let (media_type, data) = output.content.strip_prefix("data:")?.split_once(";base64,")?;
                // IPython breaks its base64 into lines.
                let data: String = data.split_ascii_whitespace().collect();
                let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok()?;
                Some(NewFile { extension: extension_of(media_type)?, media_type: media_type.to_owned(), stem: "image", bytes })
            }
            OutputKind::Chart | OutputKind::Table => {
                let data = serde_json::to_vec(output.data.as_ref()?).ok()?;
                (data.len() > self.inline_bytes_max.saturating_mul(DATA_FACTOR)).then(|| text("json", "application/json", &data))
            }
            _ if output.content.len() <= self.inline_bytes_max => None,
            OutputKind::Html => Some(text("html", "text/html; charset=utf-8", output.content.as_bytes())),
            OutputKind::Text | OutputKind::Error | OutputKind::Warning => {
                Some(text("txt", "text/plain; charset=utf-8", output.content.as_bytes()))
            }
        }
    }

    async fn store(&self, output: RichOutput, file: NewFile) -> Kept {
        let size = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
        let stem = format!("{}_{}_{}", file.stem, self.made.len(), self.lease.token.simple());
        let name = self.links.name(self.lease.cell, &stem, file.extension);
        let path = self.files.path(&files::output_file(self.project, self.lease.notebook, self.lease.cell, &name));
        let reference = format!("outputs/{}/{name}", self.lease.cell);
        let bytes = file.bytes;
        match tokio::task::spawn_blocking(move || write(path, &bytes)).await {
            Ok(Ok(())) => {}
            failure => {
                tracing::warn!(?failure, cell.id = %self.lease.cell, "an output could not be stored");
                let shown = preview(&output, size, "the server could not store the whole of it");
                return Kept { output: shown, file: None };
            }
        }
        let stored = StoredOutput { file_name: name, mime_type: file.media_type.clone(), byte_size: size };
        let entry = OutputRef {
            kind: output.kind,
            reference: reference.clone(),
            mime_type: Some(file.media_type.clone()),
            byte_size: Some(size),
        };
        let shown = if output.kind == OutputKind::Image {
            RichOutput { content: reference, mime_type: Some(file.media_type), ..output }
        } else {
            preview(&output, size, &format!("the whole of it is at {reference}"))
        };
        Kept { output: shown, file: Some((entry, stored)) }
    }
}

/// The beginning of an output, and where the rest is.
fn preview(output: &RichOutput, size: u64, rest: &str) -> RichOutput {
    let note = format!("[{size} bytes; {rest}]");
    match output.kind {
        OutputKind::Text | OutputKind::Error | OutputKind::Warning => {
            let end = output.content.floor_char_boundary(PREVIEW_BYTES);
            let head = output.content.get(..end).unwrap_or_default();
            RichOutput { content: format!("{head}\n… {note}"), ..output.clone() }
        }
        // Half of these would be broken.
        OutputKind::Html | OutputKind::Chart | OutputKind::Table | OutputKind::Image => RichOutput::new(OutputKind::Text, note),
    }
}

fn write(path: PathBuf, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(path, bytes)
}

#[cfg(test)]
mod tests {
    use gristmill_domain::{CellId, NotebookId};
    use gristmill_identity::ServerSecret;

    use super::*;

    fn keeper(root: &std::path::Path) -> OutputKeeper {
        let links = OutputLinks::new(&ServerSecret::new("x".repeat(32).into()).unwrap());
        let lease = RunLease { notebook: NotebookId::random(), cell: CellId::random(), token: uuid::Uuid::new_v4() };
        OutputKeeper::new(links, LocalFiles::open(root).unwrap(), ProjectId::random(), lease, 1000)
    }

    #[tokio::test]
    async fn pictures_and_long_texts_become_files_once() {
        let root = tempfile::tempdir().unwrap();
        let mut keeper = keeper(root.path());
        let picture = RichOutput {
            mime_type: Some("image/png".into()),
            ..RichOutput::new(OutputKind::Image, "data:image/png;base64,aGVs\nbG8=\n")
        };
        let long = RichOutput::new(OutputKind::Text, "é".repeat(100_000));
        let short = RichOutput::new(OutputKind::Text, "short");
        let shown = keeper.show(picture.clone()).await;
        assert!(shown.content.starts_with("outputs/"), "{shown:?}");
        let kept = keeper.keep_all(vec![long.clone(), picture.clone(), short.clone(), picture]).await;
        assert_eq!((kept.outputs.len(), kept.files.len(), kept.refs.len()), (4, 2, 2));
        assert_eq!(kept.outputs[1], shown, "the streamed picture is the kept one");
        assert_eq!(kept.outputs[2], short);
        assert!(kept.outputs[0].content.len() < 70_000 && kept.outputs[0].content.contains(&kept.refs[0].reference));
        assert_eq!(kept.refs[0].byte_size, Some(200_000));
        let name = &kept.files[1].file_name;
        let path = keeper.files.path(&files::output_file(keeper.project, keeper.lease.notebook, keeper.lease.cell, name));
        assert_eq!(std::fs::read(path).unwrap(), b"hello");
    }

    #[tokio::test]
    async fn what_is_no_picture_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let mut keeper = keeper(root.path());
        for content in ["", "https://example.org/a.png", "data:image/png;base64,%%%", "data:text/html;base64,aGVsbG8="] {
            let output = RichOutput::new(OutputKind::Image, content);
            assert_eq!(keeper.show(output.clone()).await, output);
        }
    }

    #[tokio::test]
    async fn a_store_that_takes_nothing_leaves_a_preview() {
        let root = tempfile::tempdir().unwrap();
        let mut keeper = keeper(root.path());
        std::fs::remove_dir_all(root.path().join("store")).unwrap();
        std::fs::write(root.path().join("store"), "in the way").unwrap();
        let kept = keeper.keep_all(vec![RichOutput::new(OutputKind::Text, "a".repeat(2000))]).await;
        assert!(kept.files.is_empty() && kept.outputs[0].content.contains("could not store"), "{kept:?}");
    }
}
