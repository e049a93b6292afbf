//! Feeds any body, in chunks of any size, to the reader of uploads: it receives a file or refuses, and what it says of
//! the file is true. It never reports a defect of the server.

#![no_main]

use std::{cell::OnceCell, fs};

use actix_multipart::Multipart;
use actix_web::{
    error::PayloadError,
    http::header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    rt::{System, SystemRunner},
};
use bytes::Bytes;
use futures_util::stream;
use gristmill_api::uploads::{Spool, receive};
use gristmill_domain::{ErrorCode, JobId};
use gristmill_persistence::files::LocalFiles;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

const BYTES_MAX: u64 = 4096;

struct World {
    system: SystemRunner,
    files: LocalFiles,
    _directory: TempDir,
}

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

fn world() -> World {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let files = LocalFiles::open(directory.path()).expect("the files");
    World { system: System::new(), files, _directory: directory }
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, body)) = data.split_first() else { return };
    WORLD.with(|cell| {
        let world = cell.get_or_init(world);
        let spool = Spool::create(&world.files, JobId::random()).expect("a spool directory");
        let directory = spool.directory().to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=b"));
        let chunks: Vec<Result<Bytes, PayloadError>> =
            body.chunks(usize::from(step).max(1)).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let received = world.system.block_on(receive(Multipart::new(&headers, stream::iter(chunks)), &spool, BYTES_MAX));
        match received {
            Ok(file) => {
                assert!(file.size_bytes <= BYTES_MAX);
                assert_eq!(fs::metadata(spool.file()).expect("the file").len(), file.size_bytes);
                assert!(!file.filename.is_empty() && !file.filename.contains(['/', '\\']));
            }
            Err(error) => assert_ne!(error.code(), ErrorCode::Internal, "{error:?}"),
        }
        drop(spool);
        assert!(!directory.exists());
    });
});
