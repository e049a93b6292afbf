//! MLflow's filters and orders over what is in memory: for lists that are short. PostgreSQL does the same for runs.

use std::cmp::Ordering;

use super::filter::{Comparator, Condition, Operand, Order, Subject};

/// What a thing has for a subject.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A number; NaN is none.
    Number(f64),
    /// A text.
    Text(String),
}

/// Whether every condition holds. What a thing does not have meets no condition.
pub fn holds(conditions: &[Condition], fact: impl Fn(&Subject) -> Option<Fact>) -> bool {
    conditions.iter().all(|condition| fact(&condition.subject).is_some_and(|fact| meets(&fact, condition)))
}

/// Which of two things comes first. What has no fact comes last, whatever the direction.
pub fn compare(orders: &[Order], one: impl Fn(&Subject) -> Option<Fact>, other: impl Fn(&Subject) -> Option<Fact>) -> Ordering {
    let known = |fact: Option<Fact>| fact.filter(|fact| !matches!(fact, Fact::Number(number) if number.is_nan()));
    for order in orders {
        let ordering = match (known(one(&order.subject)), known(other(&order.subject))) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) => {
                let ascending = match (one, other) {
                    (Fact::Number(one), Fact::Number(other)) => one.total_cmp(&other),
                    (Fact::Text(one), Fact::Text(other)) => one.cmp(&other),
                    (Fact::Number(_), Fact::Text(_)) => Ordering::Less,
                    (Fact::Text(_), Fact::Number(_)) => Ordering::Greater,
                };
                if order.is_descending { ascending.reverse() } else { ascending }
            }
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

fn meets(fact: &Fact, condition: &Condition) -> bool {
    match (fact, &condition.operand, condition.comparator) {
        (Fact::Number(number), Operand::Number(_), _) if number.is_nan() => false,
        (Fact::Number(number), Operand::Number(wanted), comparator) => match comparator {
            Comparator::Equal => number == wanted,
            Comparator::Unequal => number != wanted,
            Comparator::Greater => number > wanted,
            Comparator::GreaterOrEqual => number >= wanted,
            Comparator::Less => number < wanted,
            Comparator::LessOrEqual => number <= wanted,
            Comparator::Like | Comparator::LikeAnyCase => false,
        },
        (Fact::Text(text), Operand::Among { texts, is_in }, _) => texts.contains(text) == *is_in,
        (Fact::Text(text), Operand::Text(wanted), comparator) => match comparator {
            Comparator::Equal => text == wanted,
            Comparator::Unequal => text != wanted,
            Comparator::Like => like(text, wanted),
            Comparator::LikeAnyCase => like(&text.to_lowercase(), &wanted.to_lowercase()),
            _ => false,
        },
        _ => false,
    }
}

/// SQL's LIKE: `%` is any text, `_` any character; nothing escapes them.
fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Whether the pattern so far matches so many characters.
    let mut matched = vec![false; text.len() + 1];
    if let Some(first) = matched.first_mut() {
        *first = true;
    }
    for sign in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        if sign == '%' {
            let mut any = false;
            for (slot, before) in next.iter_mut().zip(&matched) {
                any |= before;
                *slot = any;
            }
        } else {
            for ((slot, before), character) in next.iter_mut().skip(1).zip(&matched).zip(&text) {
                *slot = *before && (sign == '_' || sign == *character);
            }
        }
        matched = next;
    }
    matched.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracking::filter::{OF_NAMES, parse, parse_order_of};

    #[test]
    fn like_is_like_sql_s() {
        for (value, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "a%c", true),
            ("abc", "%", true),
            ("abc", "b%", false),
            ("aXbYc", "a%b%c", true),
            ("abab", "%ab", true),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("größe", "gr__e", true),
            ("a%", "a\\%", false),
            ("", "%", true),
            ("", "_", false),
            ("", "", true),
        ] {
            assert_eq!(like(value, pattern), expected, "{value} like {pattern}");
        }
    }

    #[test]
    fn what_a_thing_does_not_have_meets_nothing() {
        let fact = |subject: &Subject| match subject {
            Subject::Metric(key) if key == "a" => Some(Fact::Number(1.0)),
            Subject::Metric(key) if key == "nan" => Some(Fact::Number(f64::NAN)),
            Subject::Param(_) => Some(Fact::Text("Tree".into())),
            _ => None,
        };
        for (filter, expected) in [
            ("metrics.a >= 1 and params.k ilike 'tr%'", true),
            ("metrics.a > 1", false),
            ("metrics.b != 7", false),
            ("metrics.nan != 7", false),
            ("params.k like 'tr%'", false),
            ("params.k not in ('a', 'b')", true),
            ("tags.k != 'x'", false),
        ] {
            assert_eq!(holds(&parse(filter).unwrap(), fact), expected, "{filter}");
        }
    }

    #[test]
    fn what_has_no_fact_comes_last() {
        let order = |text: &str| [parse_order_of(text, &OF_NAMES).unwrap()];
        let number = |number: f64| move |_: &Subject| Some(Fact::Number(number));
        let none = |_: &Subject| None;
        for direction in ["ASC", "DESC"] {
            let order = order(&format!("creation_timestamp {direction}"));
            assert_eq!(compare(&order, none, number(1.0)), Ordering::Greater);
            assert_eq!(compare(&order, number(f64::NAN), number(1.0)), Ordering::Greater);
        }
        assert_eq!(compare(&order("creation_timestamp DESC"), number(2.0), number(1.0)), Ordering::Less);
        assert_eq!(compare(&[], number(2.0), number(1.0)), Ordering::Equal);
    }
}
