//! Fixed words in prompts: yes and no to what is pending, and the features that were chosen.
//!
//! A prompt is what a person wrote, and what the client appended to it: a paragraph on the dataset, lines with ids, a list of
//! files. Names of files and columns in there are hostile text. So only the person's own words decide: the first line, outside
//! of quotes. What is not clearly yes or no is neither, and the person is asked again.

/// Most features that a prompt may choose, and the longest id.
const SELECTED_MAX: usize = 200;
const ID_CHARS_MAX: usize = 200;
/// What the line begins with that has the chosen features.
const SELECTED: &str = "selected feature ids to implement:";

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Approve,
    /// No.
    Reject,
    /// Nothing that is clear.
    Undecided,
}

/// Single words that say yes.
const YES: [&str; 19] = [
    "approve",
    "approved",
    "accept",
    "accepted",
    "apply",
    "commit",
    "proceed",
    "yes",
    "yep",
    "yeah",
    "ok",
    "okay",
    "sure",
    "lgtm",
    "confirm",
    "confirmed",
    "agreed",
    "perfect",
    "y",
];
/// Phrases that say yes.
const YES_PHRASES: [&str; 7] = ["go ahead", "looks good", "look good", "ship it", "sounds good", "do it", "all good"];
/// Single words that say no.
const NO: [&str; 23] = [
    "reject",
    "rejected",
    "decline",
    "declined",
    "deny",
    "denied",
    "discard",
    "cancel",
    "abort",
    "stop",
    "undo",
    "revert",
    "rollback",
    "skip",
    "no",
    "nope",
    "nah",
    "never",
    "don't",
    "dont",
    "disapprove",
    "refuse",
    "n",
];
/// Phrases that say no.
const NO_PHRASES: [&str; 5] = ["do not", "roll back", "not approved", "not good", "throw away"];
/// Phrases in which a no is none.
const HARMLESS: [&str; 8] =
    ["no problem", "no problems", "no issue", "no issues", "no objection", "no objections", "no concerns", "no worries"];
/// Words that make a yes depend on something.
const CONDITIONS: [&str; 14] = [
    "but", "unless", "except", "however", "instead", "wait", "hold", "if", "not", "isn't", "doesn't", "rather", "cannot", "can't",
];

/// What a prompt decides about the one thing that is pending.
#[must_use]
pub fn decision(prompt: &str) -> Decision {
    let paragraph = first_paragraph(prompt);
    if paragraph.contains('?') {
        return Decision::Undecided;
    }
    let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
    let (first, rest) = (Words::of(&own_words(first)), Words::of(&own_words(rest)));
    if first.says_no() {
        return Decision::Reject;
    }
    if first.says_yes() && !first.has_condition() && !rest.says_no() && !rest.has_condition() {
        return Decision::Approve;
    }
    Decision::Undecided
}

/// The ids on the line `Selected feature IDs to implement: id1, id2`, which the client adds when features are to be made;
/// none when there is no such line. The last such line counts: what is quoted before it does not.
#[must_use]
pub fn selected_feature_ids(prompt: &str) -> Option<Vec<String>> {
    let mut in_fence = false;
    let mut found = None;
    for line in prompt.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        } else if !in_fence && let Some(ids) = ids_on(line) {
            found = Some(ids);
        }
    }
    found
}

fn ids_on(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    let head = line.get(..SELECTED.len())?;
    if !head.eq_ignore_ascii_case(SELECTED) {
        return None;
    }
    let is_id = |id: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        !id.is_empty() && id.len() <= ID_CHARS_MAX && id.chars().all(plain)
    };
    let mut ids: Vec<String> = Vec::new();
    for id in line.get(SELECTED.len()..).unwrap_or_default().split(',').map(str::trim).filter(|id| is_id(id)) {
        if ids.len() < SELECTED_MAX && !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    Some(ids)
}

/// Up to the first empty line. What comes after that may be the client's.
fn first_paragraph(prompt: &str) -> &str {
    let mut end = 0;
    for line in prompt.split_inclusive('\n') {
        if line.trim().is_empty() {
            break;
        }
        end += line.len();
    }
    prompt.get(..end).unwrap_or_default().trim_end()
}

