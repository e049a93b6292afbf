//! What a model takes and gives as tensors, and the response that has it.

use std::collections::HashMap;

use gristmill_domain::{PredictionId, datasets::ColumnType, features::RawColumn};
use serde_json::{Map, Value, json};

use super::{Datatype, InferRequest, TensorError};
use crate::{
    inference::{Feature, FeatureKind, Signature, ValueType},
    serving::Answer,
};

const PREDICTION: &str = "prediction";
const PROBABILITIES: &str = "probabilities";
const INTERVAL: &str = "prediction_interval";
const IDS: &str = "prediction_id";

/// A tensor that a model takes or gives.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Its type.
    pub datatype: Datatype,
    /// Values of each row; one when it is a column.
    pub width: Option<usize>,
    /// What more there is to know of it.
    pub parameters: Map<String, Value>,
}

impl TensorInfo {
    fn new(name: &str, datatype: Datatype, width: Option<usize>) -> Self {
        Self { name: name.to_owned(), datatype, width, parameters: Map::new() }
    }

    /// As metadata has it; rows are as many as are sent, hence -1.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let shape = match self.width {
            None => json!([-1]),
            Some(width) => json!([-1, width]),
        };
        let mut info = json!({ "name": self.name, "datatype": self.datatype.as_str(), "shape": shape });
        if let Some(object) = info.as_object_mut().filter(|_| !self.parameters.is_empty()) {
            object.insert("parameters".to_owned(), Value::Object(self.parameters.clone()));
        }
        info
    }
}

/// The tensors that a model takes: one for each of its columns.
#[must_use]
pub fn inputs_of(signature: &Signature) -> Vec<TensorInfo> {
    let datatype = |feature: &Feature| match (feature.kind, feature.value_type) {
        (FeatureKind::Date, _) | (_, ValueType::String | ValueType::Date | ValueType::Datetime) => Datatype::Bytes,
        (_, ValueType::Int) => Datatype::Int64,
        (_, ValueType::Float) => Datatype::Fp64,
        (_, ValueType::Boolean) => Datatype::Bool,
    };
    signature.features.iter().map(|feature| TensorInfo::new(&feature.name, datatype(feature), None)).collect()
}

/// The tensors that a model takes in place of columns that are computed; each tells which.
#[must_use]
pub fn raw_inputs_of(raw: &[RawColumn]) -> Vec<TensorInfo> {
    let input = |column: &RawColumn| {
        let datatype = match column.dtype {
            ColumnType::Integer => Datatype::Int64,
            ColumnType::Float => Datatype::Fp64,
            ColumnType::Boolean => Datatype::Bool,
            ColumnType::String | ColumnType::Date | ColumnType::Unknown => Datatype::Bytes,
        };
        let mut info = TensorInfo::new(&column.name, datatype, None);
        info.parameters.insert("computes".to_owned(), json!(column.computes));
        info
    };
    raw.iter().map(input).collect()
}

/// The tensors that a model gives.
#[must_use]
pub fn outputs_of(signature: &Signature) -> Vec<TensorInfo> {
    let mut outputs = vec![TensorInfo::new(PREDICTION, label_type(signature), None)];
    if !signature.labels.is_empty() {
        let mut probabilities = TensorInfo::new(PROBABILITIES, Datatype::Fp64, Some(signature.labels.len()));
        let labels = signature.labels.iter().map(|label| Value::from(label.text.as_str()));
        probabilities.parameters.insert("labels".to_owned(), labels.collect());
        outputs.push(probabilities);
    }
    if signature.interval.is_some() {
        outputs.push(TensorInfo::new(INTERVAL, Datatype::Fp64, Some(2)));
    }
    outputs.push(TensorInfo::new(IDS, Datatype::Bytes, None));
    outputs
}

/// The type of predictions: that of the classes, a number where there are none.
fn label_type(signature: &Signature) -> Datatype {
    let all = |is: fn(&Value) -> bool| signature.labels.iter().all(|label| is(&label.value));
    if all(Value::is_boolean) && !signature.labels.is_empty() {
        Datatype::Bool
    } else if all(Value::is_i64) && !signature.labels.is_empty() {
        Datatype::Int64
    } else if all(Value::is_number) {
        Datatype::Fp64
    } else {
        Datatype::Bytes
    }
}

/// The values of an output.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData {
    /// `BOOL`.
    Flags(Vec<bool>),
    /// `INT64`.
    Whole(Vec<i64>),
    /// `FP64`.
    Numbers(Vec<f64>),
    /// `BYTES`.
    Texts(Vec<String>),
}

impl TensorData {
    /// Values of a type; none when one is not of it.
    fn of(datatype: Datatype, values: impl Iterator<Item = Value>) -> Option<Self> {
        Some(match datatype {
            Datatype::Bool => Self::Flags(values.map(|value| value.as_bool()).collect::<Option<_>>()?),
            Datatype::Int64 => Self::Whole(values.map(|value| value.as_i64()).collect::<Option<_>>()?),
            Datatype::Fp64 => Self::Numbers(values.map(|value| value.as_f64()).collect::<Option<_>>()?),
            _ => Self::Texts(values.map(|value| value.as_str().map(ToOwned::to_owned)).collect::<Option<_>>()?),
        })
    }

