//! What stands in a step's cell, and where the file is that it writes.

use gristmill_domain::{
    DatasetId,
    datasets::{Dataset, FileType},
    preprocessing::CodeHash,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Longest name that a kernel is told, bytes: file systems allow 255, and the suffix comes on top.
const NAME_BYTES_MAX: usize = 160;
const SUFFIX: &str = "_processed";

/// A dataset's file as the kernel's helpers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KernelFile {
    dataset: DatasetId,
    stem: String,
    /// Without the dot.
    extension: String,
}

impl KernelFile {
    /// The file of a dataset: its display name where that is one for a file, else one that is.
    pub(super) fn of(dataset: &Dataset) -> Self {
        let known: &[&str] = match dataset.file_type {
            FileType::Csv => &["csv", "tsv", "tab"],
            FileType::Json => &["json", "jsonl", "ndjson"],
            FileType::Xlsx => &["xlsx"],
        };
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '(' | ')');
        let fits = |stem: &str, extension: &str| {
            known.contains(&extension.to_ascii_lowercase().as_str())
                && dataset.filename.len() <= NAME_BYTES_MAX
                && stem.chars().all(is_plain)
                && stem.chars().next().is_some_and(char::is_alphanumeric)
        };
        let (stem, extension) = match dataset.filename.rsplit_once('.') {
            Some((stem, extension)) if fits(stem, extension) => (stem, extension),
            _ => ("dataset", dataset.file_type.as_str()),
        };
        Self { dataset: dataset.id, stem: stem.to_owned(), extension: extension.to_owned() }
    }

    /// Where `save_preprocessing_dataset` puts the file, below the workspace.
    pub(super) fn processed(&self) -> String {
        let stem = if self.stem.ends_with(SUFFIX) { self.stem.clone() } else { format!("{}{SUFFIX}", self.stem) };
        format!("data/{}/{stem}.{}", self.dataset, self.extension)
    }

    /// Where the helper says of that file which types its columns have.
    pub(super) fn types(&self) -> String {
        let processed = self.processed();
        match processed.rsplit_once('/') {
            Some((directory, name)) => format!("{directory}/.{name}.types.json"),
            None => format!(".{processed}.types.json"),
        }
    }

    /// The file's extension with its dot.
    pub(super) fn extension(&self) -> String {
        format!(".{}", self.extension)
    }

    /// The arguments of the helpers. JSON's literals are Python's, too.
    fn arguments(&self) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let name = text(&format!("{}.{}", self.stem, self.extension));
        let dataset = text(&self.dataset.to_string());
        format!("{name}, {dataset}, {}, \"df\"", text(&self.extension.to_ascii_lowercase()))
    }
}

/// The content of a step's cell: the code between loading the dataset as it is and saving what became of it. One cell, so that
/// its content has one hash. Code that loads or saves by itself is left to do so.
pub(super) fn cell_content(code: &str, file: &KernelFile) -> String {
    let code = code.trim_matches(['\n', '\r']);
    let mut content = String::with_capacity(code.len() + 400);
    if !code.contains("load_preprocessing_dataset(") {
        content.push_str(&format!("load_preprocessing_dataset({}, from_original=True)\n\n", file.arguments()));
    }
    content.push_str(code);
    if !code.contains("save_preprocessing_dataset(") {
        content.push_str(&format!("\n\nsave_preprocessing_dataset({})", file.arguments()));
    }
    content
}

/// Takes what the server put around code away again, so that the code can be put around another dataset.
pub(super) fn bare(content: &str) -> String {
    let is_ours = |line: &str| {
        (line.starts_with("load_preprocessing_dataset(") && line.ends_with(", \"df\", from_original=True)"))
            || (line.starts_with("save_preprocessing_dataset(") && line.ends_with(", \"df\")"))
    };
    let lines: Vec<&str> = content.lines().filter(|line| !is_ours(line)).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// The code in a model's answer: what stands in its fences, when it put fences around it.
pub(super) fn unfenced(text: &str) -> &str {
    let inner = text.trim().strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((_language, code)) if !code.contains("```") => code,
        _ => text,
    }
}

