//! What a file is: by its content where that is decisive, else by its name and media type.

mod delimiter;
mod text;

use gristmill_domain::datasets::FileType;

pub(crate) use self::delimiter::separator_line;
use crate::{error::IngestError, source::TextEncoding};

/// Bytes of a file that [`sniff`] should be given; fewer are enough for a shorter file.
pub const HEAD_BYTES: usize = 256 * 1024;

/// What a file is and how to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Separated values.
    Delimited {
        /// The separator: comma, tab, bar or semicolon.
        delimiter: u8,
        /// The encoding that the head suggests.
        encoding: TextEncoding,
    },
    /// JSON.
    Json {
        /// How the records are arranged.
        kind: JsonKind,
        /// The encoding that the head suggests.
        encoding: TextEncoding,
    },
    /// An Office Open XML workbook.
    Xlsx,
}

/// How records are arranged in a JSON file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonKind {
    /// One array of objects.
    Array,
    /// One object a line.
    Lines,
    /// Objects one after the other with white space between; also a single object.
    Sequence,
}

impl FileFormat {
    /// The family that the domain knows.
    #[must_use]
    pub fn file_type(self) -> FileType {
        match self {
            Self::Delimited { .. } => FileType::Csv,
            Self::Json { .. } => FileType::Json,
            Self::Xlsx => FileType::Xlsx,
        }
    }
}

/// Says what a file is from its name, its media type and its first bytes (best [`HEAD_BYTES`] of them).
///
/// # Errors
/// [`IngestError::UnsupportedFormat`] when it is nothing that is read here, and [`IngestError::Unreadable`] when it is
/// empty.
pub fn sniff(filename: &str, media_type: Option<&str>, head: &[u8]) -> Result<FileFormat, IngestError> {
    if head.is_empty() {
        return Err(IngestError::unreadable("The file is empty. Upload a file with a header and rows."));
    }
    let declared = declared_format(filename, media_type);
    if let Some(format) = by_signature(head, declared)? {
        return Ok(format);
    }
    let encoding = text::encoding(head)?;
    let text = text::decode_head(head, encoding);
    if text.trim_ascii().is_empty() {
        return Err(IngestError::unreadable("The file has no content but white space."));
    }
    if let Some(kind) = text::json_kind(&text) {
        return Ok(FileFormat::Json { kind, encoding });
    }
    match declared {
        Some(Declared::Separated { tabs }) => {
            let delimiter = if tabs { b'\t' } else { delimiter::guess(&text) };
            Ok(FileFormat::Delimited { delimiter, encoding })
        }
        Some(Declared::Json) => Ok(FileFormat::Json { kind: JsonKind::Lines, encoding }),
        Some(Declared::Xlsx) => Err(no_workbook()),
        Some(Declared::LegacyXls) => Err(legacy_workbook()),
        None => Err(IngestError::unsupported(
            "The file is in no supported format. Upload CSV, TSV, JSON, NDJSON or XLSX, with the matching extension.",
        )),
    }
}

/// What name and media type promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    Separated { tabs: bool },
    Json,
    Xlsx,
    LegacyXls,
}

impl Declared {
    /// The family, where it is one that is read here.
    pub(crate) fn file_type(self) -> Option<FileType> {
        match self {
            Self::Separated { .. } => Some(FileType::Csv),
            Self::Json => Some(FileType::Json),
            Self::Xlsx => Some(FileType::Xlsx),
            Self::LegacyXls => None,
        }
    }
}

/// What the extension promises, and only for an unknown one the media type.
pub(crate) fn declared_format(filename: &str, media_type: Option<&str>) -> Option<Declared> {
    let extension = filename.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("csv") => return Some(Declared::Separated { tabs: false }),
        Some("tsv") => return Some(Declared::Separated { tabs: true }),
        Some("json" | "jsonl" | "ndjson") => return Some(Declared::Json),
        Some("xlsx") => return Some(Declared::Xlsx),
        Some("xls") => return Some(Declared::LegacyXls),
        _ => {}
    }
    let essence = media_type?.split(';').next()?.trim().to_ascii_lowercase();
    match essence.as_str() {
        // Browsers on Windows send the second one for CSV files.
        "text/csv" | "application/vnd.ms-excel" | "application/csv" => Some(Declared::Separated { tabs: false }),
        "text/tab-separated-values" => Some(Declared::Separated { tabs: true }),
        "application/json" | "application/x-ndjson" | "application/jsonl" => Some(Declared::Json),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Some(Declared::Xlsx),
        _ => None,
    }
}

