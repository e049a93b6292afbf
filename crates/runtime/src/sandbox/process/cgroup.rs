//! Limits by control groups, where this machine gives the server a group to put others into.
//!
//! A group is used when it is the top of what this process sees, or was delegated to it (systemd's `Delegate=`). One that
//! belongs to whoever started the server is left alone: its sandboxes stay inside, and are watched instead.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::super::SandboxLimits;

const CPU_PERIOD_MICROS: u64 = 100_000;

/// What a control group can limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    Memory,
    Pids,
    Cpu,
    CpuAccounting,
}

impl Controller {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "memory" => Some(Self::Memory),
            "pids" => Some(Self::Pids),
            "cpu" => Some(Self::Cpu),
            "cpuacct" => Some(Self::CpuAccounting),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A tree of groups, and where in it the server may make its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    directory: PathBuf,
    version: Version,
    controllers: BTreeSet<Controller>,
}

/// The groups that this server can make.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cgroups {
    hierarchies: Vec<Hierarchy>,
}

impl Cgroups {
    /// Finds the hierarchies that can be used, and makes the server's group `gristmill-<owner>` in each.
    pub(crate) fn prepare(owner: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let hierarchies = usable(&mounts, &own, &delegated);
        let name = format!("gristmill-{owner}");
        Self { hierarchies: hierarchies.into_iter().filter_map(|one| one.prepared(&name)).collect() }
    }

    /// Whether this is limited by groups.
    pub(crate) fn limits(&self, controller: Controller) -> bool {
        self.hierarchies.iter().any(|hierarchy| hierarchy.controllers.contains(&controller))
    }

    /// Makes the groups of a sandbox with their limits.
    pub(crate) fn create(&self, name: &str, limits: &SandboxLimits) -> io::Result<CgroupSet> {
        let mut set = CgroupSet { groups: Vec::new() };
        for hierarchy in &self.hierarchies {
            let directory = hierarchy.directory.join(name);
            fs::create_dir_all(&directory)?;
            let group = Group { directory, version: hierarchy.version, controllers: hierarchy.controllers.clone() };
            set.groups.push(group);
        }
        for group in &set.groups {
            group.limit(limits)?;
        }
        Ok(set)
    }

    /// The names of the groups that are there, with the processes in each.
    pub(crate) fn existing(&self) -> Vec<(String, CgroupSet)> {
        let mut names = BTreeSet::new();
        for hierarchy in &self.hierarchies {
            let entries = fs::read_dir(&hierarchy.directory).into_iter().flatten().flatten();
            let groups = entries.filter(|entry| entry.path().join("cgroup.procs").exists());
            names.extend(groups.filter_map(|entry| entry.file_name().into_string().ok()));
        }
        names.into_iter().map(|name| (name.clone(), self.named(&name))).collect()
    }

    fn named(&self, name: &str) -> CgroupSet {
        let groups = self.hierarchies.iter().map(|hierarchy| Group {
            directory: hierarchy.directory.join(name),
            version: hierarchy.version,
            controllers: hierarchy.controllers.clone(),
        });
        CgroupSet { groups: groups.filter(|group| group.directory.exists()).collect() }
    }

    /// Removes the server's own groups, when nothing is left in them.
    pub(crate) fn remove_if_empty(&self) {
        for hierarchy in &self.hierarchies {
            drop(fs::remove_dir(&hierarchy.directory));
        }
    }
}

impl Hierarchy {
    fn prepared(self, name: &str) -> Option<Self> {
        let directory = self.directory.join(name);
        let made = match self.version {
            Version::One => make(&directory),
            Version::Two => self.enable_below(&directory),
        };
        match made {
            Ok(()) => Some(Self { directory, ..self }),
            Err(error) => {
                let parent = self.directory.display();
                tracing::debug!(cgroup = %parent, error = %error, "no control groups can be made here");
                None
            }
        }
    }

    /// In version 2, only a group without processes can limit those below it.
    fn enable_below(&self, directory: &Path) -> io::Result<()> {
        let enable = "+memory +pids +cpu";
        if fs::write(self.directory.join("cgroup.subtree_control"), enable).is_err() {
            let leaf = self.directory.join("gristmill-server");
            make(&leaf)?;
            for process in processes(&self.directory) {
                fs::write(leaf.join("cgroup.procs"), process.to_string())?;
            }
            fs::write(self.directory.join("cgroup.subtree_control"), enable)?;
        }
        make(directory)?;
        fs::write(directory.join("cgroup.subtree_control"), enable)
    }
}