/// The hash of a cell's content.
pub(super) fn hash(content: &str) -> CodeHash {
    CodeHash::of_digest(Sha256::digest(content.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, file_type: FileType) -> KernelFile {
        let at = chrono::DateTime::UNIX_EPOCH;
        KernelFile::of(&Dataset {
            id: "0c6a852e-0000-4000-8000-000000000000".parse().unwrap(),
            owner_id: gristmill_domain::UserId::random(),
            project_id: None,
            filename: name.to_owned(),
            file_type,
            size_bytes: 0,
            sql_name: String::new(),
            physical_name: String::new(),
            version: 1,
            row_count: 0,
            columns: Vec::new(),
            sample: Vec::new(),
            ingest: gristmill_domain::datasets::IngestReport::default(),
            eda: None,
            metadata: serde_json::Map::new(),
            created_at: at,
            updated_at: at,
        })
    }

    #[test]
    fn files_have_names_that_kernels_and_we_agree_on() {
        let (id, long) = ("0c6a852e-0000-4000-8000-000000000000", format!("{}.csv", "x".repeat(200)));
        for (name, file_type, processed) in [
            ("sales.csv", FileType::Csv, "sales_processed.csv"),
            ("My data (v2).TSV", FileType::Csv, "My data (v2)_processed.TSV"),
            ("sales_processed.csv", FileType::Csv, "sales_processed.csv"),
            ("münchen.jsonl", FileType::Json, "münchen_processed.jsonl"),
            ("book.xlsx", FileType::Xlsx, "book_processed.xlsx"),
            ("really-json.csv", FileType::Json, "dataset_processed.json"),
            ("no extension", FileType::Csv, "dataset_processed.csv"),
            (".csv", FileType::Csv, "dataset_processed.csv"),
            ("..csv", FileType::Csv, "dataset_processed.csv"),
            ("a\"; import os; \".csv", FileType::Csv, "dataset_processed.csv"),
            (long.as_str(), FileType::Csv, "dataset_processed.csv"),
        ] {
            assert_eq!(file(name, file_type).processed(), format!("data/{id}/{processed}"), "{name}");
            assert_eq!(file(name, file_type).types(), format!("data/{id}/.{processed}.types.json"), "{name}");
        }
    }

    #[test]
    fn code_is_put_between_loading_and_saving() {
        let file = file("sales.csv", FileType::Csv);
        let content = cell_content("\ndf = df.dropna()\n", &file);
        let arguments = "\"sales.csv\", \"0c6a852e-0000-4000-8000-000000000000\", \"csv\", \"df\"";
        let expected = format!(
            "load_preprocessing_dataset({arguments}, from_original=True)\n\ndf = df.dropna()\n\nsave_preprocessing_dataset({arguments})"
        );
        assert_eq!(content, expected);
        assert_eq!(cell_content(&content, &file), content, "once");
        assert_eq!(bare(&content), "df = df.dropna()");
        assert_eq!(bare("save_preprocessing_dataset('mine')\nx"), "save_preprocessing_dataset('mine')\nx");
    }

    #[test]
    fn fences_are_no_code() {
        for (text, code) in [
            ("df = 1", "df = 1"),
            ("```python\ndf = 1\n```", "df = 1\n"),
            ("  ```\ndf = 1\n```\n", "df = 1\n"),
            ("```a```", "```a```"),
            ("```python\na\n```\nand\n```\nb\n```", "```python\na\n```\nand\n```\nb\n```"),
        ] {
            assert_eq!(unfenced(text), code);
        }
    }

    #[test]
    fn the_hash_is_the_client_s() {
        // The beginning of the SHA-256 of nothing.
        assert_eq!(hash("").as_str(), "e3b0c44298fc1c149afbf4c8");
    }
}
