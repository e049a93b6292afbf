//! From the graph of a file to a program: every width, type and constant is checked here, once, so that running cannot fail.
//!
//! Only what the wanted answer needs is compiled. What is not known here is refused; the model is then served by a worker.

use std::collections::HashMap;

use super::{
    distances::Metric,
    graph_error::{GraphError, shown},
    onnx::{self, FLOAT, Graph, Node, Port, STRING, Tensor},
    operators,
    program::{self, CATEGORICAL, FIRST_STEP, NUMERIC, Operand, Operation, Program, Step},
};

/// The most values that a step may give for a row: the width of a wide one-hot encoding, or the points of a neighbours'
/// model.
const WIDTH_MAX: usize = 1 << 22;
/// The most values between all steps for a row.
const WIDTHS_MAX: usize = 1 << 24;
/// The most elementary operations for a row, about a fifth of a second.
const WORK_MAX: u64 = 1 << 28;
/// The most memory that constants may take, bytes.
const CONSTANTS_BYTES_MAX: usize = 1 << 30;

/// What the graph is fed with.
#[derive(Debug)]
pub(super) struct Inputs<'a> {
    /// Columns of the numeric block.
    pub(super) numeric: usize,
    /// For each column of the categorical block, what text has what number.
    pub(super) dictionaries: &'a [HashMap<Box<str>, u32>],
}

/// The answer that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The output `probabilities`, one for each class.
    Probabilities(usize),
    /// The only output, a number.
    Number,
    /// The output `label`, the number of a cluster.
    Cluster,
}

/// What is known of a value of the graph.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'g, 'a> {
    Constant(&'g Tensor<'a>),
    Rows(Rows),
    /// Distances to stored points, not computed before the nearest are asked for.
    Distances(Distances<'g, 'a>),
    /// An output that is not computed.
    Nothing,
}

/// A value that a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) slot: usize,
    pub(super) width: usize,
    pub(super) kind: Kind,
    pub(super) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Int,
    /// The column of the categorical block, where it is one.
    Text(Option<usize>),
}

/// The shape: n is the number of rows, w the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `[n]`; the width is 1.
    Vector,
    /// `[n, w]`.
    Table,
    /// `[n, 1, w]`.
    Stack,
    /// `[1, n * w]`.
    Flat,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Distances<'g, 'a> {
    pub(super) from: Rows,
    pub(super) points: &'g Tensor<'a>,
    pub(super) metric: Metric,
    /// Whether a row of the dataset is a row here, not a column.
    pub(super) turned: bool,
}

/// The state of a compilation.
#[derive(Debug)]
pub(super) struct Compiler<'g, 'a> {
    pub(super) values: HashMap<&'a str, Value<'g, 'a>>,
    pub(super) inputs: &'g Inputs<'g>,
    steps: Vec<Step>,
    widths: usize,
    constants_bytes: usize,
    work: u64,
}

/// Compiles the graph of a file.
pub(super) fn compile(bytes: &[u8], inputs: &Inputs<'_>, wanted: Wanted) -> Result<Program, GraphError> {
    let graph = onnx::parse(bytes)?;
    let name = wanted_output(&graph, wanted)?;
    let needed = needed_nodes(&graph, name)?;
    let mut compiler = Compiler {
        values: HashMap::new(),
        inputs,
        steps: Vec::new(),
        widths: inputs.numeric.saturating_add(inputs.dictionaries.len()),
        constants_bytes: 0,
        work: 0,
    };
    for constant in &graph.constants {
        compiler.define(constant.name, Value::Constant(constant))?;
    }
    for input in &graph.inputs {
        compiler.declare_input(input)?;
    }
    for node in needed {
        operators::compile(&mut compiler, node)?;
    }
    let answer = compiler.rows_named(name)?;
    compiler.finish(answer, wanted)
}

