//! What people ask to be installed: names, extras and versions, and nothing else that pip would take.

use std::{collections::BTreeSet, fmt};

/// Longest text, and most packages in it.
const TEXT_BYTES_MAX: usize = 4000;
const PACKAGES_MAX: usize = 50;
const NAME_BYTES_MAX: usize = 100;
/// Version operators, longer ones before those they begin with.
const OPERATORS: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];
/// Packages that come in a build without GPU libraries, from an index of their own.
const TORCH_FAMILY: [&str; 10] = [
    "torch",
    "torchaudio",
    "torchvision",
    "torchmetrics",
    "pytorch-lightning",
    "lightning",
    "lightning-utilities",
    "pytorch-tabular",
    "pytorch-tabnet",
    "tab-transformer-pytorch",
];

/// Requirements that are safe to hand to pip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageNames {
    requirements: Vec<String>,
    notice: Option<String>,
    torch: bool,
}

/// Why a text does not name packages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageNamesError {
    /// Nothing is named.
    #[error("no package is named")]
    Empty,
    /// More than an installation may be.
    #[error("at most {PACKAGES_MAX} packages can be installed at once")]
    TooMany,
    /// One of them is something else.
    #[error("\"{token}\" cannot be installed: {reason}")]
    Refused {
        /// The part that is refused.
        token: String,
        /// Why.
        reason: &'static str,
    },
}

impl PackageNames {
    /// Reads names separated by commas or spaces, each with extras and versions if wanted: `polars[all]>=1, <3 six`.
    ///
    /// # Errors
    /// [`PackageNamesError`]: options, URLs, paths, direct references and markers are refused.
    pub fn parse(text: &str) -> Result<Self, PackageNamesError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PackageNamesError::TooMany);
        }
        let mut names = Self { requirements: Vec::new(), notice: None, torch: false };
        let mut rest = separated(text);
        while !rest.is_empty() {
            let (requirement, name, after) = requirement(rest).map_err(|reason| refused(rest, reason))?;
            if names.requirements.len() == PACKAGES_MAX {
                return Err(PackageNamesError::TooMany);
            }
            names.add(requirement, name);
            rest = separated(after);
        }
        if names.requirements.is_empty() { Err(PackageNamesError::Empty) } else { Ok(names) }
    }

    fn add(&mut self, requirement: String, name: &str) {
        let normal = normalized(name);
        if normal == "pytorch" {
            let version = requirement.strip_prefix(name).unwrap_or_default();
            self.notice = Some("The package \"pytorch\" is called \"torch\": that is installed.".to_owned());
            self.requirements.push(format!("torch{version}"));
            self.torch = true;
            return;
        }
        self.torch |= TORCH_FAMILY.contains(&normal.as_str());
        self.requirements.push(requirement);
    }

    /// Each package as pip takes it.
    #[must_use]
    pub fn requirements(&self) -> &[String] {
        &self.requirements
    }

    /// The name of each as an index compares it, without extras and versions.
    #[must_use]
    pub fn normalized(&self) -> BTreeSet<String> {
        self.requirements.iter().map(|requirement| normalized(taken(requirement, is_name_part).0)).collect()
    }

    /// What the person should know about how the names were read.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Whether the index of builds without GPU libraries is needed.
    #[must_use]
    pub fn torch(&self) -> bool {
        self.torch
    }
}

impl fmt::Display for PackageNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.requirements.join(" "))
    }
}

/// The name as an index compares it: lower case, runs of `-`, `_` and `.` as one dash.
#[must_use]
pub(super) fn normalized(name: &str) -> String {
    let parts: Vec<String> = name.split(['-', '_', '.']).filter(|part| !part.is_empty()).map(str::to_ascii_lowercase).collect();
    parts.join("-")
}

fn separated(text: &str) -> &str {
    text.trim_start_matches(|character: char| character.is_whitespace() || character == ',')
}

/// Takes one requirement from the front: what pip gets, its name, and the rest of the text.
fn requirement(text: &str) -> Result<(String, &str, &str), &'static str> {
    let (name, mut rest) = taken(text, |character| character.is_ascii_alphanumeric() || "._-".contains(character));
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    if !edge(name.as_bytes().first()) || !edge(name.as_bytes().last()) || name.len() > NAME_BYTES_MAX {
        return Err("it is not the name of a package");
    }
    let mut requirement = name.to_owned();
    if let Some(inside) = rest.trim_start().strip_prefix('[') {
        let (extras, after) = inside.split_once(']').ok_or("its extras are not closed")?;
        let extras: Vec<&str> = extras.split(',').map(str::trim).collect();
        let plain = |extra: &&str| edge(extra.as_bytes().first()) && taken(extra, is_name_part).1.is_empty();
        if !extras.iter().all(plain) {
            return Err("its extras are not names");
        }
        requirement.push_str(&format!("[{}]", extras.join(",")));
        rest = after;
    }
    let mut separator = "";
    while let Some((operator, after)) = operator(rest) {
        let (version, after) =
            taken(after.trim_start(), |character| character.is_ascii_alphanumeric() || "._-*+!".contains(character));
        if version.is_empty() {
            return Err("a version is missing");
        }
        requirement.push_str(&format!("{separator}{operator}{version}"));
        rest = after;
        // A comma before an operator goes on with the same package.
        separator = "";
        if let Some(next) = rest.trim_start().strip_prefix(',').filter(|next| self::operator(next).is_some()) {
            rest = next;
            separator = ",";
        } else if operator_follows(rest) {
            separator = ",";
        }
    }
    match rest.chars().next() {
        None | Some(',') => Ok((requirement, name, rest)),
        Some(next) if next.is_whitespace() && !rest.trim_start().starts_with(['@', ';', '(']) => Ok((requirement, name, rest)),
        Some(_) => Err("it is not the name of a package"),
    }
}

