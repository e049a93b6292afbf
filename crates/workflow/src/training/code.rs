//! Generated training code as cells: split at its markers, or by what its statements are for.

use super::python::{Kind, Token, tokens};

/// Most cells that generated code becomes.
pub const SEGMENTS_MAX: usize = 4;
/// Most lines of a cell.
pub const CELL_LINES_MAX: usize = 100;
/// Longest title of a cell, characters.
const TITLE_CHARS_MAX: usize = 120;

/// A cell to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its heading.
    pub title: String,
    /// Its code.
    pub code: String,
}

impl Segment {
    /// How many lines it has.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.code.lines().count()
    }
}

/// Why code cannot be split into cells, in words for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// There is no statement in it.
    #[error("there is no code in the answer; write the cells as Python, each after a line `# Cell N: title`")]
    Empty,
    /// A cell would be too long, and there is no place to split it.
    #[error("a cell has {lines} lines; at most {most} are allowed: write at most {cells} cells, all of them short", most = CELL_LINES_MAX, cells = SEGMENTS_MAX)]
    TooLong {
        /// Its lines.
        lines: usize,
    },
}

/// Splits generated code into at most [`SEGMENTS_MAX`] cells of at most [`CELL_LINES_MAX`] lines.
///
/// Cells begin at `# Cell N: title` or `# %% title`. Without such markers the code is split where loading data, fitting and
/// saving begin. No statement is lost, and none is split.
///
/// # Errors
/// There is no code, or no way to keep the cells short.
pub fn split(answer: &str) -> Result<Vec<Segment>, SplitError> {
    let code = unfenced(answer);
    let lines: Vec<&str> = code.lines().collect();
    let all = tokens(&code);
    let marked = by_markers(&lines, &all);
    let mut segments = if marked.len() > 1 || has_marker(&all) { marked } else { by_purpose(&lines, &all) };
    segments.retain(|segment| has_statement(&segment.code));
    if segments.is_empty() {
        return Err(SplitError::Empty);
    }
    join_smallest(&mut segments);
    split_longest(&mut segments);
    match segments.iter().map(Segment::lines).find(|lines| *lines > CELL_LINES_MAX) {
        Some(lines) => Err(SplitError::TooLong { lines }),
        None => Ok(segments),
    }
}

/// The code of an answer that is one cell, as it is: markers in it divide nothing.
///
/// # Errors
/// There is no code.
pub fn single(answer: &str) -> Result<String, SplitError> {
    let code = unfenced(answer);
    let code = trimmed(&code);
    if has_statement(code) { Ok(code.to_owned()) } else { Err(SplitError::Empty) }
}

