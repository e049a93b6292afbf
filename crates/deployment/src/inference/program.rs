//! A compiled graph: steps over columns of known widths, for any number of rows.

use super::{
    distances::Neighbours,
    linear::{Gemm, Linear},
    numbers::{place, single, whole},
    transform::Transform,
    trees::Forest,
};

/// Values of a step, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Int(Vec<i64>),
    /// Places in the dictionary of a text column.
    Text(Vec<u32>),
}

impl Data {
    /// The numbers in double precision.
    fn doubles(&self) -> Vec<f64> {
        match self {
            Self::Float32(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Self::Float64(values) => values.clone(),
            Self::Int(values) => values.iter().map(|value| whole(*value)).collect(),
            Self::Text(_) => Vec::new(),
        }
    }
}

/// One side of an arithmetic step.
#[derive(Debug)]
pub(super) enum Operand {
    Slot(usize),
    /// As wide as the other side, or 1.
    Constant(Vec<f64>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    SquareRoot,
    Exponential,
    Absolute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    Sum,
    SumOfSquares,
    LogOfSumOfExponentials,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Operation {
    Pick {
        from: usize,
        columns: Vec<usize>,
    },
    Impute {
        from: usize,
        values: Vec<f32>,
        replaced: f32,
    },
    Scale {
        from: usize,
        offset: Vec<f32>,
        scale: Vec<f32>,
    },
    /// `places` has, for each text of the dictionary, its column.
    OneHot {
        from: usize,
        places: Vec<Option<u32>>,
    },
    Join {
        from: Vec<usize>,
    },
    Forest {
        from: usize,
        forest: Box<Forest>,
    },
    Linear {
        from: usize,
        linear: Linear,
        transform: Transform,
    },
    Normalize {
        from: usize,
    },
    Arithmetic {
        kind: Arithmetic,
        left: Operand,
        right: Operand,
    },
    Sum {
        from: Vec<usize>,
    },
    Apply {
        function: Function,
        from: usize,
    },
    Fold {
        fold: Fold,
        from: usize,
    },
    Gemm {
        from: usize,
        gemm: Gemm,
        bias: Option<Operand>,
    },
    /// The place of the largest or smallest value.
    Extreme {
        from: usize,
        largest: bool,
    },
    Neighbours {
        from: usize,
        neighbours: Neighbours,
    },
    Look {
        from: usize,
        table: Vec<i64>,
    },
    Equal {
        from: usize,
        value: i64,
    },
    ToFloat {
        from: usize,
    },
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) operation: Operation,
    /// Values that it gives for a row.
    pub(super) width: usize,
}

/// The two inputs have the first slots; the step `n` has slot `n + 2`.
pub(super) const NUMERIC: usize = 0;
pub(super) const CATEGORICAL: usize = 1;
pub(super) const FIRST_STEP: usize = 2;

/// A compiled graph.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) numeric_width: usize,
    pub(super) categorical_width: usize,
    /// The slot of the answer.
    pub(super) answer: usize,
    /// Elementary operations for a row, at most.
    pub(super) work: u64,
    /// Rows that are computed together, so that what is between the steps stays small.
    pub(super) rows_together: usize,
}

/// Slots while a program runs.
struct Run<'a> {
    rows: usize,
    numeric_width: usize,
    categorical_width: usize,
    steps: &'a [Step],
    slots: Vec<Data>,
}

impl Program {
    /// Computes the answer for `rows` rows, at most `rows_together`.
    pub(super) fn run(&self, rows: usize, numeric: Vec<f32>, categorical: Vec<u32>) -> Data {
        let mut run = Run {
            rows,
            numeric_width: self.numeric_width,
            categorical_width: self.categorical_width,
            steps: &self.steps,
            slots: Vec::with_capacity(self.steps.len() + FIRST_STEP),
        };
        run.slots.push(Data::Float32(numeric));
        run.slots.push(Data::Text(categorical));
        for step in &self.steps {
            let value = run.step(step);
            run.slots.push(value);
        }
        if self.answer < run.slots.len() { run.slots.swap_remove(self.answer) } else { Data::Int(Vec::new()) }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.steps.iter().map(|step| size_of::<Step>() + step.operation.memory_bytes()).sum()
    }
}

