//! The operators of `ai.onnx.ml` that exported pipelines have, one function each.

use super::{
    compile::{Compiler, Form, Kind, Rows, Value},
    graph_error::GraphError,
    linear::Linear,
    onnx::Node,
    operators::{Outcome, give, known, size, table},
    program::Operation,
    transform::Transform,
    trees::Forest,
    wire::Repeated,
};

pub(super) fn imputer<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["imputed_value_floats", "replaced_value_float"])?;
    let from = compiler.table(node, 0)?;
    let values = floats(compiler, node.floats("imputed_value_floats"))?;
    let values = spread(node, values, from.width)?;
    let replaced = node.float("replaced_value_float")?.unwrap_or(0.0);
    let slot = compiler.add(Operation::Impute { from: from.slot, values, replaced }, from.width, 0)?;
    give(compiler, node, 0, table(slot, from.width, Kind::Number))
}

pub(super) fn scaler<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["offset", "scale"])?;
    let from = compiler.table(node, 0)?;
    let offset = floats(compiler, node.floats("offset"))?;
    let offset = spread(node, offset, from.width)?;
    let scale = floats(compiler, node.floats("scale"))?;
    let scale = spread(node, scale, from.width)?;
    let slot = compiler.add(Operation::Scale { from: from.slot, offset, scale }, from.width, 0)?;
    give(compiler, node, 0, table(slot, from.width, Kind::Number))
}

pub(super) fn one_hot<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["cats_strings", "zeros"])?;
    let from = compiler.rows(node, 0)?;
    let (Kind::Text(Some(column)), Form::Table, 1) = (from.kind, from.form, from.width) else {
        return Err(GraphError::unsupported(node, "an input that is not one column of texts"));
    };
    if node.int("zeros")?.unwrap_or(1) != 1 {
        return Err(GraphError::unsupported(node, "unknown texts refused"));
    }
    let Some(dictionary) = compiler.inputs.dictionaries.get(column) else {
        return Err(GraphError::broken(node, "encodes a column that there is not"));
    };
    let mut places = vec![None; dictionary.len()];
    let mut width = 0_u32;
    let mut list = node.texts("cats_strings");
    while let Some(text) = list.next_bytes()? {
        // A category that no row can have keeps its column, which stays 0.
        let code = std::str::from_utf8(text).ok().and_then(|text| dictionary.get(text));
        if let Some(place) = code.and_then(|code| places.get_mut(super::numbers::place(*code))) {
            *place = Some(width);
        }
        width = width.checked_add(1).ok_or_else(|| GraphError::too_large("a column has too many categories"))?;
    }
    compiler.charge(places.len().saturating_mul(8))?;
    let width = super::numbers::place(width);
    let slot = compiler.add(Operation::OneHot { from: from.slot, places }, width, 1)?;
    give(compiler, node, 0, Rows { slot, width, kind: Kind::Number, form: Form::Stack })
}

pub(super) fn trees<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    const NODES: [&str; 10] = [
        "nodes_treeids",
        "nodes_nodeids",
        "nodes_featureids",
        "nodes_modes",
        "nodes_values",
        "nodes_truenodeids",
        "nodes_falsenodeids",
        "nodes_missing_value_tracks_true",
        "nodes_hitrates",
        "base_values",
    ];
    let classifies = node.operator == "TreeEnsembleClassifier";
    let own: &[&str] = if classifies {
        &["class_treeids", "class_nodeids", "class_ids", "class_weights", "classlabels_int64s", "post_transform"]
    } else {
        &["target_treeids", "target_nodeids", "target_ids", "target_weights", "n_targets", "post_transform", "aggregate_function"]
    };
    known(node, &[&NODES, own].concat())?;
    let from = compiler.table(node, 0)?;
    let forest = if classifies { Forest::classifier(node, from.width)? } else { Forest::regressor(node, from.width)? };
    compiler.charge(forest.memory_bytes())?;
    let (width, work) = (forest.width(), forest.steps());
    let slot = compiler.add(Operation::Forest { from: from.slot, forest: Box::new(forest) }, width, work)?;
    scores(compiler, node, classifies, table(slot, width, Kind::Number))
}

