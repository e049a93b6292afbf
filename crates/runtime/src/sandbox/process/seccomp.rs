//! The system calls that sandboxes may not make, as a filter program for the kernel.
//!
//! What namespaces do not keep apart is refused here: keys, sockets of virtual machines (`AF_VSOCK` reaches the
//! hypervisor from every network namespace), new namespaces, and calls that only widen what can be attacked.

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const JUMP_IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const REFUSE: u32 = 0x0005_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
const EAFNOSUPPORT: u32 = 97;

/// `CLONE_NEWTIME` is left out: in `clone` its bit is part of the signal number.
const NEW_NAMESPACES: u32 = 0x7e02_0000;

/// `AF_UNIX`, `AF_INET`, `AF_INET6`, `AF_NETLINK` (to list interfaces).
const SOCKET_FAMILIES: [u32; 4] = [1, 2, 10, 16];

struct Calls {
    architecture: u32,
    /// Where numbers of a second set of calls begin.
    foreign_from: Option<u32>,
    clone: u32,
    socket: u32,
    refused: &'static [u32],
}

/// The same on every architecture: `io_uring`, the newer mount calls, `quotactl_fd`.
const REFUSED_EVERYWHERE: [u32; 11] = [425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 443];
const CLONE3: u32 = 435;

/// In this order: keys (3), bpf, perf, userfaultfd, mounts and roots (4), unshare, setns, kexec (2), modules (3), reboot,
/// swap (2), file handles (2), acct, clocks (4), quotactl, syslog, vhangup, two that are gone, fanotify.
const X86_64: Calls = Calls {
    architecture: 0xc000_003e,
    foreign_from: Some(0x4000_0000),
    clone: 56,
    socket: 41,
    refused: &[
        248, 249, 250, 321, 298, 323, 165, 166, 155, 161, 272, 308, 246, 320, 175, 313, 176, 169, 167, 168, 304, 303, 163, 164,
        227, 305, 159, 179, 103, 153, 212, 180, 300, // and ports of the machine:
        172, 173,
    ],
};

const AARCH64: Calls = Calls {
    architecture: 0xc000_00b7,
    foreign_from: None,
    clone: 220,
    socket: 198,
    refused: &[
        217, 218, 219, 280, 241, 282, 40, 39, 41, 51, 97, 268, 104, 294, 105, 273, 106, 142, 224, 225, 265, 264, 89, 170, 112,
        266, 171, 60, 116, 58, 18, 42, 262,
    ],
};

/// The filter for this machine, as the kernel reads it; `None` for an architecture whose calls are not listed here.
pub(crate) fn filter() -> Option<Vec<u8>> {
    let calls = match std::env::consts::ARCH {
        "x86_64" => X86_64,
        "aarch64" => AARCH64,
        _ => return None,
    };
    Some(program(&calls))
}

/// A filter that refuses nothing.
pub(crate) fn allow_all() -> Vec<u8> {
    let mut program = Program::default();
    program.step(RETURN, 0, 0, ALLOW);
    program.0
}

fn program(calls: &Calls) -> Vec<u8> {
    let mut program = Program::default();
    program.step(LOAD, 0, 0, ARCHITECTURE);
    program.step(JUMP_IF_EQUAL, 1, 0, calls.architecture);
    program.step(RETURN, 0, 0, KILL);
    program.step(LOAD, 0, 0, NUMBER);
    if let Some(first) = calls.foreign_from {
        program.step(JUMP_IF_AT_LEAST, 0, 1, first);
        program.step(RETURN, 0, 0, REFUSE | ENOSYS);
    }
    for call in calls.refused.iter().chain(&REFUSED_EVERYWHERE) {
        program.refuse(*call, EPERM);
    }
    // Its flags are behind a pointer, where a filter cannot look: the C library then uses `clone`.
    program.refuse(CLONE3, ENOSYS);
    program.step(JUMP_IF_EQUAL, 0, 3, calls.clone);
    program.step(LOAD, 0, 0, FIRST_ARGUMENT);
    program.step(JUMP_IF_ANY_BIT, 0, 8, NEW_NAMESPACES);
    program.step(RETURN, 0, 0, REFUSE | EPERM);
    program.step(JUMP_IF_EQUAL, 0, 6, calls.socket);
    program.step(LOAD, 0, 0, FIRST_ARGUMENT);
    let [unix, ip, ip6, netlink] = SOCKET_FAMILIES;
    program.step(JUMP_IF_EQUAL, 4, 0, unix);
    program.step(JUMP_IF_EQUAL, 3, 0, ip);
    program.step(JUMP_IF_EQUAL, 2, 0, ip6);
    program.step(JUMP_IF_EQUAL, 1, 0, netlink);
    program.step(RETURN, 0, 0, REFUSE | EAFNOSUPPORT);
    program.step(RETURN, 0, 0, ALLOW);
    program.0
}

#[derive(Default)]
struct Program(Vec<u8>);

impl Program {
    /// `when` and `otherwise` are how many steps to skip.
    fn step(&mut self, code: u16, when: u8, otherwise: u8, value: u32) {
        self.0.extend(code.to_ne_bytes());
        self.0.extend([when, otherwise]);
        self.0.extend(value.to_ne_bytes());
    }

    fn refuse(&mut self, call: u32, error: u32) {
        self.step(JUMP_IF_EQUAL, 0, 1, call);
        self.step(RETURN, 0, 0, REFUSE | error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn answer(program: &[u8], architecture: u32, number: u32, argument: u32) -> u32 {
        let mut accumulator = 0;
        let mut at = 0;
        loop {
            let step = &program[at * 8..at * 8 + 8];
            let code = u16::from_ne_bytes([step[0], step[1]]);
            let value = u32::from_ne_bytes([step[4], step[5], step[6], step[7]]);
            let jump = |condition: bool| usize::from(if condition { step[2] } else { step[3] });
            at += 1;
            match code {
                LOAD => {
                    accumulator = match value {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        FIRST_ARGUMENT => argument,
                        other => panic!("loads {other}"),
                    };
                }
                JUMP_IF_EQUAL => at += jump(accumulator == value),
                JUMP_IF_AT_LEAST => at += jump(accumulator >= value),
                JUMP_IF_ANY_BIT => at += jump(accumulator & value != 0),
                RETURN => return value,
                other => panic!("step {other}"),
            }
        }
    }

    #[test]
    fn refuses_what_it_should_and_nothing_else() {
        for calls in [X86_64, AARCH64] {
            let program = program(&calls);
            let ask = |number, argument| answer(&program, calls.architecture, number, argument);
            for call in calls.refused {
                assert_eq!(ask(*call, 0), REFUSE | EPERM, "{call}");
            }
            assert_eq!(ask(CLONE3, 0), REFUSE | ENOSYS);
            assert_eq!(ask(calls.clone, 0x1000_0000), REFUSE | EPERM, "a user namespace");
            assert_eq!(ask(calls.clone, 0x003d_0f00), ALLOW, "a thread");
            for family in SOCKET_FAMILIES {
                assert_eq!(ask(calls.socket, family), ALLOW);
            }
            for family in [40, 38, 17, 0] {
                assert_eq!(ask(calls.socket, family), REFUSE | EAFNOSUPPORT, "{family}");
            }
            assert_eq!(ask(1, 0), ALLOW);
            assert_eq!(ask(calls.clone + 1, u32::MAX), ALLOW);
            assert_eq!(answer(&program, 0x4000_0003, 1, 0), KILL, "another architecture");
        }
        assert_eq!(answer(&program(&X86_64), X86_64.architecture, 0x4000_0001, 0), REFUSE | ENOSYS);
    }
}