fn wanted_output<'a>(graph: &Graph<'a>, wanted: Wanted) -> Result<&'a str, GraphError> {
    let found = match wanted {
        Wanted::Probabilities(_) => graph.outputs.iter().find(|output| output.name == "probabilities"),
        Wanted::Cluster => graph.outputs.iter().find(|output| output.name == "label"),
        Wanted::Number => graph.outputs.first().filter(|_| graph.outputs.len() == 1),
    };
    found.map(|output| output.name).ok_or_else(|| GraphError::Broken("it has not the outputs of its kind of model".to_owned()))
}

/// The nodes on which an output depends, in the order of the file.
fn needed_nodes<'g, 'a>(graph: &'g Graph<'a>, output: &'a str) -> Result<Vec<&'g Node<'a>>, GraphError> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (number, node) in graph.nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if makers.insert(name, number).is_some() {
                return Err(GraphError::Broken(format!("two nodes give `{}`", shown(name))));
            }
        }
    }
    let mut needed = vec![false; graph.nodes.len()];
    let mut waiting = vec![output];
    while let Some(name) = waiting.pop() {
        let Some(number) = makers.get(name) else { continue };
        if let (Some(mark), Some(node)) = (needed.get_mut(*number), graph.nodes.get(*number))
            && !*mark
        {
            *mark = true;
            waiting.extend(&node.inputs);
        }
    }
    Ok(graph.nodes.iter().zip(needed).filter_map(|(node, needed)| needed.then_some(node)).collect())
}

impl<'g, 'a> Compiler<'g, 'a> {
    fn declare_input(&mut self, input: &Port<'a>) -> Result<(), GraphError> {
        if self.values.contains_key(input.name) {
            // Old files list constants among the inputs.
            return Ok(());
        }
        let columns = input.shape.get(1).copied().flatten().and_then(|columns| usize::try_from(columns).ok());
        let (slot, element, expected, kind) = match input.name {
            "numeric" => (NUMERIC, FLOAT, self.inputs.numeric, Kind::Number),
            "categorical" => (CATEGORICAL, STRING, self.inputs.dictionaries.len(), Kind::Text(None)),
            other => return Err(GraphError::Broken(format!("it takes `{}`, which the signature does not have", shown(other)))),
        };
        if input.element != element || columns != Some(expected) || input.shape.len() != 2 || expected == 0 {
            return Err(GraphError::Broken(format!("its input `{}` is not what the signature says", input.name)));
        }
        self.define(input.name, Value::Rows(Rows { slot, width: expected, kind, form: Form::Table }))
    }

    pub(super) fn define(&mut self, name: &'a str, value: Value<'g, 'a>) -> Result<(), GraphError> {
        if self.values.insert(name, value).is_some() {
            return Err(GraphError::Broken(format!("`{}` is given twice", shown(name))));
        }
        Ok(())
    }

    pub(super) fn value(&self, name: &str) -> Result<Value<'g, 'a>, GraphError> {
        let value = self.values.get(name).copied();
        value.ok_or_else(|| GraphError::Broken(format!("`{}` is used before it is there", shown(name))))
    }

    pub(super) fn rows_named(&self, name: &str) -> Result<Rows, GraphError> {
        match self.value(name)? {
            Value::Rows(rows) => Ok(rows),
            _ => Err(GraphError::Unsupported(format!("`{}` is not computed row by row", shown(name)))),
        }
    }

    /// The value of an input that rows have.
    pub(super) fn rows(&self, node: &Node<'a>, input: usize) -> Result<Rows, GraphError> {
        let name = node.inputs.get(input).ok_or_else(|| GraphError::broken(node, "lacks an input"))?;
        self.rows_named(name)
    }

    /// A table of numbers.
    pub(super) fn table(&self, node: &Node<'a>, input: usize) -> Result<Rows, GraphError> {
        let rows = self.rows(node, input)?;
        if rows.kind == Kind::Number && rows.form == Form::Table {
            return Ok(rows);
        }
        Err(GraphError::unsupported(node, "an input that is not a table of numbers"))
    }

