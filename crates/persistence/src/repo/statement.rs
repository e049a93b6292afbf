//! A written-out statement with its values that PostgreSQL prepares once a connection.
//!
//! Diesel's own `sql_query` prepares at each call, which for the claim is most of the time: one more round trip, and
//! the planning.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{HasSqlType, Untyped},
};

/// A statement with its values. The text says `$1`, `$2`, … wherever it wants them.
pub(super) struct Statement<'a> {
    pub(super) sql: &'static str,
    pub(super) values: Vec<Box<dyn QueryFragment<Pg> + Send + 'a>>,
}

impl<'a> Statement<'a> {
    /// A statement without values. The text must be a constant: it is the key under which the prepared form is kept.
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    /// Adds the next value.
    pub(super) fn bind<ST, V>(mut self, value: V) -> Self
    where
        Pg: HasSqlType<ST>,
        ST: Send + 'a,
        V: ToSql<ST, Pg> + Send + 'a,
    {
        self.values.push(Box::new(Value { value, sql_type: std::marker::PhantomData::<ST> }));
        self
    }
}

struct Value<ST, V> {
    value: V,
    sql_type: std::marker::PhantomData<ST>,
}

impl<ST, V> QueryFragment<Pg> for Value<ST, V>
where
    Pg: HasSqlType<ST>,
    V: ToSql<ST, Pg>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_bind_param::<ST, V>(&self.value)
    }
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql(self.sql);
        // Diesel writes a placeholder for each value that it is given. The text has them already, so these go into a
        // comment.
        pass.push_sql("\n-- ");
        for value in &self.values {
            value.walk_ast(pass.reborrow())?;
        }
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();

    // The text is the key.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}
