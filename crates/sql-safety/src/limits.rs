//! The bounds of a query. Each is checked before the work that it bounds: the token bounds before parsing, the rest
//! while the tree is walked. They are generous for what people and models write, and small enough that no accepted
//! tree can exhaust a thread's stack of 2 MiB when it is cloned, compared, printed or dropped (measured in a debug
//! build, where frames are largest).

pub use gristmill_domain::limits::SQL_TEXT_BYTES_MAX;

/// Most tokens in a query, white space and comments not counted.
pub const TOKENS_MAX: usize = 100_000;
/// Most brackets (of any kind) open at one place.
pub const BRACKETS_DEPTH_MAX: usize = 128;
/// Deepest nesting that the parser follows: each subquery, table in parentheses and operand is a step.
pub const NESTING_DEPTH_MAX: usize = 64;
/// Deepest expression: parentheses, calls and operators in a row (`a + b + c` is two operators deep).
pub const EXPRESSION_DEPTH_MAX: usize = 256;
/// Most operators between two commas, brackets included: an upper bound of a tree's depth that is known before parsing.
pub const OPERATORS_IN_A_ROW_MAX: u32 = 4_000;
/// Most `UNION`, `EXCEPT` and `INTERSECT` in a query.
pub const SET_OPERATIONS_MAX: usize = 64;
/// Most WITH queries in a query.
pub const WITH_QUERIES_MAX: usize = 64;
/// Most tables, subqueries and table functions in all FROM clauses of a query.
pub const RELATIONS_MAX: usize = 128;
/// Most elements of one `IN (…)` list, `ARRAY[…]` or argument list.
pub const LIST_ELEMENTS_MAX: usize = 20_000;
