//! The result: a Markdown table that can go into docs/BENCHMARKS.md as it is.

/// Rows of measured work.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    /// Adds a row: what, the number with its unit, the target, and whether it holds.
    pub(crate) fn add(&mut self, work: &str, measured: f64, unit: &str, target: Option<Target>) {
        let digits = if measured >= 100.0 { 0 } else { 2 };
        let (text, holds) = match target {
            None => ("–".to_owned(), "–"),
            Some(Target::AtMost(limit)) => (format!("<= {limit} {unit}"), if measured <= limit { "yes" } else { "**no**" }),
            Some(Target::AtLeast(limit)) => (format!(">= {limit} {unit}"), if measured >= limit { "yes" } else { "**no**" }),
        };
        println!("{work}: {measured:.digits$} {unit}");
        self.rows.push([work.to_owned(), format!("{measured:.digits$} {unit}"), text, holds.to_owned()]);
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        println!("\n| work | measured | target | holds |\n|---|---|---|---|");
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

/// What a number should be.
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// A percentile of samples, by the nearest rank.
pub(crate) fn percentile(samples: &mut [f64], percent: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * samples.len() as f64).ceil() as usize;
    samples[rank.clamp(1, samples.len()) - 1]
}