/// The groups of one sandbox.
#[derive(Debug)]
pub(crate) struct CgroupSet {
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    directory: PathBuf,
    version: Version,
    controllers: BTreeSet<Controller>,
}

impl CgroupSet {
    /// Puts a process, and what it starts from now on, into the groups.
    pub(crate) fn add(&self, process: u32) -> io::Result<()> {
        self.groups.iter().try_for_each(|group| fs::write(group.directory.join("cgroup.procs"), process.to_string()))
    }

    /// The processes in the groups.
    pub(crate) fn processes(&self) -> BTreeSet<u32> {
        self.groups.iter().flat_map(|group| processes(&group.directory)).collect()
    }

    /// How many processes were ended because memory ran out.
    pub(crate) fn memory_kills(&self) -> u64 {
        self.with(Controller::Memory).map_or(0, |group| match group.version {
            Version::One => keyed(&group.directory.join("memory.oom_control"), "oom_kill").unwrap_or(0),
            Version::Two => keyed(&group.directory.join("memory.events"), "oom_kill").unwrap_or(0),
        })
    }

    /// Memory in use without what the kernel can drop at once, bytes.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        let group = self.with(Controller::Memory)?;
        let (total, cache) = match group.version {
            Version::One => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::Two => ("memory.current", "inactive_file"),
        };
        let cached = keyed(&group.directory.join("memory.stat"), cache).unwrap_or(0);
        Some(number(&group.directory.join(total))?.saturating_sub(cached))
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        if let Some(group) = self.with(Controller::CpuAccounting) {
            return number(&group.directory.join("cpuacct.usage")).map(Duration::from_nanos);
        }
        let group = self.with(Controller::Cpu).filter(|group| group.version == Version::Two)?;
        keyed(&group.directory.join("cpu.stat"), "usage_usec").map(Duration::from_micros)
    }

    /// Processes and threads.
    pub(crate) fn pids(&self) -> Option<u32> {
        let group = self.with(Controller::Pids)?;
        number(&group.directory.join("pids.current")).and_then(|count| u32::try_from(count).ok())
    }

    /// Removes the groups. The kernel refuses for a moment after the last process ended.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.groups.iter().try_for_each(|group| match fs::remove_dir(&group.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }

    fn with(&self, controller: Controller) -> Option<&Group> {
        self.groups.iter().find(|group| group.controllers.contains(&controller))
    }
}

impl Group {
    fn limit(&self, limits: &SandboxLimits) -> io::Result<()> {
        let quota = u64::from(limits.cpu_percent.max(1)).saturating_mul(CPU_PERIOD_MICROS / 100);
        let memory = limits.memory_bytes.to_string();
        let has = |controller| self.controllers.contains(&controller);
        match self.version {
            Version::One => {
                if has(Controller::Memory) {
                    self.set("memory.limit_in_bytes", &memory)?;
                    // Absent where the kernel does not count swap.
                    if self.directory.join("memory.memsw.limit_in_bytes").exists() {
                        self.set("memory.memsw.limit_in_bytes", &memory)?;
                    }
                }
                if has(Controller::Pids) {
                    self.set("pids.max", &limits.pids.to_string())?;
                }
                if has(Controller::Cpu) {
                    self.set("cpu.cfs_period_us", &CPU_PERIOD_MICROS.to_string())?;
                    self.set("cpu.cfs_quota_us", &quota.to_string())?;
                }
            }
            Version::Two => {
                if has(Controller::Memory) {
                    self.set("memory.max", &memory)?;
                    if self.directory.join("memory.swap.max").exists() {
                        self.set("memory.swap.max", "0")?;
                    }
                }
                if has(Controller::Pids) {
                    self.set("pids.max", &limits.pids.to_string())?;
                }
                if has(Controller::Cpu) {
                    self.set("cpu.max", &format!("{quota} {CPU_PERIOD_MICROS}"))?;
                }
            }
        }
        Ok(())
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.directory.join(file), value)
    }
}

fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn processes(directory: &Path) -> Vec<u32> {
    let list = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    list.lines().filter_map(|line| line.parse().ok()).collect()
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn keyed(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.split_once(' ').filter(|(name, _)| *name == key)?.1.trim().parse().ok())
}

