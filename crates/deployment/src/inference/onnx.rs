//! An ONNX file as the compiler sees it: names and attributes, still in the bytes of the file.
//!
//! Lists are decoded where they are used and not before, so that a file can make the server allocate no more than what
//! the parts that are used really hold.

use super::wire::{Field, Malformed, Message, Repeated};

/// The most nodes, constants, attributes, inputs and outputs, in all. Exported pipelines have some hundred; wide tables some
/// ten for each text column.
const PARTS_MAX: usize = 1_000_000;
/// The most dimensions of a tensor.
const RANK_MAX: usize = 8;
/// Sub-graphs inside sub-graphs; exported pipelines have one level.
const DEPTH_MAX: usize = 3;

/// Why a file cannot be read as a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OnnxError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the file has no graph")]
    NoGraph,
    #[error("the graph has more than {PARTS_MAX} parts")]
    TooManyParts,
    #[error("graphs are nested more than {DEPTH_MAX} deep")]
    TooDeep,
    #[error("`{0}` keeps its numbers in another file")]
    External(String),
    #[error("`{name}` has a type of numbers that is not read here ({code})")]
    ElementType { name: String, code: i64 },
    #[error("`{0}` does not have as many numbers as its shape says")]
    Length(String),
}

/// A graph with its parts in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) constants: Vec<Tensor<'a>>,
    pub(super) inputs: Vec<Port<'a>>,
    pub(super) outputs: Vec<Port<'a>>,
}

/// An input or output of a graph.
#[derive(Debug, Default)]
pub(super) struct Port<'a> {
    pub(super) name: &'a str,
    /// The code of its type of elements; 0 where the file does not say.
    pub(super) element: i64,
    /// Its dimensions; `None` where one is not fixed.
    pub(super) shape: Vec<Option<i64>>,
}

#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) operator: &'a str,
    /// The operator's family: empty, or `ai.onnx.ml`.
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

/// An attribute, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    body: &'a [u8],
}

/// A constant, not yet decoded.
#[derive(Debug, Clone)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Vec<usize>,
    element: i64,
    raw: Option<&'a [u8]>,
    body: &'a [u8],
}

/// Codes of `TensorProto.DataType`.
pub(super) const FLOAT: i64 = 1;
pub(super) const INT32: i64 = 6;
pub(super) const INT64: i64 = 7;
pub(super) const STRING: i64 = 8;
pub(super) const DOUBLE: i64 = 11;

/// Reads the graph of a model's file.
pub(super) fn parse(bytes: &[u8]) -> Result<Graph<'_>, OnnxError> {
    let mut model = Message::new(bytes);
    let mut graph = None;
    while let Some((number, field)) = model.next()? {
        if number == 7 {
            graph = Some(field.bytes()?);
        }
    }
    parse_graph(graph.ok_or(OnnxError::NoGraph)?, 0, &mut Parts(PARTS_MAX))
}

/// How many parts may still come.
struct Parts(usize);

impl Parts {
    fn push<T>(&mut self, list: &mut Vec<T>, part: T) -> Result<(), OnnxError> {
        self.0 = self.0.checked_sub(1).ok_or(OnnxError::TooManyParts)?;
        list.push(part);
        Ok(())
    }
}

fn parse_graph<'a>(bytes: &'a [u8], depth: usize, parts: &mut Parts) -> Result<Graph<'a>, OnnxError> {
    if depth > DEPTH_MAX {
        return Err(OnnxError::TooDeep);
    }
    let mut message = Message::new(bytes);
    let mut graph = Graph::default();
    while let Some((number, field)) = message.next()? {
        match number {
            1 => {
                let node = parse_node(field.bytes()?, parts)?;
                parts.push(&mut graph.nodes, node)?;
            }
            5 => parts.push(&mut graph.constants, parse_tensor(field.bytes()?)?)?,
            11 => parts.push(&mut graph.inputs, parse_port(field.bytes()?)?)?,
            12 => parts.push(&mut graph.outputs, parse_port(field.bytes()?)?)?,
            _ => {}
        }
    }
    Ok(graph)
}

fn parse_node<'a>(bytes: &'a [u8], parts: &mut Parts) -> Result<Node<'a>, OnnxError> {
    let mut message = Message::new(bytes);
    let mut node = Node::default();
    while let Some((number, field)) = message.next()? {
        match number {
            1 => parts.push(&mut node.inputs, field.text()?)?,
            2 => parts.push(&mut node.outputs, field.text()?)?,
            4 => node.operator = field.text()?,
            5 => parts.push(&mut node.attributes, parse_attribute(field.bytes()?)?)?,
            7 => node.domain = field.text()?,
            _ => {}
        }
    }
    Ok(node)
}

fn parse_attribute(body: &[u8]) -> Result<Attribute<'_>, OnnxError> {
    let name = Repeated::new(body, 1).next_bytes()?.unwrap_or_default();
    Ok(Attribute { name: std::str::from_utf8(name).ok().ok_or(Malformed)?, body })
}

