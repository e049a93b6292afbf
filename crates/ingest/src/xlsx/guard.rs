//! Looks at a workbook's container before anything unpacks it into memory.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use zip::{ZipArchive, result::ZipError};

use crate::{
    error::IngestError,
    num,
    request::{IngestLimits, IngestObserver},
    sniff,
};

/// Entries that a real workbook stays below.
const ENTRIES_MAX: usize = 20_000;
/// Largest part beside sheets and shared strings; those parts are held in memory.
const SMALL_PART_BYTES_MAX: u64 = 32 << 20;
/// Deflate cannot pack better than this, so smaller parts cannot hurt whatever their headers say.
const DEFLATE_RATIO_MAX: u64 = 1032;
/// What may be unpacked into memory at a time without a look at the true size.
const HARMLESS_BYTES: u64 = 32 << 20;
/// Sheets shrink to a tenth or a fiftieth; a bomb shrinks to a thousandth.
const SUSPICIOUS_RATIO: u64 = 400;

/// Refuses what is no workbook, is encrypted or broken, or would unpack to more than it may.
pub(super) fn check(path: &Path, limits: &IngestLimits, observer: &dyn IngestObserver) -> Result<(), IngestError> {
    count_entries(path)?;
    let file = File::open(path).map_err(IngestError::from_read)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(zip_error)?;
    check_is_workbook(&archive)?;
    let mut total = 0_u64;
    for index in 0..archive.len() {
        let part = {
            let entry = archive.by_index_raw(index).map_err(zip_error)?;
            let name = entry.name().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
            if entry.encrypted() {
                return Err(sniff::encrypted_workbook());
            }
            Part { index, name, packed: entry.compressed_size(), unpacked: entry.size() }
        };
        if !part.is_read() {
            continue;
        }
        total = total.saturating_add(part.unpacked);
        if total > limits.uncompressed_bytes_max || part.unpacked > part.bytes_max(limits) || part.is_suspicious() {
            return Err(too_large(limits));
        }
        if part.packed.saturating_mul(DEFLATE_RATIO_MAX) > HARMLESS_BYTES {
            check_true_size(&mut archive, &part, limits, observer)?;
        }
    }
    Ok(())
}

struct Part {
    index: usize,
    name: String,
    packed: u64,
    unpacked: u64,
}

impl Part {
    /// Whether the part is XML, which is all that the reader unpacks.
    fn is_read(&self) -> bool {
        self.name.ends_with(".xml") || self.name.ends_with(".rels")
    }

    fn bytes_max(&self, limits: &IngestLimits) -> u64 {
        if self.name.contains("worksheets/") {
            limits.uncompressed_bytes_max
        } else if self.name.ends_with("sharedstrings.xml") {
            limits.shared_strings_bytes_max
        } else {
            SMALL_PART_BYTES_MAX
        }
    }

    fn is_suspicious(&self) -> bool {
        self.unpacked > HARMLESS_BYTES && self.unpacked / self.packed.max(1) > SUSPICIOUS_RATIO
    }
}

/// Counts directory entries by their signature, before a library makes a list of them.
fn count_entries(path: &Path) -> Result<(), IngestError> {
    const SIGNATURE: &[u8] = b"PK\x01\x02";
    let mut file = File::open(path).map_err(IngestError::from_read)?;
    let mut buffer = vec![0; 256 * 1024];
    let (mut kept, mut entries) = (0, 0);
    loop {
        let read = match file.read(buffer.get_mut(kept..).unwrap_or_default()) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(IngestError::from_read(error)),
        };
        let filled = kept + read;
        entries += memchr::memmem::find_iter(buffer.get(..filled).unwrap_or_default(), SIGNATURE).count();
        if entries > ENTRIES_MAX {
            return Err(IngestError::unreadable(
                "The workbook has far too many parts. Save it again with a spreadsheet program.",
            ));
        }
        // A signature may stand across two reads.
        kept = filled.min(SIGNATURE.len() - 1);
        buffer.copy_within(filled - kept..filled, 0);
    }
}

fn check_is_workbook<R: io::Read + io::Seek>(archive: &ZipArchive<R>) -> Result<(), IngestError> {
    let mut names = archive.file_names().filter_map(Result::ok).map(|name| name.to_ascii_lowercase());
    let has_workbook = names.any(|name| name.ends_with("workbook.xml") || name == "[content_types].xml");
    if has_workbook {
        Ok(())
    } else {
        Err(IngestError::unsupported("The file is a zip archive without a workbook. Unpack it and upload the file inside."))
    }
}

/// Unpacks a part to nowhere: its header may lie about its size.
fn check_true_size<R: io::Read + io::Seek>(
    archive: &mut ZipArchive<R>,
    part: &Part,
    limits: &IngestLimits,
    observer: &dyn IngestObserver,
) -> Result<(), IngestError> {
    let mut entry = archive.by_index(part.index).map_err(zip_error)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut unpacked = 0_u64;
    loop {
        let read = entry.read(&mut buffer).map_err(|_error| damaged())?;
        if read == 0 {
            break;
        }
        unpacked += num::count(read);
        if unpacked > part.unpacked {
            return Err(too_large(limits));
        }
        if observer.is_cancelled() {
            return Err(IngestError::Cancelled);
        }
    }
    if unpacked < part.unpacked { Err(damaged()) } else { Ok(()) }
}

fn zip_error(error: ZipError) -> IngestError {
    match error {
        ZipError::Io(error) if error.kind() == io::ErrorKind::NotFound => IngestError::SourceMissing { source: error },
        ZipError::UnsupportedArchive(reason) if reason == ZipError::PASSWORD_REQUIRED => sniff::encrypted_workbook(),
        _ => damaged(),
    }
}

pub(super) fn damaged() -> IngestError {
    IngestError::unreadable("The workbook is damaged. Open it in a spreadsheet program, save it again as .xlsx and upload that.")
}

fn too_large(limits: &IngestLimits) -> IngestError {
    IngestError::unreadable(format!(
        "The workbook unpacks to more than it may ({} MB, of which {} MB are texts). Save the sheet as CSV and upload that.",
        limits.uncompressed_bytes_max >> 20,
        limits.shared_strings_bytes_max >> 20
    ))
}
