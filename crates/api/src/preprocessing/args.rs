//! Arguments as models send them: anything may be missing or of another type.

use gristmill_domain::{CellId, preprocessing::Refusal};
use serde_json::{Map, Value};

/// Most values of a list.
const LIST_MAX: usize = 200;

/// The arguments of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Args<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Args<'a> {
    /// A text without white space around it; an empty one is absent.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.raw(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A text as it is.
    pub(super) fn raw(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A text that must be there.
    pub(super) fn required(self, name: &str) -> Result<&'a str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    /// Yes or no.
    pub(super) fn flag(self, name: &str) -> Option<bool> {
        match self.0.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }

    /// Texts, when there is a list.
    pub(super) fn texts(self, name: &str) -> Option<Vec<&'a str>> {
        let list = self.0.get(name)?.as_array()?;
        Some(list.iter().take(LIST_MAX).filter_map(Value::as_str).map(str::trim).collect())
    }

    /// The cells that `cellId` and `cellIds` name, each once.
    ///
    /// # Errors
    /// `MISSING_REQUIRED_ARG` for what is no id.
    pub(super) fn cells(self) -> Result<Vec<CellId>, Refusal> {
        let mut cells = Vec::new();
        for text in self.texts("cellIds").unwrap_or_default().into_iter().chain(self.text("cellId")) {
            let cell: CellId = text.parse().map_err(|_error| Refusal::missing("cellId"))?;
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_taken_as_they_come() {
        let id = CellId::random();
        let value =
            json!({ "a": " x ", "b": " ", "c": 1, "yes": "True", "no": false, "cellIds": [id, id.to_string()], "cellId": id });
        let args = Args(value.as_object().unwrap());
        assert_eq!((args.text("a"), args.raw("a"), args.text("b"), args.text("c")), (Some("x"), Some(" x "), None, None));
        assert_eq!((args.flag("yes"), args.flag("no"), args.flag("c"), args.flag("z")), (Some(true), Some(false), None, None));
        assert_eq!(args.cells().unwrap(), [id]);
        assert!(args.required("b").is_err());
        assert!(Args(json!({ "cellId": "1" }).as_object().unwrap()).cells().is_err());
    }
}
