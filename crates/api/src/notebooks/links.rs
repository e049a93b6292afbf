//! Names of stored outputs. A name carries a signature, so that whoever knows it may read the file: browsers fetch
//! pictures without the credential.

use gristmill_domain::CellId;
use gristmill_identity::ServerSecret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Hex digits of a signature: 128 bits.
const TAG_CHARS: usize = 32;

/// Makes and checks names of stored outputs.
#[derive(Clone)]
pub struct OutputLinks {
    key: [u8; 32],
}

impl std::fmt::Debug for OutputLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OutputLinks(..)")
    }
}

impl OutputLinks {
    /// With a key of its own, derived from the server's secret: all servers of an installation agree on names.
    #[must_use]
    pub fn new(secret: &ServerSecret) -> Self {
        Self { key: tag(secret.expose().as_bytes(), &[b"gristmill output links v1"]) }
    }

    /// The name of a file of a cell's outputs. `stem` is letters, digits and underscores.
    #[must_use]
    pub fn name(&self, cell: CellId, stem: &str, extension: &str) -> String {
        format!("{stem}.{}.{extension}", self.signature(cell, stem, extension))
    }

    /// Whether a name was made here, for this cell.
    #[must_use]
    pub fn is_signed(&self, cell: CellId, name: &str) -> bool {
        let mut parts = name.splitn(3, '.');
        let (Some(stem), Some(sent), Some(extension)) = (parts.next(), parts.next(), parts.next()) else { return false };
        let expected = self.signature(cell, stem, extension);
        // Compared as a whole: the time does not tell how much of it was right.
        sent.len() == expected.len() && sent.bytes().zip(expected.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }

    fn signature(&self, cell: CellId, stem: &str, extension: &str) -> String {
        let mut text = hex::encode(tag(&self.key, &[cell.0.as_bytes(), stem.as_bytes(), b".", extension.as_bytes()]));
        text.truncate(TAG_CHARS);
        text
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn tag(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The media type of a stored output, by the ending of its name.
#[must_use]
pub(super) fn extension_of(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/svg+xml" => "svg",
        "image/webp" => "webp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_for_its_cell_and_as_it_is() {
        let links = OutputLinks::new(&ServerSecret::new("x".repeat(32).into()).unwrap());
        let other = OutputLinks::new(&ServerSecret::new("y".repeat(32).into()).unwrap());
        let cell = CellId::random();
        let name = links.name(cell, "image_0_ab12", "png");
        assert!(links.is_signed(cell, &name));
        assert!(!links.is_signed(CellId::random(), &name) && !other.is_signed(cell, &name));
        for wrong in
            [name.replace("png", "svg"), name.replace("_0_", "_1_"), "image_0_ab12..png".into(), String::new(), "a.b".into()]
        {
            assert!(!links.is_signed(cell, &wrong), "{wrong}");
        }
    }
}