/// Whether systemd gave this group to the service in it.
fn delegated(directory: &Path) -> bool {
    ["trusted.delegate", "user.delegate"].into_iter().any(|name| {
        let mut value = [0_u8; 1];
        rustix::fs::getxattr(directory, name, &mut value[..]).is_ok() && value == *b"1"
    })
}

/// The hierarchies whose own group is the top of what this process sees, or is delegated to it.
fn usable(mountinfo: &str, own: &str, delegated: &dyn Fn(&Path) -> bool) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let [_, _, _, root, mount_point, ..] = left.split(' ').collect::<Vec<_>>()[..] else { continue };
        let [kind, _, options, ..] = right.split(' ').collect::<Vec<_>>()[..] else { continue };
        let version = match kind {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => continue,
        };
        let named: BTreeSet<&str> = if version == Version::One { options.split(',').collect() } else { BTreeSet::new() };
        let Some(group) = own_group(own, &named) else { continue };
        let Ok(below) = Path::new(group).strip_prefix(root) else { continue };
        let is_top = below.as_os_str().is_empty();
        let top = PathBuf::from(mount_point);
        let directory = if is_top { top } else { top.join(below) };
        if !is_top && !delegated(&directory) {
            continue;
        }
        let controllers: BTreeSet<Controller> = match version {
            Version::One => named.into_iter().filter_map(Controller::from_name).collect(),
            Version::Two => fs::read_to_string(directory.join("cgroup.controllers"))
                .unwrap_or_default()
                .split_whitespace()
                .filter_map(Controller::from_name)
                .collect(),
        };
        // Each controller is in one hierarchy only; a second mount of the same one adds nothing.
        if !controllers.is_empty() && found.iter().all(|other| other.controllers.is_disjoint(&controllers)) {
            found.push(Hierarchy { directory, version, controllers });
        }
    }
    found
}

/// The path in `/proc/self/cgroup` for a version 1 hierarchy with one of these controllers, or for version 2.
fn own_group<'text>(own: &'text str, controllers: &BTreeSet<&str>) -> Option<&'text str> {
    own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        let this = if controllers.is_empty() {
            names.is_empty()
        } else {
            names.split(',').any(|name| !name.is_empty() && controllers.contains(name))
        };
        this.then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
        36 31 0:33 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        39 31 0:36 /docker/abc /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n";
    const OWN: &str = "8:pids:/docker/abc\n4:memory:/launcher/1\n1:cpu:/\n0::/\n";

    #[test]
    fn uses_the_top_groups_and_leaves_the_launchers_alone() {
        let found = usable(MOUNTS, OWN, &|_| false);
        let directories: Vec<_> = found.iter().map(|one| one.directory.to_str().unwrap()).collect();
        assert_eq!(directories, ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids"]);
    }

    #[test]
    fn uses_a_delegated_group() {
        let found = usable(MOUNTS, OWN, &|path| path == Path::new("/sys/fs/cgroup/memory/launcher/1"));
        assert!(found.iter().any(|one| one.controllers.contains(&Controller::Memory)), "{found:?}");
    }

    #[test]
    fn understands_nothing_in_nonsense() {
        assert_eq!(usable("x\n - \n1 2 - cgroup", "::\n", &|_| true), []);
    }

    #[test]
    fn writes_the_limits_of_both_versions() {
        let limits = SandboxLimits {
            memory_bytes: 1 << 30,
            cpu_percent: 150,
            pids: 64,
            file_size_bytes: 1,
            open_files: 1,
            tmp_bytes: 1,
            disk_bytes: 1,
        };
        let controllers: BTreeSet<_> = [Controller::Memory, Controller::Pids, Controller::Cpu].into();
        for (version, file, value) in [
            (Version::One, "memory.limit_in_bytes", "1073741824"),
            (Version::One, "cpu.cfs_quota_us", "150000"),
            (Version::Two, "memory.max", "1073741824"),
            (Version::Two, "cpu.max", "150000 100000"),
            (Version::Two, "pids.max", "64"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let group = Group { directory: directory.path().to_owned(), version, controllers: controllers.clone() };
            group.limit(&limits).unwrap();
            assert_eq!(fs::read_to_string(directory.path().join(file)).unwrap(), value, "{file}");
        }
    }
}
