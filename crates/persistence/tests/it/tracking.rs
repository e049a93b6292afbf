//! Searching runs on PostgreSQL: whatever way is taken, it finds what comparing each run by hand finds.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_domain::{
    Caller, ProjectId, RunId, Scope, SessionId, UserId,
    caller::Credential,
    tracking::{
        MetricPoint, NewRun, Run, RunBatch, RunPatch, RunSearch,
        filter::{Subject, parse, parse_order},
        matching::{Fact, compare, holds},
    },
    users::UserRole,
};
use gristmill_persistence::{Database, DatabaseOptions, repo::tracking::Tracking};
use gristmill_testkit::pg::TestDatabase;

const RUNS: u64 = 360;

/// Numbers that look random, the same in every run of the test.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let sides = u64::try_from(from.len()).unwrap();
        from[usize::try_from(self.roll(sides)).unwrap()]
    }
}

struct Setting {
    database: TestDatabase,
    tracking: Tracking,
    ada: Caller,
    projects: Vec<ProjectId>,
}

fn caller(user_id: UserId) -> Caller {
    Caller {
        user_id,
        role: UserRole::User,
        email_verified: true,
        credential: Credential::Session(SessionId::random()),
        scope: Scope::Account,
    }
}

async fn setting() -> Setting {
    let database = TestDatabase::create().await.unwrap();
    let tracking = Tracking::new(Database::connect(&DatabaseOptions::new(database.url().clone())).await.unwrap());
    let (user, projects) = (UserId::random(), vec![ProjectId::random(), ProjectId::random()]);
    let client = database.client().await.unwrap();
    let sql = format!(
        "insert into users (user_id, email, password_hash, name, email_verified) values ('{user}', 'a@example.org', 'x', 'ada', true);
         insert into projects (project_id, owner_id, name, icon, color, metadata)
         values ('{}', '{user}', 'p', 'Folder', 'blue', '{{}}'), ('{}', '{user}', 'q', 'Folder', 'blue', '{{}}')",
        projects[0], projects[1]
    );
    client.batch_execute(&sql).await.unwrap();
    Setting { database, tracking, ada: caller(user), projects }
}

impl Setting {
    async fn run(&self, project: ProjectId, name: &str, start_ms: i64, tags: &[(&str, &str)]) -> RunId {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let run = NewRun { id: RunId::random(), project_id: project, name: name.into(), user: "ada".into(), start_ms, tags };
        self.tracking.create_run(&self.ada, run).await.unwrap().id
    }

    /// Runs with ties in everything, with and without each metric and parameter.
    async fn fill(&self, dice: &mut Dice) {
        for number in 0..RUNS {
            let project = self.projects[usize::from(number % 9 == 0)];
            let start = 1000 + i64::try_from(dice.roll(80)).unwrap();
            let id = self.run(project, dice.pick(&["ash", "birch", "oak"]), start, &[("team", dice.pick(&["a", "b"]))]).await;
            let mut batch = RunBatch::default();
            for key in ["loss", "rare", "same", "odd"] {
                let value = match (key, dice.roll(10)) {
                    ("rare", 1..) | ("loss" | "odd", 0) => continue,
                    ("same", _) => 1.0,
                    ("odd", 1..4) => f64::NAN,
                    ("odd", 4) => f64::INFINITY,
                    (_, _) => f64::from(u32::try_from(dice.roll(40)).unwrap()) / 4.0,
                };
                batch.metrics.push((key.to_owned(), MetricPoint { value, timestamp_ms: 1, step: 0 }));
            }
            let long = format!("{}{}", "x".repeat(250), dice.pick(&["a", "b"]));
            let kind = dice.pick(&["tree", "forest", "line"]).to_owned();
            batch.params.insert("kind".into(), kind);
            if dice.roll(3) == 0 {
                batch.params.insert("note".into(), if dice.roll(2) == 0 { long } else { "short".into() });
            }
            self.tracking.log(&self.ada, id, batch).await.unwrap();
            if dice.roll(12) == 0 {
                let patch = RunPatch { is_deleted: Some(true), ..RunPatch::default() };
                self.tracking.update_run(&self.ada, id, patch).await.unwrap();
            }
        }
    }

