//! The operators of plain ONNX that exported pipelines have, one function each; `learned` has those of fitted models.

use super::{
    compile::{Compiler, Distances, Form, Kind, Rows, Value},
    distances::{Metric, Neighbours},
    graph_error::{GraphError, shown},
    learned,
    linear::Gemm,
    numbers::single,
    onnx::{FLOAT, INT64, Node},
    program::{Arithmetic, Fold, Function, Operation},
    scan,
};

pub(super) type Outcome = Result<(), GraphError>;

/// Compiles one node.
pub(super) fn compile<'g, 'a>(compiler: &mut Compiler<'g, 'a>, node: &Node<'a>) -> Outcome {
    let learned = match node.domain {
        "" | "ai.onnx" => false,
        "ai.onnx.ml" => true,
        other => return Err(GraphError::Unsupported(format!("it uses operators of `{}`", shown(other)))),
    };
    match (learned, node.operator) {
        (true, "Imputer") => learned::imputer(compiler, node),
        (true, "Scaler") => learned::scaler(compiler, node),
        (true, "OneHotEncoder") => learned::one_hot(compiler, node),
        (true, "TreeEnsembleClassifier" | "TreeEnsembleRegressor") => learned::trees(compiler, node),
        (true, "LinearClassifier") => learned::linear_classifier(compiler, node),
        (true, "LinearRegressor") => learned::linear_regressor(compiler, node),
        (true, "Normalizer") => learned::normalizer(compiler, node),
        (true, "ArrayFeatureExtractor") => learned::look(compiler, node),
        (false, "Gather") => gather(compiler, node),
        (false, "Concat") => concat(compiler, node),
        (false, "Reshape") => reshape(compiler, node),
        (false, "Flatten") => flatten(compiler, node),
        (false, "Identity") => identity(compiler, node),
        (false, "Cast") => cast(compiler, node),
        (false, "Add") => arithmetic(compiler, node, Arithmetic::Add),
        (false, "Sub") => arithmetic(compiler, node, Arithmetic::Subtract),
        (false, "Mul") => arithmetic(compiler, node, Arithmetic::Multiply),
        (false, "Div") => arithmetic(compiler, node, Arithmetic::Divide),
        (false, "Sum") => sum(compiler, node),
        (false, "Sqrt") => apply(compiler, node, Function::SquareRoot),
        (false, "Exp") => apply(compiler, node, Function::Exponential),
        (false, "Abs") => apply(compiler, node, Function::Absolute),
        (false, "ReduceSum") => fold(compiler, node, Fold::Sum),
        (false, "ReduceSumSquare") => fold(compiler, node, Fold::SumOfSquares),
        (false, "ReduceLogSumExp") => fold(compiler, node, Fold::LogOfSumOfExponentials),
        (false, "Gemm") => gemm(compiler, node),
        (false, "ArgMax") => extreme(compiler, node, true),
        (false, "ArgMin") => extreme(compiler, node, false),
        (false, "Equal") => equal(compiler, node),
        (false, "Scan") => scan::compile(compiler, node),
        (false, "Transpose") => transpose(compiler, node),
        (false, "TopK") => nearest(compiler, node),
        (_, other) => Err(GraphError::Unsupported(format!("it has the operator `{}`", shown(other)))),
    }
}

/// Refuses attributes that would change what a node does in a way that is not known here.
pub(super) fn known(node: &Node<'_>, names: &[&str]) -> Outcome {
    match node.attributes.iter().find(|attribute| !names.contains(&attribute.name)) {
        None => Ok(()),
        Some(attribute) => Err(GraphError::unsupported(node, &format!("the attribute `{}`", shown(attribute.name)))),
    }
}

/// Names what a node gives.
pub(super) fn give<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>, output: usize, rows: Rows) -> Outcome {
    match node.outputs.get(output) {
        Some(name) if !name.is_empty() => compiler.define(name, Value::Rows(rows)),
        _ => Ok(()),
    }
}

pub(super) fn table(slot: usize, width: usize, kind: Kind) -> Rows {
    Rows { slot, width, kind, form: Form::Table }
}

