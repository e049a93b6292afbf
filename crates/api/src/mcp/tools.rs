//! The tools: those of agents that work without a run, and those for programs from outside.

use std::sync::{Arc, LazyLock};

use gristmill_domain::workflows::{Risk, ToolName};
use gristmill_workflow::tools::{
    outside::{self, Effect, OutsideSpec},
    registry::{self, ToolGroup, ToolSpec},
};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::Value;

/// A tool, and where it runs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    /// Agents have it too.
    Agents(&'static ToolSpec, ToolName),
    /// Only programs from outside have it.
    Outside(&'static OutsideSpec),
}

impl Known {
    /// Finds a tool.
    pub(super) fn find(name: &str) -> Option<Self> {
        let agents = registry::specs().iter().filter(|spec| is_shared(spec)).find(|spec| spec.name == name);
        match agents.and_then(|spec| Some(Self::Agents(spec, spec.tool?))) {
            Some(known) => Some(known),
            None => outside::find(name).map(Self::Outside),
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Agents(spec, _) => spec.name,
            Self::Outside(spec) => spec.tool.as_str(),
        }
    }

    /// Whether it only reads.
    pub(super) fn only_reads(self) -> bool {
        match self {
            Self::Agents(spec, _) => spec.risk == Risk::Low,
            Self::Outside(spec) => spec.effect == Effect::Reads,
        }
    }

    fn listed(self) -> Tool {
        let (parameters, description, destroys) = match self {
            Self::Agents(spec, _) => (spec.parameters_with_project(), spec.description, spec.risk == Risk::High),
            Self::Outside(spec) => (spec.parameters(), spec.description, spec.effect == Effect::Ends),
        };
        let schema: JsonObject = match parameters {
            Value::Object(fields) => fields,
            _ => JsonObject::new(),
        };
        let hints = ToolAnnotations::new().read_only(self.only_reads()).destructive(destroys).open_world(false);
        Tool::new(self.name(), description, Arc::new(schema)).with_annotations(hints)
    }
}

/// Tools of agents that are of use without a run: data and cells (contract 2, section 4, group M).
fn is_shared(spec: &ToolSpec) -> bool {
    matches!(spec.group, ToolGroup::Data | ToolGroup::Cells)
}

static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    let agents = registry::specs().iter().filter(|spec| is_shared(spec));
    let agents = agents.filter_map(|spec| Some(Known::Agents(spec, spec.tool?)));
    agents.chain(outside::specs().iter().map(Known::Outside)).map(Known::listed).collect()
});

/// Every tool, in the same order each time.
pub(super) fn all() -> &'static [Tool] {
    &TOOLS
}

/// A tool by its name.
pub(super) fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_s_twelve_come_first_and_all_take_plain_arguments() {
        let names: Vec<&str> = all().iter().map(|tool| tool.name.as_ref()).collect();
        assert_eq!(
            names.get(..12).unwrap(),
            [
                "list_project_files",
                "get_dataset_profile",
                "get_dataset_sample",
                "search_documents",
                "list_cells",
                "read_cell",
                "write_cell",
                "edit_cell",
                "run_cell",
                "delete_cell",
                "reorder_cells",
                "insert_cell"
            ]
        );
        for tool in all() {
            assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            assert!(tool.description.as_ref().is_some_and(|text| text.len() > 10), "{}", tool.name);
            assert_eq!(Known::find(&tool.name).map(Known::name), Some(tool.name.as_ref()));
        }
        assert!(Known::find("install_package").is_none() && Known::find("plan_exit").is_none());
    }

    /// A yes is to a call and to what it takes away. Of another tool that a person is asked about, `ServerTools::lost` must know
    /// what that is, and the tool compare it.
    #[test]
    fn a_person_is_asked_about_cells_only() {
        let asked = registry::specs().iter().filter(|spec| is_shared(spec) && spec.risk == Risk::High);
        assert_eq!(asked.map(|spec| spec.name).collect::<Vec<&str>>(), ["delete_cell"]);
    }
}
