//! A file as a stream of clean UTF-8: transcoded, without byte order mark and without NUL characters.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use memchr::memchr;

use crate::{error::IngestError, num};

/// Encodings that files are read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextEncoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// Windows-1252, which contains Latin-1.
    Windows1252,
}

impl TextEncoding {
    /// The name for the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Windows1252 => "windows-1252",
        }
    }

    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 => UTF_8,
            Self::Utf16Le => UTF_16LE,
            Self::Utf16Be => UTF_16BE,
            Self::Windows1252 => WINDOWS_1252,
        }
    }
}

/// What was mended while decoding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mended {
    /// NUL characters that were removed.
    pub(crate) nuls: u64,
    /// Byte sequences that are no characters; each became U+FFFD.
    pub(crate) malformed: u64,
}

/// Bytes read from the file at a time.
const READ_BYTES: usize = 256 * 1024;
const RESERVED_BYTES_MAX: usize = 64 << 20;
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Reads a file in a given encoding.
pub(crate) struct TextSource {
    file: Box<dyn Read + Send>,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    position: u64,
    finished: bool,
    mended: Mended,
}

impl TextSource {
    /// Opens a file.
    pub(crate) fn open(path: &Path, encoding: TextEncoding) -> Result<Self, IngestError> {
        let file = File::open(path).map_err(IngestError::from_read)?;
        Ok(Self::new(Box::new(file), encoding))
    }

    /// Reads from anywhere, for samples of a file.
    pub(crate) fn new(file: Box<dyn Read + Send>, encoding: TextEncoding) -> Self {
        Self {
            file,
            decoder: encoding.encoding().new_decoder_with_bom_removal(),
            raw: vec![0; READ_BYTES],
            position: 0,
            finished: false,
            mended: Mended::default(),
        }
    }

    /// Bytes of the file read so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn mended(&self) -> Mended {
        self.mended
    }

    /// Whether the file's end was reached.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Appends text until `text` has `target` bytes or the file ends.
    pub(crate) fn fill(&mut self, text: &mut Vec<u8>, target: usize) -> Result<(), IngestError> {
        // What is not used of a reservation costs nothing but addresses.
        text.reserve(target.saturating_sub(text.len()).min(RESERVED_BYTES_MAX) + READ_BYTES * 3);
        while text.len() < target && !self.finished {
            let start = text.len();
            self.read_some(text)?;
            self.remove_nuls(text, start);
        }
        Ok(())
    }

    fn read_some(&mut self, text: &mut Vec<u8>) -> Result<(), IngestError> {
        let read = loop {
            match self.file.read(&mut self.raw) {
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(IngestError::from_read(error)),
            }
        };
        self.position += num::count(read);
        self.finished = read == 0;
        let mut input = self.raw.get(..read).unwrap_or_default();
        loop {
            let written = text.len();
            // Three bytes for each byte read are enough for every one of the encodings.
            text.resize(written + input.len() * 3 + 16, 0);
            let output = text.get_mut(written..).unwrap_or_default();
            let (result, consumed, produced) = self.decoder.decode_to_utf8_without_replacement(input, output, self.finished);
            text.truncate(written + produced);
            input = input.get(consumed..).unwrap_or_default();
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    text.extend_from_slice(REPLACEMENT);
                    self.mended.malformed += 1;
                }
            }
        }
    }

    fn remove_nuls(&mut self, text: &mut Vec<u8>, start: usize) {
        let Some(first) = memchr(0, text.get(start..).unwrap_or_default()) else { return };
        let tail = text.split_off(start + first);
        text.extend(tail.iter().filter(|byte| **byte != 0));
        self.mended.nuls += num::count(start + first + tail.len() - text.len());
    }
}

/// Decides over a whole file that is not all UTF-8 whether it is damaged UTF-8 or Windows-1252: whichever has more
/// characters on its side.
pub(crate) fn survey_utf8(path: &Path) -> Result<TextEncoding, IngestError> {
    let mut file = File::open(path).map_err(IngestError::from_read)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut survey = Utf8Survey::default();
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(survey.verdict()),
            Ok(read) => survey.add(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(IngestError::from_read(error)),
        }
    }
}

/// Counts well-formed and malformed sequences of bytes above 127.
#[derive(Debug, Default)]
struct Utf8Survey {
    carry: Vec<u8>,
    characters: u64,
    malformed: u64,
}

impl Utf8Survey {
    fn add(&mut self, bytes: &[u8]) {
        let mut joined = std::mem::take(&mut self.carry);
        joined.extend_from_slice(bytes);
        let mut rest = joined.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.characters += wide_characters(text);
                    return;
                }
                Err(error) => {
                    let (valid, invalid) = rest.split_at_checked(error.valid_up_to()).unwrap_or((rest, b""));
                    self.characters += std::str::from_utf8(valid).map_or(0, wide_characters);
                    let Some(length) = error.error_len() else {
                        self.carry = invalid.to_vec();
                        return;
                    };
                    self.malformed += 1;
                    rest = invalid.get(length..).unwrap_or_default();
                }
            }
        }
    }

    fn verdict(&self) -> TextEncoding {
        let malformed = self.malformed + u64::from(!self.carry.is_empty());
        if malformed > 0 && malformed >= self.characters { TextEncoding::Windows1252 } else { TextEncoding::Utf8 }
    }
}

fn wide_characters(text: &str) -> u64 {
    if text.is_ascii() {
        return 0;
    }
    num::count(text.bytes().filter(|byte| *byte >= 0xC0).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], encoding: TextEncoding) -> (String, Mended) {
        let mut source = TextSource::new(Box::new(io::Cursor::new(bytes.to_vec())), encoding);
        let mut text = Vec::new();
        source.fill(&mut text, usize::MAX).unwrap();
        (String::from_utf8(text).unwrap(), source.mended())
    }

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    }

    #[test]
    fn every_encoding_becomes_utf8() {
        assert_eq!(decode("\u{feff}a,é".as_bytes(), TextEncoding::Utf8).0, "a,é");
        assert_eq!(decode(&utf16("\u{feff}a,é😀", true), TextEncoding::Utf16Le).0, "a,é😀");
        assert_eq!(decode(&utf16("a,é😀", false), TextEncoding::Utf16Be).0, "a,é😀");
        assert_eq!(decode(b"caf\xe9 \x80", TextEncoding::Windows1252).0, "café €");
    }

    #[test]
    fn damage_is_mended_and_counted() {
        assert_eq!(decode(b"a\0b\0\0c\xff", TextEncoding::Utf8), ("abc\u{fffd}".into(), Mended { nuls: 3, malformed: 1 }));
        let lone_surrogate = [0x61, 0, 0, 0xD8, 0x62, 0];
        assert_eq!(decode(&lone_surrogate, TextEncoding::Utf16Le), ("a\u{fffd}b".into(), Mended { nuls: 0, malformed: 1 }));
    }

    #[test]
    fn the_majority_decides_between_damaged_utf8_and_latin() {
        for (bytes, expected) in [
            (&b"caf\xe9"[..], TextEncoding::Windows1252),
            ("é è à \u{fffd}".as_bytes(), TextEncoding::Utf8),
            (b"\xc3\xa9 \xc3\xa8 \xff", TextEncoding::Utf8),
            (b"abc", TextEncoding::Utf8),
            (b"abc\xc3", TextEncoding::Windows1252),
        ] {
            for split in 0..bytes.len() {
                let mut survey = Utf8Survey::default();
                survey.add(&bytes[..split]);
                survey.add(&bytes[split..]);
                assert_eq!(survey.verdict(), expected, "{bytes:?} split at {split}");
            }
        }
    }
}