    /// Trainings of the server's own, beside them.
    async fn trainings(&self, dice: &mut Dice) {
        let client = self.database.client().await.unwrap();
        for version in 1..=12 {
            let (id, project) = (uuid::Uuid::new_v4(), self.projects[0]);
            let sql = format!(
                "insert into models (model_id, project_id, dataset_id, name, plan, task_type, template_id, library, algorithm,
                     parameters, metrics, status, version, feature_columns, artifacts, storage, metadata, feature_types,
                     sample_request, created_at)
                 values ('{id}', '{project}', '{id}', 'oak', '{{}}', 'regression', 'ridge', 'sklearn', 'Ridge',
                     '{{\"kind\": \"{}\"}}', '{{\"loss\": {}}}', 'completed', {version}, '[]', '[]', 's', '{{}}', '{{}}', '{{}}',
                     to_timestamp(1.0 + {} / 1000.0))",
                dice.pick(&["tree", "line"]),
                dice.roll(10),
                dice.roll(80)
            );
            client.batch_execute(&sql).await.unwrap();
        }
    }

    async fn search(&self, search: &RunSearch) -> Vec<Run> {
        self.tracking.search(&self.ada, search).await.unwrap()
    }
}

fn search(projects: &[ProjectId], filter: &str, order: &[&str], limit: u32, offset: u64) -> RunSearch {
    RunSearch {
        projects: projects.to_vec(),
        conditions: parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")),
        deleted: Some(false),
        order: order.iter().map(|text| parse_order(text).unwrap()).collect(),
        limit,
        offset,
    }
}

fn small(number: i64) -> f64 {
    f64::from(i32::try_from(number).unwrap())
}

fn fact(run: &Run, subject: &Subject) -> Option<Fact> {
    match subject {
        Subject::Metric(key) => run.metrics.get(key).map(|point| Fact::Number(point.value)),
        Subject::Param(key) => run.params.get(key).cloned().map(Fact::Text),
        Subject::Tag(key) => run.tags.get(key).cloned().map(Fact::Text),
        Subject::Attribute(name) => Some(match name.as_str() {
            "start_time" => Fact::Number(small(run.start_ms)),
            "end_time" => return run.end_ms.map(|end| Fact::Number(small(end))),
            "run_name" => Fact::Text(run.name.clone()),
            "user_id" => Fact::Text(run.user.clone()),
            "run_id" => Fact::Text(run.id.0.simple().to_string()),
            _ => Fact::Text(run.status.as_str().into()),
        }),
    }
}

/// What the search must find.
fn by_hand(all: &[Run], search: &RunSearch) -> Vec<RunId> {
    let mut found: Vec<&Run> = all
        .iter()
        .filter(|run| search.projects.contains(&run.project_id))
        .filter(|run| search.deleted.is_none_or(|deleted| run.is_deleted == deleted))
        .filter(|run| holds(&search.conditions, |subject| fact(run, subject)))
        .collect();
    found.sort_by(|one, other| {
        compare(&search.order, |subject| fact(one, subject), |subject| fact(other, subject))
            .then(other.start_ms.cmp(&one.start_ms))
            .then(one.id.0.cmp(&other.id.0))
    });
    let skipped = usize::try_from(search.offset).unwrap();
    found.iter().skip(skipped).take(usize::try_from(search.limit).unwrap()).map(|run| run.id).collect()
}

