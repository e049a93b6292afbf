//! Collects what a run puts out, up to a cap, in the order in which the contract wants it kept.

use bytes::Bytes;
use gristmill_domain::execution::{ExecutionResult, ExecutionStatus, OutputKind, RichOutput};
use jupyter_protocol::{ClearOutput, ErrorOutput, Stdio, StreamContent};
use serde::de::DeserializeOwned;

use super::{
    bundle::Display,
    live::{Joins, Live},
    text,
};

/// Displays kept of one run, beside their bytes.
const DISPLAYS_MAX: usize = 10_000;

/// The outputs of one run so far.
#[derive(Debug)]
pub(crate) struct Collector {
    /// Bytes that may still be kept.
    room: usize,
    stdout: String,
    stderr: String,
    displays: Vec<Shown>,
    /// `Ename: value`.
    error: Option<String>,
    truncated: u64,
    /// `clear_output(wait=True)` was called: the next output replaces all.
    clear_next: bool,
}

#[derive(Debug)]
struct Shown {
    id: Option<String>,
    bytes: usize,
    output: RichOutput,
}

impl Collector {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            room: bytes_max,
            stdout: String::new(),
            stderr: String::new(),
            displays: Vec::new(),
            error: None,
            truncated: 0,
            clear_next: false,
        }
    }

    /// Takes a message of the `iopub` channel that belongs to the run.
    pub(crate) fn take(&mut self, kind: &str, content: &Bytes, dropped: u64, live: &mut Live) {
        if dropped > 0 {
            self.truncated = self.truncated.saturating_add(dropped);
            return;
        }
        match kind {
            // When nothing more is kept, the text is not even looked at: endless printing stays cheap.
            "stream" if self.room == 0 && !self.clear_next => self.count_truncated(content.len()),
            "stream" => self.stream(content, live),
            "display_data" | "execute_result" => self.display(content, live),
            "update_display_data" => self.update(content),
            "error" => self.raised(content, live),
            "clear_output" => self.clear(content),
            _ => {}
        }
    }

    /// Adds an error of the runtime's own: the kernel died, the time was up.
    pub(crate) fn fail(&mut self, message: &str, live: &mut Live) {
        let output = RichOutput::new(OutputKind::Error, message);
        live.push(output.clone(), Joins::No);
        self.displays.push(Shown { id: None, bytes: 0, output });
        self.error = Some(message.to_owned());
    }

    /// Whether an exception was raised.
    pub(crate) fn raised_error(&self) -> bool {
        self.error.is_some()
    }

    /// The result, with the outputs in the order in which they are kept.
    pub(crate) fn finish(self, status: ExecutionStatus, execution_ms: u64, execution_order: Option<i64>) -> ExecutionResult {
        let mut outputs = Vec::with_capacity(self.displays.len() + 3);
        if !self.stdout.is_empty() {
            outputs.push(RichOutput::new(OutputKind::Text, self.stdout.clone()));
        }
        outputs.extend(self.displays.into_iter().map(|shown| shown.output));
        if !self.stderr.is_empty() && self.error.is_none() {
            let kind = if text::is_warning(&self.stderr) { OutputKind::Warning } else { OutputKind::Error };
            outputs.push(RichOutput::new(kind, self.stderr.clone()));
        }
        if self.truncated > 0 {
            let note = format!("[output cut off: {} more bytes were not kept]", self.truncated);
            outputs.push(RichOutput::new(OutputKind::Warning, note));
        }
        ExecutionResult {
            status,
            stdout: self.stdout,
            stderr: self.stderr,
            outputs,
            execution_ms,
            error: self.error,
            execution_order,
            truncated_bytes: self.truncated,
        }
    }

    fn stream(&mut self, content: &Bytes, live: &mut Live) {
        let Some(StreamContent { name, text }) = parse(content) else { return };
        self.begin_output();
        let (kept, kind) = match name {
            Stdio::Stdout => (&mut self.stdout, OutputKind::Text),
            Stdio::Stderr => (&mut self.stderr, OutputKind::Error),
        };
        let text = text::without_ansi(&text::with_cell_names(&text));
        let fitting = text::prefix(&text, self.room);
        kept.push_str(fitting);
        self.room -= fitting.len();
        if !fitting.is_empty() {
            live.push(RichOutput::new(kind, fitting), Joins::Yes);
        }
        let cut = text.len() - fitting.len();
        if cut > 0 {
            // Not one more character: a gap in the middle would be worse than an end.
            self.room = 0;
            self.count_truncated(cut);
        }
    }

    fn display(&mut self, content: &Bytes, live: &mut Live) {
        let Ok(display) = serde_json::from_slice::<Display<'_>>(content) else { return };
        self.begin_output();
        let bytes = display.size();
        if bytes > self.room || self.displays.len() >= DISPLAYS_MAX {
            self.count_truncated(bytes);
            return;
        }
        self.room -= bytes;
        let output = display.output();
        live.push(output.clone(), Joins::No);
        self.displays.push(Shown { id: display.id().map(str::to_owned), bytes, output });
    }

    fn update(&mut self, content: &Bytes) {
        let Ok(display) = serde_json::from_slice::<Display<'_>>(content) else { return };
        let (Some(id), bytes) = (display.id(), display.size()) else { return };
        for shown in self.displays.iter_mut().filter(|shown| shown.id.as_deref() == Some(id)) {
            let room = self.room + shown.bytes;
            if bytes <= room {
                self.room = room - bytes;
                shown.bytes = bytes;
                shown.output = display.output();
            }
        }
    }

    fn raised(&mut self, content: &Bytes, live: &mut Live) {
        let Some(error) = parse::<ErrorOutput>(content) else { return };
        self.begin_output();
        // Its bounds do not depend on the room: a run that printed too much still says how it failed.
        let traceback = text::without_ansi(&text::with_cell_names(&error.traceback.join("\n")));
        let summary = text::without_ansi(&format!("{}: {}", error.ename, error.evalue));
        let shown = if traceback.is_empty() { summary.clone() } else { traceback };
        let output = RichOutput::new(OutputKind::Error, text::prefix(&shown, 256 << 10));
        live.push(output.clone(), Joins::No);
        if self.displays.len() < DISPLAYS_MAX * 2 {
            self.displays.push(Shown { id: None, bytes: 0, output });
        }
        self.error = Some(text::prefix(&summary, 16 << 10).to_owned());
    }

    fn clear(&mut self, content: &Bytes) {
        if parse::<ClearOutput>(content).is_some_and(|clear| clear.wait) {
            self.clear_next = true;
        } else {
            self.clear_next = true;
            self.begin_output();
        }
    }

    fn begin_output(&mut self) {
        if !std::mem::take(&mut self.clear_next) {
            return;
        }
        self.room += self.stdout.len() + self.stderr.len() + self.displays.iter().map(|shown| shown.bytes).sum::<usize>();
        self.stdout.clear();
        self.stderr.clear();
        self.displays.clear();
        self.truncated = 0;
    }

    fn count_truncated(&mut self, bytes: usize) {
        self.truncated = self.truncated.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

fn parse<T: DeserializeOwned>(content: &Bytes) -> Option<T> {
    serde_json::from_slice(content).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::sync::mpsc;

    use super::*;

    struct Run {
        collector: Collector,
        live: Live,
        watcher: mpsc::Receiver<RichOutput>,
    }

    fn run(bytes_max: usize) -> Run {
        let (sink, watcher) = mpsc::channel(100);
        Run { collector: Collector::new(bytes_max), live: Live::new(sink), watcher }
    }

    impl Run {
        fn take(mut self, kind: &str, content: &Value) -> Self {
            self.collector.take(kind, &Bytes::from(content.to_string()), 0, &mut self.live);
            self
        }

        fn stdout(self, text: &str) -> Self {
            self.take("stream", &json!({"name": "stdout", "text": text}))
        }

        fn stderr(self, text: &str) -> Self {
            self.take("stream", &json!({"name": "stderr", "text": text}))
        }

        fn show(self, text: &str, id: Option<&str>) -> Self {
            self.take("display_data", &json!({"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": id}}))
        }

        fn kept(self) -> Vec<(OutputKind, String)> {
            let result = self.collector.finish(ExecutionStatus::Success, 1, None);
            result.outputs.into_iter().map(|output| (output.kind, output.content)).collect()
        }

        fn seen(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.watcher.try_recv().ok()).map(|output| output.content).collect()
        }
    }

    fn owned(expected: &[(OutputKind, &str)]) -> Vec<(OutputKind, String)> {
        expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect()
    }

    #[test]
    fn keeps_printed_text_first_and_standard_error_last() {
        let mut run = run(1000).stderr("/tmp/ipykernel_1/2.py:3: UserWarning: w\n").stdout("a").show("d", None).stdout("b");
        assert_eq!(run.seen(), ["<cell>:3: UserWarning: w\n", "a", "d", "b"], "live ones come as they are");
        let expected = [(OutputKind::Text, "ab"), (OutputKind::Text, "d"), (OutputKind::Warning, "<cell>:3: UserWarning: w\n")];
        assert_eq!(run.kept(), owned(&expected));
    }

    #[test]
    fn an_exception_takes_the_place_of_standard_error() {
        let error = json!({"ename": "E", "evalue": "v", "traceback": ["\u{1b}[31mE\u{1b}[0m", "v"]});
        let run = run(1000).stderr("noise").take("error", &error);
        let result = run.collector.finish(ExecutionStatus::Error, 1, Some(1));
        assert_eq!(result.outputs, [RichOutput::new(OutputKind::Error, "E\nv")]);
        assert_eq!((result.error.as_deref(), result.stderr.as_str()), (Some("E: v"), "noise"));
    }

    #[test]
    fn stops_keeping_at_the_cap_and_counts_the_rest() {
        let run = run(10).stdout("12345").stdout("678901234").stdout("never").show("x", None);
        let result = run.collector.finish(ExecutionStatus::Success, 1, None);
        assert_eq!(result.stdout, "1234567890");
        assert!(result.truncated_bytes >= 9, "{}", result.truncated_bytes);
        assert_eq!(result.outputs.len(), 2, "the text and a note");
    }

    #[test]
    fn updates_and_clears_displays() {
        let update = json!({"data": {"text/plain": "new"}, "metadata": {}, "transient": {"display_id": "i"}});
        let updated = run(100).show("old", Some("i")).show("other", None).take("update_display_data", &update);
        assert_eq!(updated.kept(), owned(&[(OutputKind::Text, "new"), (OutputKind::Text, "other")]));
        let cleared = run(100).stdout("a").take("clear_output", &json!({"wait": false}));
        assert_eq!(cleared.kept(), []);
        let waiting = run(100).stdout("a").take("clear_output", &json!({"wait": true}));
        assert_eq!(waiting.kept(), owned(&[(OutputKind::Text, "a")]), "nothing came after it");
        let replaced = run(3).stdout("abc").take("clear_output", &json!({"wait": true})).stdout("xyz");
        assert_eq!(replaced.kept(), owned(&[(OutputKind::Text, "xyz")]), "with its room given back");
    }

    #[test]
    fn ignores_what_it_does_not_understand() {
        let run = run(100).take("comm_open", &json!({})).take("stream", &json!({"name": 1})).take("error", &json!([]));
        assert_eq!(run.kept(), []);
    }
}
