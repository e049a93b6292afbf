//! How sure an answer is. Pure functions over evidence.
//!
//! What the model says of itself is where it starts and never where it ends: a model that is always "95 % sure" gets
//! 0.95 only for a statement that needed no mending, over tables that the question's words point to, through joins that
//! the names and values bear out, and, where several statements were tried, with the same result from all of them.
//!
//! ```text
//! c = min(model, 0.97)                                    0.7 when it says nothing
//!   × (1 − 0.03 · min(names that had to be quoted, 3))
//!   × 0.85 when only the compact form succeeded
//!   × 0.9  when the statement reads a table that the plan did not name
//!   × (0.7 + 0.3 · least sure join)                       1 without joins
//!   × (0.9 + 0.1 · share of the question's words found in the tables that it reads)
//! several statements that ran, a = share with the chosen result:
//!   a = 1: c + 0.3 · (1 − c)     else: c × (0.4 + 0.4 · a)
//! no row fits, because a value is asked for that its column does not have: × 0.6
//! mended after a failure: min(c, 0.6)
//! ```

use gristmill_domain::nl::{NlConfidenceMode, NlReliabilityTier, NlWarningLevel};

/// What is known of how an answer came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// How sure the model says that it is, 0..1.
    pub stated: Option<f64>,
    /// Names that had to be quoted.
    pub names_quoted: u32,
    /// Whether only the compact form succeeded.
    pub compact: bool,
    /// Whether the statement reads a table that was not planned.
    pub unplanned_tables: bool,
    /// The confidence of the least sure join; absent without joins.
    pub join_least: Option<f64>,
    /// Share of the question's words that were found in the tables that it reads, 0..1.
    pub words_found: f64,
    /// Of several statements that ran, the share that gave the chosen result; absent when only one ran.
    pub agreement: Option<f64>,
    /// Whether it asks for a value that its column does not have.
    pub no_such_value: bool,
    /// Whether it was mended after it had failed.
    pub repaired: bool,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            stated: None,
            names_quoted: 0,
            compact: false,
            unplanned_tables: false,
            join_least: None,
            words_found: 1.0,
            agreement: None,
            no_such_value: false,
            repaired: false,
        }
    }
}

const STATED_MAX: f64 = 0.97;
const STATED_DEFAULT: f64 = 0.7;
const REPAIRED_MAX: f64 = 0.6;

/// How sure an answer is, 0..1, three decimals. The formula is at the head of the module.
#[must_use]
pub fn confidence(evidence: &Evidence) -> f64 {
    let mut c = evidence.stated.filter(|stated| stated.is_finite()).unwrap_or(STATED_DEFAULT).clamp(0.0, STATED_MAX);
    c *= 1.0 - 0.03 * f64::from(evidence.names_quoted.min(3));
    if evidence.compact {
        c *= 0.85;
    }
    if evidence.unplanned_tables {
        c *= 0.9;
    }
    if let Some(least) = evidence.join_least {
        c *= 0.7 + 0.3 * least.clamp(0.0, 1.0);
    }
    c *= 0.9 + 0.1 * evidence.words_found.clamp(0.0, 1.0);
    if let Some(agreement) = evidence.agreement {
        c = if agreement >= 1.0 { c + 0.3 * (1.0 - c) } else { c * (0.4 + 0.4 * agreement.clamp(0.0, 1.0)) };
    }
    if evidence.no_such_value {
        c *= 0.6;
    }
    if evidence.repaired {
        c = c.min(REPAIRED_MAX);
    }
    (c * 1000.0).round() / 1000.0
}

/// Words that make an assumption a guess.
const HEDGES: &[&str] = &[
    "assum",
    "infer",
    "guess",
    "may ",
    "might",
    "likely",
    "unclear",
    "unknown",
    "approx",
    "estimat",
    "probabl",
    "perhaps",
    "not sure",
    "ambiguous",
];
const JOIN_DOUBTFUL: f64 = 0.6;

/// How far an answer should be looked at (contract 1, section 11.4). `warn_below` is the setting
/// `NL2SQL_WARN_CONFIDENCE_THRESHOLD`, 0.72 by default.
#[must_use]
pub fn warning_level(confidence: f64, joins: &[f64], assumptions: &[String], warn_below: f64) -> NlWarningLevel {
    let doubtful_joins = joins.iter().filter(|join| **join < JOIN_DOUBTFUL).count();
    let guesses = assumptions.iter().filter(|assumption| is_guess(assumption)).count();
    if confidence < 0.45 || doubtful_joins >= 2 || guesses >= 3 {
        NlWarningLevel::High
    } else if confidence < warn_below || doubtful_joins >= 1 || guesses >= 2 {
        NlWarningLevel::Medium
    } else if confidence >= 0.9 && guesses <= 1 {
        NlWarningLevel::None
    } else if confidence < 0.85 || guesses >= 1 {
        NlWarningLevel::Low
    } else {
        NlWarningLevel::None
    }
}