const COMPOUND_FILE: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

/// Formats that begin with fixed bytes.
fn by_signature(head: &[u8], declared: Option<Declared>) -> Result<Option<FileFormat>, IngestError> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return zip_format(head, declared).map(Some);
    }
    if head.starts_with(COMPOUND_FILE) {
        return Err(compound_file(head));
    }
    let known: [(&[u8], &str); 13] = [
        (b"\x1f\x8b", "compressed with gzip. Unpack it and upload the file inside"),
        (b"BZh", "compressed with bzip2. Unpack it and upload the file inside"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd. Unpack it and upload the file inside"),
        (b"\xfd7zXZ\0", "compressed with xz. Unpack it and upload the file inside"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive. Unpack it and upload the file inside"),
        (b"Rar!\x1a\x07", "a RAR archive. Unpack it and upload the file inside"),
        (b"PAR1", "a Parquet file. Export it as CSV or NDJSON"),
        (b"SQLite format 3\0", "a SQLite database. Export a table as CSV"),
        (b"%PDF-", "a PDF. Upload it as a document, or export its tables as CSV"),
        (b"\x89PNG\r\n", "an image"),
        (b"\xff\xd8\xff", "an image"),
        (b"\x7fELF", "a program"),
        (b"\xff\xfe\0\0", "encoded in UTF-32. Save it as UTF-8"),
    ];
    match known.iter().find(|(signature, _)| head.starts_with(signature)) {
        Some((_, what)) => Err(IngestError::unsupported(format!("The file is {what}."))),
        None => Ok(None),
    }
}

fn zip_format(head: &[u8], declared: Option<Declared>) -> Result<FileFormat, IngestError> {
    let has = |needle: &[u8]| memchr::memmem::find(head, needle).is_some();
    let spreadsheet = has(b"xl/") || has(b"[Content_Types].xml");
    if has(b"xl/workbook.bin") {
        return Err(IngestError::unsupported("The file is a binary workbook (.xlsb). Save it as .xlsx and upload that."));
    }
    if has(b"opendocument.spreadsheet") {
        return Err(IngestError::unsupported(
            "The file is an OpenDocument spreadsheet. Save it as .xlsx or .csv and upload that.",
        ));
    }
    if has(b"word/") && !has(b"xl/") || has(b"ppt/") && !has(b"xl/") {
        return Err(IngestError::unsupported(
            "The file is an Office document, not a workbook. Upload it as a document, or save its table as .xlsx or .csv.",
        ));
    }
    if spreadsheet {
        Ok(FileFormat::Xlsx)
    } else if declared == Some(Declared::Xlsx) {
        Err(no_workbook())
    } else {
        Err(IngestError::unsupported("The file is a zip archive. Unpack it and upload the file inside."))
    }
}

/// Old Excel files and encrypted new ones share one container format.
fn compound_file(head: &[u8]) -> IngestError {
    let has = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(head, &wide).is_some()
    };
    if has("EncryptedPackage") || has("EncryptionInfo") {
        encrypted_workbook()
    } else if has("Workbook") || has("Book") {
        legacy_workbook()
    } else {
        IngestError::unsupported(
            "The file is an old Excel file (.xls) or an encrypted workbook. Remove the password if it has one, save it as \
             .xlsx and upload that.",
        )
    }
}

fn no_workbook() -> IngestError {
    IngestError::unreadable(
        "The file is named .xlsx but is no workbook, or a broken one. Save it again as .xlsx, or upload it under its true \
         extension.",
    )
}

pub(crate) fn encrypted_workbook() -> IngestError {
    IngestError::unsupported("The workbook is encrypted. Remove the password, save it as .xlsx and upload that.")
}

fn legacy_workbook() -> IngestError {
    IngestError::unsupported("Old Excel files (.xls) are not supported. Save it as .xlsx and upload that.")
}
