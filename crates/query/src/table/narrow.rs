//! Leaves out the columns of wide tables that a statement does not mention: DataFusion copies the whole schema with
//! every step of planning, which takes seconds for ten thousand columns.

use std::{cell::OnceCell, collections::HashSet, sync::Arc};

use arrow::datatypes::SchemaRef;
use datafusion::{
    common::Statistics,
    datasource::physical_plan::parquet::metadata::DFParquetMetadata,
    sql::sqlparser::{
        dialect::PostgreSqlDialect,
        tokenizer::{Token, Tokenizer},
    },
};

use super::Footer;

/// Tables up to this many columns are left whole: their missing columns get better hints.
pub(super) const COLUMNS_WHOLE: usize = 256;

/// The names that a statement mentions, lower case. They are read when a wide table asks for them.
#[derive(Debug)]
pub(crate) struct Mentioned<'a> {
    canonical: &'a str,
    names: OnceCell<Option<HashSet<String>>>,
}

impl<'a> Mentioned<'a> {
    /// Those of a canonical text.
    pub(crate) fn of(canonical: &'a str) -> Self {
        Self { canonical, names: OnceCell::new() }
    }

    /// `None` when the statement may mean every column.
    fn names(&self) -> Option<&HashSet<String>> {
        self.names.get_or_init(|| Self::read(self.canonical)).as_ref()
    }

    fn read(canonical: &str) -> Option<HashSet<String>> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, canonical).tokenize().ok()?;
        let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
        let mut names = HashSet::new();
        for (index, token) in tokens.iter().enumerate() {
            match token {
                Token::Word(word) if word.value.eq_ignore_ascii_case("natural") => return None,
                Token::Word(word) => {
                    names.insert(word.value.to_lowercase());
                }
                Token::Mul => {
                    let before = index.checked_sub(1).and_then(|index| tokens.get(index));
                    let counts = before == Some(&Token::LParen) && tokens.get(index + 1) == Some(&Token::RParen);
                    if !counts {
                        return None;
                    }
                }
                _ => {}
            }
        }
        Some(names)
    }

    /// The schema and the statistics of a table as far as the statement can see it.
    pub(super) fn narrow(&self, footer: &Footer) -> (SchemaRef, Arc<Statistics>) {
        let whole = || (footer.schema.clone(), footer.statistics.clone());
        let fields = footer.schema.fields();
        if fields.len() <= COLUMNS_WHOLE {
            return whole();
        }
        let Some(names) = self.names() else { return whole() };
        let kept: Vec<usize> = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| names.contains(&field.name().to_lowercase()))
            .map(|(index, _)| index)
            .collect();
        // A statement that names no column (`count(*)`) still needs a table with one.
        let kept = if kept.is_empty() { vec![0] } else { kept };
        let Ok(schema) = footer.schema.project(&kept) else { return whole() };
        let schema = Arc::new(schema);
        let statistics = DFParquetMetadata::statistics_from_parquet_metadata(&footer.metadata, &schema)
            .unwrap_or_else(|_| Statistics::new_unknown(&schema));
        (schema, Arc::new(statistics))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sql: &str) -> Option<Vec<String>> {
        let mut names: Vec<String> = Mentioned::of(sql).names()?.iter().cloned().collect();
        names.sort();
        Some(names)
    }

    #[test]
    fn every_name_counts_and_a_star_means_all() {
        assert_eq!(
            names(r#"SELECT a, "B c" FROM t WHERE count(*) > 1"#).unwrap(),
            ["a", "b c", "count", "from", "select", "t", "where"]
        );
        for all in ["SELECT * FROM t", "SELECT t.* FROM t", "SELECT a * b FROM t", "SELECT a FROM t NATURAL JOIN u"] {
            assert_eq!(names(all), None, "{all}");
        }
    }
}
