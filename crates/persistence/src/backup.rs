//! What a backup needs of the database: a lock, a snapshot that `pg_dump` can share, counts, and which files the rows name.

use std::{collections::BTreeMap, io, path::Path};

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Bool, Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::StreamExt;
use gristmill_domain::{CellId, DatasetId, LoggedModelId, ModelId, NotebookId, ProjectId, RunId, UserId, ports::StoreError};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::{
    database::DbError,
    files::{dataset_prefix, logged_model_prefix, model_prefix, output_file, run_prefix, version_files},
};

/// Both halves of the key of the advisory lock that a backup holds. Any constants of our own.
const LOCK: (i32, i32) = (0x6772_6973, 0x6261_636b);

/// A condition in SQL: nobody holds the lock of a backup in this database.
pub(crate) fn no_backup_runs() -> String {
    format!(
        "not exists (select from pg_locks where locktype = 'advisory' and granted and classid = {} and objid = {} \
         and objsubid = 2 and database = (select oid from pg_database where datname = current_database()))",
        LOCK.0, LOCK.1
    )
}

/// The database that is backed up. While it is open, no server removes files of deleted rows.
pub struct BackupSource {
    connection: AsyncPgConnection,
}

impl std::fmt::Debug for BackupSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupSource").finish_non_exhaustive()
    }
}

/// The database at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What another session calls it.
    pub id: String,
    /// The version of the newest migration that was applied; none in an empty database.
    pub schema: Option<String>,
    /// Rows of each table.
    pub rows: BTreeMap<String, i64>,
}

/// Something of which a row says that it is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// What it is, in a word.
    pub what: &'static str,
    /// Where, below `store/`.
    pub path: String,
}

#[derive(QueryableByName)]
struct One {
    #[diesel(sql_type = Text)]
    value: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Integer)]
    value: i32,
}

#[derive(QueryableByName)]
struct Flag {
    #[diesel(sql_type = Bool)]
    value: bool,
}

/// A file's row: the ids and the name that its path is made from.
#[derive(QueryableByName)]
struct FileRow {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    project: Option<Uuid>,
    #[diesel(sql_type = SqlUuid)]
    first: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    second: Option<Uuid>,
    #[diesel(sql_type = Text)]
    name: String,
}

/// What files are for, the query that lists them, and the table without which there are none (an older schema).
const FILES: [(&str, &str, &str); 5] = [
    (
        "dataset",
        "datasets",
        "select project_id as project, dataset_id as first, owner_id as second, version::text as name from datasets",
    ),
    (
        "model",
        "models",
        "select project_id as project, model_id as first, null::uuid as second, storage || '/' || (file ->> 'filename') as name \
         from models, json_array_elements(artifacts) as file where status = 'completed'",
    ),
    (
        "output",
        "cell_outputs",
        "select project_id as project, notebook_id as first, cell_id as second, file_name as name \
         from cell_outputs join notebooks using (notebook_id)",
    ),
    (
        "run artifact",
        "tracking_artifacts",
        "select project_id as project, run_id as first, null::uuid as second, file_name as name \
         from tracking_artifacts join tracking_runs using (run_id)",
    ),
    (
        "logged model",
        "logged_model_artifacts",
        "select project_id as project, logged_model_id as first, null::uuid as second, file_name as name \
         from logged_model_artifacts join logged_models using (logged_model_id)",
    ),
];

impl BackupSource {
    /// Connects and takes the lock; `None` when another backup of this database runs.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn open(url: &SecretString) -> Result<Option<Self>, StoreError> {
        let mut connection = connect(url).await?;
        let sql = format!("select pg_try_advisory_lock({}, {}) as value", LOCK.0, LOCK.1);
        let taken: Flag = diesel::sql_query(sql).get_result(&mut connection).await.map_err(DbError::from)?;
        Ok(taken.value.then_some(Self { connection }))
    }

    /// Begins a transaction that sees the database as it is now, and lets others share it until [`Self::thaw`].
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn freeze(&mut self) -> Result<Snapshot, StoreError> {
        let connection = &mut self.connection;
        let begin = "begin isolation level repeatable read read only";
        connection.batch_execute(begin).await.map_err(DbError::from)?;
        let id: One =
            diesel::sql_query("select pg_export_snapshot() as value").get_result(connection).await.map_err(DbError::from)?;
        Ok(Snapshot { id: id.value, schema: schema_version(connection).await?, rows: count_rows(connection).await? })
    }

    /// Tells each file that rows of the snapshot name.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`; what `each` returns, as `Defect`.
    pub async fn named_files(&mut self, mut each: impl FnMut(NamedFile) -> io::Result<()>) -> Result<(), StoreError> {
        for (what, table, query) in FILES {
            if !has_table(&mut self.connection, table).await? {
                continue;
            }
            let mut rows = diesel::sql_query(query).load_stream::<FileRow>(&mut self.connection).await.map_err(DbError::from)?;
            while let Some(row) = rows.next().await {
                let row = row.map_err(DbError::from)?;
                each(NamedFile { what, path: path_of(what, &row) }).map_err(|error| StoreError::Defect(Box::new(error)))?;
            }
        }
        Ok(())
    }

    /// Ends the transaction. The lock is kept until `self` is dropped.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn thaw(&mut self) -> Result<(), StoreError> {
        self.connection.batch_execute("commit").await.map_err(|error| DbError::from(error).into())
    }
}

