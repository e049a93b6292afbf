//! What is mounted into a sandbox that runs already.

use std::{fs, os::unix::fs::symlink, path::Path};

use gristmill_runtime::sandbox::{Access, Exit, Mount, Sandbox, SandboxError};

use super::support::{Bench, DEADLINE, logged};

fn mount(host: &Path, guest: &str, access: Access) -> Mount {
    Mount { host: host.to_owned(), guest: guest.into(), access }
}

/// A sandbox with empty places at `/late` and `/more`, or none where its backend mounts nothing later.
async fn waiting(bench: &Bench, code: &str, disk_bytes: u64) -> Option<Box<dyn Sandbox>> {
    if let Err(reason) = bench.backend.mounts_late() {
        eprintln!("skipped: {reason}");
        return None;
    }
    let mut spec = bench.spec(code);
    spec.mounts.extend(["/late", "/more"].map(|guest| mount(&bench.host("empty"), guest, Access::ReadOnly)));
    spec.limits.disk_bytes = disk_bytes;
    let sandbox = bench.backend.start(spec).await.unwrap();
    logged(&*sandbox, "waiting").await;
    Some(sandbox)
}

pub(crate) async fn shows_what_is_mounted_later(bench: &Bench) {
    let code = "
import os, time
print('waiting', os.listdir('/late'), flush=True)
while not os.path.exists('/late/go'): time.sleep(0.01)
os.chdir('/late')
open('written', 'w').write('yes')
for path in ('/late/inner/x', '/more/x'):
    try:
        open(path, 'w')
        print('WRITTEN', path)
    except OSError as error:
        print('refused', error.errno)
print(open('/late/inner/fact').read(), open('/more/fact').read(), os.stat('/late').st_uid == os.getuid())
with open('/proc/self/mountinfo') as mounts:
    # The later ones are over the earlier ones.
    options = {fields[4]: fields[5] for fields in map(str.split, mounts)}
print(*['OPTIONS ' + options[path] for path in ('/late', '/late/inner', '/more')], sep='\\n')
";
    let Some(sandbox) = waiting(bench, code, 1 << 30).await else { return };
    let (late, inner, more) = (bench.host("late"), bench.host("inner"), bench.host("more"));
    fs::write(inner.join("fact"), "inside").unwrap();
    fs::write(more.join("fact"), "beside").unwrap();
    // An earlier kernel's code left a link where a mount belongs.
    let elsewhere = bench.host("elsewhere");
    symlink(&elsewhere, late.join("inner")).unwrap();
    fs::write(late.join("go"), "").unwrap();
    let mounts = vec![
        mount(&inner, "/late/inner", Access::ReadOnly),
        mount(&more, "/more", Access::ReadOnly),
        mount(&late, "/late", Access::ReadWrite),
    ];
    sandbox.mount(mounts).await.unwrap();
    let exit = tokio::time::timeout(DEADLINE, sandbox.wait()).await.unwrap();
    let log = sandbox.log_tail().await;
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert!(log.contains("waiting []") && log.contains("inside beside True"), "{log}");
    assert!(!log.contains("WRITTEN") && log.matches("refused 30").count() == 2, "{log}");
    let options: Vec<_> = log.lines().filter_map(|line| line.strip_prefix("OPTIONS ")).collect();
    assert_eq!(options.len(), 3, "{log}");
    assert!(options.iter().all(|options| options.contains("nosuid") && options.contains("nodev")), "{log}");
    assert_eq!(fs::read_to_string(late.join("written")).unwrap(), "yes");
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
}

pub(crate) async fn counts_what_is_written_to_later_mounts(bench: &Bench) {
    let code = "
import os, time
print('waiting', flush=True)
while not os.path.exists('/late/go'): time.sleep(0.01)
with open('/late/big', 'wb') as file:
    for _ in range(64):
        file.write(b'x' * (1 << 20))
        file.flush()
time.sleep(1000)
";
    let Some(sandbox) = waiting(bench, code, 16 << 20).await else { return };
    let late = bench.host("late");
    fs::write(late.join("go"), "").unwrap();
    sandbox.mount(vec![mount(&late, "/late", Access::ReadWrite)]).await.unwrap();
    assert_eq!(tokio::time::timeout(DEADLINE, sandbox.wait()).await.unwrap(), Exit::OutOfDisk);
}

pub(crate) async fn shares_no_directory_between_users(bench: &Bench) {
    let sleeping = "import time\nprint('waiting', flush=True)\ntime.sleep(1000)";
    let Some(sandbox) = waiting(bench, sleeping, 1 << 30).await else { return };
    // The sandbox above writes to the workspace, so that another over it has the same user.
    let mut spec = bench.spec(sleeping);
    let (own, taken) = (bench.host("own"), bench.host("taken"));
    spec.mounts = vec![mount(&taken, "/workspace", Access::ReadWrite)];
    let other = bench.backend.start(spec).await.unwrap();
    let refused = sandbox.mount(vec![mount(&taken, "/late", Access::ReadWrite)]).await;
    assert!(matches!(refused, Err(SandboxError::Start(_))), "{refused:?}");
    sandbox.mount(vec![mount(&own, "/late", Access::ReadWrite)]).await.unwrap();
    other.kill().await;
    sandbox.kill().await;
    let ended = sandbox.mount(vec![mount(&taken, "/more", Access::ReadWrite)]).await;
    assert!(ended.is_err(), "it has ended");
}

pub(crate) async fn refuses_what_cannot_be_mounted(bench: &Bench) {
    let code = "import os, time\nos.symlink('/etc', '/workspace/link')\nprint('waiting', flush=True)\ntime.sleep(1000)";
    let Some(sandbox) = waiting(bench, code, 1 << 30).await else { return };
    let late = bench.host("late");
    for refused in [
        mount(&bench.host("late").join("nothing"), "/late", Access::ReadOnly),
        mount(Path::new("/"), "/late", Access::ReadOnly),
        mount(&late, "/", Access::ReadOnly),
        mount(&late, "/late/../more", Access::ReadOnly),
        mount(&late, "/there/is/nothing", Access::ReadOnly),
        mount(&late, "/workspace/link", Access::ReadOnly),
    ] {
        assert!(sandbox.mount(vec![refused.clone()]).await.is_err(), "{refused:?}");
    }
    sandbox.kill().await;
}
