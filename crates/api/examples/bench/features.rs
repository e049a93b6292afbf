//! Ten features of a million rows, beside pandas: `apply_million` of the features crate measures both, and compares every value.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::table::{Table, Target::AtLeast};

pub(crate) fn features(table: &mut Table) -> Result<()> {
    let program = std::env::current_exe()?.with_file_name("apply_million");
    let output = Command::new(program).output().context("`cargo xtask bench` builds apply_million beside this program")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8(output.stdout)?.lines() {
        let mut parts = line.split('\t');
        let (work, value, unit) =
            (parts.next().context("work")?, parts.next().context("a number")?, parts.next().context("a unit")?);
        table.add(work, value.parse()?, unit, (unit == "x").then_some(AtLeast(5.0)));
    }
    Ok(())
}
