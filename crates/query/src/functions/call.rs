//! How a function reads its arguments and writes its result.

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, PrimitiveBuilder, StringViewArray,
        StringViewBuilder,
    },
    datatypes::DataType,
};
use datafusion::{
    common::{ScalarValue, exec_datafusion_err},
    error::Result,
    logical_expr::ColumnarValue,
};

use crate::scope::QueryScope;

/// Rows between two looks at the deadline.
const CHECK_ROWS: usize = 1024;

/// One call of a function on one batch.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub args: &'a [ColumnarValue],
    /// Rows of the result; 1 when every argument is a constant.
    pub rows: usize,
    /// The type that was promised.
    pub returns: &'a DataType,
    pub scope: &'a QueryScope,
}

impl Call<'_> {
    /// Whether the call has an argument `index`.
    pub(crate) fn has(&self, index: usize) -> bool {
        index < self.args.len()
    }

    /// Argument `index` as a column of one row or of all rows.
    pub(crate) fn array(&self, index: usize) -> Result<ArrayRef> {
        match self.args.get(index) {
            Some(ColumnarValue::Array(array)) => Ok(array.clone()),
            Some(ColumnarValue::Scalar(scalar)) => scalar.to_array_of_size(self.rows),
            None => Err(exec_datafusion_err!("argument {index} is missing")),
        }
    }

    /// Argument `index` as text.
    pub(crate) fn text(&self, index: usize) -> Result<Text> {
        let (array, constant) = self.column(index)?;
        let array = array.as_string_view_opt().ok_or_else(|| exec_datafusion_err!("argument {index} is not text"))?;
        Ok(Text { array: array.clone(), constant })
    }

    /// Argument `index` as numbers of type `T`.
    pub(crate) fn numbers<T: ArrowPrimitiveType>(&self, index: usize) -> Result<Numbers<T>> {
        let (array, constant) = self.column(index)?;
        let array = array
            .as_primitive_opt::<T>()
            .ok_or_else(|| exec_datafusion_err!("argument {index} is not of type {}", T::DATA_TYPE))?;
        Ok(Numbers { array: array.clone(), constant })
    }

    /// The constant text of argument `index`, if it is one and not null.
    pub(crate) fn constant_text(&self, index: usize) -> Option<&str> {
        match self.args.get(index) {
            Some(ColumnarValue::Scalar(
                ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
            )) => Some(text),
            _ => None,
        }
    }

    /// Looks at the deadline now and then.
    pub(crate) fn tick(&self, row: usize) -> Result<()> {
        if row.is_multiple_of(CHECK_ROWS) { self.scope.check() } else { Ok(()) }
    }

    fn column(&self, index: usize) -> Result<(ArrayRef, bool)> {
        match self.args.get(index) {
            Some(ColumnarValue::Array(array)) => Ok((array.clone(), false)),
            Some(ColumnarValue::Scalar(scalar)) => Ok((scalar.to_array()?, true)),
            None => Err(exec_datafusion_err!("argument {index} is missing")),
        }
    }

    /// Builds a text column row by row. `row` returns whether the row is not null, after writing it into the buffer.
    pub(crate) fn build_text(&self, mut row: impl FnMut(usize, &mut String) -> Result<Option<()>>) -> Result<ArrayRef> {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        let mut buffer = String::new();
        let mut total = 0usize;
        for index in 0..self.rows {
            self.tick(index)?;
            buffer.clear();
            match row(index, &mut buffer)? {
                Some(()) => {
                    total = total.saturating_add(buffer.len());
                    self.scope.check_value(buffer.len())?;
                    self.scope.check_batch(total)?;
                    // Rows of megabytes each: the deadline must not wait for a thousand of them.
                    if buffer.len() > 64 * 1024 {
                        self.scope.check()?;
                    }
                    builder.append_value(&buffer);
                }
                None => builder.append_null(),
            }
        }
        Ok(std::sync::Arc::new(builder.finish()))
    }

    /// Builds a column of numbers row by row, of the type that was promised.
    pub(crate) fn build_numbers<T: ArrowPrimitiveType>(
        &self,
        mut row: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(self.rows).with_data_type(self.returns.clone());
        for index in 0..self.rows {
            self.tick(index)?;
            builder.append_option(row(index)?);
        }
        Ok(std::sync::Arc::new(builder.finish()))
    }

    /// Builds a boolean column row by row.
    pub(crate) fn build_booleans(&self, mut row: impl FnMut(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(self.rows);
        for index in 0..self.rows {
            self.tick(index)?;
            values.push(row(index)?);
        }
        Ok(std::sync::Arc::new(BooleanArray::from(values)))
    }
}

/// A text argument.
#[derive(Debug)]
pub(crate) struct Text {
    array: StringViewArray,
    constant: bool,
}

impl Text {
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        let row = if self.constant { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

/// An argument of numbers, dates or times.
#[derive(Debug)]
pub(crate) struct Numbers<T: ArrowPrimitiveType> {
    array: PrimitiveArray<T>,
    constant: bool,
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    pub(crate) fn get(&self, row: usize) -> Option<T::Native> {
        let row = if self.constant { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}