/// The major version of the server, such as 15.
///
/// # Errors
/// `Unavailable` when it does not answer.
pub async fn server_major(url: &SecretString) -> Result<u32, StoreError> {
    let mut connection = connect(url).await?;
    let sql = "select current_setting('server_version_num')::int / 10000 as value";
    let version: Version = diesel::sql_query(sql).get_result(&mut connection).await.map_err(DbError::from)?;
    u32::try_from(version.value).map_err(|error| StoreError::Defect(Box::new(error)))
}

/// The first tables of the database; empty when there is nothing in it.
///
/// # Errors
/// `Unavailable` when it does not answer.
pub async fn tables(url: &SecretString) -> Result<Vec<String>, StoreError> {
    let mut connection = connect(url).await?;
    let sql = "select relname::text as value from pg_class join pg_namespace n on n.oid = relnamespace \
               where relkind in ('r', 'p', 'v', 'm', 'S', 'f') and nspname not like 'pg\\_%' and nspname <> 'information_schema' \
               order by relname limit 5";
    let names: Vec<One> = diesel::sql_query(sql).load(&mut connection).await.map_err(DbError::from)?;
    Ok(names.into_iter().map(|name| name.value).collect())
}

/// Rows of each table.
///
/// # Errors
/// `Unavailable`, `Defect`.
pub async fn rows(url: &SecretString) -> Result<BTreeMap<String, i64>, StoreError> {
    count_rows(&mut connect(url).await?).await
}

async fn connect(url: &SecretString) -> Result<AsyncPgConnection, StoreError> {
    AsyncPgConnection::establish(url.expose_secret()).await.map_err(|error| StoreError::Unavailable(Box::new(error)))
}

async fn has_table(connection: &mut AsyncPgConnection, table: &str) -> Result<bool, StoreError> {
    let sql = format!("select to_regclass('public.{table}') is not null as value");
    let found: Flag = diesel::sql_query(sql).get_result(connection).await.map_err(DbError::from)?;
    Ok(found.value)
}

async fn schema_version(connection: &mut AsyncPgConnection) -> Result<Option<String>, StoreError> {
    if !has_table(connection, "__diesel_schema_migrations").await? {
        return Ok(None);
    }
    let sql = "select version::text as value from __diesel_schema_migrations order by version desc limit 1";
    let newest: Vec<One> = diesel::sql_query(sql).load(connection).await.map_err(DbError::from)?;
    Ok(newest.into_iter().next().map(|version| version.value))
}

async fn count_rows(connection: &mut AsyncPgConnection) -> Result<BTreeMap<String, i64>, StoreError> {
    let sql = "select tablename::text as value from pg_tables where schemaname = 'public' order by tablename";
    let tables: Vec<One> = diesel::sql_query(sql).load(connection).await.map_err(DbError::from)?;
    let mut rows = BTreeMap::new();
    for table in tables {
        let sql = format!("select count(*) as value from public.\"{}\"", table.value.replace('"', "\"\""));
        let count: Count = diesel::sql_query(sql).get_result(connection).await.map_err(DbError::from)?;
        rows.insert(table.value, count.value);
    }
    Ok(rows)
}

fn path_of(what: &str, row: &FileRow) -> String {
    let project = ProjectId(row.project.unwrap_or_default());
    let second = row.second.unwrap_or_default();
    let prefix = match what {
        "dataset" => {
            let prefix = dataset_prefix(UserId(second), row.project.map(ProjectId), DatasetId(row.first));
            let [parquet, _] = version_files(row.name.parse().unwrap_or_default());
            return format!("{prefix}/{parquet}");
        }
        "output" => return output_file(project, NotebookId(row.first), CellId(second), &row.name),
        "model" => model_prefix(project, ModelId(row.first)),
        "run artifact" => run_prefix(project, RunId(row.first)),
        _ => logged_model_prefix(project, LoggedModelId(row.first)),
    };
    Path::new(&prefix).join(&row.name).display().to_string()
}