pub(super) fn size(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn gather<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["axis"])?;
    let from = compiler.rows(node, 0)?;
    if from.form != Form::Table || node.int("axis")? != Some(1) {
        return Err(GraphError::unsupported(node, "another axis than the columns"));
    }
    let tensor = compiler.constant(node, 1)?;
    compiler.charge(tensor.count()?.saturating_mul(8))?;
    let mut columns = Vec::new();
    for column in tensor.ints()? {
        let column = usize::try_from(column).ok().filter(|column| *column < from.width);
        columns.push(column.ok_or_else(|| GraphError::broken(node, "asks for a column that there is not"))?);
    }
    let kind = match (from.kind, columns.as_slice()) {
        (Kind::Text(None), [column]) => Kind::Text(Some(*column)),
        (kind, _) => kind,
    };
    let width = columns.len();
    let slot = compiler.add(Operation::Pick { from: from.slot, columns }, width, 0)?;
    give(compiler, node, 0, table(slot, width, kind))
}

fn concat<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["axis"])?;
    let axis = node.int("axis")?;
    let (mut from, mut width, mut form) = (Vec::new(), 0_usize, None);
    for input in 0..node.inputs.len() {
        let rows = compiler.rows(node, input)?;
        let last = match rows.form {
            Form::Table => axis == Some(1) || axis == Some(-1),
            Form::Stack => axis == Some(2) || axis == Some(-1),
            Form::Vector | Form::Flat => false,
        };
        if rows.kind != Kind::Number || !last || form.is_some_and(|form| form != rows.form) {
            return Err(GraphError::unsupported(node, "inputs that are not joined by their columns"));
        }
        form = Some(rows.form);
        width = width.saturating_add(rows.width);
        from.push(rows.slot);
    }
    let slot = compiler.add(Operation::Join { from }, width, 0)?;
    give(compiler, node, 0, Rows { slot, width, kind: Kind::Number, form: form.unwrap_or(Form::Table) })
}

fn reshape<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["allowzero"])?;
    let from = compiler.rows(node, 0)?;
    let width = i64::try_from(from.width).unwrap_or(0);
    let form = match compiler.small_ints(node, 1)?.as_slice() {
        [-1, columns] if *columns == width => Form::Table,
        [-1] if width == 1 => Form::Vector,
        _ => return Err(GraphError::unsupported(node, "a shape that mixes rows")),
    };
    give(compiler, node, 0, Rows { form, ..from })
}

fn flatten<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["axis"])?;
    let from = compiler.rows(node, 0)?;
    if node.int("axis")?.unwrap_or(1) != 1 || from.form == Form::Flat {
        return Err(GraphError::unsupported(node, "a shape that mixes rows"));
    }
    give(compiler, node, 0, Rows { form: Form::Table, ..from })
}

fn identity<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &[])?;
    let name = node.inputs.first().ok_or_else(|| GraphError::broken(node, "lacks an input"))?;
    let value = compiler.value(name)?;
    match node.outputs.first() {
        Some(output) => compiler.define(output, value),
        None => Ok(()),
    }
}

fn cast<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["to"])?;
    let from = compiler.rows(node, 0)?;
    let (kind, slot) = match (from.kind, node.int("to")?) {
        (Kind::Number, Some(FLOAT)) | (Kind::Int, Some(INT64)) => (from.kind, from.slot),
        (Kind::Int, Some(FLOAT)) => (Kind::Number, compiler.add(Operation::ToFloat { from: from.slot }, from.width, 0)?),
        _ => return Err(GraphError::unsupported(node, "another type")),
    };
    give(compiler, node, 0, Rows { slot, kind, ..from })
}

fn arithmetic<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>, kind: Arithmetic) -> Outcome {
    known(node, &[])?;
    let (left, left_width, left_form) = compiler.operand(node, 0)?;
    let (right, right_width, right_form) = compiler.operand(node, 1)?;
    let width = left_width.max(right_width);
    let fits = (left_width == width || left_width == 1) && (right_width == width || right_width == 1);
    // One number for each row beside a table would be spread over the rows, not over the columns.
    if !fits || left_form != right_form || left_form != Form::Table {
        return Err(GraphError::unsupported(node, "sides of different shapes"));
    }
    let slot = compiler.add(Operation::Arithmetic { kind, left, right }, width, size(width))?;
    give(compiler, node, 0, table(slot, width, Kind::Number))
}