fn operator_follows(text: &str) -> bool {
    operator(text).is_some()
}

fn operator(text: &str) -> Option<(&'static str, &str)> {
    let text = text.trim_start();
    OPERATORS.iter().find_map(|operator| Some((*operator, text.strip_prefix(operator)?)))
}

fn is_name_part(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-".contains(character)
}

fn taken(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|character| !wanted(character)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn refused(text: &str, reason: &'static str) -> PackageNamesError {
    let token: String = text.split_whitespace().next().unwrap_or_default().chars().take(80).collect();
    let following = text.trim_start_matches(token.as_str()).trim_start();
    let reason = if token.starts_with('-') {
        "options are not taken, only names and versions"
    } else if token.contains("://") || token.starts_with("git+") {
        "URLs are not taken, only names and versions"
    } else if token.contains('@') || following.starts_with('@') {
        "direct references with @ are not taken, only names and versions"
    } else if token.starts_with(['.', '~']) || token.contains(['/', '\\']) {
        "paths are not taken, only names and versions"
    } else if token.contains(';') || following.starts_with(';') {
        "conditions after ; are not taken, only names and versions"
    } else {
        reason
    };
    PackageNamesError::Refused { token, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_extras_and_versions() {
        for (text, expected) in [
            ("six", &["six"][..]),
            ("six humanize", &["six", "humanize"]),
            ("six,humanize,\n tqdm", &["six", "humanize", "tqdm"]),
            ("polars[all]>=1,<3 six", &["polars[all]>=1,<3", "six"]),
            ("polars [ all , excel ] >= 1 , < 3", &["polars[all,excel]>=1,<3"]),
            ("a==1.0.*,b~=2.1", &["a==1.0.*", "b~=2.1"]),
            ("zope.interface ruamel_yaml x-y", &["zope.interface", "ruamel_yaml", "x-y"]),
            ("a!=1.0+cpu a===1!2.0", &["a!=1.0+cpu", "a===1!2.0"]),
            ("a>1 <2", &["a>1,<2"]),
        ] {
            assert_eq!(PackageNames::parse(text).unwrap().requirements(), expected, "{text}");
        }
    }

    #[test]
    fn names_are_told_without_versions() {
        let names = PackageNames::parse("Polars[all]>=1,<3 zope.interface PyTorch==2").unwrap();
        assert_eq!(names.normalized().into_iter().collect::<Vec<String>>(), ["polars", "torch", "zope-interface"]);
    }

    #[test]
    fn refuses_everything_else_that_pip_would_take() {
        for (text, reason) in [
            ("--index-url=https://evil six", "options"),
            ("six -r requirements.txt", "options"),
            ("six -e .", "options"),
            ("-six", "options"),
            ("https://evil/x.whl", "URLs"),
            ("git+https://github.com/x/y", "URLs"),
            ("git+ssh://git@github.com/x/y", "URLs"),
            ("six@https://evil/x.whl", "URLs"),
            ("six @ https://evil/x.whl", "direct references"),
            ("six@file", "direct references"),
            ("./six", "paths"),
            ("../six", "paths"),
            (".", "paths"),
            ("/etc/passwd", "paths"),
            ("dir/six", "paths"),
            ("dir\\six", "paths"),
            ("~/six", "paths"),
            ("six;python_version>'3'", "conditions"),
            ("six ; python_version>'3'", "conditions"),
            ("six==", "version is missing"),
            ("six==1.0;x", "conditions"),
            ("six[a", "not closed"),
            ("six[-x]", "extras"),
            ("six[]", "extras"),
            ("six$(id)", "not the name"),
            ("six`id`", "not the name"),
            ("six_", "not the name"),
            ("s\u{0456}x", "not the name"),
            ("six\0", "not the name"),
            ("==1", "not the name"),
            ("six (>=1)", "not the name"),
            (&"a".repeat(101), "not the name"),
        ] {
            let refused = PackageNames::parse(text).unwrap_err().to_string();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
        assert_eq!(PackageNames::parse(" ,\n"), Err(PackageNamesError::Empty));
        assert_eq!(PackageNames::parse(&"a ".repeat(51)), Err(PackageNamesError::TooMany));
        assert_eq!(PackageNames::parse(&"a".repeat(4001)), Err(PackageNamesError::TooMany));
    }

    #[test]
    fn pytorch_is_torch_with_a_notice() {
        let names = PackageNames::parse("PyTorch>=2 six").unwrap();
        assert_eq!(names.requirements(), ["torch>=2", "six"]);
        assert!(names.torch());
        assert!(names.notice().unwrap().contains("torch"));
        let names = PackageNames::parse("pytorch_lightning").unwrap();
        assert!(names.torch());
        assert_eq!(names.notice(), None);
        assert!(!PackageNames::parse("six").unwrap().torch());
    }
}
