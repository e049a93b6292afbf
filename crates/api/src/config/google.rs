//! Sign-in with Google.

use secrecy::SecretString;
use url::{Host, Url};

use super::{Environment, Variable};

/// Google, when it is configured: `GOOGLE_CLIENT_ID` and `GOOGLE_CLIENT_SECRET` are set.
#[derive(Debug, Clone)]
pub struct GoogleConfig {
    /// `GOOGLE_CLIENT_ID`.
    pub client_id: String,
    /// `GOOGLE_CLIENT_SECRET`.
    pub client_secret: SecretString,
    /// `GOOGLE_CALLBACK_URL`, a route of the frontend.
    pub callback_url: Url,
    /// `GOOGLE_AUTH_URL`: Google's page for consent.
    pub auth_url: Url,
    /// `GOOGLE_TOKEN_URL`: where codes become tokens.
    pub token_url: Url,
    /// `GOOGLE_USERINFO_URL`: where a token tells who it is.
    pub userinfo_url: Url,
}

pub(super) fn read(env: &mut Environment<'_>) -> Option<GoogleConfig> {
    let callback_url = env.url("GOOGLE_CALLBACK_URL", "http://localhost:5173/auth/google/callback");
    let auth_url = endpoint(env, "GOOGLE_AUTH_URL", "https://accounts.google.com/o/oauth2/v2/auth");
    let token_url = endpoint(env, "GOOGLE_TOKEN_URL", "https://oauth2.googleapis.com/token");
    let userinfo_url = endpoint(env, "GOOGLE_USERINFO_URL", "https://openidconnect.googleapis.com/v1/userinfo");
    let (id, secret) = (env.text("GOOGLE_CLIENT_ID"), env.text("GOOGLE_CLIENT_SECRET"));
    if !matches!(callback_url.scheme(), "http" | "https") {
        env.problem("GOOGLE_CALLBACK_URL", "must be a page of the frontend, http:// or https://");
    }
    Some(GoogleConfig { client_id: id?, client_secret: secret?.into(), callback_url, auth_url, token_url, userinfo_url })
}

/// Where the secret and tokens go: over TLS, unless it is this machine.
fn endpoint(env: &mut Environment<'_>, name: Variable, default: &str) -> Url {
    let url = env.url(name, default);
    let private = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if !private {
        env.problem(name, "must begin with https://; http:// is for this machine only");
    }
    url
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::{Config, ConfigError};

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn both_halves_configure_google_itself() {
        let config = read(&[("GOOGLE_CLIENT_ID", "id"), ("GOOGLE_CLIENT_SECRET", "secret"), ("PORT", "4001")]).unwrap();
        let google = config.google.unwrap();
        assert_eq!(google.token_url.host_str(), Some("oauth2.googleapis.com"));
        assert!(!format!("{google:?}").contains("\"secret\""), "a secret must not be shown");
        assert_eq!(config.http.public_url.as_str(), "http://localhost:4001/");
        assert!(read(&[("GOOGLE_CLIENT_ID", "id")]).unwrap().google.is_none());
    }

    #[test]
    fn secrets_travel_over_tls_or_stay_on_this_machine() {
        for name in ["GOOGLE_AUTH_URL", "GOOGLE_TOKEN_URL", "GOOGLE_USERINFO_URL"] {
            for good in ["https://id.example.org/x", "http://127.0.0.1:9/x", "http://localhost:9/x", "http://[::1]:9/x"] {
                read(&[(name, good)]).unwrap();
            }
            for bad in ["http://id.example.org/x", "http://127.0.0.1.example.org/x", "ftp://127.0.0.1/x", "id.example.org"] {
                assert!(read(&[(name, bad)]).unwrap_err().to_string().contains(name), "{bad}");
            }
        }
    }

    #[test]
    fn the_public_address_is_one_that_can_be_extended() {
        for good in ["https://mill.example.org", "https://example.org/mill/", "http://10.0.0.7:4000"] {
            read(&[("PUBLIC_URL", good)]).unwrap();
        }
        for bad in ["mill.example.org", "mailto:ada@example.org", "https://example.org/?a=b", "https://ada:x@example.org"] {
            assert!(read(&[("PUBLIC_URL", bad)]).unwrap_err().to_string().contains("PUBLIC_URL"), "{bad}");
        }
    }
}