const CONDITIONS: [&str; 20] = [
    "metrics.loss > 5",
    "metrics.loss <= 0.25",
    "metrics.loss != 3",
    "metrics.rare >= 0",
    "metrics.same = 1",
    "metrics.odd > -1",
    "metrics.odd != 0",
    "metrics.nowhere < 1",
    "params.kind = 'tree'",
    "params.kind != 'tree'",
    "params.kind ilike '%R%e_'",
    "params.kind like 'for%\\'",
    "params.kind in ('line', 'forest')",
    "params.kind not in ('line', 'forest')",
    "params.note like '%xa'",
    "params.note != 'short'",
    "tags.team = 'a'",
    "run_name = 'oak'",
    "start_time > 1020",
    "status = 'FINISHED'",
];
const ORDERS: [&str; 13] = [
    "start_time DESC",
    "run_name DESC",
    "metrics.loss",
    "metrics.loss DESC",
    "metrics.rare DESC",
    "metrics.same ASC",
    "metrics.odd DESC",
    "params.kind DESC",
    "tags.team",
    "run_name",
    "start_time ASC",
    "end_time DESC",
    "status",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_search_finds_what_comparing_by_hand_finds() {
    let setting = setting().await;
    let mut dice = Dice(7);
    setting.fill(&mut dice).await;
    setting.trainings(&mut dice).await;
    let mut everything = search(&setting.projects, "", &[], 10_000, 0);
    everything.deleted = None;
    let all = setting.search(&everything).await;
    assert_eq!(u64::try_from(all.len()).unwrap(), RUNS + 12);
    let mut sizes = BTreeSet::new();
    for case in 0..600 {
        let conditions: Vec<&str> = (0..dice.roll(4)).map(|_| dice.pick(&CONDITIONS)).collect();
        let order: Vec<&str> = (0..dice.roll(3)).map(|_| dice.pick(&ORDERS)).collect();
        let projects = if dice.roll(4) == 0 { &setting.projects[..] } else { &setting.projects[..1] };
        let limit = [1, 3, 20, 500][usize::try_from(dice.roll(4)).unwrap()];
        let mut search = search(projects, &conditions.join(" and "), &order, limit, dice.roll(3) * u64::from(limit));
        search.deleted = [Some(false), Some(false), Some(true), None][usize::try_from(dice.roll(4)).unwrap()];
        let found: Vec<RunId> = setting.search(&search).await.iter().map(|run| run.id).collect();
        assert_eq!(found, by_hand(&all, &search), "case {case}: {conditions:?} {order:?} {search:?}");
        sizes.insert(found.len());
    }
    assert!(sizes.len() > 20, "the searches differ in what they find: {sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_together_are_the_whole() {
    let setting = setting().await;
    setting.fill(&mut Dice(11)).await;
    for order in [&["metrics.same DESC"][..], &["metrics.rare"], &["params.kind", "metrics.odd DESC"], &[]] {
        let project = &setting.projects[..1];
        let whole: Vec<RunId> = setting.search(&search(project, "", order, 1000, 0)).await.iter().map(|run| run.id).collect();
        let mut pages = Vec::new();
        for page in 0_u64.. {
            let page = setting.search(&search(project, "", order, 17, page * 17)).await;
            if page.is_empty() {
                break;
            }
            pages.extend(page.iter().map(|run| run.id));
        }
        assert_eq!(pages, whole, "{order:?}");
        assert_eq!(whole.iter().map(|id| id.0).collect::<BTreeSet<_>>().len(), whole.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_are_searched_by_follows_them() {
    let setting = setting().await;
    let project = &setting.projects[..1];
    let id = setting.run(project[0], "r", 1, &[("team", "a")]).await;
    let log = async |metrics: &[(&str, f64, i64)], tags: &[(&str, &str)], removed: &[&str]| {
        let point = |(key, value, step): &(&str, f64, i64)| {
            ((*key).to_owned(), MetricPoint { value: *value, timestamp_ms: 1, step: *step })
        };
        let batch = RunBatch {
            metrics: metrics.iter().map(point).collect(),
            params: BTreeMap::new(),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            removed_tags: removed.iter().map(|key| (*key).to_owned()).collect(),
        };
        setting.tracking.log(&setting.ada, id, batch).await.unwrap();
    };
    let finds = async |filter: &str| setting.search(&search(project, filter, &[], 10, 0)).await.len();
    log(&[("loss", 3.0, 0), ("loss", 1.0, 2), ("loss", 2.0, 1)], &[], &[]).await;
    assert_eq!((finds("metrics.loss = 1").await, finds("metrics.loss > 1").await), (1, 0), "the latest step counts");
    log(&[("loss", 9.0, 1)], &[("team", "b")], &[]).await;
    assert_eq!((finds("metrics.loss = 1").await, finds("tags.team = 'a'").await, finds("tags.team = 'b'").await), (1, 0, 1));
    log(&[("loss", f64::NAN, 3)], &[], &["team"]).await;
    assert_eq!((finds("metrics.loss != 7").await, finds("tags.team = 'b'").await), (0, 0), "NaN is no value to find");
    log(&[("loss", f64::NEG_INFINITY, 4)], &[], &[]).await;
    assert_eq!(finds("metrics.loss < -1e300").await, 1);
    let stranger = caller(UserId::random());
    assert!(setting.tracking.search(&stranger, &search(project, "", &[], 10, 0)).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_and_the_best_come_from_an_index() {
    let setting = setting().await;
    let client = setting.database.client().await.unwrap();
    client.batch_execute("set enable_seqscan = off").await.unwrap();
    let plan = async |sql: &str| -> String {
        let rows = client.query(&format!("explain {sql}"), &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
    };
    let project = setting.projects[0];
    let newest = plan(&format!(
        "select run_id, start_ms from tracking_runs where project_id = '{project}' and not is_deleted
         order by start_ms desc, run_id limit 100"
    ))
    .await;
    assert!(newest.contains("tracking_runs_project_idx") && !newest.contains("Sort"), "{newest}");
    let best = plan(&format!(
        "select run_id, start_ms, number from tracking_entries where project_id = '{project}' and kind = 'metric'
         and entry_key = 'loss' and not is_deleted and number is not null order by number desc, start_ms desc
         fetch first 100 rows with ties"
    ))
    .await;
    assert!(best.contains("Index Only Scan Backward using tracking_entries_number_idx") && !best.contains("Sort"), "{best}");
}
