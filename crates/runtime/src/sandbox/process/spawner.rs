//! The thread that starts sandboxes.
//!
//! bubblewrap ends with its parent (`PR_SET_PDEATHSIG`), and to the kernel a parent is the *thread* that forked. Tokio
//! ends idle threads, so sandboxes are started by a thread that lives as long as the process.

use std::{
    io,
    sync::{
        OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
};

type Job = Box<dyn FnOnce() + Send>;

static SPAWNER: OnceLock<SyncSender<Job>> = OnceLock::new();

/// Starts the command from the lasting thread. The child is killed when it, or this future, is dropped.
pub(crate) async fn spawn(mut command: Command) -> io::Result<Child> {
    command.kill_on_drop(true);
    let handle = Handle::current();
    let (reply, started) = oneshot::channel();
    let job: Job = Box::new(move || {
        let _entered = handle.enter();
        keep_descriptors_here();
        // The receiver may be gone: then the child is dropped here, and so killed.
        drop(reply.send(command.spawn()));
    });
    let spawner = SPAWNER.get_or_init(start_thread).clone();
    // Waits only while sixteen other starts are before it; each takes a millisecond.
    tokio::task::spawn_blocking(move || spawner.send(job))
        .await
        .map_err(io::Error::other)?
        .map_err(|_gone| io::Error::other("the thread that starts sandboxes is gone"))?;
    started.await.map_err(io::Error::other)?
}

fn start_thread() -> SyncSender<Job> {
    let (sender, jobs) = sync_channel::<Job>(16);
    let thread = thread::Builder::new().name("sandbox-spawner".to_owned());
    if let Err(error) = thread.spawn(move || jobs.into_iter().for_each(|job| job())) {
        tracing::error!(error = %error, "the thread that starts sandboxes could not be started");
    }
    sender
}

/// Marks every descriptor but the standard three as not inherited. Rust opens its own so; those that this process got
/// from its own parent may not be, and would be seen inside.
fn keep_descriptors_here() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    for number in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if number <= 2 {
            continue;
        }
        #[expect(unsafe_code, reason = "a descriptor that belongs to nobody here has only its number")]
        // SAFETY: the number is borrowed for one call; when it was closed meanwhile, the call answers EBADF, and when
        // it was opened again, the new file is ours and must not be inherited either.
        let descriptor = unsafe { rustix::fd::BorrowedFd::borrow_raw(number) };
        let Ok(flags) = rustix::io::fcntl_getfd(descriptor) else { continue };
        if !flags.contains(rustix::io::FdFlags::CLOEXEC) {
            let _closed = rustix::io::fcntl_setfd(descriptor, flags | rustix::io::FdFlags::CLOEXEC);
        }
    }
}
