//! Workers that stay up: asked, idle, broken, hostile.

use std::time::{Duration, Instant};

use gristmill_runtime::{
    PythonPackage,
    resident::{ResidentError, ResidentPlan, ResidentSettings, ResidentWorker},
    sandbox::SandboxLimits,
};
use serde_json::{Value, json};

use crate::support::{TestRuntime, until};

/// Does as it is told.
const PROGRAM: &str = r#"
import json, os, socket, sys, time

connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
connection.connect(sys.argv[2])
lines = connection.makefile("rb")
started = time.monotonic_ns()
say = lambda value: connection.sendall(json.dumps(value).encode() + b"\n")
if "slow" in sys.argv:
    time.sleep(3600)
say({"ready": "mute" not in sys.argv})
for line in lines:
    asked = json.loads(line)
    do, number = asked["do"], asked["id"]
    if do == "die":
        os._exit(3)
    if do == "hang":
        time.sleep(3600)
    if do == "refuse":
        say({"id": number, "error": "no " + "x" * 1000})
    elif do == "nonsense":
        say([1])
    elif do == "flood":
        connection.sendall(b"x" * 3_000_000)
    elif do == "foreign":
        say({"id": 4711, "answer": 1})
    elif do == "look":
        def written(path):
            try:
                open(path, "w").close()
                return True
            except OSError:
                return False
        seen = sorted(os.listdir("/shown"))
        say({"id": number, "answer": [seen, written("/shown/new"), written("/opt/gristmill/program/new"), os.environ["OMP_NUM_THREADS"]]})
    else:
        say({"id": number, "answer": [started, asked.get("text")]})
"#;

const PACKAGE: PythonPackage = PythonPackage { name: "told", files: &[("__init__.py", ""), ("__main__.py", PROGRAM)] };

fn settings() -> ResidentSettings {
    ResidentSettings {
        startup_timeout: Duration::from_mins(2),
        answer_timeout: Duration::from_mins(1),
        stuck_after: Duration::from_mins(1),
        idle_after: Duration::from_mins(5),
        queue_max: 8,
        in_flight_max: 1,
        question_bytes_max: 1 << 20,
        answer_bytes_max: 2 << 20,
    }
}

fn plan(settings: ResidentSettings, arguments: &[&str]) -> ResidentPlan {
    ResidentPlan {
        name: "told",
        package: PACKAGE,
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        shows: Vec::new(),
        python_path: Vec::new(),
        limits: SandboxLimits {
            memory_bytes: 256 << 20,
            cpu_percent: 200,
            pids: 32,
            file_size_bytes: 1 << 20,
            open_files: 64,
            tmp_bytes: 1 << 20,
            disk_bytes: 1 << 20,
        },
        settings,
    }
}

async fn ask(worker: &ResidentWorker, question: Value) -> Result<Value, ResidentError> {
    let Value::Object(question) = question else { panic!("a question is an object") };
    worker.ask(question).await.map(|answer| serde_json::from_str(answer.get()).unwrap())
}

