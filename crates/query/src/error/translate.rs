//! DataFusion's errors in PostgreSQL's words. What is not known here becomes a general sentence: the engine's own
//! text may hold plans, types and paths, so it goes to the log only.

use arrow::error::ArrowError;
use datafusion::{
    common::{Column, SchemaError, Span},
    error::DataFusionError,
};
use gristmill_sql_safety::Position;

use super::{QueryError, SqlError};

/// Says what `error` means for the person who wrote the statement.
pub(crate) fn translate(error: DataFusionError) -> QueryError {
    match known(&error) {
        Some(QueryError::Invalid { message, hint, .. }) => QueryError::Invalid { message, hint, position: place(&error) },
        Some(known) => known,
        None => QueryError::Failed { message: "the statement could not be run".to_owned(), source: Some(Box::new(error)) },
    }
}

/// The column that was not found, with those that were in reach.
pub(crate) fn missing_column(error: &DataFusionError) -> Option<(&Column, &[Column])> {
    match inner(error) {
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => Some((field, valid_fields)),
            _ => None,
        },
        _ => None,
    }
}

/// Strips the wrappers that only add context.
fn inner(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, error) | DataFusionError::Diagnostic(_, error) => inner(error),
        DataFusionError::Shared(error) => inner(error),
        DataFusionError::Collection(errors) => errors.first().map_or(error, inner),
        DataFusionError::External(source) => match source.downcast_ref::<DataFusionError>() {
            Some(error) => inner(error),
            None => match source.downcast_ref::<ArrowError>() {
                Some(ArrowError::ExternalError(source)) => source.downcast_ref::<DataFusionError>().map_or(error, inner),
                _ => error,
            },
        },
        DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
            ArrowError::ExternalError(source) => source.downcast_ref::<DataFusionError>().map_or(error, inner),
            _ => error,
        },
        _ => error,
    }
}

/// Where in the statement the planner found the error, if it tells.
fn place(error: &DataFusionError) -> Option<Position> {
    match error {
        DataFusionError::Diagnostic(diagnostic, error) => diagnostic.span.and_then(start).or_else(|| place(error)),
        DataFusionError::Context(_, error) => place(error),
        DataFusionError::Shared(error) => place(error),
        DataFusionError::Collection(errors) => errors.first().and_then(place),
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { field, .. } | SchemaError::AmbiguousReference { field } => {
                field.spans().first().and_then(start)
            }
            _ => None,
        },
        _ => None,
    }
}

fn start(span: Span) -> Option<Position> {
    let number = |number: u64| u32::try_from(number).ok().filter(|number| *number > 0);
    Some(Position { line: number(span.start.line)?, column: number(span.start.column)? })
}

fn known(error: &DataFusionError) -> Option<QueryError> {
    match inner(error) {
        DataFusionError::External(source) => external(source.as_ref()),
        DataFusionError::ArrowError(error, _) => arrow(error),
        DataFusionError::SchemaError(error, _) => Some(schema(error)),
        DataFusionError::Plan(text) => plan(text),
        DataFusionError::Execution(text) | DataFusionError::Internal(text) => execution(text),
        DataFusionError::ResourcesExhausted(text) => Some(exhausted(text)),
        DataFusionError::NotImplemented(text) => not_implemented(text),
        _ => None,
    }
}

