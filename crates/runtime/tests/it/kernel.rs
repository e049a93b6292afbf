//! Code that behaves, and code that does not: each run ends with a result that says what happened.

use std::time::{Duration, Instant};

use gristmill_domain::execution::{ExecutionStatus, OutputKind};
use gristmill_runtime::{KernelPlace, PlaceState};
use tokio::sync::mpsc;

use crate::support::{TestRuntime, place, request, shown, until};

#[tokio::test(flavor = "multi_thread")]
async fn evaluates_prints_and_counts() {
    let test = TestRuntime::new().await;
    let place = place();
    let first = test.run(&place, "1 + 1").await;
    assert_eq!((first.status, first.execution_order), (ExecutionStatus::Success, Some(1)));
    assert_eq!(shown(&first.outputs), [(OutputKind::Text, "2")]);
    let second =
        test.run(&place, "import sys\nprint('out'); print('err', file=sys.stderr); display('shown'); print('end')").await;
    assert_eq!((second.stdout.as_str(), second.stderr.as_str(), second.execution_order), ("out\nend\n", "err\n", Some(2)));
    let expected = [(OutputKind::Text, "out\nend\n"), (OutputKind::Text, "'shown'"), (OutputKind::Error, "err\n")];
    assert_eq!(shown(&second.outputs), expected);
    assert_eq!(test.run(&place, "x = 3").await.outputs, []);
    assert_eq!(shown(&test.run(&place, "x").await.outputs), [(OutputKind::Text, "3")], "variables stay");
}
