//! Spawned tasks have an owner that stops them and bears their panics.

use std::{future::pending, time::Duration};

use gristmill_jobs::Tasks;
use tokio::{sync::oneshot, time::Instant};

#[tokio::test(start_paused = true)]
async fn a_panic_ends_only_its_own_task() {
    let tasks = Tasks::new();
    let (sender, receiver) = oneshot::channel();
    tasks.spawn("panics", async { panic!("on purpose") });
    tasks.spawn("goes on", async move {
        tokio::task::yield_now().await;
        sender.send(7).unwrap();
    });
    assert_eq!(receiver.await.unwrap(), 7);
    assert_eq!(tasks.shutdown(Duration::from_secs(1)).await, 0);
    assert_eq!(tasks.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_tasks_that_stop_by_themselves() {
    let tasks = Tasks::new();
    let stopping = tasks.stopping().clone();
    let (sender, mut receiver) = oneshot::channel();
    tasks.spawn("tidies up", async move {
        stopping.cancelled().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        sender.send(()).unwrap();
    });
    let before = Instant::now();
    assert_eq!(tasks.shutdown(Duration::from_secs(10)).await, 0);
    assert_eq!(before.elapsed().as_secs(), 3, "no longer than it takes");
    receiver.try_recv().unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_no_task_that_may_be_dropped() {
    let tasks = Tasks::new();
    tasks.spawn_until_stopped("hangs", pending());
    let before = Instant::now();
    assert_eq!(tasks.shutdown(Duration::from_secs(10)).await, 0);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn shutdown_drops_tasks_that_do_not_stop() {
    struct SaysWhenDropped(Option<oneshot::Sender<()>>);
    impl Drop for SaysWhenDropped {
        fn drop(&mut self) {
            self.0.take().unwrap().send(()).unwrap();
        }
    }
    let tasks = Tasks::new();
    let (sender, mut receiver) = oneshot::channel();
    let guard = SaysWhenDropped(Some(sender));
    tasks.spawn("stubborn", async move {
        pending::<()>().await;
        drop(guard);
    });
    tasks.spawn("stubborn too", pending());
    let before = Instant::now();
    assert_eq!(tasks.shutdown(Duration::from_secs(5)).await, 2);
    assert_eq!(before.elapsed().as_secs(), 5);
    receiver.try_recv().unwrap();
    assert_eq!(tasks.shutdown(Duration::from_secs(5)).await, 0, "again is no harm");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_spawned_after_the_shutdown() {
    let tasks = Tasks::new();
    tasks.shutdown(Duration::ZERO).await;
    let (sender, receiver) = oneshot::channel::<()>();
    tasks.spawn("late", async move { sender.send(()).unwrap() });
    assert!(receiver.await.is_err(), "the task was dropped, not run");
}

#[tokio::test]
async fn a_task_outlives_the_runtime_that_it_was_spawned_from() {
    let tasks = Tasks::new();
    let (spawner, (go_on, held), (done, end)) = (tasks.clone(), oneshot::channel(), oneshot::channel());
    // As a thread that serves HTTP, and ends before the tasks do.
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            spawner.spawn("goes on", async move {
                held.await.unwrap();
                done.send(7).unwrap();
            });
        });
    });
    server.join().unwrap();
    go_on.send(()).expect("the task waits");
    assert_eq!(tasks.shutdown(Duration::from_secs(60)).await, 0);
    assert_eq!(end.await.unwrap(), 7);
}