impl Operation {
    fn memory_bytes(&self) -> usize {
        match self {
            Self::Pick { columns, .. } => columns.capacity() * 8,
            Self::Impute { values, .. } => values.capacity() * 4,
            Self::Scale { offset, scale, .. } => (offset.capacity() + scale.capacity()) * 4,
            Self::OneHot { places, .. } => places.capacity() * size_of::<Option<u32>>(),
            Self::Join { from } | Self::Sum { from } => from.capacity() * 8,
            Self::Forest { forest, .. } => forest.memory_bytes(),
            Self::Linear { linear, .. } => linear.memory_bytes(),
            Self::Gemm { gemm, .. } => gemm.memory_bytes(),
            Self::Neighbours { neighbours, .. } => neighbours.memory_bytes(),
            Self::Look { table, .. } => table.capacity() * 8,
            Self::Arithmetic { left, right, .. } => left.memory_bytes() + right.memory_bytes(),
            _ => 0,
        }
    }
}

impl Operand {
    fn memory_bytes(&self) -> usize {
        match self {
            Self::Slot(_) => 0,
            Self::Constant(values) => values.capacity() * 8,
        }
    }
}

impl Run<'_> {
    fn width(&self, slot: usize) -> usize {
        match slot {
            NUMERIC => self.numeric_width,
            CATEGORICAL => self.categorical_width,
            _ => self.steps.get(slot - FIRST_STEP).map_or(1, |step| step.width),
        }
    }

    fn slot(&self, slot: usize) -> &Data {
        static NOTHING: Data = Data::Int(Vec::new());
        self.slots.get(slot).unwrap_or(&NOTHING)
    }

    fn step(&self, step: &Step) -> Data {
        match &step.operation {
            Operation::Pick { from, columns } => self.pick(*from, columns),
            Operation::Impute { from, values, replaced } => self.each_single(*from, values, values, |value, fill, _| {
                if value == *replaced || (replaced.is_nan() && value.is_nan()) { fill } else { value }
            }),
            Operation::Scale { from, offset, scale } => {
                self.each_single(*from, offset, scale, |value, offset, scale| (value - offset) * scale)
            }
            Operation::OneHot { from, places } => self.one_hot(*from, places, step.width),
            Operation::Join { from } => self.join(from, step.width),
            Operation::Forest { from, forest } => Data::Float64(forest.run(&self.singles(*from), self.width(*from))),
            Operation::Linear { from, linear, transform } => {
                let mut answers = match self.slot(*from) {
                    Data::Float32(values) => linear.run(values),
                    other => linear.run(&other.doubles()),
                };
                answers.chunks_exact_mut(step.width).for_each(|scores| transform.apply(scores));
                Data::Float64(answers)
            }
            Operation::Normalize { from } => self.normalize(*from),
            Operation::Arithmetic { kind, left, right } => Data::Float64(self.arithmetic(*kind, left, right, step.width)),
            Operation::Sum { from } => {
                let mut total = vec![0.0; self.rows * step.width];
                for slot in from {
                    total.iter_mut().zip(self.slot(*slot).doubles()).for_each(|(total, value)| *total += value);
                }
                Data::Float64(total)
            }
            Operation::Apply { function, from } => {
                let mut values = self.slot(*from).doubles();
                values.iter_mut().for_each(|value| *value = function.of(*value));
                Data::Float64(values)
            }
            Operation::Fold { fold, from } => {
                let values = self.slot(*from).doubles();
                Data::Float64(values.chunks_exact(self.width(*from)).map(|row| fold.of(row)).collect())
            }
            Operation::Gemm { from, gemm, bias } => self.gemm(*from, gemm, bias.as_ref()),
            Operation::Extreme { from, largest } => {
                let values = self.slot(*from).doubles();
                Data::Int(values.chunks_exact(self.width(*from)).map(|row| extreme(row, *largest)).collect())
            }
            Operation::Neighbours { from, neighbours } => Data::Int(neighbours.run(&self.slot(*from).doubles())),
            Operation::Look { from, table } => self
                .each_int(*from, |value| usize::try_from(value).ok().and_then(|value| table.get(value)).copied().unwrap_or(-1)),
            Operation::Equal { from, value } => self.each_int(*from, |one| i64::from(one == *value)),
            Operation::ToFloat { from } => Data::Float64(self.slot(*from).doubles()),
        }
    }

    /// The values in single precision: what trees compare.
    fn singles(&self, slot: usize) -> std::borrow::Cow<'_, [f32]> {
        match self.slot(slot) {
            Data::Float32(values) => values.as_slice().into(),
            other => other.doubles().into_iter().map(single).collect::<Vec<f32>>().into(),
        }
    }

    fn pick(&self, from: usize, columns: &[usize]) -> Data {
        fn picked<T: Copy>(values: &[T], width: usize, columns: &[usize]) -> Vec<T> {
            let rows = values.chunks_exact(width);
            rows.flat_map(|row| columns.iter().filter_map(|column| row.get(*column).copied())).collect()
        }
        let width = self.width(from);
        match self.slot(from) {
            Data::Float32(values) => Data::Float32(picked(values, width, columns)),
            Data::Float64(values) => Data::Float64(picked(values, width, columns)),
            Data::Int(values) => Data::Int(picked(values, width, columns)),
            Data::Text(values) => Data::Text(picked(values, width, columns)),
        }
    }

    fn each_single(&self, from: usize, one: &[f32], two: &[f32], compute: impl Fn(f32, f32, f32) -> f32) -> Data {
        let values = self.singles(from);
        let mut result = Vec::with_capacity(values.len());
        for row in values.chunks_exact(self.width(from)) {
            result.extend(row.iter().zip(one.iter().zip(two)).map(|(value, (one, two))| compute(*value, *one, *two)));
        }
        Data::Float32(result)
    }

    fn each_int(&self, from: usize, compute: impl Fn(i64) -> i64) -> Data {
        match self.slot(from) {
            Data::Int(values) => Data::Int(values.iter().map(|value| compute(*value)).collect()),
            _ => Data::Int(Vec::new()),
        }
    }

    fn one_hot(&self, from: usize, places: &[Option<u32>], width: usize) -> Data {
        let mut result = vec![0.0; self.rows * width];
        if let Data::Text(texts) = self.slot(from) {
            for (text, row) in texts.iter().zip(result.chunks_exact_mut(width)) {
                let column = places.get(place(*text)).copied().flatten();
                if let Some(cell) = column.and_then(|column| row.get_mut(place(column))) {
                    *cell = 1.0;
                }
            }
        }
        Data::Float32(result)
    }

    fn join(&self, from: &[usize], width: usize) -> Data {
        let singles = from.iter().all(|slot| matches!(self.slot(*slot), Data::Float32(_)));
        let widths: Vec<usize> = from.iter().map(|slot| self.width(*slot)).collect();
        if singles {
            let parts: Vec<&[f32]> = from
                .iter()
                .map(|slot| match self.slot(*slot) {
                    Data::Float32(values) => values.as_slice(),
                    _ => &[],
                })
                .collect();
            return Data::Float32(joined(&parts, &widths, self.rows, width));
        }
        let parts: Vec<Vec<f64>> = from.iter().map(|slot| self.slot(*slot).doubles()).collect();
        let parts: Vec<&[f64]> = parts.iter().map(Vec::as_slice).collect();
        Data::Float64(joined(&parts, &widths, self.rows, width))
    }

    fn normalize(&self, from: usize) -> Data {
        let mut values = self.slot(from).doubles();
        for row in values.chunks_exact_mut(self.width(from)) {
            let total: f64 = row.iter().map(|value| value.abs()).sum();
            if total > 0.0 {
                row.iter_mut().for_each(|value| *value /= total);
            }
        }
        Data::Float64(values)
    }

    fn arithmetic(&self, kind: Arithmetic, left: &Operand, right: &Operand, width: usize) -> Vec<f64> {
        let (left, right) = (self.operand(left), self.operand(right));
        let mut result = Vec::with_capacity(self.rows * width);
        for row in 0..self.rows {
            result.extend((0..width).map(|column| kind.of(left.value(row, column), right.value(row, column))));
        }
        result
    }

    fn operand<'b>(&self, operand: &'b Operand) -> Side<'b> {
        match operand {
            Operand::Constant(values) => Side { values: values.as_slice().into(), row_step: 0, column_step: step(values.len()) },
            Operand::Slot(slot) => {
                let width = self.width(*slot);
                Side { values: self.slot(*slot).doubles().into(), row_step: width, column_step: step(width) }
            }
        }
    }

    fn gemm(&self, from: usize, gemm: &Gemm, bias: Option<&Operand>) -> Data {
        let bias = bias.map(|bias| self.operand(bias));
        let mut result = match self.slot(from) {
            Data::Float32(values) => gemm.run(values),
            other => gemm.run(&other.doubles()),
        };
        if let Some(bias) = bias {
            for (row, values) in result.chunks_exact_mut(gemm.width()).enumerate() {
                values.iter_mut().enumerate().for_each(|(column, value)| *value += gemm.beta * bias.value(row, column));
            }
        }
        Data::Float64(result)
    }
}

