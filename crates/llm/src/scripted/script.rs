//! The form of a script.

use std::{collections::BTreeMap, path::Path};

use regex::Regex;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::{Effort, StopReason, ToolChoice, Usage};

/// A script is refused beyond this.
const SCRIPT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A script that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("the script {path} cannot be read")]
    Unreadable {
        /// Where it should be.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no script.
    #[error("the script is wrong: {0}")]
    Wrong(String),
}

/// What a scripted model says, and when.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Script {
    /// For its readers.
    #[serde(default)]
    pub description: String,
    /// Which turns may answer.
    #[serde(default)]
    pub order: Order,
    /// The turns.
    pub turns: Vec<Turn>,
    /// Length of the vectors that it makes of texts.
    #[serde(default = "default_dimensions")]
    pub embedding_dimensions: usize,
}

fn default_dimensions() -> usize {
    64
}

/// Which turns may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The first that fits and is not used up.
    #[default]
    Any,
    /// Only the first that is not used up.
    Sequence,
}

/// One exchange.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Turn {
    /// For messages about it.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is the answer to; absent: to anything.
    #[serde(default)]
    pub when: When,
    /// How often it may be the answer; absent: once.
    #[serde(default)]
    pub times: Option<u32>,
    /// Whether it may be the answer any number of times.
    #[serde(default)]
    pub always: bool,
    /// The answer.
    pub reply: Reply,
}

impl Turn {
    /// Its name, or its place.
    #[must_use]
    pub fn label(&self, index: usize) -> String {
        self.name.as_ref().map_or_else(|| format!("turn {}", index + 1), |name| format!("turn {} `{name}`", index + 1))
    }

    /// Whether it may still be the answer.
    #[must_use]
    pub fn is_open(&self, used: u32) -> bool {
        self.always || used < self.times.unwrap_or(1)
    }
}

/// What a turn is the answer to. All that is given must fit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// The last message, of whatever kind.
    #[serde(default)]
    pub last_message: Option<Pattern>,
    /// The last message of a person.
    #[serde(default)]
    pub last_user: Option<Pattern>,
    /// Any one message.
    #[serde(default)]
    pub any_message: Option<Pattern>,
    /// All instructions together.
    #[serde(default)]
    pub system: Option<Pattern>,
    /// One of the results of tools at the end of the conversation.
    #[serde(default)]
    pub tool_result: Option<ToolResultPattern>,
    /// Tools that must be offered.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Whether something must be called.
    #[serde(default)]
    pub tool_choice: Option<ToolChoice>,
    /// The model that is asked for.
    #[serde(default)]
    pub model: Option<String>,
    /// `text`, `json`, or the name of a schema.
    #[serde(default)]
    pub format: Option<String>,
    /// How much it should think.
    #[serde(default)]
    pub effort: Option<Effort>,
}

/// A result of a tool.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolResultPattern {
    /// The tool.
    #[serde(default)]
    pub tool: Option<String>,
    /// What came of it.
    #[serde(default)]
    pub content: Option<Pattern>,
    /// Whether it failed.
    #[serde(default)]
    pub is_error: Option<bool>,
}

/// What a text must be like. A bare string must be in it.
#[derive(Debug, Clone, Default)]
pub struct Pattern {
    /// Must be in it.
    pub contains: Vec<String>,
    /// Must not be in it.
    pub lacks: Vec<String>,
    /// Must be it.
    pub equals: Option<String>,
    /// Must be found in it.
    pub regex: Option<Regex>,
}

/// One text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Vec<String> {
    fn from(value: OneOrMany) -> Self {
        match value {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    OneOrMany::deserialize(deserializer).map(Into::into)
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Fields {
            #[serde(default, deserialize_with = "texts")]
            contains: Vec<String>,
            #[serde(default, deserialize_with = "texts")]
            lacks: Vec<String>,
            equals: Option<String>,
            regex: Option<String>,
        }
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self { contains: vec![text], ..Self::default() }),
            object => {
                let fields: Fields = serde_json::from_value(object).map_err(de::Error::custom)?;
                let regex = fields.regex.map(|text| Regex::new(&text)).transpose().map_err(de::Error::custom)?;
                Ok(Self { contains: fields.contains, lacks: fields.lacks, equals: fields.equals, regex })
            }
        }
    }
}

