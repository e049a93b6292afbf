//! MLflow's filters: `metrics.rmse < 1 and params.model = 'tree' and tags."mlflow.runName" like '%a%'`.

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The latest value of a metric.
    Metric(String),
    /// A parameter.
    Param(String),
    /// A tag.
    Tag(String),
    /// Something that every run has: `run_id`, `run_name`, `status`, `user_id`, `start_time`, `end_time`.
    Attribute(String),
}

/// How it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `LIKE`
    Like,
    /// `ILIKE`
    LikeAnyCase,
}

impl Comparator {
    /// The operator of PostgreSQL.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "<>",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Like => "like",
            Self::LikeAnyCase => "ilike",
        }
    }
}

/// What it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// One of these texts, or none of them (`IN`, `NOT IN`).
    Among {
        /// The texts.
        texts: Vec<String>,
        /// Whether it must be one of them.
        is_in: bool,
    },
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What is looked at.
    pub subject: Subject,
    /// How it is compared; of no meaning for [`Operand::Among`].
    pub comparator: Comparator,
    /// What with.
    pub operand: Operand,
}

/// What runs are sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is looked at.
    pub subject: Subject,
    /// Whether the largest comes first.
    pub is_descending: bool,
}

/// Why a filter is not understood, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(String);

/// What every one of a kind of things has, and what else it may be called.
#[derive(Debug, Clone, Copy)]
pub struct Attributes {
    /// What they are, for messages.
    pub things: &'static str,
    /// Attributes that are numbers.
    pub numbers: &'static [&'static str],
    /// Attributes that are texts.
    pub texts: &'static [&'static str],
    /// Another name, and what it means.
    pub aliases: &'static [(&'static str, &'static str)],
}

/// Of runs.
pub const OF_RUNS: Attributes = Attributes {
    things: "runs",
    numbers: &["start_time", "end_time"],
    texts: &["run_id", "run_name", "status", "user_id"],
    aliases: &[("created", "start_time"), ("name", "run_name"), ("run name", "run_name"), ("user", "user_id")],
};
/// Of experiments.
pub const OF_EXPERIMENTS: Attributes = Attributes {
    things: "experiments",
    numbers: &["creation_time", "last_update_time"],
    texts: &["name", "experiment_id"],
    aliases: &[],
};
/// Of registered models.
pub const OF_NAMES: Attributes = Attributes {
    things: "registered models",
    numbers: &["creation_timestamp", "last_updated_timestamp"],
    texts: &["name"],
    aliases: &[("timestamp", "last_updated_timestamp")],
};
/// Of versions of registered models.
pub const OF_VERSIONS: Attributes = Attributes {
    things: "model versions",
    numbers: &["version_number", "creation_timestamp", "last_updated_timestamp"],
    texts: &["name", "run_id", "source_path"],
    aliases: &[("version", "version_number"), ("source", "source_path")],
};
/// Of logged models.
pub const OF_LOGGED_MODELS: Attributes = Attributes {
    things: "logged models",
    numbers: &["creation_timestamp", "last_updated_timestamp"],
    texts: &["name", "model_id", "model_type", "status", "source_run_id"],
    aliases: &[("creation_time", "creation_timestamp"), ("last_updated_time", "last_updated_timestamp")],
};
/// Most conditions of one filter.
const CONDITIONS_MAX: usize = 50;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Number(f64),
    Symbol(&'static str),
}

/// Reads a filter; a blank one has no conditions.
///
/// # Errors
/// What is not understood.
pub fn parse(text: &str) -> Result<Vec<Condition>, FilterError> {
    parse_of(text, &OF_RUNS)
}

