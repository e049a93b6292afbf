//! The gate between SQL that people and models write and the engine that runs it.
//!
//! [`validate`] turns text into a [`ValidatedSql`]: one read-only query over the caller's own tables, with functions of
//! a fixed list, a limit on the outermost query and bounds on its size; or into an [`SqlRefusal`] that says which rule
//! was broken, where, and what to write instead. The engine gets the checked tree, never the text.
//!
//! How it holds: the text becomes tokens, on which everything is refused that could hurt the parser ([`limits`]); the
//! tree that comes out is walked by closed matches, so that a node which nobody has decided about cannot pass; names are
//! resolved by lexical scope against an allow-list and written into the tree in the form that the engine looks up; the
//! tree is printed, and the print must parse to the same tree again.
//!
//! ```
//! use gristmill_sql_safety::{AllowedTable, SqlPolicy, validate};
//!
//! let sales = AllowedTable { logical: "sales".into(), physical: "sales_0c6a852e".into() };
//! let policy = SqlPolicy::new(vec![sales]);
//! let query = validate("select region, sum(amount) from Sales group by 1;", &policy).unwrap();
//! assert_eq!(query.text(), "SELECT region, sum(amount) FROM sales GROUP BY 1 LIMIT 200");
//!
//! let refusal = validate("select * from customers", &policy).unwrap_err();
//! assert_eq!(refusal.message(), "relation \"customers\" does not exist");
//! assert_eq!(refusal.position().unwrap().column, 15);
//! ```
//!
//! What must not live here: IO, an async runtime, the engine.

pub mod dialect;
pub mod functions;
mod lex;
pub mod limits;
mod names;
mod parse;
mod policy;
mod refusal;
mod scope;
mod validated;
mod walk;

pub use policy::{AllowedTable, SqlPolicy};
pub use refusal::{Position, RefusalKind, SqlRefusal};
pub use sqlparser;
pub use validated::{ValidatedSql, validate};
pub use walk::ALLOWED_TYPES;
