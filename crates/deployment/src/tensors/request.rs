//! A request of tensors.

use std::collections::HashSet;

use gristmill_domain::features::RawColumn;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Datatype, ROWS_MAX, TensorError, VALUES_MAX, decode, without_nan};
use crate::inference::Signature;

/// Names of columns that an error lists.
const NAMES_SHOWN: usize = 20;

/// A request that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct InferRequest {
    /// What the client calls it.
    pub id: Option<String>,
    /// Its columns, all of one length.
    pub inputs: Vec<InputTensor>,
    /// What the client wants; all there is when it does not say.
    pub outputs: Option<Vec<RequestedOutput>>,
    /// Whether outputs are bytes where nothing is said of one.
    pub binary_output: bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct InputTensor {
    /// Its name.
    pub name: String,
    /// Its type.
    pub datatype: Datatype,
    /// Its values; `null` is a missing one.
    pub values: Vec<Value>,
}

/// An output that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedOutput {
    /// Its name.
    pub name: String,
    /// Whether it should be bytes, where that is said.
    pub binary: Option<bool>,
}

#[derive(Deserialize)]
struct WireRequest {
    id: Option<String>,
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
    // Each is read by itself, so that an error can say which one it is.
    inputs: Vec<Value>,
    outputs: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct WireInput {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
    data: Option<Value>,
}

#[derive(Deserialize)]
struct WireOutput {
    name: String,
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
}

impl InferRequest {
    /// Reads a body; `header_length` is the text of `Inference-Header-Content-Length`, where that was sent: behind so many
    /// bytes of JSON the binary data begins.
    ///
    /// # Errors
    /// What is wrong with it, with the name of the tensor.
    pub fn parse(body: &[u8], header_length: Option<&str>) -> Result<Self, TensorError> {
        let (json, mut binary) = split(body, header_length)?;
        let wire = read(json)?;
        if wire.inputs.is_empty() {
            return Err(TensorError::Malformed("it has no inputs; send one for each column".to_owned()));
        }
        let mut inputs: Vec<InputTensor> = Vec::new();
        let (mut names, mut values) = (HashSet::new(), 0_usize);
        for (place, input) in wire.inputs.into_iter().enumerate() {
            let input = WireInput::deserialize(input);
            let input = input.map_err(|error| TensorError::Malformed(format!("inputs[{place}]: {error}")))?;
            let count = rows_of(&input)?;
            if inputs.first().is_some_and(|first| first.values.len() != count) {
                let first = inputs.first().map_or(0, |first| first.values.len());
                return Err(TensorError::input(&input.name, format!("it has {count} rows, and the first input has {first}")));
            }
            values = values.saturating_add(count);
            if values > VALUES_MAX {
                return Err(TensorError::TooLarge);
            }
            if !names.insert(input.name.clone()) {
                return Err(TensorError::input(&input.name, "it is there twice"));
            }
            inputs.push(input.decoded(count, &mut binary, header_length.is_some())?);
        }
        if !binary.is_empty() {
            let left = binary.len();
            return Err(TensorError::HeaderLength(format!("leaves {left} bytes of binary data that belong to no input")));
        }
        Ok(Self {
            id: wire.id.filter(|id| !id.is_empty()),
            inputs,
            outputs: wire.outputs.map(outputs).transpose()?,
            binary_output: is_true(wire.parameters.as_ref(), "binary_data_output"),
        })
    }

    /// Checks that each input is a column of the model, or one of `raw`, from which such are computed. Columns that are missing
    /// are found when rows are read.
    ///
    /// # Errors
    /// The first input that is none, with the names there are.
    pub fn check_names(&self, signature: &Signature, raw: &[RawColumn]) -> Result<(), TensorError> {
        let is_raw = |name: &str| raw.iter().any(|column| column.name == name);
        let unknown = self.inputs.iter().find(|input| signature.feature(&input.name).is_none() && !is_raw(&input.name));
        let Some(unknown) = unknown else { return Ok(()) };
        let names = signature.features.iter().map(|feature| &feature.name).chain(raw.iter().map(|column| &column.name));
        let mut listed: Vec<&str> = names.map(String::as_str).take(NAMES_SHOWN).collect();
        if signature.features.len() + raw.len() > NAMES_SHOWN {
            listed.push("…");
        }
        Err(TensorError::input(&unknown.name, format!("the model has no such column; it has {}", listed.join(", "))))
    }