/// What a turn answers, in this order: thinking, text, calls, usage, its end or its failure.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reply {
    /// Thinking; of several texts each is an event.
    #[serde(default, deserialize_with = "texts")]
    pub thinking: Vec<String>,
    /// Text; of several texts each is an event.
    #[serde(default, deserialize_with = "texts")]
    pub text: Vec<String>,
    /// JSON, instead of text.
    #[serde(default)]
    pub json: Option<Value>,
    /// Calls.
    #[serde(default)]
    pub tool_calls: Vec<ToolCallReply>,
    /// What it costs; absent: an estimate.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Why it ends; absent: `tool_calls` when there are some, else `finished`.
    #[serde(default)]
    pub stop: Option<StopReason>,
    /// It fails after what it said.
    #[serde(default)]
    pub error: Option<ErrorReply>,
    /// It says nothing more, and does not end, until whoever asked gives up.
    #[serde(default)]
    pub hangs: bool,
    /// How long it takes before each event, milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
}

/// A call that a scripted model makes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolCallReply {
    /// Its id; absent: made up.
    #[serde(default)]
    pub id: Option<String>,
    /// The tool.
    pub name: String,
    /// Its arguments.
    #[serde(default = "no_arguments")]
    pub arguments: Value,
}

fn no_arguments() -> Value {
    Value::Object(serde_json::Map::new())
}

/// A failure that a scripted model has.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorReply {
    /// `authentication`, `rate_limited`, `unavailable`, `timeout`, `refused`.
    pub kind: ErrorKind,
    /// What the provider would say.
    #[serde(default)]
    pub message: String,
    /// When to come back, milliseconds.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The key is wrong.
    Authentication,
    /// Too many requests.
    RateLimited,
    /// Down.
    Unavailable,
    /// Too slow.
    Timeout,
    /// A request that the provider does not accept.
    Refused,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// `Wrong` with the place of what is wrong.
    pub fn from_json(json: &str) -> Result<Self, ScriptError> {
        let script: Self = serde_json::from_str(json).map_err(|error| ScriptError::Wrong(error.to_string()))?;
        if !(1..=4096).contains(&script.embedding_dimensions) {
            return Err(ScriptError::Wrong("embeddingDimensions must be from 1 to 4096".into()));
        }
        Ok(script)
    }

    /// Reads the script in a file.
    ///
    /// # Errors
    /// `Unreadable`, or `Wrong` with the place of what is wrong.
    pub fn from_file(path: &Path) -> Result<Self, ScriptError> {
        let unreadable = |source| ScriptError::Unreadable { path: path.display().to_string(), source };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > SCRIPT_BYTES_MAX {
            return Err(ScriptError::Wrong(format!("it is larger than {SCRIPT_BYTES_MAX} bytes")));
        }
        Self::from_json(&std::fs::read_to_string(path).map_err(unreadable)?)
    }
}

impl Reply {
    /// It with named places filled, in texts, JSON and arguments.
    #[must_use]
    pub(super) fn filled(mut self, names: &BTreeMap<String, String>) -> Self {
        if names.is_empty() {
            return self;
        }
        for text in self.thinking.iter_mut().chain(&mut self.text) {
            fill(text, names);
        }
        if let Some(json) = &mut self.json {
            fill_value(json, names);
        }
        for call in &mut self.tool_calls {
            fill_value(&mut call.arguments, names);
        }
        self
    }
}

fn fill(text: &mut String, names: &BTreeMap<String, String>) {
    for (name, value) in names {
        let place = format!("{{{{{name}}}}}");
        if text.contains(&place) {
            *text = text.replace(&place, value);
        }
    }
}

fn fill_value(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => fill(text, names),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_value(item, names)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill_value(field, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
