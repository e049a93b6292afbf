//! The templates of dates and times, split into patterns and plain text.

/// A pattern of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    Hour24,
    Hour12,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    SecondsOfDay,
    /// `AM`, `PM`, with or without points.
    Half {
        upper: bool,
        dots: bool,
    },
    Year {
        digits: u8,
        comma: bool,
    },
    IsoYear {
        digits: u8,
    },
    Era {
        upper: bool,
        dots: bool,
    },
    MonthName(Case),
    MonthShort(Case),
    Month,
    DayName(Case),
    DayShort(Case),
    DayOfYear,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    IsoDayOfYear,
    WeekOfMonth,
    WeekOfYear,
    IsoWeek,
    Century,
    Julian,
    Quarter,
    MonthRoman {
        upper: bool,
    },
    Zone {
        upper: bool,
    },
    Offset,
}

/// The case of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Capital,
    Lower,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Pattern {
        pattern: Pattern,
        /// `FM`: no padding.
        fill: bool,
        /// `TH` or `th` behind it.
        ordinal: Option<bool>,
    },
}

/// Longest first where one begins another.
const PATTERNS: &[(&str, Pattern)] = &[
    ("HH24", Pattern::Hour24),
    ("HH12", Pattern::Hour12),
    ("HH", Pattern::Hour12),
    ("MI", Pattern::Minute),
    ("SSSSS", Pattern::SecondsOfDay),
    ("SSSS", Pattern::SecondsOfDay),
    ("SS", Pattern::Second),
    ("MS", Pattern::Millisecond),
    ("US", Pattern::Microsecond),
    ("A.M.", Pattern::Half { upper: true, dots: true }),
    ("P.M.", Pattern::Half { upper: true, dots: true }),
    ("AM", Pattern::Half { upper: true, dots: false }),
    ("PM", Pattern::Half { upper: true, dots: false }),
    ("Y,YYY", Pattern::Year { digits: 4, comma: true }),
    ("YYYY", Pattern::Year { digits: 4, comma: false }),
    ("YYY", Pattern::Year { digits: 3, comma: false }),
    ("YY", Pattern::Year { digits: 2, comma: false }),
    ("Y", Pattern::Year { digits: 1, comma: false }),
    ("IYYY", Pattern::IsoYear { digits: 4 }),
    ("IYY", Pattern::IsoYear { digits: 3 }),
    ("IY", Pattern::IsoYear { digits: 2 }),
    ("IDDD", Pattern::IsoDayOfYear),
    ("ID", Pattern::IsoDayOfWeek),
    ("IW", Pattern::IsoWeek),
    ("I", Pattern::IsoYear { digits: 1 }),
    ("B.C.", Pattern::Era { upper: true, dots: true }),
    ("A.D.", Pattern::Era { upper: true, dots: true }),
    ("BC", Pattern::Era { upper: true, dots: false }),
    ("AD", Pattern::Era { upper: true, dots: false }),
    ("MONTH", Pattern::MonthName(Case::Upper)),
    ("MON", Pattern::MonthShort(Case::Upper)),
    ("MM", Pattern::Month),
    ("DAY", Pattern::DayName(Case::Upper)),
    ("DY", Pattern::DayShort(Case::Upper)),
    ("DDD", Pattern::DayOfYear),
    ("DD", Pattern::Day),
    ("D", Pattern::DayOfWeek),
    ("WW", Pattern::WeekOfYear),
    ("W", Pattern::WeekOfMonth),
    ("CC", Pattern::Century),
    ("J", Pattern::Julian),
    ("Q", Pattern::Quarter),
    ("RM", Pattern::MonthRoman { upper: true }),
    ("TZH", Pattern::Offset),
    ("TZ", Pattern::Zone { upper: true }),
    ("OF", Pattern::Offset),
];

/// Splits a template.
pub(super) fn parse(template: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    let mut fill = false;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let inner = rest.get(1..).unwrap_or_default();
            let end = inner.find('"').unwrap_or(inner.len());
            text.push_str(inner.get(..end).unwrap_or_default());
            rest = inner.get(end + 1..).unwrap_or_default();
            continue;
        }
        if starts(rest, "FM") {
            fill = true;
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        if starts(rest, "FX") || starts(rest, "TM") {
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        if let Some((name, pattern)) = PATTERNS.iter().find(|(name, _)| starts(rest, name)) {
            let written = rest.get(..name.len()).unwrap_or_default();
            rest = rest.get(name.len()..).unwrap_or_default();
            let ordinal = starts(rest, "TH").then(|| rest.starts_with("TH"));
            if ordinal.is_some() {
                rest = rest.get(2..).unwrap_or_default();
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Pattern { pattern: cased(*pattern, written), fill, ordinal });
            fill = false;
            continue;
        }
        let skip = if first == '\\' { rest.chars().nth(1).unwrap_or(first) } else { first };
        text.push(skip);
        let width = if first == '\\' { 1 + skip.len_utf8() } else { first.len_utf8() };
        rest = rest.get(width..).unwrap_or_default();
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

fn starts(text: &str, name: &str) -> bool {
    text.get(..name.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(name))
}

/// Names are written in the case of their pattern.
fn cased(pattern: Pattern, written: &str) -> Pattern {
    let upper = written.starts_with(|first: char| first.is_ascii_uppercase());
    let case = match (upper, written.chars().nth(1).is_some_and(|second| second.is_ascii_uppercase())) {
        (true, true) => Case::Upper,
        (true, false) => Case::Capital,
        (false, _) => Case::Lower,
    };
    match pattern {
        Pattern::MonthName(_) => Pattern::MonthName(case),
        Pattern::MonthShort(_) => Pattern::MonthShort(case),
        Pattern::DayName(_) => Pattern::DayName(case),
        Pattern::DayShort(_) => Pattern::DayShort(case),
        Pattern::Half { dots, .. } => Pattern::Half { upper, dots },
        Pattern::Era { dots, .. } => Pattern::Era { upper, dots },
        Pattern::MonthRoman { .. } => Pattern::MonthRoman { upper },
        Pattern::Zone { .. } => Pattern::Zone { upper },
        other => other,
    }
}