/// Reads a filter of things with these attributes.
///
/// # Errors
/// What is not understood.
pub fn parse_of(text: &str, attributes: &Attributes) -> Result<Vec<Condition>, FilterError> {
    let tokens = tokens(text)?;
    let mut rest = tokens.as_slice();
    let mut conditions = Vec::new();
    while !rest.is_empty() {
        if !conditions.is_empty() {
            rest = match rest {
                [Token::Word(word), after @ ..] if word.eq_ignore_ascii_case("and") => after,
                _ => return Err(FilterError("conditions are joined by AND".to_owned())),
            };
        }
        let (condition, after) = condition(rest, attributes)?;
        conditions.push(condition);
        rest = after;
        if conditions.len() > CONDITIONS_MAX {
            return Err(FilterError(format!("a filter has at most {CONDITIONS_MAX} conditions")));
        }
    }
    Ok(conditions)
}

/// Reads one `metrics.rmse DESC`.
///
/// # Errors
/// What is not understood.
pub fn parse_order(text: &str) -> Result<Order, FilterError> {
    parse_order_of(text, &OF_RUNS)
}

/// Reads one `name DESC` of things with these attributes.
///
/// # Errors
/// What is not understood.
pub fn parse_order_of(text: &str, attributes: &Attributes) -> Result<Order, FilterError> {
    let tokens = tokens(text)?;
    let (subject, rest) = subject(&tokens, attributes)?;
    let is_descending = match rest {
        [] => false,
        [Token::Word(word)] if word.eq_ignore_ascii_case("asc") => false,
        [Token::Word(word)] if word.eq_ignore_ascii_case("desc") => true,
        _ => return Err(FilterError(format!("\"{text}\" cannot be sorted by; write a field, and ASC or DESC"))),
    };
    Ok(Order { subject, is_descending })
}

fn condition<'a>(tokens: &'a [Token], attributes: &Attributes) -> Result<(Condition, &'a [Token]), FilterError> {
    let (subject, rest) = subject(tokens, attributes)?;
    let wanted = || FilterError("a field is followed by a comparator and a value".to_owned());
    let (negated, rest) = match rest {
        [Token::Word(word), after @ ..] if word.eq_ignore_ascii_case("not") => (true, after),
        _ => (false, rest),
    };
    if let [Token::Word(word), Token::Symbol("("), after @ ..] = rest
        && word.eq_ignore_ascii_case("in")
    {
        let (texts, after) = list(after)?;
        let operand = Operand::Among { texts, is_in: !negated };
        let condition = Condition { subject, comparator: Comparator::Equal, operand };
        check(&condition, attributes)?;
        return Ok((condition, after));
    }
    let (comparator, value, rest) = match rest {
        _ if negated => return Err(wanted()),
        [Token::Symbol(symbol), value, after @ ..] => (symbol_comparator(symbol).ok_or_else(wanted)?, value, after),
        [Token::Word(word), value, after @ ..] if word.eq_ignore_ascii_case("like") => (Comparator::Like, value, after),
        [Token::Word(word), value, after @ ..] if word.eq_ignore_ascii_case("ilike") => (Comparator::LikeAnyCase, value, after),
        _ => return Err(wanted()),
    };
    let operand = match value {
        Token::Number(number) => Operand::Number(*number),
        Token::Quoted(text) => Operand::Text(text.clone()),
        Token::Word(_) | Token::Symbol(_) => return Err(FilterError("a text stands in quotes".to_owned())),
    };
    let condition = Condition { subject, comparator, operand };
    check(&condition, attributes)?;
    Ok((condition, rest))
}

/// Numbers are compared with numbers, texts with texts.
fn check(condition: &Condition, attributes: &Attributes) -> Result<(), FilterError> {
    let is_number = match &condition.subject {
        Subject::Metric(_) => true,
        Subject::Attribute(name) => attributes.numbers.contains(&name.as_str()),
        Subject::Param(_) | Subject::Tag(_) => false,
    };
    let likes = matches!(condition.comparator, Comparator::Like | Comparator::LikeAnyCase);
    match (&condition.operand, is_number) {
        (Operand::Number(_), true) if !likes => Ok(()),
        (_, true) => Err(FilterError("metrics and times are compared with numbers".to_owned())),
        (Operand::Among { .. }, false) => Ok(()),
        (Operand::Text(_), false) => {
            let orders = !likes && !matches!(condition.comparator, Comparator::Equal | Comparator::Unequal);
            if orders { Err(FilterError("texts are compared with =, !=, LIKE, ILIKE or IN".to_owned())) } else { Ok(()) }
        }
        (_, false) => Err(FilterError("parameters, tags and names are compared with texts in quotes".to_owned())),
    }
}