    /// As JSON data, flat.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Flags(values) => json!(values),
            Self::Whole(values) => json!(values),
            Self::Numbers(values) => json!(values),
            Self::Texts(values) => json!(values),
        }
    }

    /// As binary data.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Flags(values) => values.iter().map(|value| u8::from(*value)).collect(),
            Self::Whole(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Numbers(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Texts(values) => {
                let mut bytes = Vec::new();
                for text in values {
                    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
                bytes
            }
        }
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferResponse {
    /// JSON, and binary data behind it.
    pub body: Vec<u8>,
    /// The bytes of the JSON, where binary data is behind it.
    pub header_length: Option<usize>,
}

impl InferRequest {
    /// Checks that there is every output that is wanted.
    ///
    /// # Errors
    /// The first one that there is not, with the names there are.
    pub fn check_outputs(&self, signature: &Signature) -> Result<(), TensorError> {
        let there = outputs_of(signature);
        let unknown = self.outputs.iter().flatten().find(|wanted| !there.iter().any(|output| output.name == wanted.name));
        let Some(unknown) = unknown else { return Ok(()) };
        let names: Vec<&str> = there.iter().map(|output| output.name.as_str()).collect();
        Err(TensorError::output(&unknown.name, format!("the model does not give it; it gives {}", names.join(", "))))
    }

    /// Writes the answers as the request wants them; `model` is its name and version.
    ///
    /// # Errors
    /// `Output`, when an answer does not have what the model's signature says.
    pub fn respond(
        &self,
        signature: &Signature,
        model: (&str, &str),
        answers: &[Answer],
        ids: &[PredictionId],
    ) -> Result<InferResponse, TensorError> {
        let (mut outputs, mut binary) = (Vec::new(), Vec::new());
        let mut has_binary = false;
        for info in outputs_of(signature) {
            let wanted = self.outputs.as_ref().map(|wanted| wanted.iter().find(|wanted| wanted.name == info.name));
            let as_bytes = match wanted {
                // Others are wanted.
                Some(None) => continue,
                Some(Some(wanted)) => wanted.binary.unwrap_or(self.binary_output),
                None => self.binary_output,
            };
            let data = data_of(&info, signature, answers, ids);
            let data = data.ok_or_else(|| TensorError::output(&info.name, "the model gave no such answer"))?;
            let shape = info.width.map_or_else(|| json!([answers.len()]), |width| json!([answers.len(), width]));
            let mut output = json!({ "name": info.name, "datatype": info.datatype.as_str(), "shape": shape });
            let Some(object) = output.as_object_mut() else { continue };
            if as_bytes {
                let bytes = data.to_bytes();
                object.insert("parameters".to_owned(), json!({ "binary_data_size": bytes.len() }));
                binary.extend_from_slice(&bytes);
                has_binary = true;
            } else {
                object.insert("data".to_owned(), data.to_json());
            }
            outputs.push(output);
        }
        let mut response = json!({ "model_name": model.0, "model_version": model.1 });
        if let (Some(object), Some(id)) = (response.as_object_mut(), &self.id) {
            object.insert("id".to_owned(), id.as_str().into());
        }
        if let Some(object) = response.as_object_mut() {
            object.insert("outputs".to_owned(), Value::Array(outputs));
        }
        let mut body = response.to_string().into_bytes();
        let header_length = has_binary.then_some(body.len());
        body.append(&mut binary);
        Ok(InferResponse { body, header_length })
    }
}

/// The values of an output.
fn data_of(info: &TensorInfo, signature: &Signature, answers: &[Answer], ids: &[PredictionId]) -> Option<TensorData> {
    match info.name.as_str() {
        PREDICTION => {
            let labels: HashMap<&str, &Value> =
                signature.labels.iter().map(|label| (label.text.as_str(), &label.value)).collect();
            let value = |answer: &Answer| {
                let label = answer.prediction.as_str().and_then(|text| labels.get(text));
                label.map_or_else(|| answer.prediction.clone(), |value| (*value).clone())
            };
            match info.datatype {
                // Classes of several types are told by their texts.
                Datatype::Bytes => TensorData::of(info.datatype, answers.iter().map(|answer| answer.prediction.clone())),
                datatype => TensorData::of(datatype, answers.iter().map(value)),
            }
        }
        PROBABILITIES => {
            let mut chances = Vec::with_capacity(answers.len() * signature.labels.len());
            for answer in answers {
                let of = answer.probabilities.as_ref()?;
                for label in &signature.labels {
                    chances.push(of.get(&label.text).and_then(Value::as_f64)?);
                }
            }
            Some(TensorData::Numbers(chances))
        }
        INTERVAL => {
            let ends = answers.iter().map(|answer| answer.interval.map(|(low, high)| [low, high]));
            Some(TensorData::Numbers(ends.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()))
        }
        IDS => Some(TensorData::Texts(ids.iter().map(ToString::to_string).collect())),
        _ => None,
    }
}