fn is_guess(assumption: &str) -> bool {
    let lower = format!("{} ", assumption.to_lowercase());
    HEDGES.iter().any(|hedge| lower.contains(hedge))
}

/// How reliable an answer is (contract 1, section 11.4).
#[must_use]
pub fn reliability_tier(mode: NlConfidenceMode, level: NlWarningLevel) -> NlReliabilityTier {
    match (mode, level) {
        (NlConfidenceMode::Model, NlWarningLevel::None) => NlReliabilityTier::High,
        (NlConfidenceMode::Model, NlWarningLevel::Low)
        | (NlConfidenceMode::Repair, NlWarningLevel::None | NlWarningLevel::Low) => NlReliabilityTier::Medium,
        _ => NlReliabilityTier::Low,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(left: f64, right: f64) {
        assert!((left - right).abs() < 0.0011, "{left} is not {right}");
    }

    #[test]
    fn the_formula_is_what_it_says() {
        near(confidence(&Evidence::default()), 0.7);
        near(confidence(&Evidence { stated: Some(1.0), ..Evidence::default() }), 0.97);
        near(confidence(&Evidence { stated: Some(0.9), names_quoted: 5, ..Evidence::default() }), 0.9 * 0.91);
        near(
            confidence(&Evidence { stated: Some(0.9), compact: true, unplanned_tables: true, ..Evidence::default() }),
            0.9 * 0.85 * 0.9,
        );
        near(
            confidence(&Evidence { stated: Some(0.9), join_least: Some(0.5), words_found: 0.0, ..Evidence::default() }),
            0.9 * 0.85 * 0.9,
        );
        near(confidence(&Evidence { stated: Some(0.8), agreement: Some(1.0), ..Evidence::default() }), 0.86);
        near(confidence(&Evidence { stated: Some(0.8), agreement: Some(0.5), ..Evidence::default() }), 0.48);
        near(confidence(&Evidence { stated: Some(0.8), repaired: true, ..Evidence::default() }), 0.6);
        near(confidence(&Evidence { stated: Some(0.8), no_such_value: true, ..Evidence::default() }), 0.48);
        near(confidence(&Evidence { stated: Some(f64::NAN), ..Evidence::default() }), 0.7);
    }

    #[test]
    fn levels_follow_the_contract() {
        use NlWarningLevel::{High, Low, Medium, None};
        let guess = |n: usize| vec!["This might be the gross amount".to_owned(); n];
        for (c, joins, guesses, expected) in [
            (0.95, vec![], 0, None),
            (0.95, vec![], 1, None),
            (0.95, vec![], 2, Medium),
            (0.95, vec![], 3, High),
            (0.87, vec![], 0, None),
            (0.87, vec![], 1, Low),
            (0.84, vec![], 0, Low),
            (0.71, vec![], 0, Medium),
            (0.44, vec![], 0, High),
            (0.95, vec![0.5], 0, Medium),
            (0.95, vec![0.5, 0.59], 0, High),
            (0.95, vec![0.6, 0.9], 0, None),
        ] {
            assert_eq!(warning_level(c, &joins, &guess(guesses), 0.72), expected, "{c} {joins:?} {guesses}");
        }
        assert_eq!(warning_level(0.95, &[], &["Counts all rows".into(), "Uses order_date".into()], 0.72), None);
    }

    #[test]
    fn tiers_follow_the_contract() {
        use NlConfidenceMode::{Model, Repair};
        use NlWarningLevel::{High, Low, Medium, None};
        let tier = |mode, level| reliability_tier(mode, level);
        assert_eq!(
            [tier(Model, None), tier(Model, Low), tier(Model, Medium), tier(Model, High)],
            [NlReliabilityTier::High, NlReliabilityTier::Medium, NlReliabilityTier::Low, NlReliabilityTier::Low]
        );
        assert_eq!(
            [tier(Repair, None), tier(Repair, Low), tier(Repair, Medium)],
            [NlReliabilityTier::Medium, NlReliabilityTier::Medium, NlReliabilityTier::Low]
        );
    }

    proptest! {
        #[test]
        fn it_is_a_share_whatever_the_evidence(
            stated in proptest::option::of(-2.0_f64..200.0), names_quoted in 0_u32..9, compact: bool, unplanned_tables: bool,
            join_least in proptest::option::of(-1.0_f64..2.0), words_found in -1.0_f64..2.0,
            agreement in proptest::option::of(0.0_f64..=1.0), no_such_value: bool, repaired: bool,
        ) {
            let evidence = Evidence {
                stated, names_quoted, compact, unplanned_tables, join_least, words_found, agreement, no_such_value, repaired,
            };
            prop_assert!((0.0..=1.0).contains(&confidence(&evidence)));
        }
    }
}
