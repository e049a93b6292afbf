//! `demo` and `start`: from a clone to a server that works.

use std::{
    fs,
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    server::{self, Profile, Programs, Running},
    shell::{root, run, run_keeping, seconds, step, target_dir},
};

/// Builds, starts a server on a throwaway data directory and drives the main job through it.
pub(crate) fn demo(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("demo takes no arguments, and got `{argument}`");
    }
    let start = Instant::now();
    let programs = step("build (the first time takes minutes)", || server::build(Profile::Dev, "demo"))?;
    step("set up what is missing", || server::set_up(&programs.server, &[]))?;
    let (_, result) = rehearse(&programs, &[])?;
    if result.is_ok() {
        println!("\nThe demo took {}. Its server, its account and its data are gone again. Go on with", seconds(start.elapsed()));
        println!("  cargo xtask start    a server on ./.gristmill that stays; it prints its URL");
        println!("  <URL>/api/docs       what it can do; <URL>/api/openapi.json is the same for programs");
        println!("There are no accounts yet. The first step is to make one, and its answer has the access token:");
        println!("  curl -H 'Content-Type: application/json' <URL>/api/auth/register \\");
        println!("    -d '{{\"email\":\"you@example.org\",\"name\":\"You\",\"password\":\"at least eight characters\"}}'");
    }
    result
}

/// Drives the main job through a server with these settings and a throwaway data directory. What the driver closed with, and
/// how it went.
pub(crate) fn rehearse(programs: &Programs, settings: &[(&str, String)]) -> Result<(Vec<String>, Result<()>)> {
    let data_dir = throwaway_dir("demo")?;
    let mut closing = Vec::new();
    let result = drive(programs, settings, &data_dir, &mut closing);
    match &result {
        Ok(()) => fs::remove_dir_all(&data_dir)?,
        Err(_) => println!("\nThe data and the server's log were kept in {}", data_dir.display()),
    }
    Ok((closing, result))
}

fn drive(programs: &Programs, settings: &[(&str, String)], data_dir: &Path, closing: &mut Vec<String>) -> Result<()> {
    let running = step("start the server", || {
        let mut running = Running::start(&programs.server, data_dir, server::free_port()?, settings)?;
        running.wait_until_ready()?;
        Ok(running)
    })?;
    let driven = step("drive the main job", || {
        // Beside the throwaway directory: what a person may want to look at stays.
        let out = data_dir.parent().unwrap_or(data_dir);
        let mut driver = Command::new(&programs.example);
        let (lines, driven) = run_keeping(driver.args(["--url", &running.url(), "--out"]).arg(out), is_closing)?;
        closing.extend(lines);
        driven.with_context(|| format!("the end of the server's log:\n{}\n", running.log_tail()))
    });
    let stopped = step("stop the server", || running.stop());
    driven.and(stopped)
}

/// Whether a line says that the driver saw everything work.
fn is_closing(line: &str) -> bool {
    line.starts_with("Everything worked")
}

/// A directory under the target directory: on a real disk, and gone with `cargo clean` at the latest. One of the same name
/// that failed before in this process makes way.
pub(crate) fn throwaway_dir(name: &str) -> Result<PathBuf> {
    let parent = target_dir()?.join("gristmill-demo");
    fs::create_dir_all(&parent)?;
    let ours = format!("{}-{name}", std::process::id());
    for entry in fs::read_dir(&parent)?.flatten() {
        let directory = entry.file_name().to_string_lossy().into_owned();
        // What an interrupted demo left, named by its process.
        let process = directory.split('-').next().unwrap_or_default();
        if directory == ours || !Path::new("/proc").join(process).exists() {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
    let directory = parent.join(ours);
    fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// Builds, sets up, and becomes `gristmill serve`.
pub(crate) fn start(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("start takes no arguments, and got `{argument}`; settings come from the environment");
    }
    let programs = step("build (the first time takes minutes)", || server::build(Profile::Dev, "demo"))?;
    step("set up what is missing", || server::set_up(&programs.server, &[]))?;
    let host = std::env::var("HOST").unwrap_or_else(|_| "127.0.0.1".into());
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into());
    // A server on every address is reached by this one.
    let reached = if matches!(host.as_str(), "0.0.0.0" | "::") { "127.0.0.1" } else { host.as_str() };
    println!("==> serve");
    // In the background of a shell that ends, so that the server does not inherit a child that it does not know.
    run(Command::new("sh")
        .args(["-c", "\"$0\" announce \"$1\" \"$2\" &"])
        .arg(std::env::current_exe()?)
        .args([format!("{reached}:{port}"), std::process::id().to_string()]))?;
    let mut command = Command::new(&programs.server);
    command.arg("serve").current_dir(root());
    if std::env::var_os("GRISTMILL_DATA_DIR").is_none() {
        command.env("GRISTMILL_DATA_DIR", root().join(".gristmill"));
    }
    // The server takes our place, so that Ctrl-C and SIGTERM reach it and our caller waits for it.
    Err(command.exec()).with_context(|| format!("cannot start {}", programs.server.display()))
}

/// Waits beside a server that is starting, and prints its URL once it is healthy.
pub(crate) fn announce(arguments: &[String]) -> Result<()> {
    let [address, server] = arguments else { bail!("announce needs the address and the process id of the server") };
    let Ok(address) = address.replace("localhost", "127.0.0.1").parse::<SocketAddr>() else {
        println!("    the server will answer at http://{address}");
        return Ok(());
    };
    let start = Instant::now();
    while Path::new("/proc").join(server).exists() {
        if server::is_healthy(address) {
            println!("\nGristmill is ready at http://{address} (after {}). Ctrl-C stops it.", seconds(start.elapsed()));
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
