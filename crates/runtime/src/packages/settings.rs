//! How packages are fetched: the index of this machine's pip, its certificates, and the hosts that may be reached.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::environment::PIP_SETTINGS;

/// The index that pip uses when nothing is said, and where its files are.
const DEFAULT_HOSTS: [&str; 2] = ["pypi.org", "files.pythonhosted.org"];
/// The index of `torch`'s wheels of wheels without GPU libraries, and where its files are.
pub(crate) const TORCH_INDEX: &str = "https://download.pytorch.org/whl/cpu";
pub(crate) const TORCH_HOSTS: [&str; 2] = ["download.pytorch.org", "download-r2.pytorch.org"];
/// Where certificates usually are.
const CERTIFICATES: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// How packages are fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexSettings {
    /// The index; none: that of `pypi.org`. May hold a password: it is passed to installs, never shown.
    pub index_url: Option<String>,
    /// Further indexes.
    pub extra_index_urls: Vec<String>,
    /// Hosts that may be reached beside those of the indexes: where an index keeps its files elsewhere.
    pub extra_hosts: Vec<String>,
    /// Indexes that pip may use without a valid certificate.
    pub trusted_hosts: Vec<String>,
    /// A file of certificates to trust.
    pub certificates: Option<PathBuf>,
    /// The proxy through which this machine reaches the index: `http://[user:password@]host:port`.
    pub upstream_proxy: Option<String>,
    /// Whether packages may be built from source, which runs their code in the installing sandbox.
    pub allow_builds: bool,
}

impl IndexSettings {
    /// What this machine's pip is configured to do, by its files and the environment. Runs `python`; blocks. Where that
    /// fails, pip's own defaults.
    #[must_use]
    pub fn of_this_machine(python: &Path) -> Self {
        Self::from_pip(&ask(python))
    }

    fn from_pip(settings: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| settings.get(name).filter(|value| !value.is_empty()).cloned();
        // pip prints lists with their line breaks escaped.
        let list = |name: &str| -> Vec<String> {
            get(name).unwrap_or_default().replace("\\n", " ").split_whitespace().map(str::to_owned).collect()
        };
        let certificates = ["cert", "env.ssl_cert_file", "env.requests_ca_bundle"]
            .into_iter()
            .filter_map(get)
            .chain(CERTIFICATES.map(str::to_owned))
            .map(PathBuf::from)
            .find(|path| path.is_absolute() && path.is_file());
        Self {
            index_url: get("index-url").filter(|url| url.starts_with("https://") || url.starts_with("http://")),
            extra_index_urls: list("extra-index-url"),
            extra_hosts: Vec::new(),
            trusted_hosts: list("trusted-host"),
            certificates,
            upstream_proxy: get("proxy").or_else(|| get("env.https_proxy")),
            allow_builds: false,
        }
    }

    /// The hosts that an install may reach, each with its port.
    #[must_use]
    pub fn hosts(&self) -> Vec<(String, u16)> {
        let mut hosts: Vec<(String, u16)> = Vec::new();
        let urls = self.index_url.iter().chain(&self.extra_index_urls);
        hosts.extend(urls.filter_map(|url| host_of(url)));
        if self.index_url.is_none() {
            hosts.extend(DEFAULT_HOSTS.map(|host| (host.to_owned(), 443)));
        }
        hosts.extend(self.extra_hosts.iter().filter_map(|host| host_of(&format!("https://{host}"))));
        if hosts.iter().any(|(host, _)| host == "pypi.org") {
            hosts.extend(DEFAULT_HOSTS.map(|host| (host.to_owned(), 443)));
        }
        hosts.sort();
        hosts.dedup();
        hosts
    }
}

/// Host and port of a URL, in lower case.
pub(crate) fn host_of(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let default = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    let authority = rest.split(['/', '?', '#']).next()?;
    authority_of(authority.rsplit_once('@').map_or(authority, |(_, host)| host), default)
}

/// Host and port of `host[:port]` or `[v6][:port]`, in lower case.
pub(crate) fn authority_of(authority: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    (!host.is_empty() && host.bytes().all(plain)).then_some((host, port))
}

#[expect(clippy::disallowed_methods, reason = "asks the machine's pip for its settings")]
fn ask(python: &Path) -> BTreeMap<String, String> {
    let output = Command::new(python).args(["-c", PIP_SETTINGS]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    match output {
        Ok(output) => serde_json::from_slice(&output.stdout).unwrap_or_default(),
        Err(error) => {
            tracing::debug!(error = %error, "pip could not be asked for its settings");
            BTreeMap::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts_of_urls() {
        for (url, expected) in [
            ("https://PyPI.org/simple", Some(("pypi.org", 443))),
            ("https://user:pa@ss@mirror.example:8443/x", Some(("mirror.example", 8443))),
            ("http://[::1]:3141/root", Some(("::1", 3141))),
            ("http://[::1]/root", Some(("::1", 80))),
            ("http://mirror.", Some(("mirror", 80))),
            ("https://", None),
            ("https://a b/", None),
            ("https://host:port/", None),
            ("mirror", None),
        ] {
            assert_eq!(host_of(url), expected.map(|(host, port)| (host.to_owned(), port)), "{url}");
        }
    }

    #[test]
    fn lets_only_the_index_and_its_files_through() {
        let pypi = [("files.pythonhosted.org".to_owned(), 443), ("pypi.org".to_owned(), 443)];
        assert_eq!(IndexSettings::default().hosts(), pypi);
        let mut settings = IndexSettings { index_url: Some("https://mirror.example/simple".into()), ..Default::default() };
        assert_eq!(settings.hosts(), [("mirror.example".to_owned(), 443)]);
        settings.extra_hosts = vec!["files.example:8443".into()];
        assert_eq!(settings.hosts(), [("files.example".to_owned(), 8443), ("mirror.example".to_owned(), 443)]);
        settings.index_url = Some("https://pypi.org/simple".into());
        settings.extra_hosts.clear();
        assert_eq!(settings.hosts(), pypi);
    }

    #[test]
    fn reads_what_pip_is_configured_with() {
        let bundle = tempfile::NamedTempFile::new().unwrap();
        let settings = BTreeMap::from(
            [
                ("index-url", "https://mirror.example/simple"),
                ("extra-index-url", "\\nhttps://a/simple\\nhttps://b/simple"),
                ("trusted-host", "a b"),
                ("cert", bundle.path().to_str().unwrap()),
                ("env.https_proxy", "http://proxy:3128"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let found = IndexSettings::from_pip(&settings);
        assert_eq!(found.index_url.as_deref(), Some("https://mirror.example/simple"));
        assert_eq!(found.extra_index_urls, ["https://a/simple", "https://b/simple"]);
        assert_eq!(found.trusted_hosts, ["a", "b"]);
        assert_eq!(found.certificates.as_deref(), Some(bundle.path()));
        assert_eq!(found.upstream_proxy.as_deref(), Some("http://proxy:3128"));
        let wrong = BTreeMap::from([("index-url".to_owned(), "file:///srv/wheels".to_owned())]);
        assert_eq!(IndexSettings::from_pip(&wrong).index_url, None);
    }
}