fn sum<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &[])?;
    let width = compiler.table(node, 0)?.width;
    let mut from = Vec::new();
    for input in 0..node.inputs.len() {
        let rows = compiler.table(node, input)?;
        if rows.width != width {
            return Err(GraphError::unsupported(node, "inputs of different shapes"));
        }
        from.push(rows.slot);
    }
    let work = size(width).saturating_mul(size(from.len()));
    let slot = compiler.add(Operation::Sum { from }, width, work)?;
    give(compiler, node, 0, table(slot, width, Kind::Number))
}

fn apply<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>, function: Function) -> Outcome {
    known(node, &[])?;
    let name = node.inputs.first().ok_or_else(|| GraphError::broken(node, "lacks an input"))?;
    if let (Value::Distances(distances), Function::SquareRoot) = (compiler.value(name)?, function) {
        // The order is all that counts, and a root keeps it.
        return compiler.define(node.outputs.first().copied().unwrap_or_default(), Value::Distances(distances));
    }
    let from = compiler.table(node, 0)?;
    let slot = compiler.add(Operation::Apply { function, from: from.slot }, from.width, size(from.width).saturating_mul(8))?;
    give(compiler, node, 0, table(slot, from.width, Kind::Number))
}

fn fold<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>, fold: Fold) -> Outcome {
    known(node, &["keepdims", "axes", "noop_with_empty_axes"])?;
    let from = compiler.table(node, 0)?;
    if axes(compiler, node)? != [1] {
        return Err(GraphError::unsupported(node, "another axis than the columns"));
    }
    let form = if node.int("keepdims")?.unwrap_or(1) == 0 { Form::Vector } else { Form::Table };
    let slot = compiler.add(Operation::Fold { fold, from: from.slot }, 1, size(from.width).saturating_mul(8))?;
    give(compiler, node, 0, Rows { slot, width: 1, kind: Kind::Number, form })
}

/// The axes of a fold: an input of newer operators, an attribute of older ones.
fn axes<'a>(compiler: &Compiler<'_, 'a>, node: &Node<'a>) -> Result<Vec<i64>, GraphError> {
    if node.inputs.len() > 1 {
        return compiler.small_ints(node, 1);
    }
    let (mut list, mut axes) = (node.ints("axes"), Vec::new());
    while let Some(axis) = list.next_int()?.filter(|_| axes.len() < 8) {
        axes.push(axis);
    }
    Ok(axes)
}

fn gemm<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["alpha", "beta", "transA", "transB"])?;
    let from = compiler.table(node, 0)?;
    let tensor = compiler.constant(node, 1)?;
    let turned = node.int("transB")?.unwrap_or(0) != 0;
    let [rows, columns] = tensor.shape.as_slice() else {
        return Err(GraphError::unsupported(node, "a matrix that is none"));
    };
    let (inner, width) = if turned { (*columns, *rows) } else { (*rows, *columns) };
    if inner != from.width || width == 0 || node.int("transA")?.unwrap_or(0) != 0 {
        return Err(GraphError::broken(node, "has a matrix that does not fit its input"));
    }
    compiler.charge(tensor.count()?.saturating_mul(16))?;
    let (alpha, beta) = (node.float("alpha")?.unwrap_or(1.0), node.float("beta")?.unwrap_or(1.0));
    let matrix = tensor.floats()?;
    let column = |number: usize| matrix.iter().skip(number).step_by(width).copied();
    let columns: Vec<f64> = if turned { matrix.clone() } else { (0..width).flat_map(column).collect() };
    let columns = columns.into_iter().map(|value| value * f64::from(alpha)).collect();
    let bias = match node.inputs.get(2) {
        Some(name) if !name.is_empty() => {
            let (bias, bias_width, form) = compiler.operand(node, 2)?;
            if (bias_width != width && bias_width != 1) || form != Form::Table {
                return Err(GraphError::broken(node, "has a bias that does not fit"));
            }
            Some(bias)
        }
        _ => None,
    };
    let gemm = Gemm { columns, width: from.width, beta: f64::from(beta) };
    let work = size(from.width).saturating_mul(size(width));
    let slot = compiler.add(Operation::Gemm { from: from.slot, gemm, bias }, width, work)?;
    give(compiler, node, 0, table(slot, width, Kind::Number))
}

