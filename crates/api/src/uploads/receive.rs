//! Reading the parts of an upload: `file` to disk, `projectId` to memory, nothing else.

use std::{fs::File, io::Write, time::Duration};

use actix_multipart::{Field, Multipart, MultipartError};
use bytes::BytesMut;
use futures_util::StreamExt;
use gristmill_api_types::common::ErrorShape;
use gristmill_domain::{ErrorCode, ProjectId};

use super::Spool;
use crate::error::{ApiError, ApiResult};

/// Bytes that are gathered before they are written: fewer trips to the blocking pool.
const WRITE_BYTES: usize = 1024 * 1024;
/// Longest text field.
const TEXT_BYTES_MAX: usize = 1024;
/// Longest file name, characters; the rest is cut off.
const FILENAME_CHARS_MAX: usize = 255;
/// How much of a refused upload is read and thrown away, so that the client gets to see the refusal.
const DRAIN_BYTES_MAX: usize = 64 * 1024 * 1024;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// A file that arrived whole.
#[derive(Debug)]
pub struct ReceivedFile {
    /// Name as the client gave it, without any directory.
    pub filename: String,
    /// Media type as the client gave it.
    pub media_type: Option<String>,
    /// Bytes.
    pub size_bytes: u64,
    /// The project it is for.
    pub project_id: Option<ProjectId>,
    /// What a dataset's metadata begin with.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// Reads a multipart body whose one `file` goes to `spool`.
///
/// # Errors
/// 400 for a body that is not such a form or ends early, 413 over `bytes_max`, 507 when the disk is full.
///
/// # Cancel safety
/// Dropping the future drops nothing but the request; the caller drops the spool.
pub async fn receive(form: Multipart, spool: &Spool, bytes_max: u64) -> ApiResult<ReceivedFile> {
    let mut form = Form { parts: form, ended: false };
    match read_parts(&mut form, spool, bytes_max).await {
        Err(error) if error.code() != ErrorCode::Internal => {
            drain(form).await;
            Err(error)
        }
        result => result,
    }
}

/// The parts of a body. actix's own stream panics when it is asked again after an error.
struct Form {
    parts: Multipart,
    ended: bool,
}

impl Form {
    async fn next(&mut self) -> Option<Result<Field, MultipartError>> {
        if self.ended {
            return None;
        }
        let part = self.parts.next().await;
        self.ended = !matches!(part, Some(Ok(_)));
        part
    }
}

async fn read_parts(form: &mut Form, spool: &Spool, bytes_max: u64) -> ApiResult<ReceivedFile> {
    let mut received: Option<ReceivedFile> = None;
    let mut project_id = None;
    while let Some(field) = form.next().await {
        let mut field = field.map_err(broken_form)?;
        match field.name().unwrap_or_default() {
            "file" if received.is_some() => return Err(bad_field("file", "send exactly one file")),
            "file" => {
                let filename = display_name(&field)?;
                let media_type = field.content_type().map(ToString::to_string);
                let size_bytes = store(&mut field, spool, bytes_max).await?;
                received =
                    Some(ReceivedFile { filename, media_type, size_bytes, project_id: None, metadata: serde_json::Map::new() });
            }
            "projectId" => {
                let text = read_text(&mut field).await?;
                let text = text.trim();
                if !text.is_empty() {
                    project_id = Some(
                        text.parse().map_err(|error: gristmill_domain::InvalidId| bad_field("projectId", &error.to_string()))?,
                    );
                }
            }
            // Unknown fields are ignored, as everywhere; but a file under another name is a mistake.
            other if field.content_disposition().is_some_and(|header| header.get_filename().is_some()) => {
                return Err(bad_field(other, "the file must be sent in the field `file`"));
            }
            _ => drop(read_text(&mut field).await?),
        }
    }
    let file = received.ok_or_else(|| bad_field("file", "a file is required in the field `file`"))?;
    Ok(ReceivedFile { project_id, ..file })
}

async fn store(field: &mut Field, spool: &Spool, bytes_max: u64) -> ApiResult<u64> {
    let mut file = spool.open().map_err(io_error)?;
    let mut buffer = BytesMut::with_capacity(WRITE_BYTES + 64 * 1024);
    let mut size: u64 = 0;
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(broken_form)?;
        size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if size > bytes_max {
            let message = format!("The file is over the limit of {} MB", bytes_max / 1024 / 1024);
            return Err(ApiError::new(ErrorCode::PayloadTooLarge, message));
        }
        buffer.extend_from_slice(&chunk);
        if buffer.len() >= WRITE_BYTES {
            (file, buffer) = write(file, buffer).await?;
        }
    }
    let (file, _) = write(file, buffer).await?;
    drop(file);
    Ok(size)
}

async fn write(mut file: File, mut buffer: BytesMut) -> ApiResult<(File, BytesMut)> {
    let written = actix_web::web::block(move || {
        file.write_all(&buffer)?;
        buffer.clear();
        Ok((file, buffer))
    });
    written.await.map_err(ApiError::internal)?.map_err(io_error)
}

async fn read_text(field: &mut Field) -> ApiResult<String> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut text = Vec::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(broken_form)?;
        if text.len() + chunk.len() > TEXT_BYTES_MAX {
            return Err(bad_field(&name, "the value is too long"));
        }
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).map_err(|_error| bad_field(&name, "must be UTF-8 text"))
}

/// The file's name for display: the last part of whatever path the client sent, printable, never empty.
fn display_name(field: &Field) -> ApiResult<String> {
    let header = field.content_disposition();
    let sent = header.and_then(|header| {
        let extended = header.get_filename_ext().and_then(|value| String::from_utf8(value.value.clone()).ok());
        extended.or_else(|| header.get_filename().map(ToOwned::to_owned))
    });
    let sent = sent.ok_or_else(|| bad_field("file", "the part must have a file name"))?;
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(FILENAME_CHARS_MAX).collect();
    let name = name.trim();
    if name.is_empty() || name.chars().all(|c| c == '.') {
        return Err(bad_field("file", "the file name is empty"));
    }
    Ok(name.to_owned())
}

async fn drain(mut form: Form) {
    let draining = async {
        let mut left = DRAIN_BYTES_MAX;
        while let Some(Ok(mut field)) = form.next().await {
            while let Some(Ok(chunk)) = field.next().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    return;
                }
            }
        }
    };
    // Running out of time or bytes is fine: it was a courtesy.
    drop(tokio::time::timeout(DRAIN_TIME_MAX, draining).await);
}

fn bad_field(path: &str, message: &str) -> ApiError {
    ApiError::field(ErrorShape::Flatten, path, message)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken_form(error: MultipartError) -> ApiError {
    let message = match &error {
        MultipartError::ContentTypeMissing
        | MultipartError::ContentTypeParse
        | MultipartError::ContentTypeIncompatible
        | MultipartError::BoundaryMissing => "The body must be multipart/form-data with a boundary",
        MultipartError::Incomplete | MultipartError::Payload(_) => "The upload ended early",
        _ => "The multipart body is malformed",
    };
    ApiError::new(ErrorCode::InvalidRequest, message).caused_by(error.to_string())
}

/// A failure to write: no space is the operator's business, anything else is a defect.
pub(crate) fn io_error(error: std::io::Error) -> ApiError {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => ApiError::new(
            ErrorCode::DiskFull,
            "The server has no disk space left for this file; try again later or ask the operator",
        )
        .caused_by(error),
        _ => ApiError::internal(error),
    }
}