/// One side of an arithmetic step, read with broadcasting.
struct Side<'a> {
    values: std::borrow::Cow<'a, [f64]>,
    row_step: usize,
    column_step: usize,
}

impl Side<'_> {
    fn value(&self, row: usize, column: usize) -> f64 {
        self.values.get(row * self.row_step + column * self.column_step).copied().unwrap_or(f64::NAN)
    }
}

fn step(width: usize) -> usize {
    usize::from(width > 1)
}

fn joined<T: Copy>(parts: &[&[T]], widths: &[usize], rows: usize, width: usize) -> Vec<T> {
    let mut result = Vec::with_capacity(rows * width);
    for row in 0..rows {
        for (part, width) in parts.iter().zip(widths) {
            result.extend_from_slice(part.get(row * width..(row + 1) * width).unwrap_or_default());
        }
    }
    result
}

fn extreme(row: &[f64], largest: bool) -> i64 {
    let mut best = (0_usize, row.first().copied().unwrap_or(f64::NAN));
    for (column, value) in row.iter().copied().enumerate().skip(1) {
        if (largest && value > best.1) || (!largest && value < best.1) {
            best = (column, value);
        }
    }
    // A row without an order has no answer.
    if row.iter().any(|value| value.is_nan()) { -1 } else { i64::try_from(best.0).unwrap_or(-1) }
}

impl Arithmetic {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
        }
    }
}

impl Function {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::SquareRoot => value.sqrt(),
            Self::Exponential => value.exp(),
            Self::Absolute => value.abs(),
        }
    }
}

impl Fold {
    fn of(self, row: &[f64]) -> f64 {
        match self {
            Self::Sum => row.iter().sum(),
            Self::SumOfSquares => row.iter().map(|value| value * value).sum(),
            Self::LogOfSumOfExponentials => {
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                largest + row.iter().map(|value| (value - largest).exp()).sum::<f64>().ln()
            }
        }
    }
}

/// Rows to compute together when each has `width` values between all steps.
pub(super) fn rows_together(width: usize) -> usize {
    const VALUES: usize = 1 << 19;
    const ROWS: usize = 256;
    VALUES.checked_div(width).unwrap_or(ROWS).clamp(1, ROWS)
}
