//! Reading variables: typed, with ranges, every problem collected before giving up.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use url::Url;

/// Everything that is wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is wrong: {}", problems.join("; "))]
pub struct ConfigError {
    problems: Vec<String>,
}

/// A variable that the configuration reads, for `gristmill doctor` and the documentation's test.
pub type Variable = &'static str;

/// The variables, what was asked of them and what was wrong.
#[derive(Debug)]
pub struct Environment<'a> {
    variables: &'a BTreeMap<String, String>,
    problems: Vec<String>,
    read: BTreeSet<Variable>,
}

impl<'a> Environment<'a> {
    /// Over the given variables.
    #[must_use]
    pub fn new(variables: &'a BTreeMap<String, String>) -> Self {
        Self { variables, problems: Vec::new(), read: BTreeSet::new() }
    }

    /// Every variable that was asked for.
    #[must_use]
    pub fn read_variables(&self) -> &BTreeSet<Variable> {
        &self.read
    }

    /// A variable's text; blank counts as absent.
    pub fn text(&mut self, name: Variable) -> Option<String> {
        self.read.insert(name);
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()).map(ToOwned::to_owned)
    }

    /// Notes a problem. Never put the value of a secret into `message`.
    pub fn problem(&mut self, name: Variable, message: &str) {
        self.problems.push(format!("{name} {message}"));
    }

    /// A value that its type can read.
    pub fn parsed<T: FromStr>(&mut self, name: Variable, what: &str) -> Option<T> {
        let text = self.text(name)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.problem(name, &format!("must be {what}, not `{text}`"));
        }
        value
    }

    /// A whole number in a range.
    pub fn number<T: FromStr + PartialOrd + Display>(&mut self, name: Variable, range: RangeInclusive<T>, default: T) -> T {
        let Some(text) = self.text(name) else { return default };
        match text.parse() {
            Ok(value) if range.contains(&value) => value,
            _ => {
                let message = format!("must be a whole number from {} to {}, not `{text}`", range.start(), range.end());
                self.problem(name, &message);
                default
            }
        }
    }

    /// `true` or `1` against `false`, `0` or nothing.
    pub fn flag(&mut self, name: Variable) -> bool {
        self.switch(name).unwrap_or(false)
    }

    /// `true` or `1`, `false` or `0`, or nothing.
    pub fn switch(&mut self, name: Variable) -> Option<bool> {
        match self.text(name)?.as_str() {
            "false" | "0" => Some(false),
            "true" | "1" => Some(true),
            other => {
                self.problem(name, &format!("must be `true` or `false`, not `{other}`"));
                None
            }
        }
    }

    /// A comma-separated list.
    pub fn list(&mut self, name: Variable) -> Option<Vec<String>> {
        let text = self.text(name)?;
        Some(text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
    }

    /// A URL.
    pub fn url(&mut self, name: Variable, default: &str) -> Url {
        let text = self.text(name).unwrap_or_else(|| default.to_owned());
        Url::parse(&text).unwrap_or_else(|error| {
            self.problem(name, &format!("must be a URL, not `{text}` ({error})"));
            // Never used: a problem keeps the configuration from being returned.
            #[expect(clippy::expect_used, reason = "a constant that parses")]
            Url::parse("http://localhost").expect("the constant is a URL")
        })
    }

    /// An `http` or `https` URL, if it is set. It may not hold a password: it is shown.
    pub fn http_url(&mut self, name: Variable) -> Option<Url> {
        let text = self.text(name)?;
        let usable = |url: &Url| {
            let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && plain
        };
        let url = Url::parse(&text).ok().filter(usable);
        if url.is_none() {
            // It may hold a password, so it is not repeated.
            self.problem(name, "must be a URL such as http://localhost:11434/v1, without user, password or query");
        }
        url
    }

    /// A span such as `15m`: a whole number with `s`, `m`, `h` or `d`.
    pub fn duration(&mut self, name: Variable, default: Duration) -> Duration {
        let Some(text) = self.text(name) else { return default };
        let parsed = text.char_indices().last().and_then(|(at, unit)| {
            let seconds = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86_400,
                _ => return None,
            };
            text.get(..at)?.parse::<u64>().ok()?.checked_mul(seconds).filter(|total| (1..=3650 * 86_400).contains(total))
        });
        parsed.map_or_else(
            || {
                self.problem(name, &format!("must be a number with s, m, h or d, such as 15m, not `{text}`"));
                default
            },
            Duration::from_secs,
        )
    }

    /// Returns `value` unless something was wrong.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem.
    pub fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(value) } else { Err(ConfigError { problems: self.problems }) }
    }
}