fn external(source: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<QueryError> {
    if let Some(error) = source.downcast_ref::<ArrowError>() {
        return arrow(error);
    }
    Some(match source.downcast_ref::<SqlError>()? {
        SqlError::Invalid(message, hint) => invalid_with(message.clone(), hint.clone()),
        SqlError::Failed(message) => failed(message.clone()),
        SqlError::TooExpensive(message) => QueryError::TooExpensive { message: message.clone() },
        SqlError::Stopped => QueryError::Cancelled,
    })
}

fn arrow(error: &ArrowError) -> Option<QueryError> {
    match error {
        ArrowError::ExternalError(source) => match source.downcast_ref::<DataFusionError>() {
            Some(error) => known(error),
            None => external(source.as_ref()),
        },
        ArrowError::DivideByZero => Some(failed("division by zero")),
        ArrowError::ArithmeticOverflow(text) => Some(failed(overflow(text))),
        ArrowError::OffsetOverflowError(_) => Some(too_large()),
        // The limit of a query's spilled bytes comes out as a failure to write.
        ArrowError::IoError(text, _) if text.contains("spilling process") => Some(exhausted(text)),
        // What is spilled comes and goes through Arrow's files.
        ArrowError::IoError(text, _) if text.contains("disk space during the spilling") => Some(exhausted(text)),
        ArrowError::CastError(text) | ArrowError::ParseError(text) => Some(failed(cast(text))),
        ArrowError::ComputeError(text) if text.contains("verflow") => Some(failed(overflow(text))),
        ArrowError::InvalidArgumentError(text) if text.contains("too large to store") => Some(failed("numeric field overflow")),
        _ => None,
    }
}

fn overflow(text: &str) -> &'static str {
    if text.contains("ecimal") {
        "numeric field overflow"
    } else if text.contains("imestamp") {
        "timestamp out of range"
    } else {
        "bigint out of range"
    }
}

/// Arrow says `Cannot cast string 'abc' to value of Int64 type`, or the like for dates.
fn cast(text: &str) -> String {
    let value = text.split_once('\'').and_then(|(_, rest)| rest.rsplit_once('\'')).map(|(value, _)| value);
    let type_name = [
        ("Int64", "bigint"),
        ("Int32", "integer"),
        ("Int16", "smallint"),
        ("Float64", "double precision"),
        ("Boolean", "boolean"),
        ("Decimal", "numeric"),
        ("imestamp", "timestamp"),
        ("Date", "date"),
        ("Time", "time"),
        ("nterval", "interval"),
    ]
    .into_iter()
    .find_map(|(arrow, postgres)| text.contains(arrow).then_some(postgres));
    match (value, type_name) {
        (Some(value), Some(name)) if !value.contains('\'') => format!("invalid input syntax for type {name}: \"{value}\""),
        (_, Some(name)) => format!("invalid input syntax for type {name}"),
        _ => "a value could not be converted to the type that is needed".to_owned(),
    }
}

fn schema(error: &SchemaError) -> QueryError {
    match error {
        SchemaError::AmbiguousReference { field } => invalid(format!("column reference \"{}\" is ambiguous", field.name)),
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            invalid(format!("column reference \"{name}\" is ambiguous"))
        }
        SchemaError::FieldNotFound { field, valid_fields } => not_found(field, valid_fields),
    }
}

fn not_found(field: &Column, valid: &[Column]) -> QueryError {
    let Some(relation) = &field.relation else {
        return invalid_with(format!("column \"{}\" does not exist", field.name), column_hint(&field.name, valid));
    };
    let table = relation.table();
    let of_table: Vec<&Column> =
        valid.iter().filter(|column| column.relation.as_ref().is_some_and(|other| other.table() == table)).collect();
    if of_table.is_empty() {
        return invalid(format!("missing FROM-clause entry for table \"{table}\""));
    }
    let names: Vec<Column> = of_table.into_iter().cloned().collect();
    invalid_with(format!("column {table}.{} does not exist", field.name), column_hint(&field.name, &names))
}

