//! Taking more than one may.

use gristmill_runtime::sandbox::Exit;

use super::support::{Bench, DEADLINE, logged, until};

pub(crate) async fn survives_a_fork_bomb(bench: &Bench) {
    let code = "import os, time\nprint('up', flush=True)\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.001)";
    let sandbox = bench.start(code).await;
    logged(&*sandbox, "up").await;
    until(async || sandbox.usage().await.pids >= 60, "the bomb went off").await;
    for _ in 0..20 {
        let pids = sandbox.usage().await.pids;
        assert!(pids <= 70, "{pids} processes");
    }
    let other = bench.host("other");
    let mut spec = bench.spec("print('still here')");
    spec.mounts[0].host = other;
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!((exit, log.as_str()), (Exit::Code(0), "still here\n"));
    tokio::time::timeout(DEADLINE, sandbox.kill()).await.expect("the bomb is cleared away");
    assert_eq!(sandbox.usage().await.pids, 0);
}

pub(crate) async fn ends_a_memory_bomb(bench: &Bench) {
    let (exit, log) = bench.run("x = []\nwhile True: x.append(b'x' * (8 << 20))").await;
    assert_eq!(exit, Exit::OutOfMemory, "{log}");
}

pub(crate) async fn counts_the_memory_of_all_processes(bench: &Bench) {
    let code = "import os, sys, time\nfor _ in range(8):\n  if os.fork() == 0:\n    x = b'x' * (60 << 20)\n    time.sleep(5)\n    \
        os._exit(0)\nsys.exit(9 if any([os.wait()[1] for _ in range(8)]) else 0)";
    let (exit, log) = bench.run(code).await;
    // Where the kernel counts, it ends one process, else the watcher ends all.
    assert!(matches!(exit, Exit::OutOfMemory | Exit::Code(9)), "{exit:?} {log}");
}

pub(crate) async fn counts_temporary_files_as_memory(bench: &Bench) {
    let fill = "for path in ['/tmp/x', '/dev/shm/x']:\n  try:\n    with open(path, 'wb') as f:\n      \
        for _ in range(200): f.write(b'x' * (1 << 20))\n    print('no limit')\n  except OSError as e: print(e.errno)";
    let log = bench.check(fill).await;
    assert_eq!(log, "28\n28\n", "no space is left");
    let mut spec = bench.spec(
        "import time\nwith open('/tmp/x', 'wb', buffering=0) as f:\n  for _ in range(500): f.write(b'x' * (1 << 20))\ntime.sleep(5)",
    );
    spec.limits.tmp_bytes = 1 << 30;
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!(exit, Exit::OutOfMemory, "{log}");
}

pub(crate) async fn ends_what_fills_the_disk(bench: &Bench) {
    let mut spec = bench.spec(
        "import time\nfor n in range(10_000):\n  open(f'/workspace/{n}', 'wb').write(b'x' * (1 << 20))\n  time.sleep(0.01)",
    );
    spec.limits.disk_bytes = 50 << 20;
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!(exit, Exit::OutOfDisk, "{log}");
}

pub(crate) async fn ends_what_fills_the_disk_with_empty_files(bench: &Bench) {
    let mut spec = bench.spec(
        "import os, time\nfor n in range(1_000_000):\n  if n % 1000 == 0: os.makedirs(f'/workspace/{n // 1000}')\n  \
        open(f'/workspace/{n // 1000}/{n}', 'w').close()\ntime.sleep(60)",
    );
    spec.limits.disk_bytes = 20 << 20;
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!(exit, Exit::OutOfDisk, "{log}");
}

pub(crate) async fn ends_what_hides_deleted_files(bench: &Bench) {
    let mut spec = bench.spec(
        "import os, time\nf = open('/workspace/x', 'wb', buffering=0)\nos.unlink('/workspace/x')\n\
        for _ in range(80): f.write(b'x' * (1 << 20))\nprint('written', flush=True)\ntime.sleep(1000)",
    );
    spec.limits.disk_bytes = 50 << 20;
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!(exit, Exit::OutOfDisk, "{log}");
}

pub(crate) async fn lets_be_removed_what_is_too_much(bench: &Bench) {
    std::fs::write(bench.workspace().join("big"), vec![1; 60 << 20]).unwrap();
    let mut spec = bench.spec(
        "import os, time\ntime.sleep(2.5)\nopen('/workspace/small', 'w').write('x')\nos.unlink('/workspace/big')\ntime.sleep(1.5)",
    );
    spec.limits.disk_bytes = 50 << 20;
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!(exit, Exit::Code(0), "{log}");

    std::fs::write(bench.workspace().join("big"), vec![1; 60 << 20]).unwrap();
    let mut spec = bench
        .spec("import time\nfor n in range(1000):\n  open(f'/workspace/{n}', 'wb').write(b'x' * (1 << 20))\n  time.sleep(0.05)");
    spec.limits.disk_bytes = 50 << 20;
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!(exit, Exit::OutOfDisk, "it must not grow: {log}");
}

pub(crate) async fn refuses_a_file_that_is_too_big(bench: &Bench) {
    let mut spec = bench.spec(
        "f = open('/workspace/x', 'wb', buffering=0)\nf.write(b'x' * (5 << 20))\n\
        try: f.write(b'x' * (6 << 20)) or f.write(b'x')\nexcept OSError as e: print(e.errno)\nassert f.tell() <= 10 << 20\n\
        try: f.write(b'x' * (6 << 20))\nexcept OSError as e: print(e.errno)",
    );
    spec.limits.file_size_bytes = 10 << 20;
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!((exit, log.as_str()), (Exit::Code(0), "27\n"));
}

pub(crate) async fn refuses_too_many_open_files(bench: &Bench) {
    let code =
        "files = []\ntry:\n  while True: files.append(open('/dev/null'))\nexcept OSError as e: print(e.errno, len(files) < 256)";
    assert_eq!(bench.check(code).await, "24 True\n");
}