/// Which worker answers: when it was started.
async fn which(worker: &ResidentWorker) -> u64 {
    ask(worker, json!({ "do": "echo" })).await.unwrap()[0].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_go_to_one_worker_that_is_started_by_the_first() {
    let world = TestRuntime::new().await;
    let worker = world.runtime.resident(plan(settings(), &[]));
    assert!(!worker.is_up());
    let asks = (0..20).map(|n| ask(&worker, json!({ "do": "echo", "text": format!("\u{0} {n} 💥") })));
    let answers = futures_util::future::join_all(asks).await;
    let first = answers[0].clone().unwrap()[0].clone();
    for (n, answer) in answers.into_iter().enumerate() {
        let answer = answer.unwrap();
        assert_eq!((&answer[0], answer[1].as_str()), (&first, Some(format!("\u{0} {n} 💥").as_str())));
    }
    assert!(worker.is_up());
    let large = ask(&worker, json!({ "do": "echo", "text": "x".repeat(1 << 20) })).await;
    assert_eq!(large, Err(ResidentError::TooLarge));
    let most = ask(&worker, json!({ "do": "echo", "text": "x".repeat(1_000_000) })).await.unwrap();
    assert_eq!(most[1].as_str().map(str::len), Some(1_000_000));
    let refused = ask(&worker, json!({ "do": "refuse" })).await.unwrap_err();
    assert!(matches!(&refused, ResidentError::Refused(reason) if reason.starts_with("no x") && reason.len() == 300), "{refused}");
    assert_eq!(which(&worker).await, first.as_u64().unwrap(), "none of this ended it");
}

#[tokio::test(flavor = "multi_thread")]
async fn sees_what_it_is_shown_and_changes_nothing() {
    let world = TestRuntime::new().await;
    let shown = world.scratch.path().join("shown");
    std::fs::create_dir(&shown).unwrap();
    std::fs::write(shown.join("weights"), "w").unwrap();
    let mut plan = plan(settings(), &[]);
    plan.shows = vec![(shown, "/shown".to_owned())];
    let seen = ask(&world.runtime.resident(plan), json!({ "do": "look" })).await.unwrap();
    assert_eq!(seen, json!([["weights"], false, false, "2"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_breaks_is_ended_and_the_next_question_starts_another() {
    let world = TestRuntime::new().await;
    let settings = ResidentSettings { stuck_after: Duration::from_secs(2), ..settings() };
    let worker = world.runtime.resident(plan(settings, &[]));
    let mut before = None;
    for how in ["die", "hang", "nonsense", "flood", "foreign"] {
        let now = which(&worker).await;
        assert_ne!(Some(now), before, "{how}");
        let waits = ask(&worker, json!({ "do": how }));
        let behind = ask(&worker, json!({ "do": "echo" }));
        // Who waits behind it is told too, or asks the next worker.
        let (broken, behind) = tokio::join!(waits, behind);
        assert_eq!(broken, Err(ResidentError::Ended), "{how}");
        assert!(matches!(behind, Ok(_) | Err(ResidentError::Ended)), "{how}: {behind:?}");
        before = Some(now);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_idles_ends_and_comes_back() {
    let world = TestRuntime::new().await;
    let worker = world.runtime.resident(plan(ResidentSettings { idle_after: Duration::from_secs(1), ..settings() }, &[]));
    which(&worker).await;
    until("the end of an idle worker", || !worker.is_up()).await;
    which(&worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_forgotten_and_who_waits_too_long_is_told() {
    let world = TestRuntime::new().await;
    let settings = ResidentSettings { answer_timeout: Duration::from_secs(2), ..settings() };
    let worker = world.runtime.resident(plan(settings, &[]));
    let first = which(&worker).await;
    for n in 0..100 {
        // Dropped at once, some before and some after they were sent.
        drop(tokio::time::timeout(Duration::from_micros(n * 20), which(&worker)).await);
    }
    assert_eq!(which(&worker).await, first);
    let began = Instant::now();
    assert_eq!(ask(&worker, json!({ "do": "hang" })).await, Err(ResidentError::Timeout));
    assert!(began.elapsed() < Duration::from_secs(30));
    let behind = ask(&worker, json!({ "do": "echo" })).await;
    assert_eq!(behind, Err(ResidentError::Timeout), "it has one question at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_start_says_why_and_is_not_tried_at_every_question() {
    let world = TestRuntime::new().await;
    let mute = world.runtime.resident(plan(settings(), &["mute"]));
    let began = Instant::now();
    for _ in 0..3 {
        let error = ask(&mute, json!({ "do": "echo" })).await.unwrap_err();
        assert!(matches!(&error, ResidentError::Unavailable(reason) if reason.contains("something else")), "{error}");
    }
    println!("three questions without a worker: {:?}", began.elapsed());
    let broken = PythonPackage { name: "broken", files: &[("__init__.py", "raise SystemExit(1)")] };
    let broken = world.runtime.resident(ResidentPlan { name: "broken", package: broken, ..plan(settings(), &[]) });
    let error = ask(&broken, json!({})).await.unwrap_err();
    assert!(matches!(&error, ResidentError::Unavailable(reason) if reason.contains("ended at its start")), "{error}");
    let slow = ResidentSettings { startup_timeout: Duration::from_secs(3), ..settings() };
    let error = ask(&world.runtime.resident(plan(slow, &["slow"])), json!({})).await.unwrap_err();
    assert!(matches!(error, ResidentError::Unavailable(_) | ResidentError::Timeout), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_server() {
    let world = TestRuntime::new().await;
    let worker = world.runtime.resident(plan(settings(), &[]));
    which(&worker).await;
    let waiting = ask(&worker, json!({ "do": "hang" }));
    let (waited, dropped) = tokio::join!(waiting, world.tasks.shutdown(Duration::from_secs(20)));
    assert_eq!((waited, dropped), (Err(ResidentError::Ended), 0));
    assert_eq!(ask(&worker, json!({})).await.unwrap_err(), ResidentError::Ended, "nothing is started any more");
}
