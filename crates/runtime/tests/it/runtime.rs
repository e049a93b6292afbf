//! Places: their kernels, their workspaces, their limits.

use std::{
    collections::BTreeMap,
    os::unix::fs::symlink,
    time::{Duration, Instant},
};

use gristmill_domain::{
    error_code::ErrorCode,
    execution::{ExecutionStatus, OutputKind, PythonVersion, RichOutput},
    ids::{ExecutionSessionId, ProjectId, UserId},
};
use gristmill_runtime::{
    KernelPlace, PlaceState, RuntimeEventKind,
    intelligence::{AssistAnswer, AssistOp, AssistRequest},
};
use tokio::sync::mpsc;

use crate::support::{TestRuntime, place, request, shown, until};

fn session(project: ProjectId) -> KernelPlace {
    KernelPlace::session(project, ExecutionSessionId::random(), PythonVersion::V3_11)
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_what_it_runs_on() {
    let test = TestRuntime::new().await;
    test.runtime.ensure(&place()).await.unwrap();
    let status = test.runtime.status();
    assert!(status.ready && status.versions.contains(&PythonVersion::V3_11), "{status:?}");
    assert!(status.active == 1 && !status.isolation.unwrap().measures.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_over_the_same_directory_leaves_the_first_one_s_kernels_alone() {
    let test = TestRuntime::new().await;
    let place = place();
    test.run(&place, "kept = 1").await;
    let left = test.scratch.path().join("runtime/sockets/0123456789abcdef/of-a-kernel");
    std::fs::create_dir_all(&left).unwrap();
    let other = test.beside().await;
    other.ensure(&crate::support::place()).await.unwrap();
    assert!(!left.exists(), "the server of these has ended");
    assert_eq!(shown(&test.run(&place, "kept").await.outputs), [(OutputKind::Text, "1")]);
    assert!(test.sockets() >= 2, "each has its own");
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_python_is_refused_and_the_place_lives_on() {
    let test = TestRuntime::new().await;
    let mut place = place();
    place.python = PythonVersion::V3_13;
    let refused = test.runtime.ensure(&place).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RuntimeUnavailable, "{refused}");
    place.python = PythonVersion::V3_11;
    assert_eq!(test.run(&place, "1").await.status, ExecutionStatus::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_forgets_variables_keeps_files_and_ends_a_run() {
    let test = TestRuntime::new().await;
    let place = place();
    test.runtime.restart(&place).await.unwrap();
    test.run(&place, "x = 1; open('kept.txt', 'w').write('here')").await;
    let running = test.run(&place, "while True: pass");
    let restarting = async {
        until("the run", || test.runtime.state(&place) == PlaceState::Busy).await;
        test.runtime.restart(&place).await.unwrap();
    };
    let (ended, ()) = tokio::join!(running, restarting);
    assert_eq!(ended.status, ExecutionStatus::Error);
    assert!(ended.error.unwrap().contains("restarted"));
    let after = test.run(&place, "('x' in globals(), open('kept.txt').read())").await;
    assert_eq!(shown(&after.outputs), [(OutputKind::Text, "(False, 'here')")]);
    assert_eq!(after.execution_order, Some(1), "a new kernel counts from one");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_place_are_in_order_and_places_are_apart() {
    let test = TestRuntime::new().await;
    let project = ProjectId::random();
    let (one, other) = (KernelPlace::notebook(project), session(project));
    test.run(&one, "seen = []; secret = 1").await;
    let runs: Vec<_> = (0..5).map(|i| (i, format!("import time; time.sleep(0.05); seen.append({i})"))).collect();
    futures_util::future::join_all(runs.iter().map(|(_, code)| test.run(&one, code))).await;
    assert_eq!(shown(&test.run(&one, "seen").await.outputs), [(OutputKind::Text, "[0, 1, 2, 3, 4]")]);
    let apart = test.run(&other, "import os\n('secret' in globals(), os.listdir('/workspace'))").await;
    assert_eq!(shown(&apart.outputs), [(OutputKind::Text, "(False, ['datasets'])")]);
    // The host's clock is one for both: each began before the other ended.
    let code = "import time\nprint(time.time())\ntime.sleep(1)\nprint(time.time())";
    let (first, second) = tokio::join!(test.run(&one, code), test.run(&other, code));
    let times = |outputs: &[RichOutput]| {
        let text: String = outputs.iter().map(|output| output.content.as_str()).collect();
        let times: Vec<f64> = text.split_whitespace().map(|time| time.parse().unwrap()).collect();
        (times[0], times[1])
    };
    let (first, second) = (times(&first.outputs), times(&second.outputs));
    assert!(first.0 < second.1 && second.0 < first.1, "side by side: {first:?} {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_when_nobody_waits_for_it() {
    let test = TestRuntime::new().await;
    let place = place();
    test.runtime.ensure(&place).await.unwrap();
    let (sink, live) = mpsc::channel(1);
    let code = "import time; time.sleep(0.5); open('done.txt', 'w').write('yes')";
    let running = test.runtime.execute(&place, request(code, Duration::from_secs(30)), sink);
    tokio::time::timeout(Duration::from_millis(50), running).await.unwrap_err();
    drop(live);
    let done = test.workspace(&place).join("done.txt");
    until("the file that the run writes", || done.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datasets_are_seen_read_only_and_new_ones_at_once() {
    let test = TestRuntime::new().await;
    let place = place();
    test.data.add(place.project, "sales.csv", "a\n1\n");
    test.data.add(ProjectId::random(), "foreign.csv", "secret\n");
    let first = test.run(&place, "open('/workspace/datasets/sales.csv').read()").await;
    assert_eq!(shown(&first.outputs), [(OutputKind::Text, "'a\\n1\\n'")], "{first:?}");
    test.data.add(place.project, "later.csv", "b\n2\n");
    let later = test.run(&place, "open('/workspace/datasets/later.csv').read()").await;
    assert_eq!(shown(&later.outputs), [(OutputKind::Text, "'b\\n2\\n'")], "{later:?}");
    let listed = test.run(&place, "import os\nsorted(n for n in os.listdir('/workspace/datasets') if n.endswith('.csv'))").await;
    assert_eq!(shown(&listed.outputs), [(OutputKind::Text, "['later.csv', 'sales.csv']")]);
    let written = test.run(&place, "open('/workspace/datasets/sales.csv', 'w')").await;
    assert_eq!(written.status, ExecutionStatus::Error);
    let helped = test.run(&place, "import pandas as pd\npd.read_csv(resolve_dataset_path('sales.csv'))['a'][0]").await;
    assert!(helped.status == ExecutionStatus::Success, "{helped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_taken_over_once_and_links_are_not_followed() {
    let test = TestRuntime::new().await;
    let place = place();
    let saved = test.run(&place, "import pandas as pd\nsave_to_project(pd.DataFrame({'a': [1, 2]}), 'My table')").await;
    assert_eq!(saved.status, ExecutionStatus::Success, "{saved:?}");
    let exports = test.runtime.drain_exports(&place).await.unwrap();
    let [export] = exports.as_slice() else { panic!("{exports:?}") };
    assert_eq!((export.name.as_str(), export.rows, export.cols), ("My table", 2, 1));
    assert_eq!(std::fs::read_to_string(&export.path).unwrap(), "a\r\n1\r\n2\r\n");
    assert!(!export.path.starts_with(test.workspace(&place)), "out of the code's reach");
    assert_eq!(test.runtime.drain_exports(&place).await.unwrap(), []);

    let attack = "
import os, json
os.makedirs('_exports', exist_ok=True)
os.symlink('/etc/passwd', '_exports/stolen.csv')
open('_exports/.manifest.json', 'w').write(json.dumps([{'name': 'stolen', 'rows': 1, 'cols': 1, 'exportId': 'x'}]))
";
    assert_eq!(test.run(&place, attack).await.status, ExecutionStatus::Success);
    assert_eq!(test.runtime.drain_exports(&place).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_place_of_the_datasets_directory_leads_nowhere() {
    let test = TestRuntime::new().await;
    let place = place();
    let workspace = test.workspace(&place);
    std::fs::create_dir_all(&workspace).unwrap();
    symlink("/etc", workspace.join("datasets")).unwrap();
    let listed = test.run(&place, "import os\nos.listdir('/workspace/datasets')").await;
    assert_eq!(shown(&listed.outputs), [(OutputKind::Text, "['_manifest.json']")], "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_kernels_end_and_their_workspaces_stay() {
    let test = TestRuntime::with(|options| options.idle_after = Duration::from_millis(400)).await;
    let place = place();
    let mut events = test.runtime.events();
    test.run(&place, "open('kept.txt', 'w').write('here')").await;
    assert_eq!(events.recv().await.unwrap().kind, RuntimeEventKind::Started);
    let culled = tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap().unwrap();
    assert_eq!((culled.kind, &culled.place), (RuntimeEventKind::Culled, &place));
    until("the sandbox to be gone", || test.runtime.status().active == 0 && test.sockets() == 0).await;
    let after = test.run(&place, "open('kept.txt').read()").await;
    assert_eq!(shown(&after.outputs), [(OutputKind::Text, "'here'")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_push_out_idle_kernels_and_refuse_when_all_are_busy() {
    let test = TestRuntime::with(|options| options.sandboxes_max = 2).await;
    let project = ProjectId::random();
    let places: Vec<_> = (0..3).map(|_| session(project)).collect();
    test.run(&places[0], "1").await;
    test.run(&places[1], "1").await;
    test.run(&places[2], "1").await;
    assert_eq!(test.runtime.status().active, 2);
    assert_eq!(test.runtime.state(&places[0]), PlaceState::Absent, "it idled longest");

    let hold = |place| test.run_within(place, "while True: pass", Duration::from_secs(20));
    let refusing = async {
        until("two runs", || places[1..].iter().all(|place| test.runtime.state(place) == PlaceState::Busy)).await;
        let refused = test.runtime.ensure(&places[0]).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::TooManyRequests, "{refused}");
        test.runtime.close(&places[1]).await;
        test.runtime.ensure(&places[0]).await.unwrap();
        test.runtime.interrupt(&places[2]).await.unwrap();
    };
    let (closed, _, ()) = tokio::join!(hold(&places[1]), hold(&places[2]), refusing);
    assert!(closed.error.unwrap().contains("closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_cannot_take_everything() {
    let test = TestRuntime::with(|options| options.sandboxes_per_owner_max = 1).await;
    let (user, other) = (UserId::random(), UserId::random());
    let place = |owner| session(ProjectId::random()).owned_by(owner);
    let (first, second, foreign) = (place(user), place(user), place(other));
    test.runtime.ensure(&foreign).await.unwrap();
    test.runtime.ensure(&first).await.unwrap();
    test.runtime.ensure(&second).await.unwrap();
    assert_eq!(test.runtime.state(&first), PlaceState::Absent, "the user's own idle kernel makes room");
    assert_eq!(test.runtime.state(&foreign), PlaceState::Idle, "nobody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn discarding_removes_files() {
    let test = TestRuntime::new().await;
    let project = ProjectId::random();
    let id = ExecutionSessionId::random();
    let (notebook, session) = (KernelPlace::notebook(project), KernelPlace::session(project, id, PythonVersion::V3_11));
    test.run(&notebook, "open('a', 'w').write('a')").await;
    test.run(&session, "open('b', 'w').write('b')").await;
    test.runtime.discard_session(project, id).await;
    assert!(test.workspace(&notebook).join("a").exists(), "the notebook's files are not the session's");
    assert_eq!(test.runtime.status().active, 1);
    test.runtime.discard_project(project).await;
    assert!(!test.workspace(&notebook).exists());
    assert_eq!((test.runtime.status().active, test.sockets()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_ends_runs_and_refuses_new_ones() {
    let test = TestRuntime::new().await;
    let place = place();
    let running = test.run(&place, "while True: pass");
    let stopping = async {
        until("the run", || test.runtime.state(&place) == PlaceState::Busy).await;
        test.runtime.shutdown().await;
    };
    let (ended, ()) = tokio::join!(running, stopping);
    assert_eq!(ended.status, ExecutionStatus::Error);
    assert_eq!(test.runtime.ensure(&place).await.unwrap_err().code(), ErrorCode::ShuttingDown);
    assert_eq!(test.tasks.shutdown(Duration::from_secs(10)).await, 0);
    assert_eq!(test.sockets(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_packages_and_help_come_through_the_facade() {
    let test = TestRuntime::new().await;
    let place = place();
    let (sink, _events) = mpsc::channel(16);
    let refused = test.runtime.install(&place, "--index-url=http://evil six", sink).await;
    assert!(!refused.success, "{refused:?}");
    let packages = test.runtime.packages(&place).await.unwrap();
    assert!(packages.iter().any(|package| package.name == "pandas"), "{} packages", packages.len());
    let suggested = test.runtime.suggest("pand", 8, Some(place.project)).await;
    assert_eq!(suggested[0].name, "pandas");
    assert!(suggested[0].version.is_some(), "an installed one knows its version: {suggested:?}");

    test.data.add(place.project, "sales.csv", "a\n1\n");
    let request = AssistRequest {
        op: AssistOp::Completions,
        code: "import math\nmath.sq".to_owned(),
        line: 2,
        column: 7,
        cells: Vec::new(),
        current_cell_id: None,
        datasets: Vec::new(),
        variables: BTreeMap::new(),
    };
    // On a busy machine the worker may not be warm in time: the answer is empty then, and an editor asks again.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = test.runtime.assist(place.project, request.clone()).await.unwrap();
        let AssistAnswer::Completions { completions } = answer else { panic!("another answer than was asked for") };
        if completions.iter().any(|completion| completion.name == "sqrt") {
            break;
        }
        assert!(Instant::now() < deadline, "{completions:?}");
    }
}

/// Names that could be written at the end of the code.
async fn completed(test: &TestRuntime, project: ProjectId, code: &str) -> Vec<String> {
    let last = code.rsplit('\n').next().unwrap_or_default();
    let asked = AssistRequest {
        op: AssistOp::Completions,
        code: code.to_owned(),
        line: u32::try_from(code.matches('\n').count()).unwrap() + 1,
        column: u32::try_from(last.len()).unwrap(),
        cells: Vec::new(),
        current_cell_id: None,
        datasets: Vec::new(),
        variables: BTreeMap::new(),
    };
    match test.runtime.assist(project, asked).await.unwrap() {
        AssistAnswer::Completions { completions } => completions.into_iter().map(|completion| completion.name).collect(),
        other => panic!("{other:?}"),
    }
}

async fn eventually_completed(test: &TestRuntime, project: ProjectId, code: &str, expected: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let names = completed(test, project, code).await;
        if names == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{code}: {names:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_know_what_the_kernel_holds() {
    let test = TestRuntime::new().await;
    let place = place();
    test.runtime.warm_assist(place.project);
    let code = "import pandas as pd\nlive_frame = pd.DataFrame({'only here': [1], 'and here': [2]})\nlive_number = 3";
    test.run(&place, code).await;
    eventually_completed(&test, place.project, "live_frame[\"", &["only here", "and here"]).await;
    eventually_completed(&test, place.project, "live_", &["live_frame", "live_number"]).await;
    test.run(&place, "live_frame['third'] = 3; del live_number").await;
    eventually_completed(&test, place.project, "live_frame[\"", &["only here", "and here", "third"]).await;
    eventually_completed(&test, place.project, "live_", &["live_frame"]).await;
    // A new kernel holds nothing of the old one's.
    test.runtime.restart(&place).await.unwrap();
    eventually_completed(&test, place.project, "live_", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_kernel_delays_no_cell_and_counts_none() {
    let test = TestRuntime::new().await;
    let place = place();
    let trap = "
import pandas as pd
def runs_away(self):
    while True:
        try:
            pass
        except Exception:
            pass
pd.DataFrame.columns = property(runs_away)
trapped = pd.DataFrame.__new__(pd.DataFrame)
after = 1";
    assert_eq!(test.run(&place, trap).await.status, ExecutionStatus::Success);
    for number in 2..5 {
        // What comes before the trap in the telling is told: it was looked at, and given up.
        let latest = if number == 2 { "after".to_owned() } else { format!("after_{}", number - 1) };
        eventually_completed(&test, place.project, &latest, &[latest.as_str()]).await;
        let began = Instant::now();
        let result = test.run(&place, &format!("after_{number} = 1; print(1 + 1)")).await;
        assert_eq!((shown(&result.outputs), result.execution_order), (vec![(OutputKind::Text, "2\n")], Some(number)));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_sessions_at_once() {
    let test = TestRuntime::new().await;
    let project = ProjectId::random();
    let places: Vec<_> = (0..20).map(|_| session(project)).collect();
    let began = Instant::now();
    let results = futures_util::future::join_all(places.iter().map(|place| test.run(place, "1 + 1"))).await;
    println!("20 sessions: {:?}", began.elapsed());
    for result in &results {
        assert_eq!(shown(&result.outputs), [(OutputKind::Text, "2")], "{result:?}");
    }
    assert_eq!(test.runtime.status().active, 20);
}