    /// The rows, each with all columns.
    #[must_use]
    pub fn rows(&self) -> Vec<Map<String, Value>> {
        let count = self.inputs.first().map_or(0, |input| input.values.len());
        let field = |input: &InputTensor, row: usize| Some((input.name.clone(), input.values.get(row)?.clone()));
        (0..count).map(|row| self.inputs.iter().filter_map(|input| field(input, row)).collect()).collect()
    }
}

/// The JSON of a body, and the bytes behind it.
fn split<'a>(body: &'a [u8], header_length: Option<&str>) -> Result<(&'a [u8], &'a [u8]), TensorError> {
    let Some(text) = header_length else { return Ok((body, &[])) };
    let length: usize =
        text.trim().parse().ok().ok_or_else(|| TensorError::HeaderLength("must be a whole number of bytes".to_owned()))?;
    let too_long = || TensorError::HeaderLength(format!("is {length}, and the body has only {} bytes", body.len()));
    body.split_at_checked(length).ok_or_else(too_long)
}

fn read(json: &[u8]) -> Result<WireRequest, TensorError> {
    let malformed = |error: serde_json::Error| TensorError::Malformed(error.to_string());
    match serde_json::from_slice(json) {
        Ok(request) => Ok(request),
        Err(error) if error.is_syntax() => match without_nan(json) {
            Some(json) => serde_json::from_slice(&json).map_err(malformed),
            None => Err(malformed(error)),
        },
        Err(error) => Err(malformed(error)),
    }
}

/// How many rows an input has, by its shape.
fn rows_of(input: &WireInput) -> Result<usize, TensorError> {
    let rows = match input.shape.as_slice() {
        [rows] | [rows, 1] => usize::try_from(*rows).ok().filter(|rows| *rows > 0),
        _ => None,
    };
    let Some(rows) = rows else {
        let problem =
            format!("its shape is {:?}, and must be [n] or [n, 1] with n from 1: one tensor for each column", input.shape);
        return Err(TensorError::input(&input.name, problem.chars().take(200).collect::<String>()));
    };
    if rows > ROWS_MAX { Err(TensorError::TooLarge) } else { Ok(rows) }
}

impl WireInput {
    /// Its values, from its JSON or from the front of the binary data.
    fn decoded(self, count: usize, binary: &mut &[u8], has_binary: bool) -> Result<InputTensor, TensorError> {
        let wrong = |problem: String| TensorError::input(&self.name, problem);
        let Some(datatype) = Datatype::from_name(&self.datatype) else {
            let known = Datatype::ALL.map(Datatype::as_str).join(", ");
            let given: String = self.datatype.chars().take(20).collect();
            return Err(wrong(format!("its datatype {given:?} is not known; there are {known}")));
        };
        if self.parameters.as_ref().is_some_and(|parameters| parameters.contains_key("shared_memory_region")) {
            return Err(wrong("shared memory is not taken; send the data in the body".to_owned()));
        }
        let size = self.parameters.as_ref().and_then(|parameters| parameters.get("binary_data_size"));
        let values = match (size, self.data) {
            (None, None) => Err("it has neither data nor a binary_data_size".to_owned()),
            (Some(_), Some(_)) => Err("it has both data and a binary_data_size; send one".to_owned()),
            (None, Some(data)) => decode::of_json(datatype, data, count),
            (Some(_), None) if !has_binary => {
                Err("it has a binary_data_size, but the header Inference-Header-Content-Length was not sent".to_owned())
            }
            (Some(size), None) => {
                let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
                match size.map(|size| (size, binary.split_at_checked(size))) {
                    None => Err("its binary_data_size must be a whole number of bytes".to_owned()),
                    Some((size, None)) => {
                        Err(format!("its binary data has {size} bytes, and the body only {} more", binary.len()))
                    }
                    Some((_, Some((data, rest)))) => {
                        *binary = rest;
                        decode::of_bytes(datatype, data, count)
                    }
                }
            }
        };
        let values = values.map_err(|problem| TensorError::input(&self.name, problem))?;
        Ok(InputTensor { name: self.name, datatype, values })
    }
}

fn outputs(wire: Vec<Value>) -> Result<Vec<RequestedOutput>, TensorError> {
    let mut names = HashSet::new();
    let output = |(place, output): (usize, Value)| {
        let output = WireOutput::deserialize(output);
        let output = output.map_err(|error| TensorError::Malformed(format!("outputs[{place}]: {error}")))?;
        for extension in ["classification", "shared_memory_region"] {
            if output.parameters.as_ref().is_some_and(|parameters| parameters.contains_key(extension)) {
                return Err(TensorError::output(&output.name, format!("the extension {extension} is not there")));
            }
        }
        if !names.insert(output.name.clone()) {
            return Err(TensorError::output(&output.name, "it is there twice"));
        }
        let binary = output.parameters.as_ref().and_then(|parameters| parameters.get("binary_data")?.as_bool());
        Ok(RequestedOutput { name: output.name, binary })
    };
    wire.into_iter().enumerate().map(output).collect()
}

fn is_true(parameters: Option<&Map<String, Value>>, key: &str) -> bool {
    parameters.and_then(|parameters| parameters.get(key)?.as_bool()).unwrap_or(false)
}