fn parse_port(bytes: &[u8]) -> Result<Port<'_>, OnnxError> {
    let mut message = Message::new(bytes);
    let mut port = Port::default();
    while let Some((number, field)) = message.next()? {
        match number {
            1 => port.name = field.text()?,
            2 => {
                if let Some(tensor) = Repeated::new(field.bytes()?, 1).next_bytes()? {
                    port.element = Repeated::new(tensor, 1).next_int()?.unwrap_or_default();
                    let shape = Repeated::new(tensor, 2).next_bytes()?.unwrap_or_default();
                    let mut dimensions = Repeated::new(shape, 1);
                    while let Some(dimension) = dimensions.next_bytes()?.filter(|_| port.shape.len() < RANK_MAX) {
                        port.shape.push(Repeated::new(dimension, 1).next_int()?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(port)
}

fn parse_tensor(body: &[u8]) -> Result<Tensor<'_>, OnnxError> {
    let mut tensor = Tensor { name: "", shape: Vec::new(), element: 0, raw: None, body };
    let mut message = Message::new(body);
    let mut external = false;
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (2, _) => tensor.element = field.int()?,
            (8, _) => tensor.name = field.text()?,
            (9, Field::Bytes(bytes)) => tensor.raw = Some(bytes),
            (13 | 14, _) => external |= number == 13 || field.int()? != 0,
            _ => {}
        }
    }
    let mut dimensions = Repeated::new(body, 1);
    while let Some(dimension) = dimensions.next_int()? {
        if tensor.shape.len() == RANK_MAX {
            return Err(OnnxError::Length(tensor.name.to_owned()));
        }
        tensor.shape.push(usize::try_from(dimension).ok().ok_or_else(|| OnnxError::Length(tensor.name.to_owned()))?);
    }
    if external {
        return Err(OnnxError::External(tensor.name.to_owned()));
    }
    Ok(tensor)
}

impl<'a> Node<'a> {
    pub(super) fn attribute(&self, name: &str) -> Option<Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name).copied()
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>, OnnxError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        Ok(Repeated::new(attribute.body, 3).next_int()?)
    }

    pub(super) fn float(&self, name: &str) -> Result<Option<f32>, OnnxError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        Ok(Repeated::new(attribute.body, 2).next_float()?)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, OnnxError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let Some(bytes) = Repeated::new(attribute.body, 4).next_bytes()? else { return Ok(None) };
        Ok(Some(std::str::from_utf8(bytes).ok().ok_or(Malformed)?))
    }

    pub(super) fn ints(&self, name: &str) -> Repeated<'a> {
        Repeated::new(self.attribute(name).map_or(&[], |attribute| attribute.body), 8)
    }

    pub(super) fn floats(&self, name: &str) -> Repeated<'a> {
        Repeated::new(self.attribute(name).map_or(&[], |attribute| attribute.body), 7)
    }

    pub(super) fn texts(&self, name: &str) -> Repeated<'a> {
        Repeated::new(self.attribute(name).map_or(&[], |attribute| attribute.body), 9)
    }

    /// The body of a loop.
    pub(super) fn graph(&self, name: &str) -> Result<Option<Graph<'a>>, OnnxError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let body = Repeated::new(attribute.body, 6).next_bytes()?;
        body.map(|body| parse_graph(body, 1, &mut Parts(PARTS_MAX))).transpose()
    }
}

impl Tensor<'_> {
    /// The number of elements, as the shape says.
    pub(super) fn count(&self) -> Result<usize, OnnxError> {
        let count = self.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        count.ok_or_else(|| OnnxError::Length(self.name.to_owned()))
    }

    pub(super) fn is_integer(&self) -> bool {
        matches!(self.element, INT32 | INT64)
    }

    /// The elements of a tensor of floats.
    pub(super) fn floats(&self) -> Result<Vec<f64>, OnnxError> {
        let count = self.count()?;
        let values: Vec<f64> = match (self.element, self.raw) {
            (FLOAT, Some(raw)) => {
                let (values, rest) = raw.as_chunks::<4>();
                self.check(values.len(), count, rest)?;
                values.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect()
            }
            (DOUBLE, Some(raw)) => {
                let (values, rest) = raw.as_chunks::<8>();
                self.check(values.len(), count, rest)?;
                values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
            }
            (FLOAT, None) => {
                let (mut list, mut values) = (Repeated::new(self.body, 4), Vec::new());
                while let Some(value) = list.next_float()?.filter(|_| values.len() <= count) {
                    values.push(value.into());
                }
                values
            }
            (code, _) => return Err(OnnxError::ElementType { name: self.name.to_owned(), code }),
        };
        self.check(values.len(), count, &[])?;
        Ok(values)
    }

    /// The elements of a tensor of integers.
    pub(super) fn ints(&self) -> Result<Vec<i64>, OnnxError> {
        let count = self.count()?;
        let values: Vec<i64> = match (self.element, self.raw) {
            (INT64, Some(raw)) => {
                let (values, rest) = raw.as_chunks::<8>();
                self.check(values.len(), count, rest)?;
                values.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
            }
            (INT32, Some(raw)) => {
                let (values, rest) = raw.as_chunks::<4>();
                self.check(values.len(), count, rest)?;
                values.iter().map(|bytes| i32::from_le_bytes(*bytes).into()).collect()
            }
            (INT32 | INT64, None) => {
                let number = if self.element == INT64 { 7 } else { 5 };
                let (mut list, mut values) = (Repeated::new(self.body, number), Vec::new());
                while let Some(value) = list.next_int()?.filter(|_| values.len() <= count) {
                    values.push(value);
                }
                values
            }
            (code, _) => return Err(OnnxError::ElementType { name: self.name.to_owned(), code }),
        };
        self.check(values.len(), count, &[])?;
        Ok(values)
    }

    fn check(&self, found: usize, count: usize, rest: &[u8]) -> Result<(), OnnxError> {
        if found == count && rest.is_empty() { Ok(()) } else { Err(OnnxError::Length(self.name.to_owned())) }
    }
}
