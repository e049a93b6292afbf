//! What a query may not take: time, memory, disk, rows, bytes, places.

use std::time::{Duration, Instant};

use gristmill_domain::{ErrorCode, UserId};
use gristmill_query::{QueryError, QueryRequest};

use crate::support::{TestEngine, chain, request, rows_of};

/// A join that would run for hours.
const ENDLESS: &str =
    "select count(*) from generate_series(1, 2000000) a(x), generate_series(1, 2000000) b(y) where x % 7 <> y % 11";

/// The statement is refused as too expensive.
async fn too_expensive(engine: &TestEngine, sql: &str) {
    match engine.run(sql).await {
        Ok(output) => panic!("{sql} gave {:?}", rows_of(&output).first()),
        Err(error) => assert_eq!(error.code(), ErrorCode::SqlTooExpensive, "{sql}\n{}", chain(&error)),
    }
}

/// CPU time of the engine's threads, in the kernel's ticks (10 ms).
fn engine_ticks() -> u64 {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        if name.starts_with("gristmill-sql") {
            let fields: Vec<&str> = rest.split_whitespace().collect();
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    ticks
}

/// Waits until the engine's threads have been idle for a while, and tells how long that took.
async fn until_idle() -> Duration {
    let started = Instant::now();
    loop {
        let before = engine_ticks();
        let quiet_since = started.elapsed();
        tokio::time::sleep(Duration::from_millis(200)).await;
        if engine_ticks() <= before + 1 {
            return quiet_since;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the engine is still working");
    }
}

#[tokio::test]
async fn work_stops_at_the_deadline_and_when_the_caller_leaves() {
    let engine = TestEngine::start();
    let started = Instant::now();
    let error = engine.engine.run(request(ENDLESS, Duration::from_millis(300))).await.unwrap_err();
    assert!(matches!(error, QueryError::Timeout), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    until_idle().await;

    let work = engine.engine.run(request(ENDLESS, Duration::from_secs(600)));
    assert!(tokio::time::timeout(Duration::from_millis(300), work).await.is_err());
    until_idle().await;
    assert_eq!(engine.value("select 1").await, 1);
}

/// Such joins hand on no row at which the runtime could drop them.
#[tokio::test]
async fn a_join_that_finds_nothing_stops_too() {
    let engine = TestEngine::start();
    for sql in [
        "select count(*) from generate_series(1, 3000000) a(x), generate_series(1, 3000000) b(y) where x > y and x < y",
        "select count(*) from generate_series(1, 300000) a(x) join generate_series(1, 300000) b(y) on x % 1 = y % 1 and x > y and x < y",
    ] {
        let error = engine.engine.run(request(sql, Duration::from_millis(500))).await.unwrap_err();
        assert!(matches!(error, QueryError::Timeout), "{sql}\n{error:?}");
        until_idle().await;
    }
}

#[tokio::test]
async fn a_hungry_query_is_refused_and_leaves_no_spill() {
    let engine = TestEngine::with(|config| {
        config.memory_per_query_bytes = 16 * 1024 * 1024;
        config.spill_bytes_max = 16 * 1024 * 1024;
    });
    for sql in [
        "select count(*) from (select repeat('x', 100) || x as k, count(*) from generate_series(1, 2000000) t(x) group by 1) s",
        "select count(distinct repeat('x', 100) || x) from generate_series(1, 2000000) t(x)",
        "select sum(r) from (select row_number() over (order by repeat('x', 100) || x) as r from generate_series(1, 2000000) t(x)) s",
        "select a.x from generate_series(1, 5000000) a(x) join generate_series(1, 5000000) b(x) on a.x = b.x order by 1 desc",
    ] {
        too_expensive(&engine, sql).await;
    }
    // The parts of a query that failed end one after the other.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut left = walk(engine.spill.path());
        left.retain(|path| path.file_name().is_some_and(|name| name != "lock"));
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{left:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn what_makes_size_is_bounded() {
    let engine = TestEngine::start();
    for sql in [
        "select repeat('x', 2000000000)",
        "select repeat(repeat('x', 100000), 100000)",
        "select lpad('x', 2000000000)",
        "select rpad('x', 2000000000, 'y')",
        "select length(string_agg(repeat('x', 10000), '')) from generate_series(1, 100000)",
        "select array_length(array_agg(repeat('x', 1000)), 1) from generate_series(1, 1000000)",
        "select replace(repeat('x', 1000000), 'x', repeat('y', 1000))",
        "select repeat('x', 1000000) from generate_series(1, 1000)",
    ] {
        too_expensive(&engine, sql).await;
    }
}

#[tokio::test]
async fn recursion_ends() {
    let engine = TestEngine::start();
    assert_eq!(
        engine.value("with recursive t(n) as (select 1 union all select n + 1 from t where n < 100) select sum(n) from t").await,
        5050
    );
    let endless = "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t";
    let started = Instant::now();
    let error = engine.engine.run(request(endless, Duration::from_secs(2))).await.unwrap_err();
    assert!(matches!(error.code(), ErrorCode::SqlTimeout | ErrorCode::SqlTooExpensive), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(60));
    until_idle().await;
}

#[tokio::test]
async fn a_chain_of_with_queries_does_not_grow_without_end() {
    let engine = TestEngine::start();
    let mut sql = "with t0 as (select 1 as n)".to_owned();
    for level in 1..25 {
        let before = level - 1;
        sql.push_str(&format!(", t{level} as (select a.n from t{before} a, t{before} b)"));
    }
    sql.push_str(" select count(*) from t24");
    too_expensive(&engine, &sql).await;
}

#[tokio::test]
async fn a_caller_has_only_so_many_places() {
    let engine = TestEngine::with(|config| {
        config.concurrent_per_caller_max = 2;
        config.memory_bytes = config.memory_per_query_bytes * 4;
    });
    let caller = UserId::random();
    let of = |sql: &str, timeout: u64| QueryRequest { caller, ..request(sql, Duration::from_secs(timeout)) };
    let (one, two) = (engine.engine.run(of(ENDLESS, 5)), engine.engine.run(of(ENDLESS, 5)));
    let (mut one, mut two) = (Box::pin(one), Box::pin(two));
    // Polled once, both have their place or stand in line.
    assert!(futures_util::poll!(&mut one).is_pending() && futures_util::poll!(&mut two).is_pending());
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match engine.engine.run(of("select 1", 5)).await {
            Err(QueryError::TooMany { retry_after }) => {
                assert!(retry_after > Duration::ZERO);
                break;
            }
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
    }
    assert_eq!(engine.value("select 2").await, 2, "others are served");
    drop((one, two));
    let deadline = Instant::now() + Duration::from_secs(60);
    while engine.engine.run(of("select 1", 5)).await.is_err() {
        assert!(Instant::now() < deadline, "the places are not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn rows_beyond_the_cap_are_told() {
    let engine = TestEngine::start();
    // The gate adds a limit to a statement without one, which therefore never has more.
    let output = engine.run("select x from generate_series(1, 20000) t(x) limit 20000").await.unwrap();
    assert_eq!((output.row_count, output.truncated), (10_000, true));
    let output = engine.run("select x from generate_series(1, 10000) t(x) limit 20000").await.unwrap();
    assert_eq!((output.row_count, output.truncated), (10_000, false));
}

#[tokio::test]
async fn a_file_that_is_gone_or_broken_is_told_by_its_table() {
    let engine = TestEngine::start();
    let gone = tempfile::tempdir().unwrap();
    let broken = gone.path().join("broken.parquet");
    std::fs::write(&broken, b"PAR1 but nothing else").unwrap();
    for path in [gone.path().join("gone.parquet"), broken, gone.path().to_owned()] {
        let mut request = request("select count(*) from orders", Duration::from_secs(5));
        for table in &mut request.tables {
            table.path.clone_from(&path);
        }
        let error = engine.engine.run(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::FileMissing, "{error:?}");
        assert!(error.public_message().contains("orders") && !error.public_message().contains("parquet"), "{error}");
    }
}

#[tokio::test]
async fn arithmetic_follows_postgresql_over_http_shaped_rows() {
    let engine = TestEngine::start();
    for (sql, rows) in [
        ("select 7 / 2", serde_json::json!([[3]])),
        ("select null::int order by 1", serde_json::json!([[null]])),
        ("select x from (values (2), (null), (1)) t(x) order by x", serde_json::json!([[1], [2], [null]])),
        ("select x from (values (2), (null), (1)) t(x) order by x desc", serde_json::json!([[null], [2], [1]])),
    ] {
        assert_eq!(serde_json::json!(engine.rows(sql).await), rows, "{sql}");
    }
    assert!(engine.message("select 1 / 0").await.contains("division by zero"));
}

#[tokio::test]
async fn what_the_planner_does_not_find_has_a_place_in_the_text_and_what_fails_on_data_has_none() {
    let engine = TestEngine::start();
    for (sql, expected) in [
        ("select nope from orders", Some((1, 8))),
        ("select id,\n  sum(nope) as total\nfrom orders group by 1", Some((2, 7))),
        ("select 'é', nope from orders", Some((1, 13))),
        ("select o.nope from orders o", Some((1, 8))),
        ("select id from orders where nope > 1", Some((1, 29))),
        ("select id from customers, orders", Some((1, 8))),
        ("select 1 / 0", None),
        ("select name::bigint from customers", None),
    ] {
        let error = engine.run(sql).await.unwrap_err();
        assert_eq!(error.position().map(|at| (at.line, at.column)), expected, "{sql}\n{}", chain(&error));
    }
}
