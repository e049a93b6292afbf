//! Work on the pieces of a stream by several threads, with results merged in the order of the pieces.
//!
//! Threads and nothing else: what the pieces are, and what becomes of them, is the caller's.

use std::{
    num::NonZeroUsize,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::error::IngestError;

/// What work on pieces fails with.
pub trait PieceError: Send {
    /// Whether everything ends at once, without waiting for the pieces before.
    fn is_cancellation(&self) -> bool;

    /// The error when a thread panicked.
    fn panicked() -> Self;
}

impl PieceError for IngestError {
    fn is_cancellation(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    fn panicked() -> Self {
        Self::Internal { context: "a thread panicked" }
    }
}

struct Feed<N> {
    next: N,
    issued: u64,
    finished: bool,
}

struct Turn<M, E> {
    merge: M,
    merged: u64,
    failure: Option<E>,
}

struct Line<N, M, E> {
    feed: Mutex<Feed<N>>,
    turn: Mutex<Turn<M, E>>,
    moved: Condvar,
    stopped: AtomicBool,
}

/// Takes pieces from `next` until there is none, gives each to `work` on one of `threads` threads, and hands the results
/// to `merge` in the order of the pieces. At most one piece per thread exists at a time, which bounds memory.
///
/// The first error in the order of the pieces ends everything, whichever thread was quicker; a cancellation ends it at
/// once.
///
/// # Errors
/// What `next`, `work` or `merge` failed with, or [`PieceError::panicked`].
pub fn run<T: Send, R: Send, E: PieceError>(
    threads: NonZeroUsize,
    next: impl FnMut() -> Result<Option<T>, E> + Send,
    work: impl Fn(T) -> Result<R, E> + Sync,
    merge: impl FnMut(R) -> Result<(), E> + Send,
) -> Result<(), E> {
    let line = Line {
        feed: Mutex::new(Feed { next, issued: 0, finished: false }),
        turn: Mutex::new(Turn { merge, merged: 0, failure: None }),
        moved: Condvar::new(),
        stopped: AtomicBool::new(false),
    };
    if threads.get() == 1 {
        line.attend(&work);
    } else {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(|| line.attend(&work))).collect();
            for worker in workers {
                if worker.join().is_err() {
                    line.fail(E::panicked());
                }
            }
        });
    }
    match lock(&line.turn).failure.take() {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked has left the line for good; what it guarded is not used afterwards but for the failure.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<N, M, E: PieceError> Line<N, M, E> {
    fn attend<T, R>(&self, work: &(impl Fn(T) -> Result<R, E> + Sync))
    where
        N: FnMut() -> Result<Option<T>, E>,
        M: FnMut(R) -> Result<(), E>,
    {
        let guard = StopOnPanic(self);
        while let Some((ticket, piece)) = self.take() {
            let result = piece.and_then(work);
            if !self.hand_in(ticket, result) {
                break;
            }
        }
        std::mem::forget(guard);
    }

    /// The next piece, with its place in the order. An error counts as the last piece.
    fn take<T>(&self) -> Option<(u64, Result<T, E>)>
    where
        N: FnMut() -> Result<Option<T>, E>,
    {
        let mut feed = lock(&self.feed);
        if feed.finished || self.stopped.load(Ordering::Acquire) {
            return None;
        }
        let piece = (feed.next)().transpose();
        feed.finished = !matches!(piece, Some(Ok(_)));
        let ticket = feed.issued;
        feed.issued += 1;
        piece.map(|piece| (ticket, piece))
    }

    /// Waits for its turn and merges. Says whether to go on.
    fn hand_in<R>(&self, ticket: u64, result: Result<R, E>) -> bool
    where
        M: FnMut(R) -> Result<(), E>,
    {
        let result = match result {
            Err(error) if error.is_cancellation() => {
                self.fail(error);
                return false;
            }
            result => result,
        };
        let mut turn = lock(&self.turn);
        while turn.merged != ticket && !self.stopped.load(Ordering::Acquire) {
            turn = self.moved.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        if self.stopped.load(Ordering::Acquire) {
            return false;
        }
        let merged = result.and_then(|result| (turn.merge)(result));
        turn.merged += 1;
        drop(turn);
        match merged {
            Ok(()) => {
                self.moved.notify_all();
                true
            }
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    /// Ends the work for everybody. The first failure stays.
    fn fail(&self, error: E) {
        let mut turn = lock(&self.turn);
        turn.failure.get_or_insert(error);
        self.stopped.store(true, Ordering::Release);
        drop(turn);
        self.moved.notify_all();
    }
}

/// Wakes the others when a thread panics, for they would wait for its turn for ever.
struct StopOnPanic<'a, N, M, E: PieceError>(&'a Line<N, M, E>);

impl<N, M, E: PieceError> Drop for StopOnPanic<'_, N, M, E> {
    fn drop(&mut self) {
        self.0.fail(E::panicked());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    fn numbers(end: u32) -> impl FnMut() -> Result<Option<u32>, IngestError> + Send {
        let mut at = 0;
        move || {
            at += 1;
            Ok((at <= end).then_some(at))
        }
    }

    #[test]
    fn results_are_merged_in_order() {
        for count in [1, 2, 8] {
            let mut merged = Vec::new();
            run(
                threads(count),
                numbers(500),
                |n| Ok(n * 2),
                |n| {
                    merged.push(n);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(merged, (1..=500).map(|n| n * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_in_order_wins() {
        for count in [1, 2, 8] {
            let work = |n: u32| if n >= 100 { Err(IngestError::RecordTooLong { line: n.into(), bytes_max: 0 }) } else { Ok(n) };
            let error = run(threads(count), numbers(500), work, |_| Ok(())).unwrap_err();
            assert!(matches!(error, IngestError::RecordTooLong { line: 100, .. }), "{error:?}");
        }
    }

    #[test]
    fn a_panic_does_not_leave_the_others_waiting() {
        let work = |n: u32| if n == 3 { panic!("on purpose") } else { Ok(n) };
        let error = run(threads(4), numbers(500), work, |_| Ok(())).unwrap_err();
        assert!(matches!(error, IngestError::Internal { .. }));
    }
}