/// Names the scores of a classifier, whose own label is not computed, or of a regressor.
fn scores<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>, classifies: bool, rows: Rows) -> Outcome {
    if let (true, Some(label)) = (classifies, node.outputs.first()) {
        compiler.define(label, Value::Nothing)?;
    }
    give(compiler, node, usize::from(classifies), rows)
}

pub(super) fn linear_classifier<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["classlabels_ints", "coefficients", "intercepts", "multi_class", "post_transform"])?;
    let (from, linear) = linear(compiler, node)?;
    let width = linear.intercepts.len();
    let mut labels = node.ints("classlabels_ints");
    for class in 0..width {
        if labels.next_int()?.and_then(|label| usize::try_from(label).ok()) != Some(class) {
            return Err(GraphError::unsupported(node, "labels that are not 0, 1, ..."));
        }
    }
    if width < 2 || labels.next_int()?.is_some() {
        return Err(GraphError::unsupported(node, "fewer scores than classes"));
    }
    let transform = Transform::read(node)?;
    let work = size(from.width).saturating_mul(size(width));
    let slot = compiler.add(Operation::Linear { from: from.slot, linear, transform }, width, work)?;
    scores(compiler, node, true, table(slot, width, Kind::Number))
}

pub(super) fn linear_regressor<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["coefficients", "intercepts", "targets", "post_transform"])?;
    let (from, linear) = linear(compiler, node)?;
    if linear.intercepts.len() != 1 || node.int("targets")?.unwrap_or(1) != 1 {
        return Err(GraphError::unsupported(node, "more than one number"));
    }
    let transform = Transform::read(node)?;
    if transform != Transform::None {
        return Err(GraphError::unsupported(node, "transformed numbers"));
    }
    let slot = compiler.add(Operation::Linear { from: from.slot, linear, transform }, 1, size(from.width))?;
    scores(compiler, node, false, table(slot, 1, Kind::Number))
}

fn linear<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Result<(Rows, Linear), GraphError> {
    let from = compiler.table(node, 0)?;
    let coefficients = floats(compiler, node.floats("coefficients"))?;
    let mut intercepts = floats(compiler, node.floats("intercepts"))?;
    let scores = coefficients.len() / from.width;
    if intercepts.is_empty() {
        intercepts = vec![0.0; scores];
    }
    if scores == 0 || scores.saturating_mul(from.width) != coefficients.len() || intercepts.len() != scores {
        return Err(GraphError::broken(node, "has not one coefficient for each column and score"));
    }
    let doubles = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    let linear = Linear { coefficients: doubles(coefficients), intercepts: doubles(intercepts), width: from.width };
    Ok((from, linear))
}

pub(super) fn normalizer<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["norm"])?;
    if node.text("norm")?.unwrap_or("MAX") != "L1" {
        return Err(GraphError::unsupported(node, "another norm than L1"));
    }
    let from = compiler.table(node, 0)?;
    let slot = compiler.add(Operation::Normalize { from: from.slot }, from.width, size(from.width))?;
    give(compiler, node, 0, table(slot, from.width, Kind::Number))
}

pub(super) fn look<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &[])?;
    let tensor = compiler.constant(node, 0)?;
    let from = compiler.rows(node, 1)?;
    if from.kind != Kind::Int || !matches!(tensor.shape.as_slice(), [_] | [1, _]) {
        return Err(GraphError::unsupported(node, "another input than a list and places in it"));
    }
    compiler.charge(tensor.count()?.saturating_mul(8))?;
    let slot = compiler.add(Operation::Look { from: from.slot, table: tensor.ints()? }, from.width, 0)?;
    give(compiler, node, 0, Rows { slot, form: Form::Flat, ..from })
}

fn floats(compiler: &mut Compiler<'_, '_>, mut list: Repeated<'_>) -> Result<Vec<f32>, GraphError> {
    let mut values = Vec::new();
    while let Some(value) = list.next_float()? {
        values.push(value);
    }
    compiler.charge(values.len().saturating_mul(8))?;
    Ok(values)
}

/// One value for each column: a single one counts for all.
fn spread(node: &Node<'_>, values: Vec<f32>, width: usize) -> Result<Vec<f32>, GraphError> {
    match values.as_slice() {
        [one] => Ok(vec![*one; width]),
        _ if values.len() == width => Ok(values),
        _ => Err(GraphError::broken(node, "has not one value for each column")),
    }
}
