use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::tools::schema::anything;

const PLAN: &str = "# Project Plan\n\n## Objective\nPredict churn.\n\n## Approach\nTrees.";

#[test]
fn a_plan_is_found_wherever_a_model_puts_it() {
    for args in [
        json!({ "planMarkdown": PLAN }),
        json!({ "plan_markdown": PLAN }),
        json!({ "markdown": PLAN }),
        json!({ "content": PLAN }),
        json!({ "text": PLAN }),
        json!({ "body": PLAN }),
        json!({ "plan_text": PLAN }),
        json!({ "plan_content": PLAN }),
        json!({ "payload": { "planMarkdown": PLAN } }),
        json!({ "plan": { "content": PLAN } }),
        json!({ "plan": PLAN }),
        json!({ "data": [{ "markdown": PLAN }] }),
        json!({ "result": { "output": { "body": PLAN } } }),
        json!({ "payload": json!({ "planMarkdown": PLAN }).to_string() }),
        json!({ "planMarkdown": { "text": PLAN } }),
        json!({ "planMarkdown": PLAN.lines().collect::<Vec<&str>>() }),
        json!([PLAN]),
        json!(PLAN),
        json!(format!("```markdown\n{PLAN}\n```")),
        json!(json!({ "planMarkdown": PLAN }).to_string()),
        json!(format!("```json\n{}\n```", json!({ "plan": PLAN }))),
        json!({ "planMarkdown": "", "text": PLAN }),
    ] {
        assert_eq!(read(&args).map(|plan| plan.markdown).as_deref(), Some(PLAN), "{args}");
    }
}

#[test]
fn names_are_found_and_clipped() {
    for (args, name) in [
        (json!({ "planMarkdown": PLAN, "planName": " Churn " }), Some("Churn".to_owned())),
        (json!({ "plan": { "markdown": PLAN, "title": "Inner" }, "name": "Outer" }), Some("Inner".to_owned())),
        (json!({ "plan": { "markdown": PLAN }, "name": "Outer" }), Some("Outer".to_owned())),
        (json!({ "planMarkdown": PLAN, "planName": "" }), None),
        (json!({ "planMarkdown": PLAN, "planName": "x".repeat(500) }), Some("x".repeat(120))),
    ] {
        assert_eq!(read(&args).unwrap().name, name, "{args}");
    }
}

#[test]
fn what_holds_no_plan_is_refused() {
    for args in [Value::Null, json!({}), json!(7), json!({ "planMarkdown": "  " }), json!({ "planName": "n" }), json!([[], {}])] {
        assert_eq!(extract(&args), None, "{args}");
    }
    let chat = json!({ "planMarkdown": "I would first look at the data." });
    assert!(extract(&chat).is_some() && read(&chat).is_none());
}

#[test]
fn plans_are_brought_into_their_form() {
    for (given, expected) in [
        // From the heading on, of several the one that says so.
        ("Sure!\n\n# Project Plan: Churn\n## Objective\nx", "# Project Plan: Churn\n## Objective\nx"),
        ("# Notes\nn\n# Project plan\n## Objective\nx", "# Project plan\n## Objective\nx"),
        ("# Churn\n## Objective\nx", "# Churn\n## Objective\nx"),
        // Out of a fence; fences within stay.
        ("```markdown\n# Project Plan\nx\n```", "# Project Plan\nx"),
        ("Here:\n```md\n# Project Plan\n```python\ny\n```\nx\n```\nBye", "# Project Plan\n```python\ny\n```\nx"),
        ("```\n# Project Plan\nx", "# Project Plan\nx"),
        // What looks like a heading in code is none.
        ("## Objective\n```\n# comment\n```", "# Project Plan\n\n## Objective\n```\n# comment\n```"),
        // Sections without a heading above them.
        ("Sure!\n## Anything\nx", "# Project Plan\n\n## Anything\nx"),
        ("### Goals\nx\n### 2. Evaluation Plan\ny", "# Project Plan\n\n### Goals\nx\n### 2. Evaluation Plan\ny"),
        // Labels instead of headings.
        (
            "Sure!\n**Objective:** Predict.\n1. **Data Summary**: Rows.\nmore\n**Next Steps**\n- go",
            "# Project Plan\n\n## Objective\n\nPredict.\n\n## Data Summary\n\nRows.\nmore\n\n## Next Steps\n\n- go",
        ),
        (
            "Goal: Predict\nMetrics: AUC\nRisks: few",
            "# Project Plan\n\n## Objective\n\nPredict\n\n## Evaluation\n\nAUC\n\n## Risks & Assumptions\n\nfew",
        ),
    ] {
        assert_eq!(normalise(given).map(|plan| plan.markdown).as_deref(), Some(expected), "{given:?}");
    }
    for no_plan in ["", "hello", "### Goals\nx", "Goal: x\nMetrics: y", "#Objective\n#Approach", "a: b\nc: d\ne: f"] {
        assert_eq!(normalise(no_plan), None, "{no_plan:?}");
    }
}

#[test]
fn missing_sections_are_told() {
    let plan = normalise(PLAN).unwrap();
    assert_eq!(plan.missing, ["Data Summary", "Feature Engineering", "Evaluation", "Risks & Assumptions", "Next Steps"]);
    let all = "# Project Plan\n## 1. Goals\n## Data overview\n## Methodology and models\n## Feature engineering\n\
               ## Success criteria\n## Risks / Assumptions\n## **Next steps**";
    assert_eq!(normalise(all).unwrap().missing, [""; 0]);
}

#[test]
fn long_plans_are_clipped() {
    let long = format!("# Project Plan\n{}", "ä".repeat(60_000));
    assert_eq!(read(&json!(long)).unwrap().markdown.chars().count(), PLAN_CHARS_MAX);
}

#[test]
fn files_have_plain_names() {
    for (name, file) in [
        (Some("Churn: Q3 / 2026!"), "churn-q3-2026.md".to_owned()),
        (Some("../../etc/passwd"), "etc-passwd.md".to_owned()),
        (Some("Größe"), "gr-e.md".to_owned()),
        (Some("日本"), "project-plan-2026-11-27.md".to_owned()),
        (None, "project-plan-2026-11-27.md".to_owned()),
        (Some(&*"a".repeat(300)), format!("{}.md", "a".repeat(100))),
    ] {
        assert_eq!(file_name(name, "2026-11-27"), file, "{name:?}");
    }
}

proptest! {
    #[test]
    fn anything_is_read_and_a_plan_stays_as_it_is(
        value in anything::json(),
        lines in prop::collection::vec(prop::sample::select(vec![
            "# Project Plan", "# Other", "## Objective", "### Goals", "**Approach:** x", "Metrics: y", "Risks", "```",
            "```markdown", "text", "", "- Next Steps: z", "1. **Evaluation**",
        ]), 0..14),
    ) {
        for args in [value.clone(), json!({ "planMarkdown": value }), json!({ "payload": value.to_string() })] {
            if let Some(plan) = read(&args) {
                prop_assert!(plan.markdown.starts_with('#'));
            }
        }
        let text = lines.join("\n");
        if let Some(plan) = normalise(&text) {
            prop_assert!(plan.markdown.starts_with("# "), "{text:?}: {plan:?}");
            prop_assert!(plan.markdown.chars().count() <= PLAN_CHARS_MAX);
        }
        let file = file_name(Some(&text), "2026-11-27");
        let is_plain = |stem: &str| !stem.is_empty() && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        prop_assert!(file.strip_suffix(".md").is_some_and(is_plain), "{file}");
    }
}
