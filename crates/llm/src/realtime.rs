//! Sessions of OpenAI's realtime API, for browsers that transcribe speech: contract 2, section 12.

use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    LlmError,
    http::{Endpoint, Http, KeyHeader},
};

/// A secret that lets a browser open one session.
#[derive(Debug, Clone)]
pub struct ClientSecret {
    /// What the browser sends.
    pub value: SecretString,
    /// Until when it may be used, in seconds since 1970; 0 when the provider did not say.
    pub expires_at: u64,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum RealtimeError {
    /// The provider refused.
    #[error("the provider of transcription refused ({status}): {detail}")]
    Upstream {
        /// Its HTTP status.
        status: u16,
        /// What it said, without keys.
        detail: String,
    },
    /// The provider said yes, and something that is no secret.
    #[error("the provider of transcription answered something unexpected")]
    Malformed,
    /// The provider was not reached.
    #[error("the provider of transcription was not reached")]
    Unreached(#[source] LlmError),
}

/// Makes sessions.
#[derive(Debug, Clone)]
pub struct Realtime {
    http: Http,
}

impl Realtime {
    /// At OpenAI, or at what speaks as it does.
    ///
    /// # Errors
    /// `Unavailable` when the machine has no certificates; `Authentication` when the key cannot be sent.
    pub fn new(endpoint: &Endpoint) -> Result<Self, LlmError> {
        Ok(Self { http: Http::new(endpoint, KeyHeader::Bearer)? })
    }

    /// Makes a session that transcribes English speech.
    ///
    /// # Errors
    /// [`RealtimeError`].
    pub async fn create_transcription_session(&self) -> Result<ClientSecret, RealtimeError> {
        let watch = self.http.watch(&CancellationToken::new(), None, false);
        let current = self.http.exchange("realtime/client_secrets", &session(), &watch).await;
        let (mut status, mut body) = current.map_err(RealtimeError::Unreached)?;
        if status == 404 {
            // Gateways that only know the route of the beta.
            let beta = self.http.exchange("realtime/transcription_sessions", &beta_session(), &watch).await;
            (status, body) = beta.map_err(RealtimeError::Unreached)?;
        }
        if !(200..300).contains(&status) {
            return Err(RealtimeError::Upstream { status, detail: self.http.said(status, &body) });
        }
        secret(&body).ok_or(RealtimeError::Malformed)
    }
}

fn secret(body: &[u8]) -> Option<ClientSecret> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    // The beta has it one level deeper.
    let holder = answer.get("client_secret").unwrap_or(&answer);
    let value = holder.get("value").and_then(Value::as_str).filter(|value| !value.is_empty())?;
    let expires_at = holder.get("expires_at").and_then(Value::as_u64).unwrap_or(0);
    Some(ClientSecret { value: value.into(), expires_at })
}

fn turn_detection() -> Value {
    json!({ "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 1000 })
}

fn session() -> Value {
    let input = json!({
        "format": { "type": "audio/pcm", "rate": 24000 },
        "noise_reduction": { "type": "near_field" },
        "transcription": { "model": "gpt-4o-transcribe", "language": "en" },
        "turn_detection": turn_detection(),
    });
    json!({ "session": { "type": "transcription", "audio": { "input": input } } })
}

fn beta_session() -> Value {
    json!({
        "input_audio_format": "pcm16",
        "input_audio_noise_reduction": { "type": "near_field" },
        "input_audio_transcription": { "model": "gpt-4o-transcribe", "language": "en" },
        "turn_detection": turn_detection(),
    })
}
