//! What was asked of language models, by user, project, model and hour.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use gristmill_domain::{ProjectId, UserId, ports::StoreError};
use uuid::Uuid;

use super::statement::Statement;
use crate::{Database, database::DbError};

/// Names of models are cut to this.
const MODEL_CHARS: usize = 200;

/// What was asked of language models.
#[derive(Debug, Clone)]
pub struct LlmUsage {
    database: Database,
}

/// Requests of one hour, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSum {
    /// Who asked.
    pub user: UserId,
    /// For what.
    pub project: Option<ProjectId>,
    /// The beginning of the hour.
    pub hour: DateTime<Utc>,
    /// The model.
    pub model: String,
    /// How many.
    pub requests: u64,
    /// Tokens sent.
    pub input_tokens: u64,
    /// Of these, read from a cache.
    pub cached_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Of these, thinking.
    pub reasoning_tokens: u64,
    /// Millionths of a US dollar.
    pub cost_micros: u64,
}

#[derive(QueryableByName)]
struct Totals {
    #[diesel(sql_type = BigInt)]
    of_user: i64,
    #[diesel(sql_type = BigInt)]
    of_project: i64,
}

impl LlmUsage {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Adds sums to what is stored. Of users who are gone, nothing is stored.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn add(&self, sums: &[UsageSum]) -> Result<(), StoreError> {
        const SQL: &str = "insert into llm_usage as stored
            select sent.* from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                as sent (user_id, project_id, hour, model, requests, input_tokens, cached_tokens, output_tokens,
                    reasoning_tokens, cost_micros)
                join users using (user_id)
            order by user_id, hour, project_id, model
            on conflict (user_id, hour, project_id, model) do update set
                requests = stored.requests + excluded.requests,
                input_tokens = stored.input_tokens + excluded.input_tokens,
                cached_tokens = stored.cached_tokens + excluded.cached_tokens,
                output_tokens = stored.output_tokens + excluded.output_tokens,
                reasoning_tokens = stored.reasoning_tokens + excluded.reasoning_tokens,
                cost_micros = stored.cost_micros + excluded.cost_micros";
        if sums.is_empty() {
            return Ok(());
        }
        let numbers = |of: fn(&UsageSum) -> u64| -> Vec<i64> { sums.iter().map(|sum| signed(of(sum))).collect() };
        let models: Vec<String> = sums.iter().map(|sum| sum.model.chars().take(MODEL_CHARS).collect()).collect();
        let mut connection = self.database.connection().await?;
        sql_query(SQL)
            .bind::<Array<SqlUuid>, _>(sums.iter().map(|sum| sum.user.0).collect::<Vec<Uuid>>())
            .bind::<Array<SqlUuid>, _>(sums.iter().map(|sum| place(sum.project)).collect::<Vec<Uuid>>())
            .bind::<Array<Timestamptz>, _>(sums.iter().map(|sum| sum.hour).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(models)
            .bind::<Array<BigInt>, _>(numbers(|sum| sum.requests))
            .bind::<Array<BigInt>, _>(numbers(|sum| sum.input_tokens))
            .bind::<Array<BigInt>, _>(numbers(|sum| sum.cached_tokens))
            .bind::<Array<BigInt>, _>(numbers(|sum| sum.output_tokens))
            .bind::<Array<BigInt>, _>(numbers(|sum| sum.reasoning_tokens))
            .bind::<Array<BigInt>, _>(numbers(|sum| sum.cost_micros))
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(())
    }

    /// Tokens that a user (in all projects) and a project (by all users) have used since an hour. No caller asked.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn totals(&self, user: UserId, project: Option<ProjectId>, since: DateTime<Utc>) -> Result<(u64, u64), StoreError> {
        const SQL: &str = "select
            coalesce((select sum(input_tokens + output_tokens) from llm_usage where user_id = $1 and hour >= $3), 0)::bigint
                as of_user,
            coalesce((select sum(input_tokens + output_tokens) from llm_usage where project_id = $2 and hour >= $3
                and $2 <> '00000000-0000-0000-0000-000000000000'), 0)::bigint as of_project";
        let mut connection = self.database.connection().await?;
        // Asked before each question to a model.
        let totals: Totals = Statement::new(SQL)
            .bind::<SqlUuid, _>(user.0)
            .bind::<SqlUuid, _>(place(project))
            .bind::<Timestamptz, _>(since)
            .get_result(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok((u64::try_from(totals.of_user).unwrap_or(0), u64::try_from(totals.of_project).unwrap_or(0)))
    }
}

fn place(project: Option<ProjectId>) -> Uuid {
    project.map_or(Uuid::nil(), |project| project.0)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