/// The code in an answer: what is in its fences, or all of it when there are none.
#[must_use]
pub fn unfenced(answer: &str) -> String {
    let is_fence = |line: &&str| line.trim_start().starts_with("```");
    if !answer.lines().any(|line| is_fence(&line)) {
        return answer.trim_matches('\n').to_owned();
    }
    let (mut inside, mut kept) = (false, Vec::new());
    for line in answer.lines() {
        if is_fence(&line) {
            inside = !inside;
        } else if inside {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// What a line that begins a cell says: the title, if it has one.
fn marker(comment: &str) -> Option<Option<String>> {
    let text = comment.strip_prefix('#')?.trim();
    if let Some(title) = text.strip_prefix("%%") {
        let title = title.trim();
        let title = title.strip_prefix("[code]").or_else(|| title.strip_prefix("[markdown]")).unwrap_or(title);
        return Some(titled(title));
    }
    let head = text.get(..4)?;
    let rest = text.get(4..)?;
    if !head.eq_ignore_ascii_case("cell") || !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = rest.trim_start();
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    if after.len() == rest.len() {
        return None;
    }
    let ends = after.is_empty() || after.starts_with([':', '-', '.', ')', '–', '—', ' ']);
    ends.then(|| titled(after.trim_start_matches([':', '-', '.', ')', '–', '—', ' '])))
}

fn titled(text: &str) -> Option<String> {
    let title: String = text.trim().chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect();
    (!title.is_empty()).then_some(title)
}

/// The markers: only comments at the margin, so that none is in a text or in a block.
fn markers(all: &[Token<'_>]) -> Vec<(usize, Option<String>)> {
    let at_margin = all.iter().filter(|token| token.kind == Kind::Comment && token.at_margin && token.depth == 0);
    at_margin.filter_map(|token| Some((token.line, marker(token.text)?))).collect()
}

fn has_marker(all: &[Token<'_>]) -> bool {
    !markers(all).is_empty()
}

fn by_markers(lines: &[&str], all: &[Token<'_>]) -> Vec<Segment> {
    let markers = markers(all);
    let mut segments = Vec::with_capacity(markers.len() + 1);
    let first = markers.first().map_or(lines.len(), |(line, _)| *line);
    segments.push(segment("Setup".to_owned(), lines, 0, first));
    for (number, (line, title)) in markers.iter().enumerate() {
        let end = markers.get(number + 1).map_or(lines.len(), |(line, _)| *line);
        let title = title.clone().unwrap_or_else(|| format!("Cell {}", number + 1));
        segments.push(segment(title, lines, line + 1, end));
    }
    segments
}

fn segment(title: String, lines: &[&str], start: usize, end: usize) -> Segment {
    let code = lines.get(start..end.max(start)).unwrap_or_default().join("\n");
    Segment { title, code: trimmed(&code).to_owned() }
}

/// Without empty lines around it. Indentation stays.
fn trimmed(code: &str) -> &str {
    let code = code.trim_end();
    let mut rest = code;
    while let Some((line, after)) = rest.split_once('\n') {
        if !line.trim().is_empty() {
            break;
        }
        rest = after;
    }
    rest
}

fn has_statement(code: &str) -> bool {
    tokens(code).iter().any(|token| token.kind != Kind::Comment)
}

/// What a statement is for, in the order in which a training does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Imports,
    Data,
    Training,
    Saving,
}

impl Purpose {
    fn title(self) -> &'static str {
        match self {
            Self::Imports => "Imports",
            Self::Data => "Data",
            Self::Training => "Training",
            Self::Saving => "Saving",
        }
    }

    fn of(statement: &[Token<'_>]) -> Option<Self> {
        const LOADING: [&str; 7] = [
            "resolve_dataset_path",
            "load_preprocessing_dataset",
            "read_csv",
            "read_json",
            "read_excel",
            "read_parquet",
            "train_test_split",
        ];
        const FITTING: [&str; 4] = ["fit", "fit_predict", "cross_val_score", "cross_validate"];
        let names = || statement.iter().filter(|token| token.kind == Kind::Name).map(|token| token.text);
        let defines = names().next().is_some_and(|name| matches!(name, "def" | "class"));
        if defines {
            // What it does when it is called is not what it does here.
            return None;
        }
        let completes = |token: &Token<'_>| token.content().is_some_and(|text| text.contains(super::markers::COMPLETE));
        if names().any(|name| name == "dump" || name == "save_model") || statement.iter().any(completes) {
            return Some(Self::Saving);
        }
        if names().any(|name| FITTING.contains(&name)) {
            return Some(Self::Training);
        }
        if names().next().is_some_and(|name| matches!(name, "import" | "from")) {
            return Some(Self::Imports);
        }
        names().any(|name| LOADING.contains(&name)).then_some(Self::Data)
    }
}

fn by_purpose(lines: &[&str], all: &[Token<'_>]) -> Vec<Segment> {
    let starts = statement_starts(lines, all);
    let mut segments = Vec::new();
    let (mut purpose, mut begins) = (Purpose::Imports, 0);
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(lines.len());
        let statement: Vec<Token<'_>> =
            all.iter().filter(|token| token.kind != Kind::Comment && (*start..end).contains(&token.line)).copied().collect();
        let Some(next) = Purpose::of(&statement).filter(|next| *next > purpose) else { continue };
        segments.push(segment(purpose.title().to_owned(), lines, begins, *start));
        (purpose, begins) = (next, *start);
    }
    segments.push(segment(purpose.title().to_owned(), lines, begins, lines.len()));
    segments
}

/// The lines on which statements at the margin begin, with the comments right above them.
fn statement_starts(lines: &[&str], all: &[Token<'_>]) -> Vec<usize> {
    const CONTINUING: [&str; 4] = ["else", "elif", "except", "finally"];
    let mut starts = Vec::new();
    let mut decorated = false;
    for token in all.iter().filter(|token| token.at_margin && token.depth == 0 && token.kind != Kind::Comment) {
        let continues = token.kind == Kind::Name && CONTINUING.contains(&token.text);
        if !continues && !decorated {
            let mut start = token.line;
            while start > 0 && lines.get(start - 1).is_some_and(|line| line.starts_with('#')) {
                start -= 1;
            }
            // What ends a text may look like a comment.
            while start < token.line && !is_comment(all, start) {
                start += 1;
            }
            starts.push(start);
        }
        decorated = token.is_sign("@");
    }
    starts
}

fn is_comment(all: &[Token<'_>], line: usize) -> bool {
    all.iter().any(|token| token.line == line && token.kind == Kind::Comment && token.at_margin)
}

/// Joins neighbours until there are few enough, those first that are short together.
fn join_smallest(segments: &mut Vec<Segment>) {
    while segments.len() > SEGMENTS_MAX {
        let sizes: Vec<usize> = segments.iter().map(Segment::lines).collect();
        let pairs = sizes.iter().zip(sizes.iter().skip(1)).map(|(one, two)| one + two);
        let Some((at, _)) = pairs.enumerate().min_by_key(|(_, size)| *size) else { return };
        let next = segments.remove(at + 1);
        if let Some(segment) = segments.get_mut(at) {
            segment.title = titled(&format!("{} and {}", segment.title, next.title)).unwrap_or_default();
            segment.code = format!("{}\n\n{}", segment.code, next.code);
        }
    }
}

/// Splits cells that are too long at a statement's begin, while there may be more of them.
fn split_longest(segments: &mut Vec<Segment>) {
    while segments.len() < SEGMENTS_MAX {
        let Some(at) = segments.iter().position(|segment| segment.lines() > CELL_LINES_MAX) else { return };
        let Some((first, second)) = segments.get(at).and_then(halves) else { return };
        drop(segments.splice(at..=at, [first, second]));
    }
}

/// The two parts of a cell, the first as long as it may be.
fn halves(segment: &Segment) -> Option<(Segment, Segment)> {
    let lines: Vec<&str> = segment.code.lines().collect();
    let starts = statement_starts(&lines, &tokens(&segment.code));
    let cut = starts.into_iter().rfind(|start| (1..=CELL_LINES_MAX).contains(start))?;
    let part = |title: String, start, end| self::segment(title, &lines, start, end);
    let (first, second) = (
        part(segment.title.clone(), 0, cut),
        part(titled(&format!("{} (continued)", segment.title)).unwrap_or_default(), cut, lines.len()),
    );
    (has_statement(&first.code) && has_statement(&second.code)).then_some((first, second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn titles(code: &str) -> Vec<String> {
        split(code).unwrap().into_iter().map(|segment| segment.title).collect()
    }

    #[test]
    fn cells_begin_at_their_markers() {
        let code = "# Cell 1: Load\nx = 1\n\n# Cell 2 - Fit it\ny = 2\n# cell 3\nz = 3\n";
        let segments = split(code).unwrap();
        let expected = [("Load", "x = 1"), ("Fit it", "y = 2"), ("Cell 3", "z = 3")];
        assert_eq!(segments.iter().map(|one| (one.title.as_str(), one.code.as_str())).collect::<Vec<_>>(), expected);
        assert_eq!(titles("# %% Load\na = 1\n#%%\nb = 2"), ["Load", "Cell 2"]);
        assert_eq!(titles("import a\n# Cell 1: Load\nx = 1"), ["Setup", "Load"], "nothing before the first marker is lost");
        assert_eq!(titles("```python\n# Cell 1: A\nx = 1\n```\nand then\n```\n# Cell 2: B\ny = 1\n```"), ["A", "B"]);
    }

    #[test]
    fn what_only_looks_like_a_marker_is_none() {
        for code in [
            "t = '''\n# Cell 1: no\n'''\nx = 1",
            "if a:\n    # Cell 1: no\n    x = 1",
            "x = f(\n# %% no\n1)",
            "# Cells 1 to 3 follow\nx = 1",
            "# cellular\nx = 1",
            "# Cell one\nx = 1",
        ] {
            assert_eq!(split(code).unwrap().len(), 1, "{code}");
        }
    }

    #[test]
    fn without_markers_the_purpose_of_statements_divides_them() {
        let code = "import pandas as pd\nfrom a import b\n\n# The data.\ndf = pd.read_csv(p)\ny = df['y']\n\nmodel = M()\nmodel.fit(x, y)\n\n\
                    import joblib\njoblib.dump(model, 'model.joblib')\nprint('__TRAIN_COMPLETE__|{}')";
        let segments = split(code).unwrap();
        assert_eq!(segments.iter().map(|one| one.title.as_str()).collect::<Vec<_>>(), ["Imports", "Data", "Training", "Saving"]);
        assert!(segments[1].code.starts_with("# The data.\n"), "a comment stays with its statement: {:?}", segments[1]);
        assert_eq!(titles("def f():\n    joblib.dump(m, 'x')\ndf = pd.read_csv(p)"), ["Imports", "Data"]);
        assert_eq!(titles("x = 1"), ["Imports"]);
    }

    #[test]
    fn cells_are_few_and_short() {
        let many: String = (1..=9).map(|number| format!("# Cell {number}: c{number}\nx = {number}\n")).collect();
        let segments = split(&many).unwrap();
        assert_eq!(segments.len(), SEGMENTS_MAX);
        assert!(segments.iter().any(|segment| segment.title.contains(" and ")));
        let long: String = (0..250).map(|number| format!("x{number} = {number}\n")).collect();
        let segments = split(&format!("# Cell 1: Long\n{long}")).unwrap();
        assert_eq!(segments.iter().map(Segment::lines).collect::<Vec<_>>(), [100, 100, 50]);
        assert_eq!(segments[1].title, "Long (continued)");
        let longer: String = (0..450).map(|number| format!("x{number} = {number}\n")).collect();
        assert!(matches!(split(&longer), Err(SplitError::TooLong { lines: 150 })));
        let block = format!("def f():\n{}", "    x = 1\n".repeat(120));
        assert_eq!(split(&block), Err(SplitError::TooLong { lines: 121 }), "a statement is not split");
    }

    #[test]
    fn an_answer_without_code_is_refused() {
        for answer in ["", "\n\n", "# Cell 1: nothing\n# only words", "```\n```", "```python"] {
            assert_eq!(split(answer), Err(SplitError::Empty), "{answer:?}");
            assert_eq!(single(answer), Err(SplitError::Empty), "{answer:?}");
        }
    }

    #[test]
    fn one_cell_is_not_divided() {
        let code = "import a\n\n# Cell 2: Fit\nm.fit(x)";
        assert_eq!(single(&format!("Here it is:\n```python\n\n{code}\n\n```\nDone.")).as_deref(), Ok(code));
        assert_eq!(single(&format!("\n{code}\n")).as_deref(), Ok(code));
    }

    #[test]
    fn decorators_stay_with_what_they_decorate() {
        let code = format!("{}@cache\ndef f():\n    return 1\n{}", "a = 1\n".repeat(99), "b = 2\n".repeat(20));
        let segments = split(&format!("# Cell 1: x\n{code}")).unwrap();
        assert_eq!(segments.len(), 2);
        assert!(segments[1].code.starts_with("@cache\ndef f"), "{}", segments[1].code);
    }

    proptest! {
        #[test]
        fn no_statement_is_lost(lines in prop::collection::vec(
            prop_oneof![
                "[a-d] = [0-9]",
                Just("import a".to_owned()),
                Just("df = read_csv(p)".to_owned()),
                Just("m.fit(x)".to_owned()),
                Just("joblib.dump(m, 'f')".to_owned()),
                Just("    indented = 1".to_owned()),
                Just(String::new()),
                Just("# a comment".to_owned()),
                Just("# Cell 2: title".to_owned()),
                Just("t = '''".to_owned()),
            ],
            0..60,
        )) {
            let code = lines.join("\n");
            if let Ok(segments) = split(&code) {
                prop_assert!(segments.len() <= SEGMENTS_MAX);
                prop_assert!(segments.iter().all(|segment| segment.lines() <= CELL_LINES_MAX));
                let statements = |text: &str| -> Vec<String> {
                    text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
                };
                let kept: Vec<String> = segments.iter().flat_map(|segment| statements(&segment.code)).collect();
                prop_assert_eq!(kept, statements(&code));
            }
        }
    }
}
