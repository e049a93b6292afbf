//! The one loop that is known: over stored points, for the distance of each to every row.

use super::{
    compile::{Compiler, Value},
    distances::Metric,
    graph_error::GraphError,
    onnx::{Graph, Node},
    operators::{distances, known},
};

/// Compiles `Scan`.
pub(super) fn compile<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Result<(), GraphError> {
    known(node, &["body", "num_scan_inputs"])?;
    let body = node.graph("body")?.ok_or_else(|| GraphError::broken(node, "has no body"))?;
    let metric = match (node.int("num_scan_inputs")?, metric(&body)?) {
        (Some(1), Some(metric)) if node.inputs.len() == 2 && node.outputs.len() == 2 => metric,
        _ => return Err(GraphError::unsupported(node, "another body than the distance to a point")),
    };
    let found = distances(compiler, node, metric)?;
    if let [state, stacked] = node.outputs.as_slice() {
        compiler.define(state, Value::Nothing)?;
        compiler.define(stacked, Value::Distances(found))?;
    }
    Ok(())
}

/// Tells what distance a body computes: of its first input (rows, handed on) to its second (a point).
fn metric(body: &Graph<'_>) -> Result<Option<Metric>, GraphError> {
    let ([rows, point], [rows_out, answer]) = (body.inputs.as_slice(), body.outputs.as_slice()) else { return Ok(None) };
    let maker = |name: &str| body.nodes.iter().find(|node| node.outputs.first() == Some(&name));
    let through = |name: &str| match maker(name) {
        Some(node) if node.operator == "Identity" && node.attributes.is_empty() => node.inputs.first().copied(),
        _ => None,
    };
    if through(rows_out.name) != Some(rows.name) || body.nodes.iter().any(|node| !matches!(node.domain, "" | "ai.onnx")) {
        return Ok(None);
    }
    let Some(folded) = through(answer.name).and_then(maker) else { return Ok(None) };
    if !folds_columns(body, folded)? {
        return Ok(None);
    }
    let inner = folded.inputs.first().and_then(|name| maker(name));
    let (apart, metric) = match (folded.operator, inner) {
        ("ReduceSumSquare", inner) => (inner, Metric::Euclidean),
        ("ReduceSum", Some(absolute)) if absolute.operator == "Abs" => {
            (absolute.inputs.first().and_then(|name| maker(name)), Metric::Manhattan)
        }
        _ => return Ok(None),
    };
    let subtracts = apart.is_some_and(|node| node.operator == "Sub" && node.inputs == [rows.name, point.name]);
    Ok(subtracts.then_some(metric))
}

/// Whether a node folds axis 1 away.
fn folds_columns(body: &Graph<'_>, node: &Node<'_>) -> Result<bool, GraphError> {
    if known(node, &["keepdims", "axes"]).is_err() || node.int("keepdims")? != Some(0) {
        return Ok(false);
    }
    let Some(name) = node.inputs.get(1) else {
        let mut axes = node.ints("axes");
        return Ok((axes.next_int()?, axes.next_int()?) == (Some(1), None));
    };
    let axes = body.constants.iter().find(|constant| constant.name == *name);
    match axes {
        Some(axes) if axes.count()? == 1 => Ok(axes.ints()? == [1]),
        _ => Ok(false),
    }
}
