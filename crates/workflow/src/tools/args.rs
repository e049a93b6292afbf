//! The arguments of tools, one struct a tool. What stands at the fields is read by models: it is their documentation.
//!
//! The JSON Schema that models and clients see comes from these types, and arguments are checked against that schema
//! ([`super::registry::parse`]), so that there is one truth.

use gristmill_domain::workflows::ToolName;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The arguments of a tool.
pub trait ToolArgs: DeserializeOwned + JsonSchema {
    /// The tool.
    const TOOL: ToolName;
}

/// Says whose arguments structs are.
macro_rules! arguments_of {
    ($($tool:ident: $args:ident;)+) => {
        $(impl $crate::tools::args::ToolArgs for $args {
            const TOOL: gristmill_domain::workflows::ToolName = gristmill_domain::workflows::ToolName::$tool;
        })+
    };
}

/// A closed set of words. Its schema is a plain `enum`, which every provider understands.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// The word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::tools::args::words(&[$($text),+])
            }
        }
    };
}

pub mod cells;
pub mod data;
pub mod features;
pub mod interaction;
pub mod packages;
pub mod preprocessing;
pub mod training;

/// The schema of a closed set of words.
fn words(words: &[&str]) -> Schema {
    let words = words.iter().map(|word| Value::from(*word)).collect();
    let fields = [("type", Value::from("string")), ("enum", Value::Array(words))];
    Schema::from(fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<String, Value>>())
}

/// The schema of an id.
fn id(_: &mut SchemaGenerator) -> Schema {
    let fields = [("type", Value::from("string")), ("format", Value::from("uuid"))];
    Schema::from(fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<String, Value>>())
}

/// The schema of a list of ids.
fn ids(generator: &mut SchemaGenerator) -> Schema {
    let fields = [("type", Value::from("array")), ("items", Value::from(id(generator)))];
    Schema::from(fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<String, Value>>())
}

fn yes() -> bool {
    true
}