fn extreme<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>, largest: bool) -> Outcome {
    known(node, &["axis", "keepdims", "select_last_index"])?;
    let from = compiler.table(node, 0)?;
    if node.int("axis")? != Some(1) || node.int("select_last_index")?.unwrap_or(0) != 0 {
        return Err(GraphError::unsupported(node, "another axis than the columns"));
    }
    let form = if node.int("keepdims")?.unwrap_or(1) == 0 { Form::Vector } else { Form::Table };
    let slot = compiler.add(Operation::Extreme { from: from.slot, largest }, 1, size(from.width))?;
    give(compiler, node, 0, Rows { slot, width: 1, kind: Kind::Int, form })
}

fn equal<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &[])?;
    let from = compiler.rows(node, 0)?;
    let values = compiler.small_ints(node, 1)?;
    let ([value], Kind::Int, Form::Table) = (values.as_slice(), from.kind, from.form) else {
        return Err(GraphError::unsupported(node, "another comparison than of whole numbers with one"));
    };
    let slot = compiler.add(Operation::Equal { from: from.slot, value: *value }, from.width, size(from.width))?;
    give(compiler, node, 0, Rows { slot, ..from })
}

fn transpose<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["perm"])?;
    let mut order = node.ints("perm");
    let turns = (order.next_int()?, order.next_int()?, order.next_int()?) == (Some(1), Some(0), None);
    let name = node.inputs.first().ok_or_else(|| GraphError::broken(node, "lacks an input"))?;
    match compiler.value(name)? {
        Value::Distances(distances) if turns => {
            let turned = Distances { turned: !distances.turned, ..distances };
            compiler.define(node.outputs.first().copied().unwrap_or_default(), Value::Distances(turned))
        }
        _ => Err(GraphError::unsupported(node, "an input that is not a table of distances")),
    }
}

fn nearest<'a>(compiler: &mut Compiler<'_, 'a>, node: &Node<'a>) -> Outcome {
    known(node, &["axis", "largest", "sorted"])?;
    let name = node.inputs.first().ok_or_else(|| GraphError::broken(node, "lacks an input"))?;
    let Value::Distances(Distances { from, points, metric, turned: true }) = compiler.value(name)? else {
        return Err(GraphError::unsupported(node, "an input that is not a table of distances"));
    };
    let smallest = node.int("largest")? == Some(0) && node.int("sorted")?.unwrap_or(1) == 1;
    if !smallest || !matches!(node.int("axis")?.unwrap_or(-1), -1 | 1) {
        return Err(GraphError::unsupported(node, "another order than the nearest first"));
    }
    let stored = points.count()? / from.width;
    let count = match compiler.small_ints(node, 1)?.as_slice() {
        [count] => usize::try_from(*count).ok().filter(|count| (1..=stored).contains(count)),
        _ => None,
    };
    let count = count.ok_or_else(|| GraphError::broken(node, "wants more points than there are"))?;
    compiler.charge(points.count()?.saturating_mul(12))?;
    let points = points.floats()?.into_iter().map(single).collect();
    let neighbours = Neighbours { points, width: from.width, metric, count };
    // At worst each point moves all that are nearer than it.
    let work = size(stored).saturating_mul(size(from.width).saturating_add(size(count)));
    let slot = compiler.add(Operation::Neighbours { from: from.slot, neighbours }, count, work)?;
    if let Some(values) = node.outputs.first() {
        compiler.define(values, Value::Nothing)?;
    }
    give(compiler, node, 1, table(slot, count, Kind::Int))
}

/// The only metrics that a file's loop over points is read as.
pub(super) fn distances<'g, 'a>(
    compiler: &Compiler<'g, 'a>,
    node: &Node<'a>,
    metric: Metric,
) -> Result<Distances<'g, 'a>, GraphError> {
    let from = compiler.table(node, 0)?;
    let points = compiler.constant(node, 1)?;
    match points.shape.as_slice() {
        [count, width] if *width == from.width && *count > 0 => Ok(Distances { from, points, metric, turned: false }),
        _ => Err(GraphError::broken(node, "has points that do not fit its input")),
    }
}
