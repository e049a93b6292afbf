//! Display bundles: which of their representations is kept.

use std::collections::HashMap;

use gristmill_domain::execution::{OutputKind, RichOutput};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::text::without_ansi;

/// The content of `display_data`, `execute_result` and `update_display_data`.
#[derive(Debug, Deserialize)]
pub(super) struct Display<'a> {
    /// Media types and their values, not parsed yet: a bundle may carry large ones that nobody shows.
    #[serde(borrow)]
    data: HashMap<String, &'a RawValue>,
    #[serde(default)]
    transient: Option<Transient>,
}

#[derive(Debug, Deserialize)]
struct Transient {
    #[serde(default)]
    display_id: Option<String>,
}

const PLOTLY: &str = "application/vnd.plotly.v1+json";

impl Display<'_> {
    pub(super) fn id(&self) -> Option<&str> {
        self.transient.as_ref()?.display_id.as_deref()
    }

    /// The size of the representation that [`Self::output`] would take, bytes.
    pub(super) fn size(&self) -> usize {
        [PLOTLY, "image/png", "image/jpeg", "text/html", "image/svg+xml", "text/latex", "text/plain"]
            .iter()
            .find_map(|media| self.data.get(*media))
            .map_or(0, |raw| raw.get().len())
    }

    /// The best representation, in the contract's order; one that is malformed is passed over.
    pub(super) fn output(&self) -> RichOutput {
        self.chart()
            .or_else(|| self.image("image/png"))
            .or_else(|| self.image("image/jpeg"))
            .or_else(|| self.html("text/html"))
            .or_else(|| self.html("image/svg+xml"))
            .or_else(|| self.latex())
            .or_else(|| Some(RichOutput::new(OutputKind::Text, without_ansi(&self.text("text/plain")?))))
            .unwrap_or_else(|| RichOutput::new(OutputKind::Text, ""))
    }

    fn chart(&self) -> Option<RichOutput> {
        let Value::Object(mut figure) = serde_json::from_str(self.data.get(PLOTLY)?.get()).ok()? else { return None };
        let data = figure.remove("data").unwrap_or_else(|| Value::Array(Vec::new()));
        let layout = figure.remove("layout").unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let figure = serde_json::json!({"data": data, "layout": layout});
        Some(RichOutput { data: Some(figure), ..RichOutput::new(OutputKind::Chart, "") })
    }

    fn image(&self, media: &str) -> Option<RichOutput> {
        let encoded = self.text(media)?;
        let mut content = format!("data:{media};base64,");
        // Some libraries wrap their base64; a data URL must not be.
        content.extend(encoded.split_ascii_whitespace());
        Some(RichOutput { mime_type: Some(media.to_owned()), ..RichOutput::new(OutputKind::Image, content) })
    }

    fn html(&self, media: &str) -> Option<RichOutput> {
        Some(RichOutput::new(OutputKind::Html, self.text(media)?))
    }

    fn latex(&self) -> Option<RichOutput> {
        let source = self.text("text/latex")?;
        let bare = source.trim().trim_matches('$');
        Some(RichOutput::new(OutputKind::Html, format!("$${bare}$$")))
    }

    fn text(&self, media: &str) -> Option<String> {
        match serde_json::from_str(self.data.get(media)?.get()).ok()? {
            Value::String(text) => Some(text),
            Value::Array(lines) => lines.into_iter().map(|line| line.as_str().map(str::to_owned)).collect(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(data: &Value) -> RichOutput {
        let content = serde_json::json!({"data": data, "metadata": {}}).to_string();
        serde_json::from_str::<Display<'_>>(&content).unwrap().output()
    }

    #[test]
    fn takes_the_first_that_is_there() {
        use serde_json::json;
        let all = json!({"text/plain": "p", "text/latex": "$x$", "image/svg+xml": "<svg/>", "text/html": "<b>",
            "image/jpeg": "SlBH", "image/png": "UE5\nH", PLOTLY: {"data": [1], "layout": {"a": 1}, "frames": []}});
        let order = [PLOTLY, "image/png", "image/jpeg", "text/html", "image/svg+xml", "text/latex", "text/plain"];
        let mut left = all.as_object().unwrap().clone();
        let mut seen = Vec::new();
        for media in order {
            let output = output(&Value::Object(left.clone()));
            seen.push((output.kind, output.content));
            left.remove(media);
        }
        let expected = [
            (OutputKind::Chart, ""),
            (OutputKind::Image, "data:image/png;base64,UE5H"),
            (OutputKind::Image, "data:image/jpeg;base64,SlBH"),
            (OutputKind::Html, "<b>"),
            (OutputKind::Html, "<svg/>"),
            (OutputKind::Html, "$$x$$"),
            (OutputKind::Text, "p"),
        ];
        assert_eq!(seen, expected.map(|(kind, text)| (kind, text.to_owned())));
        assert_eq!(output(&Value::Object(left)), RichOutput::new(OutputKind::Text, ""));
    }

    #[test]
    fn passes_over_what_is_malformed() {
        use serde_json::json;
        let figure = json!({"image/png": {"no": 1}, PLOTLY: [1], "text/plain": ["a", "b"]});
        assert_eq!(output(&figure), RichOutput::new(OutputKind::Text, "ab"));
        assert_eq!(output(&json!({"text/plain": [1]})), RichOutput::new(OutputKind::Text, ""));
        assert_eq!(output(&json!({"x/y": 1})), RichOutput::new(OutputKind::Text, ""));
    }
}
