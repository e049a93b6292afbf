//! Jupyter messages on the wire: signed requests, verified answers. Content is parsed by who wants it, and only then.

use std::io;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use super::zmtp::Multipart;

const DELIMITER: &[u8] = b"<IDS|MSG>";

/// Makes and checks messages of one connection.
#[derive(Debug)]
pub(super) struct Wire {
    key: String,
    session: String,
}

/// A verified message of the kernel.
#[derive(Debug)]
pub(super) struct Incoming {
    /// `stream`, `execute_reply`, ….
    pub(super) kind: String,
    /// The id of the request that it answers.
    pub(super) parent: String,
    /// JSON; empty when it was too large to be read.
    pub(super) content: Bytes,
    /// Bytes of it that were not read.
    pub(super) dropped: u64,
}

#[derive(Serialize)]
struct OutgoingHeader<'a> {
    msg_id: &'a str,
    username: &'static str,
    session: &'a str,
    date: String,
    msg_type: &'a str,
    version: &'static str,
}

#[derive(Deserialize)]
struct IncomingHeader {
    msg_type: String,
}

#[derive(Deserialize)]
struct ParentHeader {
    #[serde(default)]
    msg_id: String,
}

impl Wire {
    pub(super) fn new(key: String) -> Self {
        Self { key, session: Uuid::new_v4().to_string() }
    }

    /// A signed request; its id is what answers name as their parent.
    pub(super) fn request(&self, kind: &str, content: &impl Serialize) -> io::Result<(String, Vec<Bytes>)> {
        let id = Uuid::new_v4().to_string();
        let header = OutgoingHeader {
            msg_id: &id,
            username: "gristmill",
            session: &self.session,
            date: chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).to_rfc3339(),
            msg_type: kind,
            version: "5.3",
        };
        let parts = [serde_json::to_vec(&header)?, b"{}".to_vec(), b"{}".to_vec(), serde_json::to_vec(content)?];
        let mut mac = self.mac()?;
        for part in &parts {
            mac.update(part);
        }
        let signature = hex::encode(mac.finalize().into_bytes());
        let mut frames = vec![Bytes::from_static(DELIMITER), Bytes::from(signature)];
        frames.extend(parts.map(Bytes::from));
        Ok((id, frames))
    }

    /// Takes a message apart. None: it is not a signed Jupyter message, and is to be ignored.
    pub(super) fn open(&self, message: &Multipart) -> Option<Incoming> {
        let start = message.frames.iter().position(|frame| frame.as_ref() == DELIMITER)?;
        let [signature, header, parent, metadata, content, ..] = message.frames.get(start + 1..)? else { return None };
        // What was not read cannot be verified. Only its size is used then.
        if message.dropped == 0 {
            let mut mac = self.mac().ok()?;
            for part in [header, parent, metadata, content] {
                mac.update(part);
            }
            mac.verify_slice(&hex::decode(signature).ok()?).ok()?;
        }
        let kind = serde_json::from_slice::<IncomingHeader>(header).ok()?.msg_type;
        let parent = serde_json::from_slice::<ParentHeader>(parent).ok()?.msg_id;
        Some(Incoming { kind, parent, content: content.clone(), dropped: message.dropped })
    }

    fn mac(&self) -> io::Result<Hmac<Sha256>> {
        Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn opens_what_it_signed_and_nothing_else() {
        let wire = Wire::new("secret".to_owned());
        let (_, mut frames) = wire.request("kernel_info_request", &json!({"a": 1})).unwrap();
        frames.insert(0, Bytes::from_static(b"topic"));
        let good = Multipart { frames: frames.clone(), dropped: 0 };
        assert_eq!(wire.open(&good).unwrap().kind, "kernel_info_request");
        assert!(Wire::new("other".to_owned()).open(&good).is_none());
        *frames.last_mut().unwrap() = Bytes::from_static(b"{}");
        assert!(wire.open(&Multipart { frames, dropped: 0 }).is_none(), "changed content");
        assert!(wire.open(&Multipart::default()).is_none());
        assert!(wire.open(&Multipart { frames: vec![Bytes::from_static(DELIMITER)], dropped: 0 }).is_none());
    }
}