/// The words of a text that are the person's own: no quotes, no lines that are quoted, and nothing from the first line on
/// that the client may have appended.
#[must_use]
pub fn own_words(text: &str) -> String {
    let mut own = String::new();
    let mut in_fence = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            in_fence = !in_fence;
            continue;
        }
        if is_appended(line) {
            break;
        }
        if !in_fence && !line.starts_with('>') {
            own.push_str(line);
            own.push('\n');
        }
    }
    without_quotes(&own)
}

/// Whether a line begins like one of the client's.
fn is_appended(line: &str) -> bool {
    const BEGINNINGS: [&str; 24] = [
        "active dataset",
        "attached file",
        "column:",
        "columns:",
        "context:",
        "continue from",
        "continue with",
        "current dataset",
        "dataset continuity",
        "dataset id",
        "dataset:",
        "datasets:",
        "file:",
        "files:",
        "important:",
        "mentioned file",
        "note:",
        "notebook:",
        "referenced file",
        "selected feature",
        "system:",
        "target column",
        "target:",
        "use the dataset",
    ];
    let plain: String = line.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    BEGINNINGS.iter().any(|beginning| plain.starts_with(beginning)) || line.starts_with("---") || line.starts_with('[')
}

/// Leaves out what stands in quotes. A quote that is not closed goes to the end.
fn without_quotes(text: &str) -> String {
    let mut own = String::with_capacity(text.len());
    let mut closing = None;
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match closing {
            Some(end) => {
                let ends = c == end && (c != '\'' || !next.is_alphanumeric());
                if ends {
                    closing = None;
                    own.push(' ');
                }
            }
            None => {
                closing = match c {
                    '"' | '`' => Some(c),
                    '“' | '„' => Some('”'),
                    '«' => Some('»'),
                    '»' => Some('«'),
                    '‘' => Some('’'),
                    // Within a word it is an apostrophe.
                    '\'' if !before.is_alphanumeric() => Some('\''),
                    _ => None,
                };
                own.push(if closing.is_some() { ' ' } else { c });
            }
        }
        before = c;
    }
    own
}

/// A text as small words with one space around each.
struct Words(String);

impl Words {
    fn of(text: &str) -> Self {
        let text = text.to_lowercase().replace('’', "'");
        let words: String = text.chars().map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' }).collect();
        let mut words = format!(" {} ", words.split_whitespace().collect::<Vec<_>>().join(" "));
        for phrase in HARMLESS {
            words = words.replace(&format!(" {phrase} "), " ");
        }
        Self(words)
    }

