//! Arguments of the tools for Python packages.

use schemars::JsonSchema;
use serde::Deserialize;

/// Of `install_package`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstallPackageArgs {
    /// One or several packages by their names on the index, with versions if need be: `polars>=1 humanize`.
    #[schemars(length(min = 1, max = 4000))]
    pub package_name: String,
}

/// Of `uninstall_package`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UninstallPackageArgs {
    /// One or several packages by their names.
    #[schemars(length(min = 1, max = 4000))]
    pub package_name: String,
}

/// Of `list_packages`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListPackagesArgs {}

arguments_of! {
    InstallPackage: InstallPackageArgs;
    UninstallPackage: UninstallPackageArgs;
    ListPackages: ListPackagesArgs;
}
