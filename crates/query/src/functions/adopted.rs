//! DataFusion's functions that mean what PostgreSQL's of the same name do. Their results are brought to the engine's
//! few types: text as views (which joins and unions share rather than copy), no unsigned integers.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};

/// The names to take over.
const SCALAR: &[&str] = &[
    "bit_length",
    "btrim",
    "char_length",
    "character_length",
    "initcap",
    "length",
    "levenshtein",
    "lower",
    "ltrim",
    "octet_length",
    "reverse",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "to_hex",
    "translate",
    "trim",
    "upper",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "gcd",
    "lcm",
    "pi",
    "radians",
    "random",
    "sin",
    "sinh",
    "tan",
    "tanh",
    "array_append",
    "array_cat",
    "array_concat",
    "array_contains",
    "array_distinct",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_max",
    "array_min",
    "array_ndims",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_remove",
    "array_remove_all",
    "array_replace",
    "array_reverse",
    "array_slice",
    "array_sort",
    "array_to_string",
    "array_length",
    "cardinality",
    "make_array",
    "string_to_array",
    "array_element",
    "array_sum",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "array_except",
];

/// Functions that are taken over as they are: their result has the type of their arguments, and `coalesce` only works
/// through its own rewrite.
const PLAIN: &[&str] = &["coalesce", "nullif", "greatest", "least"];

static ADOPTED: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let all = datafusion::functions::all_default_functions()
        .into_iter()
        .chain(datafusion::functions_nested::all_default_nested_functions());
    let mut found = HashMap::new();
    for function in all {
        if PLAIN.contains(&function.name()) {
            found.insert(function.name().to_owned(), function);
            continue;
        }
        let wrapped = Arc::new(ScalarUDF::new_from_impl(Adopted { inner: function.clone() }));
        let names = std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str));
        for name in names.filter(|name| SCALAR.contains(name)) {
            found.insert(name.to_owned(), wrapped.clone());
        }
    }
    found
});

/// Finds an adopted function.
pub(super) fn scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    ADOPTED.get(name).cloned()
}

/// The names of all adopted functions that are there.
#[cfg(test)]
pub(super) fn missing() -> Vec<&'static str> {
    SCALAR.iter().chain(PLAIN).copied().filter(|name| !ADOPTED.contains_key(*name)).collect()
}

#[derive(Debug)]
struct Adopted {
    inner: Arc<ScalarUDF>,
}

impl PartialEq for Adopted {
    fn eq(&self, other: &Self) -> bool {
        self.inner.name() == other.inner.name()
    }
}

impl Eq for Adopted {}

impl Hash for Adopted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.name().hash(state);
    }
}

/// The engine's type for a result of DataFusion's.
fn result_type(inner: &DataType) -> DataType {
    match inner {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::UInt64 | DataType::UInt32 => DataType::Int64,
        DataType::List(field) => {
            let element = result_type(field.data_type());
            DataType::List(Arc::new(field.as_ref().clone().with_data_type(element)))
        }
        other => other.clone(),
    }
}

impl ScalarUDFImpl for Adopted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.inner.return_type(given).map(|inner| result_type(&inner))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = self.inner.return_field_from_args(args)?;
        let wanted = result_type(field.data_type());
        Ok(if &wanted == field.data_type() { field } else { Arc::new(Field::clone(&field).with_data_type(wanted)) })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let wanted = args.return_field.data_type().clone();
        let given: Vec<FieldRef> = args.arg_fields.clone();
        let scalars: Vec<Option<_>> = args
            .args
            .iter()
            .map(|value| match value {
                ColumnarValue::Scalar(scalar) => Some(scalar),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let field = self.inner.return_field_from_args(ReturnFieldArgs { arg_fields: &given, scalar_arguments: &scalars })?;
        let result = self.inner.invoke_with_args(ScalarFunctionArgs { return_field: field, ..args })?;
        if result.data_type() == wanted { Ok(result) } else { result.cast_to(&wanted, None) }
    }

    fn simplify(&self, args: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // DataFusion's rewrites may change the result type under us.
        Ok(ExprSimplifyResult::Original(args))
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.conditional_arguments(args)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_name_that_is_taken_over_exists() {
        assert_eq!(super::missing(), Vec::<&str>::new());
    }
}
