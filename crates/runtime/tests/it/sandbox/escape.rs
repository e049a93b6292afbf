//! Getting out.

use std::{fs, os::unix::fs::symlink};

use gristmill_runtime::sandbox::{Access, BackendKind, Exit, Mount};

use super::support::{Bench, logged};

/// Python that tries each of some reads and prints what worked.
fn try_reads(paths: &[String]) -> String {
    format!(
        "import os\nfor path in {paths:?}:\n  try: print('LEAK', path, os.listdir(path) if os.path.isdir(path) else \
        open(path, 'rb').read(100))\n  except OSError: pass"
    )
}

pub(crate) async fn reads_no_file_of_the_host(bench: &Bench) {
    let secret = bench.host("other-project");
    fs::write(secret.join("secret"), "their data").unwrap();
    let mut paths: Vec<String> =
        ["/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/root", "/home", "/var/lib", "/var/run", "/run/docker.sock"]
            .map(str::to_owned)
            .to_vec();
    paths.extend([
        secret.display().to_string(),
        secret.join("secret").display().to_string(),
        format!("/workspace/../{}", secret.join("secret").display()),
        format!("/proc/1/root{}", secret.join("secret").display()),
        format!("/proc/{}/root/etc/shadow", std::process::id()),
        std::env::current_dir().unwrap().display().to_string(),
        "/proc/kcore".to_owned(),
        "/dev/mem".to_owned(),
        "/dev/vda".to_owned(),
        "/dev/sda".to_owned(),
    ]);
    let log = bench.check(&try_reads(&paths)).await;
    let leaks: Vec<_> = log.lines().filter(|line| !line.ends_with(" []")).collect();
    // An image has directories of its own under these names; nothing of the host may be in them.
    let leaks: Vec<_> = leaks
        .into_iter()
        .filter(|line| !["/var/lib", "/var/run", "/home"].iter().any(|own| line.starts_with(&format!("LEAK {own} "))))
        .collect();
    assert!(leaks.is_empty(), "{leaks:?}");
}

pub(crate) async fn follows_no_link_out(bench: &Bench) {
    let secret = bench.host("other-project");
    fs::write(secret.join("secret"), "their data").unwrap();
    let workspace = bench.workspace();
    symlink(secret.join("secret"), workspace.join("file")).unwrap();
    symlink(&secret, workspace.join("directory")).unwrap();
    symlink("/etc/shadow", workspace.join("shadow")).unwrap();
    // And one where the server will mount something.
    symlink(&secret, workspace.join("datasets")).unwrap();
    let data = bench.host("data");
    fs::write(data.join("mine"), "my data").unwrap();
    let paths = ["file", "directory", "directory/secret", "shadow"].map(|name| format!("/workspace/{name}"));
    let mut spec = bench.spec(&format!("{}\nprint(open('/workspace/datasets/mine').read())", try_reads(&paths)));
    spec.mounts.push(Mount { host: data, guest: "/workspace/datasets".into(), access: Access::ReadOnly });
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!((exit, log.as_str()), (Exit::Code(0), "my data\n"));
    assert_eq!(fs::read_dir(&secret).unwrap().count(), 1, "something was made in the other project");
}

pub(crate) async fn writes_only_where_it_may(bench: &Bench) {
    let data = bench.host("data");
    fs::write(data.join("mine"), "my data").unwrap();
    let code = "import os\nfor path in ['/x', '/usr/x', '/etc/x', '/etc/passwd', '/dev/x', '/proc/sys/kernel/hostname', '/data/x', \
        '/data/mine', '/bin/x', '/sys/x']:\n  try:\n    open(path, 'a').write('x')\n    print('WROTE', path)\n  except OSError: pass\n\
        for path in ['/data/mine']:\n  try:\n    os.unlink(path)\n    print('REMOVED', path)\n  except OSError: pass\n\
        open('/workspace/x', 'w').write('x')\nopen('/tmp/x', 'w').write('x')\nopen('/dev/null', 'w').write('x')\nprint(open('/data/mine').read())";
    let mut spec = bench.spec(code);
    spec.mounts.push(Mount { host: data.clone(), guest: "/data".into(), access: Access::ReadOnly });
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!((exit, log.as_str()), (Exit::Code(0), "my data\n"));
    assert_eq!(fs::read_to_string(data.join("mine")).unwrap(), "my data");
    assert_eq!(fs::read_to_string(bench.workspace().join("x")).unwrap(), "x");
}

