//! `bench`: the benchmarks of DESIGN section 5.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    server::{self, Profile},
    shell::{run, step},
};

/// Builds for speed and runs the benchmarks, all or one.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    if arguments.len() > 1 {
        bail!("bench takes one name at most");
    }
    let programs = step("build for speed (the first time takes long)", || server::build(Profile::Release, "bench"))?;
    step("set up what is missing", || server::set_up(&programs.server, &[]))?;
    step("benchmarks", || run(Command::new(&programs.example).args(arguments).env("GRISTMILL_BIN", &programs.server)))
}
