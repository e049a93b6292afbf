//! The threads that queries run on.

use std::io;

use rustix::{process::setpriority_process, thread::gettid};
use tokio::runtime::{Builder, Runtime};

/// How much the threads stand back: 10 of 19. The threads that serve HTTP stay responsive while queries use all CPUs.
const NICENESS: i32 = 10;
/// Stack of a thread. Planning recurses over the syntax tree; DataFusion grows the stack where it knows of recursion.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Starts the runtime of an engine.
pub(crate) fn start(threads: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .max_blocking_threads(threads.max(1) * 2)
        .thread_name("gristmill-sql")
        .thread_stack_size(STACK_BYTES)
        .on_thread_start(|| {
            // On Linux the priority belongs to the thread. Without the right to change it, it stays as it is.
            let _ = setpriority_process(Some(gettid()), NICENESS);
        })
        .enable_all()
        .build()
}