pub(crate) async fn reaches_no_network_and_no_socket(bench: &Bench) {
    let server = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let database = bench.host("database").join("socket");
    let _database = std::os::unix::net::UnixListener::bind(&database).unwrap();
    let name = format!("gristmill-test-{}", std::process::id());
    let address = <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name).unwrap();
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let path = database.display();
    let code = format!(
        "import socket\n\
        def reach(what, family, address):\n  try:\n    with socket.socket(family) as s:\n      s.settimeout(2)\n      \
        s.connect(address)\n      print('REACHED', what)\n  except OSError: pass\n\
        for host in ['127.0.0.1', '10.0.2.2', '172.17.0.1', '192.168.0.1', '169.254.169.254', '1.1.1.1']:\n  \
        reach(host, socket.AF_INET, (host, {port}))\nreach('dns', socket.AF_INET, ('1.1.1.1', 53))\n\
        reach('v6', socket.AF_INET6, ('::1', {port}))\nreach('database', socket.AF_UNIX, {path:?})\n\
        reach('abstract', socket.AF_UNIX, '\\0{name}')\n\
        for family in [40, 17, 38]:\n  try:\n    socket.socket(family, socket.SOCK_STREAM, 0)\n    print('FAMILY', family)\n  \
        except OSError: pass\n\
        try: print('RESOLVED', socket.getaddrinfo('example.com', 80))\nexcept OSError: pass\n\
        names = [name for _, name in socket.if_nameindex()]\nassert [n for n in names if n in ('eth0', 'docker0')] == [], names\n\
        a = socket.create_server(('127.0.0.1', 0))\nb = socket.create_connection(a.getsockname())\nprint('own loopback')",
        path = path.to_string(),
    );
    assert_eq!(bench.check(&code).await, "own loopback\n");
}

pub(crate) async fn reaches_no_process_outside(bench: &Bench) {
    let bystander = bench.start("import time\nprint('up', flush=True)\ntime.sleep(1000)").await;
    logged(&*bystander, "up").await;
    let me = std::process::id();
    // The first process of a container, or of a user namespace, is the sandbox's own.
    let own_init = bench.backend.kind() == BackendKind::Docker || !rustix::process::geteuid().is_root();
    let init = u32::from(own_init);
    let code = format!(
        "import ctypes, os, signal\n\
        pids = [int(p) for p in os.listdir('/proc') if p.isdigit()]\nassert len(pids) < 10, pids\n\
        libc = ctypes.CDLL(None, use_errno=True)\n\
        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
        for pid in [1, {me}]:\n  \
        assert pid == {init} or libc.ptrace(16, pid, 0, 0) == -1, pid\n  \
        try:\n    os.kill(pid, signal.SIGKILL)\n    assert pid == 1, 'signalled'\n  except OSError: pass\n\
        try: os.kill(-1, signal.SIGTERM)\nexcept OSError: pass\nprint('alone')"
    );
    let mut spec = bench.spec(&code);
    spec.mounts[0].host = bench.host("other");
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!((exit, log.as_str()), (Exit::Code(0), "alone\n"));
    assert!(bystander.usage().await.pids > 0, "another sandbox was ended");
    bystander.kill().await;
}

pub(crate) async fn has_no_rights_and_gets_none(bench: &Bench) {
    let code = "import ctypes, os\n\
        status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)\n\
        for name in ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']: assert int(status[name], 16) == 0, (name, status[name])\n\
        assert status['NoNewPrivs'] == '1'\nassert status['Seccomp'] == '2'\nassert os.getuid() != 0 and os.getgid() != 0\n\
        assert 0 not in os.getgroups(), os.getgroups()\n\
        libc = ctypes.CDLL(None, use_errno=True)\n\
        for flag in [0x10000000, 0x20000000, 0x40000000, 0x00020000]: assert libc.unshare(flag) == -1, hex(flag)\n\
        assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == -1\nassert libc.chroot(b'/tmp') == -1\n\
        assert libc.syscall(250, 0, -3, 1) == -1, 'keyctl'\n\
        for call in [lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chown('/workspace', 0, 0), \
        lambda: os.mknod('/workspace/disk', 0o660 | 0o060000, os.makedev(254, 0))]:\n  \
        try:\n    call()\n    print('ALLOWED')\n  except OSError: pass\n\
        import resource\n\
        try:\n  resource.setrlimit(resource.RLIMIT_NOFILE, (10_000, 10_000))\n  print('RAISED')\nexcept ValueError: pass\nprint('nobody')";
    let code = if cfg!(target_arch = "x86_64") { code.to_owned() } else { code.replace("250, 0", "219, 0") };
    assert_eq!(bench.check(&code).await, "nobody\n");
}

pub(crate) async fn inherits_no_open_file(bench: &Bench) {
    let secret = bench.host("other-project").join("secret");
    fs::write(&secret, "their data").unwrap();
    let open = fs::File::open(&secret).unwrap();
    // As a launcher leaves it, who opened it for the server.
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let code = "import os\nfor fd in os.listdir('/proc/self/fd'):\n  try: path = os.readlink(f'/proc/self/fd/{fd}')\n  \
        except OSError: continue\n  if int(fd) > 2 and not path.startswith('/proc/'): print(fd, path)";
    assert_eq!(bench.check(code).await, "");
}
