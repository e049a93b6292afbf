//! Sending stored files under their display names.

use std::path::Path;

use actix_web::{
    HttpResponse,
    http::header::{self, Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue},
};
use gristmill_domain::ErrorCode;
use tokio_util::io::ReaderStream;

use crate::error::{ApiError, ApiResult};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Streams a file as an attachment.
///
/// # Errors
/// 404 when it is gone.
pub async fn download(path: &Path, name: &str, media_type: &str) -> ApiResult<HttpResponse> {
    let file = tokio::fs::File::open(path).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ApiError::new(ErrorCode::FileMissing, "The stored file is gone; upload it again"),
        _ => ApiError::internal(error),
    })?;
    let size = file.metadata().await.map_err(ApiError::internal)?.len();
    let body = actix_web::body::SizedStream::new(size, ReaderStream::with_capacity(file, CHUNK_BYTES));
    Ok(HttpResponse::Ok()
        .content_type(media_type)
        .insert_header(attachment(name))
        // What was uploaded is not to be run in the server's origin.
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
        .body(body))
}

/// `Content-Disposition` for any name (RFC 6266): an ASCII form for old clients, the real one for all others.
fn attachment(name: &str) -> ContentDisposition {
    let ascii: String =
        name.chars().map(|c| if c.is_ascii_graphic() && !"\"\\%;".contains(c) || c == ' ' { c } else { '_' }).collect();
    let extended = ExtendedValue { charset: Charset::Ext("UTF-8".into()), language_tag: None, value: name.as_bytes().to_vec() };
    ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(ascii), DispositionParam::FilenameExt(extended)],
    }
}
