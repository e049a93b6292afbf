//! Arguments of the tools that read data and documents.

use schemars::JsonSchema;
use serde::Deserialize;

/// Of `list_project_files`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListProjectFilesArgs {
    /// The dataset that is worked on, to mark it in the list.
    #[schemars(length(max = 500))]
    pub dataset_id: Option<String>,
}

/// Of `get_dataset_profile`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetDatasetProfileArgs {
    /// Id or file name of a dataset of the project.
    #[schemars(length(min = 1, max = 500))]
    pub dataset_id: String,
}

/// Of `get_dataset_sample`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetDatasetSampleArgs {
    /// Id or file name of a dataset of the project.
    #[schemars(length(min = 1, max = 500))]
    pub dataset_id: String,
}

/// Of `search_documents`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchDocumentsArgs {
    /// Words, or a question.
    #[schemars(length(min = 1, max = 2000))]
    pub query: String,
    /// How many passages at most, 1 to 10; 5 when absent.
    pub limit: Option<i64>,
}

arguments_of! {
    ListProjectFiles: ListProjectFilesArgs;
    GetDatasetProfile: GetDatasetProfileArgs;
    GetDatasetSample: GetDatasetSampleArgs;
    SearchDocuments: SearchDocumentsArgs;
}
