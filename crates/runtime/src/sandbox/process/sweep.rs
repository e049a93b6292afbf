//! Ending what a server left behind that was killed.

use std::{collections::BTreeSet, fs, io, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use super::{super::instance::Instance, cgroup::Cgroups, command::MARKER};

const GONE_TRIES_MAX: usize = 500;
const GONE_PERIOD: Duration = Duration::from_millis(10);

/// Ends the sandboxes of this owner that a server started which runs no more, and removes their groups. Returns how many
/// there were.
pub(crate) async fn sweep(owner: &str, instance: &Instance, cgroups: &Cgroups) -> io::Result<usize> {
    let mut swept = BTreeSet::new();
    let mut processes = BTreeSet::new();
    for (process, name) in marked(owner) {
        if left_behind(instance, &name) {
            swept.insert(name);
            processes.insert(process);
        }
    }
    let groups = cgroups.existing();
    let old: Vec<_> = groups.into_iter().filter(|(name, _)| left_behind(instance, name)).collect();
    for (name, group) in &old {
        processes.extend(group.processes());
        swept.insert(name.clone());
    }
    for process in &processes {
        if let Some(pid) = i32::try_from(*process).ok().and_then(Pid::from_raw) {
            // It may have ended by itself meanwhile.
            let _gone = kill_process(pid, Signal::KILL);
        }
    }
    wait_until_gone(&processes).await?;
    for (_, group) in &old {
        remove(group).await?;
    }
    Ok(swept.len())
}

/// Whether `<instance>-<id>` is a sandbox that nobody watches over.
fn left_behind(own: &Instance, name: &str) -> bool {
    let instance = name.split_once('-').map_or(name, |(instance, _)| instance);
    !own.is_alive(instance)
}

async fn wait_until_gone(processes: &BTreeSet<u32>) -> io::Result<()> {
    for _ in 0..GONE_TRIES_MAX {
        if processes.iter().all(|process| gone(*process)) {
            return Ok(());
        }
        tokio::time::sleep(GONE_PERIOD).await;
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "old sandboxes do not end"))
}

async fn remove(group: &super::cgroup::CgroupSet) -> io::Result<()> {
    let mut last = Ok(());
    for _ in 0..GONE_TRIES_MAX {
        last = group.remove();
        match &last {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => tokio::time::sleep(GONE_PERIOD).await,
            _ => break,
        }
    }
    last
}

/// A process that nobody has waited for yet is as good as gone.
fn gone(process: u32) -> bool {
    match fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])),
        Err(_) => true,
    }
}

/// The bubblewrap processes of this owner, with `<instance>-<id>`.
fn marked(owner: &str) -> Vec<(u32, String)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let mut words = line.split(|byte| *byte == 0);
        words.find(|word| *word == MARKER.as_bytes())?;
        let value = std::str::from_utf8(words.next()?).ok()?;
        let (found_owner, name) = value.split_once('.')?;
        (found_owner == owner).then(|| (id, name.replacen('.', "-", 1)))
    })
    .collect()
}
