//! The table at the end, and whether the script fared as it must.

use super::{
    measure::Measures,
    session::Seen,
    set::{Phase, Set},
};

/// How a phase of a set went.
pub(crate) struct Row {
    pub(crate) set: String,
    pub(crate) phase: Phase,
    /// What came of it, or why nothing did.
    pub(crate) outcome: Result<String, String>,
    pub(crate) measures: Measures,
    /// What is otherwise than the script has it.
    pub(crate) faults: Vec<String>,
}

impl Row {
    /// Everything that is wrong with it, in a line.
    pub(crate) fn fault(&self) -> Option<String> {
        let failed = self.outcome.as_ref().err().map(|why| format!("failed: {why}"));
        let all: Vec<String> = failed.into_iter().chain(self.faults.iter().cloned()).collect();
        (!all.is_empty()).then(|| format!("{} {}: {}", self.set, self.phase.as_str(), all.join("; ")))
    }
}

/// What is otherwise than the script has it.
pub(crate) fn unlike_script(seen: &Seen, measures: &Measures, set: &Set) -> Vec<String> {
    let Some(expected) = set.scripted.get(&seen.phase) else { return Vec::new() };
    let counts = [
        ("repairs", measures.repairs, expected.repairs),
        ("approvals", measures.approvals, expected.approvals),
        ("claims that were not believed", measures.disbelieved, expected.disbelieved),
    ];
    let unlike = counts.into_iter().filter(|(_, found, wanted)| found != wanted);
    let mut faults: Vec<String> = unlike.map(|(what, found, wanted)| format!("{found} {what}, not {wanted}")).collect();
    if expected.rows.is_some() && expected.rows != seen.rows {
        faults.push(format!("rows: {:?}, not {:?}", seen.rows, expected.rows));
    }
    if !expected.columns.is_empty() && expected.columns != seen.columns {
        faults.push(format!("columns: {:?}, not {:?}", seen.columns, expected.columns));
    }
    faults
}

/// Prints all rows as a table.
pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n{:<16} {:<20} {:<8} {:>5} {:>7} {:>9} {:>11} {:>8} {:>8} {:>7}  what the server has",
        "set", "phase", "success", "steps", "repairs", "approvals", "disbelieved", "tokens", "cost $", "time s"
    );
    for row in rows {
        let Measures { steps, repairs, approvals, disbelieved, tokens, cost, took } = &row.measures;
        let (success, found) = match &row.outcome {
            Ok(found) => ("yes", found),
            Err(why) => ("NO", why),
        };
        let cost = cost.map_or_else(|| "-".to_owned(), |cost| format!("{cost:.4}"));
        let name = format!("{:<16} {:<20}", row.set, row.phase.as_str());
        let seconds = took.as_secs_f64();
        let found = found.lines().next().unwrap_or_default();
        let counts = format!("{steps:>5} {repairs:>7} {approvals:>9} {disbelieved:>11}");
        println!("{name} {success:<8} {counts} {tokens:>8.0} {cost:>8} {seconds:>7.1}  {found}");
    }
    let done = rows.iter().filter(|row| row.outcome.is_ok()).count();
    let answering = rows.iter().filter(|row| row.phase == Phase::Deployment && row.outcome.is_ok()).count();
    println!("In all: {done} of {} phases went well, {answering} deployed models answer", rows.len());
}
