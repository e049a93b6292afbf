//! The Model Context Protocol's own test suite, against our server. npm installs it, and the Node.js that it needs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    server::{self, Running},
    shell::{root, run_keeping, step, target_dir},
    typescript,
};

fn directory() -> PathBuf {
    root().join("xtask/mcp")
}

/// Runs the suite in every revision that the server speaks, and returns how each closed.
pub(crate) fn test(server: &Path) -> Result<(Vec<String>, Result<()>)> {
    typescript::install_into(&directory())?;
    let node = node()?;
    let data_dir = target_dir()?.join("gristmill-mcp");
    if data_dir.exists() {
        // What a failure kept.
        fs::remove_dir_all(&data_dir)?;
    }
    let (port, proxy) = (server::free_port()?, server::free_port()?);
    let settings = [
        ("GRISTMILL_MCP_FIXTURES", "true".to_owned()),
        // The suite has no token: what it speaks to adds one. Pages from there may ask, others may not.
        ("ALLOWED_ORIGINS", format!("http://127.0.0.1:{proxy}")),
        // None of its tools runs code.
        ("RUNTIME_BACKEND", "process".to_owned()),
        ("EXECUTION_POOL_SIZE", "0".to_owned()),
    ];
    let running = step("start the server", || {
        let mut running = Running::start(server, &data_dir, port, &settings)?;
        running.wait_until_ready()?;
        Ok(running)
    })?;
    let mut suite = Command::new(node);
    suite.arg("run.mjs").args([running.url(), proxy.to_string()]).current_dir(directory());
    let (lines, outcome) = run_keeping(&mut suite, is_closing)?;
    let outcome = outcome.with_context(|| format!("the end of the server's log:\n{}\n", running.log_tail()));
    let stopped = step("stop the server", || running.stop());
    let outcome = outcome.and(stopped);
    if outcome.is_ok() {
        fs::remove_dir_all(&data_dir)?;
    }
    Ok((lines, outcome))
}

/// The Node.js of the lock file: the suite needs a newer one than the TypeScript client.
fn node() -> Result<PathBuf> {
    let platform = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("there is no Node.js in xtask/mcp for {other}"),
    };
    let node = directory().join(format!("node_modules/node-linux-{platform}/bin/node"));
    if !node.is_file() {
        bail!("npm installed no {}", node.display());
    }
    Ok(node)
}

/// Whether a line says how a revision closed.
fn is_closing(line: &str) -> bool {
    line.starts_with("MCP 20") && line.contains(" passed, ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_recognised() {
        assert!(is_closing("MCP 2025-11-25: 60 passed, 0 failed"));
        assert!(is_closing("MCP 2026-07-28: 1 passed, 2 failed (something required failed)"));
        assert!(!is_closing("Total: 60 passed, 0 failed"));
        assert!(!is_closing("MCP 2025-11-25: no total"));
    }
}
