//! Bare polars and bare DataFusion on the same file in the same run: what the engines alone take.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{table::Table, work::KINDS};

/// The version of the PyPI wheel that is measured.
const POLARS: &str = "polars==2.1.0";

/// DataFusion without the server, in a program of the query crate.
pub(crate) fn datafusion(table: &mut Table, parquet: &Path) -> Result<()> {
    let program = std::env::current_exe()?.with_file_name("bench_sql");
    for (name, sql, _) in KINDS {
        let output = Command::new(&program)
            .arg(parquet)
            .arg(sql)
            .output()
            .context("cargo build --release -p gristmill-query --example bench_sql")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in String::from_utf8(output.stdout)?.lines() {
            if let Some((who, ms)) = line.split_once('\t') {
                table.add(&format!("SQL {name}, {who}, p50"), ms.trim().parse()?, "ms", None);
            }
        }
    }
    Ok(())
}

/// polars from its wheel: the CSV to Parquet, and the same questions to the same Parquet file.
pub(crate) fn polars(table: &mut Table, csv: &Path, parquet: &Path) -> Result<()> {
    let output =
        Command::new(python_with("polars", &[POLARS])?).arg("-c").arg(include_str!("peers.py")).arg(csv).arg(parquet).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8(output.stdout)?.lines() {
        let mut parts = line.split('\t');
        let (work, value, unit) =
            (parts.next().context("work")?, parts.next().context("a number")?, parts.next().context("a unit")?);
        table.add(work, value.parse()?, unit, None);
    }
    Ok(())
}

/// A Python of its own that has these packages, made when missing.
pub(crate) fn python_with(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let home = std::env::var("HOME").context("HOME")?;
    let directory = Path::new(&home).join(".cache/gristmill/bench").join(name);
    let (python, whole) = (directory.join("bin/python"), directory.join("whole"));
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&whole).ok().as_deref() != Some(&wanted) {
        println!("fetching {} from PyPI …", packages.join(", "));
        ensure!(Command::new("python3.11").args(["-m", "venv", "--clear"]).arg(&directory).status()?.success(), "venv failed");
        ensure!(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages).status()?.success(), "pip failed");
        std::fs::write(whole, wanted)?;
    }
    Ok(python)
}