fn subject<'a>(tokens: &'a [Token], attributes: &Attributes) -> Result<(Subject, &'a [Token]), FilterError> {
    let [first, rest @ ..] = tokens else { return Err(FilterError("a field is missing".to_owned())) };
    let Token::Word(word) = first else { return Err(FilterError("a condition begins with a field".to_owned())) };
    let (kind, key) = word.split_once('.').unwrap_or(("attributes", word));
    let (key, rest) = match (key, rest) {
        // metrics."a b" and metrics.`a b`
        ("", [Token::Quoted(key), after @ ..]) => (key.clone(), after),
        ("", _) => return Err(FilterError(format!("{word} needs a name"))),
        _ => (key.to_owned(), rest),
    };
    let subject = match kind.to_lowercase().as_str() {
        "metric" | "metrics" => Subject::Metric(key),
        "param" | "params" | "parameter" | "parameters" => Subject::Param(key),
        "tag" | "tags" => Subject::Tag(key),
        "attribute" | "attributes" | "attr" | "run" => Subject::Attribute(attribute(&key, attributes)?),
        _ => return Err(FilterError(format!("there is no {kind}; write metrics, params, tags or attributes"))),
    };
    Ok((subject, rest))
}

fn attribute(key: &str, attributes: &Attributes) -> Result<String, FilterError> {
    let sent = key.to_lowercase();
    let meant = attributes.aliases.iter().find(|(alias, _)| *alias == sent).map_or(sent.as_str(), |(_, name)| *name);
    if attributes.numbers.contains(&meant) || attributes.texts.contains(&meant) {
        return Ok(meant.to_owned());
    }
    let (texts, numbers) = (attributes.texts.join(", "), attributes.numbers.join(", "));
    Err(FilterError(format!("{} have no attribute {key}; they have {texts}, {numbers}", attributes.things)))
}

fn list(mut tokens: &[Token]) -> Result<(Vec<String>, &[Token]), FilterError> {
    let mut texts = Vec::new();
    loop {
        tokens = match tokens {
            [Token::Quoted(text), Token::Symbol(","), after @ ..] => {
                texts.push(text.clone());
                after
            }
            [Token::Quoted(text), Token::Symbol(")"), after @ ..] => {
                texts.push(text.clone());
                return Ok((texts, after));
            }
            _ => return Err(FilterError("IN is followed by texts in brackets".to_owned())),
        };
    }
}

fn symbol_comparator(symbol: &str) -> Option<Comparator> {
    Some(match symbol {
        "=" => Comparator::Equal,
        "!=" => Comparator::Unequal,
        ">" => Comparator::Greater,
        ">=" => Comparator::GreaterOrEqual,
        "<" => Comparator::Less,
        "<=" => Comparator::LessOrEqual,
        _ => return None,
    })
}

fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    const SYMBOLS: [&str; 10] = ["!=", ">=", "<=", "==", "=", ">", "<", "(", ")", ","];
    let mut found = Vec::new();
    if text.contains('\0') {
        return Err(FilterError("a filter has no NUL".to_owned()));
    }
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if matches!(first, '\'' | '"' | '`') {
            let inside = rest.get(first.len_utf8()..).unwrap_or_default();
            let (quoted, after) = inside.split_once(first).ok_or_else(|| FilterError("a quote is not closed".to_owned()))?;
            found.push(Token::Quoted(quoted.to_owned()));
            rest = after.trim_start();
            continue;
        }
        if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            found.push(Token::Symbol(if symbol == "==" { "=" } else { symbol }));
            rest = rest.get(symbol.len()..).unwrap_or_default().trim_start();
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || "'\"`!<>=(),".contains(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return Err(FilterError(format!("{first} is not understood")));
        }
        found.push(match word.parse::<f64>() {
            Ok(number) if !word.starts_with(|c: char| c.is_alphabetic()) => Token::Number(number),
            _ => Token::Word(word.to_owned()),
        });
        rest = after.trim_start();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Condition {
        let mut conditions = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(conditions.len(), 1, "{text}");
        conditions.remove(0)
    }

    #[test]
    fn conditions_are_read() {
        let rmse =
            Condition { subject: Subject::Metric("rmse".into()), comparator: Comparator::Less, operand: Operand::Number(1.5) };
        assert_eq!(one("metrics.rmse < 1.5"), rmse);
        assert_eq!(one("metric.rmse<1.5"), rmse);
        assert_eq!(one("metrics.`rmse` < 1.5"), rmse);
        assert_eq!(one("params.model = 'a tree'").operand, Operand::Text("a tree".into()));
        assert_eq!(one("tags.\"mlflow.runName\" LIKE '%x%'").subject, Subject::Tag("mlflow.runName".into()));
        assert_eq!(one("tags.mlflow.runName ilike '%x%'").comparator, Comparator::LikeAnyCase);
        assert_eq!(one("attributes.status = 'FINISHED'").subject, Subject::Attribute("status".into()));
        assert_eq!(one("start_time >= 1000").subject, Subject::Attribute("start_time".into()));
        let among = |is_in| Operand::Among { texts: vec!["a".into(), "b".into()], is_in };
        assert_eq!(one("run_id in ('a', 'b')").operand, among(true));
        assert_eq!(one("run_id NOT IN ('a','b')").operand, among(false));
        assert_eq!(parse("metrics.a > 1 AND metrics.b > -2e3 and params.c != 'd'").unwrap().len(), 3);
        assert_eq!(parse("  ").unwrap(), []);
    }

    #[test]
    fn every_kind_of_things_has_its_own_attributes() {
        let read = |text: &str, attributes: &Attributes| parse_of(text, attributes).map(|found| found[0].subject.clone());
        assert_eq!(read("name = 'x'", &OF_RUNS), Ok(Subject::Attribute("run_name".into())));
        assert_eq!(read("name = 'x'", &OF_NAMES), Ok(Subject::Attribute("name".into())));
        assert_eq!(read("version > 1", &OF_VERSIONS), Ok(Subject::Attribute("version_number".into())));
        assert_eq!(read("source_run_id = 'x'", &OF_LOGGED_MODELS), Ok(Subject::Attribute("source_run_id".into())));
        let error = read("status = 'x'", &OF_NAMES).unwrap_err().to_string();
        assert!(error.contains("registered models have no attribute status"), "{error}");
        assert!(parse_order_of("last_updated_timestamp DESC", &OF_NAMES).is_ok());
    }

    #[test]
    fn orders_are_read() {
        let order = |text: &str| parse_order(text).unwrap();
        assert_eq!(order("metrics.rmse DESC"), Order { subject: Subject::Metric("rmse".into()), is_descending: true });
        assert_eq!(
            order("attributes.start_time"),
            Order { subject: Subject::Attribute("start_time".into()), is_descending: false }
        );
        assert!(parse_order("metrics.rmse sideways").is_err());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "metrics.rmse",
            "metrics.rmse <",
            "metrics.rmse < 'x'",
            "params.a > 'x'",
            "params.a = 1",
            "metrics.a like '%'",
            "colour = 'x'",
            "things.a = 'x'",
            "metrics.a > 1 or metrics.b > 1",
            "metrics.a > 1 metrics.b > 1",
            "params.a = 'x",
            "params.a in ()",
            "params.a = x",
            "metrics. > 1",
            "metrics.a in ('1')",
            "start_time in ('1')",
            "params.a = 'x\0'",
            "'; drop table users; --",
        ] {
            assert!(parse(text).is_err(), "{text} was understood as {:?}", parse(text));
        }
    }
}
