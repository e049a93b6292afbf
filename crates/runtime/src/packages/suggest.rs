//! Names that begin like what was typed: installed packages, popular ones, and the one that is called exactly so.

use std::time::Duration;

use async_trait::async_trait;
use gristmill_domain::execution::PackageInfo;

use super::{names::normalized, popular::POPULAR};

/// How long the index is waited for.
const LOOK_UP_DEADLINE: Duration = Duration::from_secs(2);
/// Suggestions shown before anything was typed.
const FIRST: usize = 22;
/// Most suggestions in one answer.
pub(crate) const SUGGESTIONS_MAX: usize = 20;

/// Looks one package up by its exact name.
#[async_trait]
pub trait PackageIndex: Send + Sync + std::fmt::Debug {
    /// What the index knows of it; none when it is unknown or the index does not answer.
    async fn find(&self, name: &str) -> Option<PackageInfo>;
}

/// Suggests packages for what was typed: names that begin with it before names that hold it, a package of exactly this
/// name first. `limit` is brought between 1 and 20. The index is waited for at most 2 s.
pub async fn suggest(typed: &str, limit: usize, installed: &[PackageInfo], index: Option<&dyn PackageIndex>) -> Vec<PackageInfo> {
    let limit = limit.clamp(1, SUGGESTIONS_MAX);
    let wanted = normalized(typed.trim());
    if wanted.is_empty() {
        return POPULAR.iter().take(FIRST).map(known).collect();
    }
    let mut found: Vec<(u8, usize, PackageInfo)> = Vec::new();
    let popular = POPULAR.iter().map(known);
    for (place, package) in popular.chain(installed.iter().cloned()).enumerate() {
        let name = normalized(&package.name);
        let rank = match name.find(&wanted) {
            Some(0) if name == wanted => 0,
            Some(0) => 1,
            Some(_) => 2,
            None => continue,
        };
        match found.iter_mut().find(|(.., other)| normalized(&other.name) == name) {
            // An installed one knows its version.
            Some((.., other)) => *other = PackageInfo { summary: package.summary.or(other.summary.take()), ..package },
            None => found.push((rank, place, package)),
        }
    }
    if !found.iter().any(|(rank, ..)| *rank == 0)
        && is_name(typed.trim())
        && let Some(index) = index
        && let Ok(Some(package)) = tokio::time::timeout(LOOK_UP_DEADLINE, index.find(&wanted)).await
    {
        found.push((0, 0, package));
    }
    found.sort_by_key(|(rank, place, _)| (*rank, *place));
    found.into_iter().take(limit).map(|(.., package)| package).collect()
}

fn known((name, summary): &(&str, &str)) -> PackageInfo {
    PackageInfo {
        name: (*name).to_owned(),
        version: None,
        summary: Some((*summary).to_owned()),
        homepage: Some(format!("https://pypi.org/project/{name}/")),
    }
}

/// Whether it can be asked of an index: nothing else goes into a URL.
fn is_name(text: &str) -> bool {
    text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Index(Duration);

    #[async_trait]
    impl PackageIndex for Index {
        async fn find(&self, name: &str) -> Option<PackageInfo> {
            tokio::time::sleep(self.0).await;
            Some(PackageInfo { name: name.to_owned(), version: Some("9".into()), summary: None, homepage: None })
        }
    }

    fn names(packages: &[PackageInfo]) -> Vec<&str> {
        packages.iter().map(|package| package.name.as_str()).collect()
    }

    #[tokio::test]
    async fn suggests_popular_installed_and_exact_names() {
        assert_eq!(suggest(" ", 8, &[], None).await.len(), FIRST);
        let beginning = suggest("Sci", 8, &[], None).await;
        assert!(names(&beginning).contains(&"scikit-learn"));
        let installed = [PackageInfo { name: "scipy".into(), version: Some("1.2".into()), summary: None, homepage: None }];
        let found = suggest("scipy", 8, &installed, None).await;
        assert_eq!(found[0].version.as_deref(), Some("1.2"));
        assert!(found[0].summary.is_some());
        assert_eq!(names(&found).iter().filter(|name| **name == "scipy").count(), 1);
        let found = suggest("learn", 3, &[], None).await;
        assert!(found.len() <= 3 && !found.is_empty());
        let exact = suggest("Very_Rare.Thing", 8, &[], Some(&Index(Duration::ZERO))).await;
        assert_eq!(names(&exact), ["very-rare-thing"]);
        assert_eq!(suggest("a/../b", 8, &[], Some(&Index(Duration::ZERO))).await, []);
        assert_eq!(suggest("p", 500, &[], None).await.len().max(SUGGESTIONS_MAX), SUGGESTIONS_MAX);
    }

    #[tokio::test]
    async fn does_not_wait_for_a_slow_index() {
        let slow = Index(Duration::from_secs(60));
        let begun = std::time::Instant::now();
        assert_eq!(suggest("very-rare-thing", 8, &[], Some(&slow)).await, []);
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