/// Suggests the columns that differ in case only, else the nearest by spelling.
fn column_hint(name: &str, valid: &[Column]) -> Option<String> {
    let folded = name.to_lowercase();
    let mut same: Vec<&str> =
        valid.iter().map(|column| column.name.as_str()).filter(|other| other.to_lowercase() == folded).collect();
    same.sort_unstable();
    same.dedup();
    if !same.is_empty() {
        let quoted: Vec<String> = same.iter().map(|name| quoted(name)).collect();
        return Some(format!("Perhaps you meant {}.", quoted.join(" or ")));
    }
    let nearest = valid
        .iter()
        .map(|column| (distance(&folded, &column.name.to_lowercase()), column))
        .min_by_key(|(distance, _)| *distance)?;
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    (nearest.0 <= allowed).then(|| format!("Perhaps you meant {}.", quoted(&nearest.1.name)))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Levenshtein distance of two short names; names beyond 64 characters count as far apart.
fn distance(left: &str, right: &str) -> usize {
    if left.len() > 64 || right.len() > 64 {
        return usize::MAX;
    }
    datafusion::common::utils::datafusion_strsim::levenshtein(left, right)
}

fn plan(text: &str) -> Option<QueryError> {
    let text = text.strip_prefix("Error during planning: ").unwrap_or(text);
    if let Some(rest) = text.split_once("in GROUP BY or an aggregate function").map(|(_, rest)| rest) {
        return Some(grouping(rest));
    }
    if text.contains("must appear in the GROUP BY clause") {
        return Some(invalid(
            "HAVING refers to a column that must appear in the GROUP BY clause or be used in an aggregate function",
        ));
    }
    if let Some(rest) = text.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next().unwrap_or_default();
        return Some(invalid(format!("function {name} does not exist")));
    }
    if let Some(name) = text.strip_prefix("There is no window function named ") {
        return Some(invalid(format!("window function {name} does not exist")));
    }
    if text.contains("Cannot create filter with non-boolean predicate") {
        let given = text.rsplit_once("returning ").map_or("unknown", |(_, printed)| shown_type(printed));
        return Some(invalid(format!("argument of WHERE must be type boolean, not type {given}")));
    }
    if text.contains("Failed to coerce arguments") || text.contains("No function matches") {
        return Some(no_such_signature(text));
    }
    plan_fragments(text)
}

fn plan_fragments(text: &str) -> Option<QueryError> {
    const FRAGMENTS: &[(&str, &str)] = &[
        ("Aggregate functions are not allowed in the WHERE", "aggregate functions are not allowed in WHERE"),
        ("SELECT * with no tables specified", "SELECT * with no tables specified is not valid"),
        ("UNION queries have different number of columns", "each UNION query must have the same number of columns"),
        ("EXCEPT queries have different number of columns", "each EXCEPT query must have the same number of columns"),
        ("INTERSECT queries have different number of columns", "each INTERSECT query must have the same number of columns"),
        ("is not defined!", "the window is not defined"),
        ("is defined multiple times", "the window is defined more than once"),
        ("specified more than once", "a WITH query name is specified more than once"),
        ("Order by", "ORDER BY position is not in the select list"),
        ("Cannot find column with position", "GROUP BY position is not in the select list"),
        ("names given as column alias", "the table alias names more or fewer columns than there are"),
        ("Inconsistent data length", "VALUES lists must all be the same length"),
        ("Scalar subquery should only return one column", "subquery must return only one column"),
        ("should only return one column", "subquery must return only one column"),
        ("Cannot infer common argument type", "operator does not exist for these types; an explicit cast may help"),
        ("Filter predicate must return BOOLEAN", "argument of WHERE must be type boolean"),
        ("Expected LIMIT", "LIMIT must be a number"),
        ("LIMIT must be >= 0", "LIMIT must not be negative"),
        ("OFFSET must be >=0", "OFFSET must not be negative"),
        ("only be applied to array", "unnest needs an array"),
        ("There is no type that can accommodate", "these types do not fit together; an explicit cast may help"),
        ("Projections require unique expression names", "a column of a sub-query is named twice; give one of them an alias"),
        ("Correlated", "this kind of correlated subquery is not supported; a join may do"),
        ("Physical plan does not support logical expression", "this kind of correlated subquery is not supported; a join may do"),
    ];
    FRAGMENTS.iter().find(|(fragment, _)| text.contains(fragment)).map(|(_, message)| invalid(*message))
}

/// `: While expanding wildcard, column "t.x" must appear …, currently only …`
fn grouping(rest: &str) -> QueryError {
    let column = rest.split('"').nth(1).unwrap_or("?");
    invalid(format!("column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"))
}

