//! The system calls that containers may not make: the same as for bubblewrap, since older engines' own profile lets
//! `AF_VSOCK` through, which reaches the hypervisor without any network.

use serde_json::{Value, json};

const REFUSED: [&str; 46] = [
    "acct",
    "add_key",
    "adjtimex",
    "bpf",
    "chroot",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_to_handle_at",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "umount2",
    "unshare",
    "userfaultfd",
    "vhangup",
];

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
const EAFNOSUPPORT: u32 = 97;

/// New mount, control group, host name, IPC, user, process and network namespaces.
const NEW_NAMESPACES: [u32; 7] = [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

/// `AF_UNIX`, `AF_INET`, `AF_INET6`, `AF_NETLINK`; all others up to the last of these are refused one by one.
const SOCKET_FAMILIES: [u32; 4] = [1, 2, 10, 16];

/// The profile, as an engine takes it.
pub(crate) fn profile() -> String {
    let mut rules = vec![refuse(&REFUSED, EPERM, &Value::Null), refuse(&["clone3"], ENOSYS, &Value::Null)];
    for bit in NEW_NAMESPACES {
        let set = json!({"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"});
        rules.push(refuse(&["clone"], EPERM, &set));
    }
    for family in (0..16).filter(|family| !SOCKET_FAMILIES.contains(family)) {
        let is = json!({"index": 0, "value": family, "op": "SCMP_CMP_EQ"});
        rules.push(refuse(&["socket"], EAFNOSUPPORT, &is));
    }
    let above = json!({"index": 0, "value": 16, "op": "SCMP_CMP_GT"});
    rules.push(refuse(&["socket"], EAFNOSUPPORT, &above));
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}).to_string()
}

fn refuse(names: &[&str], error: u32, condition: &Value) -> Value {
    let conditions: Vec<&Value> = Some(condition).filter(|condition| !condition.is_null()).into_iter().collect();
    json!({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": error, "args": conditions})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_each_call_once_and_every_family() {
        let mut names = REFUSED.to_vec();
        names.dedup();
        assert_eq!(names.len(), REFUSED.len());
        assert!(names.is_sorted());
        let profile: Value = serde_json::from_str(&profile()).unwrap();
        let rules = profile["syscalls"].as_array().unwrap();
        let sockets = rules.iter().filter(|rule| rule["names"][0] == "socket").count();
        assert_eq!(sockets, 16 - 3 + 1, "all below 16 but three, and all above");
    }
}
