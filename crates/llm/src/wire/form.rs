//! How much a server can be asked for: what it refused once, it is not asked again.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::{Format, LlmError, Message, Request, http::is_format_refusal};

/// Which form of output a server accepts. Falls from a schema to JSON to nothing, as the server refuses.
#[derive(Debug, Default)]
pub(super) struct Forms(AtomicU8);

/// The form in which an output is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As the request says.
    Schema,
    /// JSON, with the schema in words.
    Json,
    /// In words alone.
    Words,
}

impl Forms {
    /// For servers that never enforce more than this.
    pub(super) fn at_most(form: Form) -> Self {
        Self(AtomicU8::new(match form {
            Form::Schema => 0,
            Form::Json => 1,
            Form::Words => 2,
        }))
    }

    /// The most that this server is asked for.
    pub(super) fn best(&self) -> Form {
        match self.0.load(Ordering::Relaxed) {
            0 => Form::Schema,
            1 => Form::Json,
            _ => Form::Words,
        }
    }

    /// What to try after a refusal, if the form may have been the reason.
    pub(super) fn after(tried: Form, request: &Request, error: &LlmError) -> Option<Form> {
        if request.format == Format::Text || !is_format_refusal(error) {
            return None;
        }
        match (tried, &request.format) {
            (Form::Schema, Format::Schema(_)) => Some(Form::Json),
            (Form::Schema | Form::Json, _) => Some(Form::Words),
            (Form::Words, _) => None,
        }
    }

    /// A form was accepted after better ones were not.
    pub(super) fn settle(&self, form: Form) {
        let level = match form {
            Form::Schema => 0,
            Form::Json => 1,
            Form::Words => 2,
        };
        self.0.fetch_max(level, Ordering::Relaxed);
    }
}

/// The conversation with what the form does not say: the schema in words, in front.
pub(super) fn messages_for(request: &Request, form: Form) -> Vec<Message> {
    let words = match (&request.format, form) {
        (Format::Text, _) | (_, Form::Schema) | (Format::Json, Form::Json) => None,
        (Format::Json, Form::Words) => Some("Answer with one JSON object and nothing else.".to_owned()),
        (Format::Schema(schema), _) => Some(format!(
            "Answer with one JSON object and nothing else. It must be valid for this JSON Schema:\n{}",
            schema.schema
        )),
    };
    words.map(Message::system).into_iter().chain(request.messages.iter().cloned()).collect()
}