fn no_such_signature(text: &str) -> QueryError {
    if let Some((call, _)) = text.split_once("argument types '").and_then(|(_, rest)| rest.split_once('\''))
        && let Some((name, types)) = call.strip_suffix(')').and_then(|call| call.split_once('('))
    {
        let names: Vec<&str> = split_types(types).into_iter().map(shown_type).collect();
        let message = format!("function {name}({}) does not exist", names.join(", "));
        return invalid_with(message, Some("You might need to add explicit type casts.".to_owned()));
    }
    let name = text
        .split_once("to function '")
        .or_else(|| text.split_once("from '"))
        .or_else(|| text.split_once("call to '"))
        .or_else(|| text.split_once("for '"))
        .and_then(|(_, rest)| rest.split(['\'', '(']).next());
    let message = match name {
        Some(name) => format!("function {name} with these argument types does not exist"),
        None => "a function with these argument types does not exist".to_owned(),
    };
    invalid_with(message, Some("You might need to add explicit type casts.".to_owned()))
}

/// Splits `Int64, Decimal128(3, 1)` at the commas between types.
fn split_types(list: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let parts = list.split(|character: char| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// PostgreSQL's name of a type as DataFusion prints it.
fn shown_type(printed: &str) -> &'static str {
    match printed.split('(').next().unwrap_or(printed).trim() {
        "Utf8" | "Utf8View" | "LargeUtf8" => "text",
        "Int8" | "Int16" | "UInt8" => "smallint",
        "Int32" | "UInt16" => "integer",
        "Int64" | "UInt32" | "UInt64" => "bigint",
        "Float16" | "Float32" => "real",
        "Float64" => "double precision",
        "Decimal128" | "Decimal256" => "numeric",
        "Boolean" => "boolean",
        "Date32" | "Date64" => "date",
        "Time32" | "Time64" => "time without time zone",
        "Timestamp" if printed.contains("UTC") => "timestamp with time zone",
        "Timestamp" => "timestamp without time zone",
        "Interval" | "Duration" => "interval",
        "Binary" | "BinaryView" => "bytea",
        "List" | "LargeList" => "anyarray",
        _ => "unknown",
    }
}

fn execution(text: &str) -> Option<QueryError> {
    if text.contains("Scalar subquery returned more than one row") || text.contains("more than one row") {
        return Some(failed("more than one row returned by a subquery used as an expression"));
    }
    if text.contains("Divide by zero") || text.contains("DivideByZero") {
        return Some(failed("division by zero"));
    }
    if text.contains("Resources exhausted") || text.contains("memory") {
        return Some(too_large());
    }
    if text.contains("verflow") {
        return Some(failed(overflow(text)));
    }
    if text.contains("Cannot cast") || text.contains("Error parsing") || text.contains("parse") {
        return Some(failed(cast(text)));
    }
    if text.contains("egex") {
        return Some(failed("invalid regular expression"));
    }
    None
}

fn exhausted(text: &str) -> QueryError {
    if text.contains("disk") {
        return QueryError::TooExpensive {
            message: "the query needs more disk space than a query may use; select fewer rows or columns".to_owned(),
        };
    }
    too_large()
}

fn too_large() -> QueryError {
    QueryError::TooExpensive {
        message: "the query needs more memory than a query may use; select fewer rows or columns, or aggregate first".to_owned(),
    }
}

fn not_implemented(text: &str) -> Option<QueryError> {
    let text = text.strip_prefix("This feature is not implemented: ").unwrap_or(text);
    if text.contains("Physical plan does not support logical expression") || text.contains("orrelated") {
        return Some(invalid("this kind of correlated subquery is not supported; a join may do"));
    }
    Some(invalid("this SQL is not supported by the query engine"))
}

fn invalid(message: impl Into<String>) -> QueryError {
    invalid_with(message.into(), None)
}

fn invalid_with(message: String, hint: Option<String>) -> QueryError {
    QueryError::Invalid { message, hint, position: None }
}

fn failed(message: impl Into<String>) -> QueryError {
    QueryError::Failed { message: message.into(), source: None }
}
