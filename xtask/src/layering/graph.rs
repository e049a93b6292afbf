//! The part of `cargo metadata` that layering asks about.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The crate's own code or build script.
    Code,
    /// Tests, examples and benchmarks.
    Dev,
}

/// A line of a manifest.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A package.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    /// The name of its folder.
    pub(super) folder: String,
    pub(super) manifest: PathBuf,
    /// What its manifest names, optional ones included.
    pub(super) dependencies: Vec<Declared>,
}

/// All packages, and what each is built with.
#[derive(Debug)]
pub(super) struct Graph {
    packages: BTreeMap<String, Package>,
    members: BTreeSet<String>,
    /// Package to the packages that its code (not its tests) is built with, as resolved.
    built_with: BTreeMap<String, Vec<String>>,
}

impl Graph {
    /// Reads what `cargo metadata --format-version 1` printed.
    pub(super) fn parse(metadata: &Value) -> Result<Self> {
        let mut packages = BTreeMap::new();
        for package in list(metadata, "packages")? {
            let package = parse_package(package)?;
            packages.insert(package.id.clone(), package);
        }
        let members = list(metadata, "workspace_members")?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let mut built_with = BTreeMap::new();
        for node in list(metadata.get("resolve").context("metadata has no `resolve`")?, "nodes")? {
            let mut ids = Vec::new();
            for dependency in list(node, "deps")? {
                if list(dependency, "dep_kinds")?.iter().any(|kind| kind_of(kind) == Kind::Code) {
                    ids.push(text(dependency, "pkg")?);
                }
            }
            built_with.insert(text(node, "id")?, ids);
        }
        Ok(Self { packages, members, built_with })
    }

    /// The packages of the workspace.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| self.members.contains(&package.id))
    }

    /// The package of the workspace with a name.
    pub(super) fn member_named(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }

    /// Names of the packages from outside that a member is built with, without going through other members; each with
    /// the names on the way to it, itself last.
    pub(super) fn reachable_outside(&self, id: &str) -> Vec<(String, Vec<String>)> {
        self.walk(id, |id| !self.members.contains(id))
    }

    /// The names on a shortest way from a package to the package `name`, if it is built with it.
    pub(super) fn path_to(&self, id: &str, name: &str) -> Option<Vec<String>> {
        self.walk(id, |_| true).into_iter().find(|(reached, _)| reached == name).map(|(_, path)| path)
    }

    fn walk(&self, start: &str, enter: impl Fn(&str) -> bool) -> Vec<(String, Vec<String>)> {
        let mut seen = BTreeSet::from([start]);
        let mut queue = VecDeque::from([(start, Vec::new())]);
        let mut found = Vec::new();
        while let Some((id, path)) = queue.pop_front() {
            for next in self.built_with.get(id).into_iter().flatten() {
                if !enter(next) || !seen.insert(next) {
                    continue;
                }
                let Some(package) = self.packages.get(next) else { continue };
                let mut path = path.clone();
                path.push(package.name.clone());
                found.push((package.name.clone(), path.clone()));
                queue.push_back((next, path));
            }
        }
        found
    }
}

fn parse_package(package: &Value) -> Result<Package> {
    let manifest = PathBuf::from(text(package, "manifest_path")?);
    let folder = manifest.parent().and_then(Path::file_name).context("a manifest without a folder")?;
    let mut dependencies = Vec::new();
    for dependency in list(package, "dependencies")? {
        dependencies.push(Declared { name: text(dependency, "name")?, kind: kind_of(dependency) });
    }
    Ok(Package {
        id: text(package, "id")?,
        name: text(package, "name")?,
        folder: folder.to_string_lossy().into_owned(),
        manifest,
        dependencies,
    })
}

fn kind_of(value: &Value) -> Kind {
    if value.get("kind").and_then(Value::as_str) == Some("dev") { Kind::Dev } else { Kind::Code }
}

fn list<'value>(value: &'value Value, key: &str) -> Result<&'value Vec<Value>> {
    value.get(key).and_then(Value::as_array).with_context(|| format!("metadata has no list `{key}`"))
}

fn text(value: &Value, key: &str) -> Result<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("metadata has no text `{key}`"))
}