    pub(super) fn constant(&self, node: &Node<'a>, input: usize) -> Result<&'g Tensor<'a>, GraphError> {
        let name = node.inputs.get(input).ok_or_else(|| GraphError::broken(node, "lacks an input"))?;
        match self.value(name)? {
            Value::Constant(tensor) => Ok(tensor),
            _ => Err(GraphError::unsupported(node, "an input that is not constant")),
        }
    }

    /// The few numbers of a constant, such as axes or a shape.
    pub(super) fn small_ints(&self, node: &Node<'a>, input: usize) -> Result<Vec<i64>, GraphError> {
        let tensor = self.constant(node, input)?;
        if tensor.count()? > 64 {
            return Err(GraphError::unsupported(node, "so many axes"));
        }
        Ok(tensor.ints()?)
    }

    /// One side of an arithmetic step, with its width.
    pub(super) fn operand(&mut self, node: &Node<'a>, input: usize) -> Result<(Operand, usize, Form), GraphError> {
        let name = node.inputs.get(input).ok_or_else(|| GraphError::broken(node, "lacks an input"))?;
        match self.value(name)? {
            Value::Constant(tensor) => {
                let width = tensor.count()?;
                if !matches!(tensor.shape.as_slice(), [] | [_] | [1, _]) || width == 0 {
                    return Err(GraphError::unsupported(node, "a constant that is not one row"));
                }
                self.charge(width.saturating_mul(8))?;
                let values = if tensor.is_integer() {
                    return Err(GraphError::unsupported(node, "whole numbers"));
                } else {
                    tensor.floats()?
                };
                Ok((Operand::Constant(values), width, Form::Table))
            }
            Value::Rows(rows) if rows.kind == Kind::Number && matches!(rows.form, Form::Table | Form::Vector) => {
                Ok((Operand::Slot(rows.slot), rows.width, rows.form))
            }
            _ => Err(GraphError::unsupported(node, "an input that is not a table of numbers")),
        }
    }

    /// Counts memory for constants before it is taken.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), GraphError> {
        self.constants_bytes = self.constants_bytes.saturating_add(bytes);
        if self.constants_bytes > CONSTANTS_BYTES_MAX {
            return Err(GraphError::too_large("its constants need more than 1 GiB"));
        }
        Ok(())
    }

    /// Adds a step that gives `width` values for a row in `work` elementary operations.
    pub(super) fn add(&mut self, operation: Operation, width: usize, work: u64) -> Result<usize, GraphError> {
        self.widths = self.widths.saturating_add(width);
        let moved = u64::try_from(width).unwrap_or(u64::MAX);
        self.work = self.work.saturating_add(work).saturating_add(moved);
        if width == 0 {
            return Err(GraphError::Broken("a node gives nothing".to_owned()));
        }
        if width > WIDTH_MAX || self.widths > WIDTHS_MAX {
            return Err(GraphError::too_large("a row becomes too many values"));
        }
        if self.work > WORK_MAX {
            return Err(GraphError::too_large("a prediction takes too much work"));
        }
        self.steps.push(Step { operation, width });
        Ok(self.steps.len() - 1 + FIRST_STEP)
    }

    fn finish(self, answer: Rows, wanted: Wanted) -> Result<Program, GraphError> {
        let fits = match wanted {
            Wanted::Probabilities(classes) => answer.kind == Kind::Number && answer.width == classes,
            Wanted::Number => answer.kind == Kind::Number && answer.width == 1,
            Wanted::Cluster => answer.kind == Kind::Int && answer.width == 1,
        };
        if !fits || !matches!(answer.form, Form::Table | Form::Vector) {
            return Err(GraphError::Broken("its answer is not what the signature says".to_owned()));
        }
        Ok(Program {
            numeric_width: self.inputs.numeric.max(1),
            categorical_width: self.inputs.dictionaries.len().max(1),
            answer: answer.slot,
            work: self.work.max(1),
            rows_together: program::rows_together(self.widths),
            steps: self.steps,
        })
    }
}
