//! Code that behaves, and code that does not: each run ends with a result that says what happened.

use std::time::{Duration, Instant};

use gristmill_domain::execution::{ExecutionResult, ExecutionStatus, OutputKind, RichOutput};
use gristmill_runtime::{PlaceState, RuntimeEventKind};
use tokio::sync::mpsc;

use crate::support::{TestRuntime, place, request, shown, until};

#[tokio::test(flavor = "multi_thread")]
async fn evaluates_prints_and_counts() {
    let test = TestRuntime::new().await;
    let place = place();
    let first = test.run(&place, "1 + 1").await;
    assert_eq!((first.status, first.execution_order), (ExecutionStatus::Success, Some(1)), "{first:?}");
    assert_eq!(shown(&first.outputs), [(OutputKind::Text, "2")]);
    let second =
        test.run(&place, "import sys\nprint('out'); print('err', file=sys.stderr); display('shown'); print('end')").await;
    assert_eq!((second.stdout.as_str(), second.stderr.as_str(), second.execution_order), ("out\nend\n", "err\n", Some(2)));
    let expected = [(OutputKind::Text, "out\nend\n"), (OutputKind::Text, "'shown'"), (OutputKind::Error, "err\n")];
    assert_eq!(shown(&second.outputs), expected);
    assert_eq!(test.run(&place, "x = 3").await.outputs, []);
    assert_eq!(shown(&test.run(&place, "x").await.outputs), [(OutputKind::Text, "3")], "variables stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_while_it_runs() {
    let test = TestRuntime::new().await;
    let place = place();
    test.runtime.ensure(&place).await.unwrap();
    let code = "import time\nfor i in range(3):\n    print(i, flush=True); time.sleep(0.3)\ndisplay('last')";
    let (sink, mut live) = mpsc::channel(16);
    let running = test.runtime.execute(&place, request(code, Duration::from_secs(30)), sink);
    let mut running = std::pin::pin!(running);
    let first = tokio::select! {
        output = live.recv() => output.unwrap(),
        result = &mut running => panic!("it ended before the first output: {result:?}"),
    };
    assert_eq!(first, RichOutput::new(OutputKind::Text, "0\n"));
    let mut rest = Vec::new();
    let watching = async {
        while let Some(output) = live.recv().await {
            rest.push(output);
        }
    };
    let ((), result) = tokio::join!(watching, running);
    assert_eq!(result.unwrap().stdout, "0\n1\n2\n");
    assert_eq!(shown(&rest), [(OutputKind::Text, "1\n"), (OutputKind::Text, "2\n"), (OutputKind::Text, "'last'")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_figures_charts_and_tables() {
    let test = TestRuntime::new().await;
    let place = place();
    let figure = test.run(&place, "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()").await;
    let image = figure.outputs.iter().find(|output| output.kind == OutputKind::Image);
    let image = image.unwrap_or_else(|| panic!("no image in {figure:?}"));
    assert!(image.content.starts_with("data:image/png;base64,iVBOR"), "{:.60}", image.content);
    assert_eq!(image.mime_type.as_deref(), Some("image/png"));

    let chart = test.run(&place, "import plotly.graph_objects as go\ngo.Figure(go.Bar(y=[2, 3]))").await;
    let [output] = chart.outputs.as_slice() else { panic!("{chart:?}") };
    let data = output.data.as_ref().unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!((output.kind, &data["data"][0]["y"]), (OutputKind::Chart, &serde_json::json!([2, 3])));
    assert!(data["layout"].is_object());

    let table = test.run(&place, "import pandas as pd\npd.DataFrame({'a': [1]})").await;
    let [output] = table.outputs.as_slice() else { panic!("{table:?}") };
    assert!(output.kind == OutputKind::Html && output.content.contains("<table"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_code_are_results() {
    let test = TestRuntime::new().await;
    let place = place();
    for (code, error) in [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:\n  pass", "SyntaxError: "),
        ("input('name?')", "StdinNotImplementedError: "),
        ("undefined_name", "NameError: name 'undefined_name' is not defined"),
        ("%not_a_magic", ""),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ] {
        let result = test.run(&place, code).await;
        let message = result.error.clone().unwrap_or_default();
        assert!(message.starts_with(error), "{code}: {result:?}");
        if !error.is_empty() {
            assert_eq!(result.status, ExecutionStatus::Error, "{code}");
            let last = result.outputs.last().unwrap();
            assert!(last.kind == OutputKind::Error && !last.content.contains('\u{1b}'), "{code}: {last:?}");
        }
    }
    assert_eq!(test.run(&place, "'alive'").await.status, ExecutionStatus::Success);
    let warned = test.run(&place, "import warnings\nwarnings.warn('careful')").await;
    let last = warned.outputs.last().unwrap();
    assert!(last.kind == OutputKind::Warning && last.content.starts_with("<cell>:2: UserWarning: careful"), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupts_an_endless_loop() {
    let test = TestRuntime::new().await;
    let place = place();
    test.run(&place, "kept = 7").await;
    assert!(!test.runtime.interrupt(&place).await.unwrap(), "nothing runs");
    let running = test.run(&place, "print('on', flush=True)\nwhile True: pass");
    let interrupting = async {
        until("the run", || test.runtime.state(&place) == PlaceState::Busy).await;
        let began = Instant::now();
        // The code may not have begun when the first signal comes.
        assert!(test.runtime.interrupt(&place).await.unwrap());
        began
    };
    let (result, began) = tokio::join!(running, interrupting);
    assert_eq!(result.status, ExecutionStatus::Error, "{result:?}");
    assert!(result.error.as_ref().unwrap().starts_with("KeyboardInterrupt"), "{result:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(shown(&test.run(&place, "kept").await.outputs), [(OutputKind::Text, "7")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_interrupts_and_keeps_the_kernel() {
    let test = TestRuntime::new().await;
    let place = place();
    test.run(&place, "kept = 7").await;
    let code = "print('so far', flush=True)\nwhile True: pass";
    let result = test.run_within(&place, code, Duration::from_secs(1)).await;
    assert_eq!((result.status, result.stdout.as_str()), (ExecutionStatus::Timeout, "so far\n"), "{result:?}");
    assert_eq!(result.error.as_deref(), Some("Execution timed out after 1 s"));
    assert_eq!(shown(&test.run(&place, "kept").await.outputs), [(OutputKind::Text, "7")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_replaces_a_kernel_that_does_not_stop() {
    let test = TestRuntime::new().await;
    let place = place();
    let mut events = test.runtime.events();
    let code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('so far', flush=True)\nwhile True: pass";
    let result = test.run_within(&place, code, Duration::from_secs(1)).await;
    assert_eq!((result.status, result.stdout.as_str()), (ExecutionStatus::Timeout, "so far\n"), "{result:?}");
    assert!(result.error.as_ref().unwrap().contains("restarted"), "{result:?}");
    assert_eq!(test.run(&place, "'signal' in globals()").await.outputs, [RichOutput::new(OutputKind::Text, "False")]);
    assert_eq!(events.recv().await.unwrap().kind, RuntimeEventKind::Started);
    assert!(matches!(events.recv().await.unwrap().kind, RuntimeEventKind::Died { .. }));
    assert_eq!(events.recv().await.unwrap().kind, RuntimeEventKind::Started);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_a_kernel_says_why() {
    let test = TestRuntime::new().await;
    let place = place();
    for (code, why) in [
        ("import os\nprint('before', flush=True)\nos._exit(3)", &["exited with code 3"][..]),
        ("import ctypes\nctypes.string_at(0)", &["crashed"]),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", &["signal 9"]),
        // ZeroMQ aborts when it notices; the connection may end before.
        ("import os\nos.closerange(3, 1024)\nwhile True: pass", &["sockets were closed", "aborted"]),
    ] {
        let result = test.run(&place, code).await;
        assert_eq!(result.status, ExecutionStatus::Error, "{code}: {result:?}");
        let error = result.error.clone().unwrap();
        assert!(error.starts_with("Kernel died: ") && why.iter().any(|why| error.contains(why)), "{code}: {error}");
        assert_eq!(result.outputs.last().unwrap().content, error);
        let next = test.run(&place, "import os\nos.getcwd()").await;
        assert_eq!(shown(&next.outputs), [(OutputKind::Text, "'/workspace'")], "the next run has a new kernel");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_ends_the_run_and_says_so() {
    let test = TestRuntime::new().await;
    let place = place();
    let (sink, _live) = mpsc::channel(1);
    let mut bomb = request("hog = []\nwhile True: hog.append(bytearray(16 << 20))", Duration::from_secs(60));
    bomb.memory_bytes = 512 << 20;
    let result = test.runtime.execute(&place, bomb, sink).await.unwrap();
    assert_eq!(result.status, ExecutionStatus::Error);
    let error = result.error.unwrap();
    assert!(error.contains("512 MB") || error.starts_with("MemoryError"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_printing_stays_cheap() {
    let test = TestRuntime::new().await;
    let (result, more) = flood(&test, "line = 'x' * ((1 << 20) - 1)\nfor i in range(1024): print(line, flush=True)").await;
    assert_eq!(result.status, ExecutionStatus::Success, "{:?}", result.error);
    let seen = u64::try_from(result.stdout.len()).unwrap() + result.truncated_bytes;
    assert!(result.stdout.len() <= 16 << 20 && seen >= 1 << 30, "all of it is counted: {seen}");
    assert!(more < 256 << 20, "{} MB", more >> 20);
}

/// What is not flushed piles up in the kernel's own memory, and that is limited.
#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_that_is_not_flushed_is_counted_or_ends_the_kernel() {
    let test = TestRuntime::new().await;
    let (result, more) = flood(&test, "line = 'x' * ((1 << 20) - 1)\nfor i in range(1024): print(line)").await;
    let error = result.error.clone().unwrap_or_default();
    let seen = u64::try_from(result.stdout.len()).unwrap() + result.truncated_bytes;
    assert!(error.contains("memory") || error.starts_with("MemoryError") || seen >= 1 << 30, "{error}, {seen} seen");
    assert!(more < 256 << 20, "{} MB", more >> 20);
}

/// Runs code that prints much, watched by nobody; tells how much more memory this process had at most.
async fn flood(test: &TestRuntime, code: &str) -> (ExecutionResult, u64) {
    let place = place();
    test.runtime.ensure(&place).await.unwrap();
    let before = resident_bytes();
    let began = Instant::now();
    let (sink, _never_read) = mpsc::channel(1);
    let mut peak = before;
    let running = test.runtime.execute(&place, request(code, Duration::from_secs(150)), sink);
    let mut running = std::pin::pin!(running);
    let result = loop {
        tokio::select! {
            result = &mut running => break result.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(20)) => peak = peak.max(resident_bytes()),
        }
    };
    let (kept, cut, more) = (result.stdout.len(), result.truncated_bytes, (peak - before) >> 20);
    println!("{:?} in {:?}: {kept} kept, {cut} cut, {more} MB more memory, {:?}", result.status, began.elapsed(), result.error);
    (result, peak - before)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_of_text_and_a_thousand_outputs_are_kept() {
    let test = TestRuntime::new().await;
    let place = place();
    test.runtime.ensure(&place).await.unwrap();
    let began = Instant::now();
    let text = test.run(&place, "for i in range(10_000): print('y' * 1023)").await;
    assert_eq!((text.stdout.len(), text.truncated_bytes), (10_240_000, 0));
    println!("10 MB of stdout: {:?}", began.elapsed());
    let began = Instant::now();
    let many = test.run(&place, "for i in range(1000): display(i)").await;
    println!("1000 outputs: {:?}", began.elapsed());
    let numbers: Vec<_> = many.outputs.iter().map(|output| output.content.clone()).collect();
    assert_eq!(numbers, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
}

/// A peer that speaks ZMTP well enough to connect, then claims a frame of 2^62 bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_absurd_length_harms_nobody() {
    let test = TestRuntime::new().await;
    let place = place();
    test.runtime.ensure(&place).await.unwrap();
    let code = "
import os
raw = bytes([2]) + (1 << 62).to_bytes(8, 'big') + b'x' * 100
import time
for fd in range(3, 200):
    try:
        import stat
        if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, raw)
    except OSError: pass
time.sleep(1)
";
    let result = test.run_within(&place, code, Duration::from_secs(5)).await;
    assert_ne!(result.status, ExecutionStatus::Success, "{result:?}");
    assert_eq!(test.run(&place, "1").await.status, ExecutionStatus::Success);
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