    fn has(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.0.contains(&format!(" {word} ")))
    }

    fn says_yes(&self) -> bool {
        self.has(&YES) || self.has(&YES_PHRASES)
    }

    fn says_no(&self) -> bool {
        self.has(&NO) || self.has(&NO_PHRASES)
    }

    fn has_condition(&self) -> bool {
        self.has(&CONDITIONS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clear_words_decide() {
        for prompt in [
            "approve",
            "Yes!",
            "Looks good, go ahead.",
            "LGTM",
            "Please apply it",
            "commit",
            "ship it",
            "I accept this step",
            "No problem, proceed",
            "ok\nthank you",
            "Yes\n\nDataset continuity: do not reload the dataset. Is it clear?",
            "yes\nSelected feature IDs to implement: f-1",
        ] {
            assert_eq!(decision(prompt), Decision::Approve, "{prompt}");
        }
        for prompt in [
            "no",
            "Reject this.",
            "Don't apply it",
            "don’t commit",
            "please do not commit that",
            "No, undo it",
            "stop",
            "Skip this step",
            "not good, revert",
        ] {
            assert_eq!(decision(prompt), Decision::Reject, "{prompt}");
        }
    }

    #[test]
    fn everything_else_decides_nothing() {
        for prompt in [
            "",
            "   ",
            "Should I approve?",
            "What does \"commit\" do",
            "Tell me more about the outliers",
            "yes, but keep the row with id 7",
            "approve if the nulls are gone",
            "It is not yes",
            "He said \"yes\"",
            "He said 'go ahead' to me",
            "“apply”",
            "> approve",
            "```\napprove\n```",
            "\n\napprove",
            "I looked at the table.\n\nApprove",
            "Fix the dates\nyes",
            "Looks good\nbut don't commit yet",
            "disapproved",
            "yesterday's file is okayish",
            "Use the dataset customers.csv and proceed",
            "Dataset: yes.csv",
            "- Referenced files: approve.csv",
            "[context] approve",
            "eyes",
            "He said \"go on\nyes",
        ] {
            assert_eq!(decision(prompt), Decision::Undecided, "{prompt}");
        }
    }

    #[test]
    fn the_chosen_features_are_read() {
        let ids = |prompt: &str| selected_feature_ids(prompt);
        let of = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            ids("Implement them.\n\nSelected feature IDs to implement: feat-1, feat-2 ,feat-1"),
            of(&["feat-1", "feat-2"])
        );
        assert_eq!(ids("selected FEATURE ids to implement: a"), of(&["a"]));
        assert_eq!(ids("Selected feature IDs to implement:"), of(&[]));
        assert_eq!(ids("Selected feature IDs to implement: a b, c'; drop, d"), of(&["d"]), "what is no id is left out");
        assert_eq!(ids("Selected feature IDs to implement: a\nSelected feature IDs to implement: b"), of(&["b"]));
        for none in [
            "",
            "implement a",
            "> Selected feature IDs to implement: a",
            "He wrote: Selected feature IDs to implement: a",
            "```\nSelected feature IDs to implement: a\n```",
            "\"Selected feature IDs to implement: a\"",
        ] {
            assert_eq!(ids(none), None, "{none}");
        }
        let many: String = (0..500).map(|number| format!("f{number},")).collect();
        assert_eq!(ids(&format!("Selected feature IDs to implement: {many}")).unwrap().len(), SELECTED_MAX);
    }

    /// Words that decide nothing by themselves.
    fn neutral() -> impl Strategy<Value = String> {
        prop::collection::vec(prop_oneof!["the", "table", "rows", "looks", "fine", "show", "me", "columns"], 0..6)
            .prop_map(|words| words.join(" "))
    }

    fn decisive() -> impl Strategy<Value = String> {
        let all: Vec<&str> = [&YES[..], &YES_PHRASES, &NO, &NO_PHRASES].concat();
        prop::sample::select(all).prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn what_is_appended_never_decides(own in neutral(), said in decisive(), more in "(?s).{0,40}") {
            prop_assert_eq!(decision(&format!("{own}\n\n{said} {more}")), Decision::Undecided);
            prop_assert_eq!(decision(&format!("{own}\nDataset continuity: {said}\n{more}")), Decision::Undecided);
            prop_assert_eq!(decision(&format!("{own}\nFiles:\n- {said}.csv\n{more}")), Decision::Undecided);
        }

        #[test]
        fn what_is_quoted_never_decides(own in neutral(), said in decisive(), quotes in prop::sample::select(vec![
            ("\"", "\""), ("“", "”"), ("„", "”"), ("«", "»"), ("`", "`"), (" '", "' "), ("\n> ", "\n"), ("\n```\n", "\n```\n"),
        ])) {
            let (open, close) = quotes;
            prop_assert_eq!(decision(&format!("{own} {open}{said}{close} {own}")), Decision::Undecided);
            prop_assert_eq!(decision(&format!("{open}{said}")), Decision::Undecided, "a quote that is not closed");
        }

        #[test]
        fn appended_text_does_not_undo_a_decision(said in prop::sample::select(&YES[..]), more in "(?s).{0,60}") {
            prop_assert_eq!(decision(&format!("{said}\n\n{more}")), Decision::Approve);
        }

        #[test]
        fn no_prompt_breaks_it(prompt in "(?s).{0,80}") {
            let _ = (decision(&prompt), selected_feature_ids(&prompt));
        }
    }
}
