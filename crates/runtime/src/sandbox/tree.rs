//! The processes of a sandbox, read from `/proc`.

use std::{collections::HashSet, fs, time::Duration};

use super::Usage;

/// Never looks at more processes than this: the limit on processes is far below.
const PROCESSES_MAX: usize = 100_000;

/// What the processes below `root`, and itself, use. Shared pages count once for each process that maps them, unless
/// the sum is over `exact_above`: then every process is asked for its share, which takes longer.
pub(crate) fn usage(root: u32, exact_above: u64) -> Usage {
    let processes = members(root);
    let mut usage = Usage::default();
    let mut ticks = 0_u64;
    for process in &processes {
        if let Some(stat) = stat(*process) {
            usage.memory_bytes = usage.memory_bytes.saturating_add(stat.resident_pages.saturating_mul(page_bytes()));
            usage.pids = usage.pids.saturating_add(stat.threads);
            ticks = ticks.saturating_add(stat.ticks);
        }
    }
    if usage.memory_bytes > exact_above {
        usage.memory_bytes = processes.iter().map(|process| proportional_bytes(*process)).sum();
    }
    usage.cpu = Duration::from_millis(ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1));
    usage
}

/// The processes below `root`, and itself. What a sandbox starts cannot leave: orphans go to the first process of their
/// process namespace, which is `root`.
pub(crate) fn members(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut seen = HashSet::from([root]);
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        next += 1;
        for child in children(process) {
            if found.len() < PROCESSES_MAX && seen.insert(child) {
                found.push(child);
            }
        }
    }
    found
}

fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

struct Stat {
    ticks: u64,
    threads: u32,
    resident_pages: u64,
}

/// Fields 14 to 17 (times of itself and of the children that it waited for), 20 and 24 of proc(5).
fn stat(process: u32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in field 2 may hold anything, also blanks and brackets.
    let (_, rest) = line.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
    Some(Stat {
        ticks: [14, 15, 16, 17].into_iter().filter_map(number).sum(),
        threads: u32::try_from(number(20)?).ok()?,
        resident_pages: number(24)?,
    })
}

fn proportional_bytes(process: u32) -> u64 {
    let Ok(rollup) = fs::read_to_string(format!("/proc/{process}/smaps_rollup")) else { return 0 };
    let kibibytes = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}

fn page_bytes() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

/// Bytes in files of these devices that processes below `root` hold open after their names are gone: no walk sees them.
pub(crate) fn deleted_bytes(root: u32, devices: &HashSet<u64>) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut seen = HashSet::new();
    let mut bytes = 0_u64;
    for process in members(root) {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else { continue };
        for descriptor in descriptors.flatten() {
            // Follows the kernel's own link to the open file; nothing is opened.
            let Ok(file) = fs::metadata(descriptor.path()) else { continue };
            if file.is_file() && file.nlink() == 0 && devices.contains(&file.dev()) && seen.insert((file.dev(), file.ino())) {
                bytes = bytes.saturating_add(file.blocks().saturating_mul(512));
            }
        }
    }
    bytes
}

/// Bytes in a file system of at most `size` that only this sandbox sees, such as its `/tmp`. A larger one is the host's:
/// the sandbox has not entered its own yet.
pub(crate) fn private_filesystem_bytes(root: u32, guest: &str, size: u64) -> u64 {
    let Ok(stat) = rustix::fs::statvfs(format!("/proc/{root}/root{guest}")) else { return 0 };
    if stat.f_blocks.saturating_mul(stat.f_frsize) > size.saturating_add(page_bytes()) {
        return 0;
    }
    stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_this_process() {
        let used = usage(std::process::id(), u64::MAX);
        assert!(used.memory_bytes > 1 << 20, "{used:?}");
        assert!(used.pids >= 1);
        let exact = usage(std::process::id(), 0);
        assert!(exact.memory_bytes > 0 && exact.memory_bytes <= used.memory_bytes * 2, "{exact:?} {used:?}");
    }

    #[test]
    fn a_process_that_is_gone_uses_nothing() {
        assert_eq!(usage(u32::MAX, 0), Usage::default());
    }
}
