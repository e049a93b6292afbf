//! Installing packages in real sandboxes, from a package index of the test's own and, where it answers, from this
//! machine's.

mod support;

use std::{
    net::{TcpStream, ToSocketAddrs},
    path::Path,
    sync::Arc,
    time::Duration,
};

use gristmill_runtime::{
    InstallEvent,
    packages::{FrozenLayer, GUEST_LAYER_PATH, IndexSettings, PackageNames, Packages},
    sandbox::Exit,
};
use tokio::{sync::mpsc, time::timeout};

use self::support::{Bench, VERSION, install};

const VERSION_OF_GOOD: &str = "import good; print(good.__version__)";

#[tokio::test(flavor = "multi_thread")]
async fn a_running_kernel_imports_what_is_installed() {
    let bench = Bench::new().await;
    let waiting = "
import time
for _ in range(1200):
    try:
        import good
        print('found', good.__version__, good.__file__)
        raise SystemExit(7)
    except ImportError:
        time.sleep(0.05)
";
    let kernel = bench.python(waiting).await;
    let (outcome, events) = bench.install("good").await;
    assert!(outcome.success, "{} {events:?}", outcome.message);
    assert_eq!(outcome.message, "Successfully installed good-2.0");
    let exit = timeout(Duration::from_secs(30), kernel.wait()).await.unwrap();
    let log = kernel.log_tail().await;
    assert_eq!(exit, Exit::Code(7), "{log}");
    assert!(log.contains("found 2.0 /opt/gristmill/packages/current/good/__init__.py"), "{log}");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_its_progress_as_the_contract_says() {
    let bench = Bench::new().await;
    let (outcome, events) = bench.install("good").await;
    assert!(outcome.success, "{}", outcome.message);
    let bars: Vec<u8> = events
        .iter()
        .filter_map(|event| match event {
            InstallEvent::Progress { progress, .. } => Some(*progress),
            InstallEvent::Log { .. } => None,
        })
        .collect();
    assert_eq!(bars.first(), Some(&8));
    assert_eq!(bars.last(), Some(&100));
    assert!(bars.windows(2).all(|pair| pair[0] < pair[1]), "{bars:?}");
    for mark in [15, 85] {
        assert!(bars.contains(&mark), "{bars:?}");
    }
    assert!(matches!(events.last(), Some(InstallEvent::Progress { progress: 100, .. })), "{events:?}");
    let collecting = |event: &InstallEvent| matches!(event, InstallEvent::Log { message } if message.contains("Collecting good"));
    assert!(events.iter().any(collecting), "{events:?}");
    // Again: nothing to do, and said so.
    let (outcome, events) = bench.install("good").await;
    assert!(outcome.success);
    assert_eq!(outcome.message, "Already installed: good");
    assert!(matches!(events.last(), Some(InstallEvent::Progress { progress: 100, .. })), "{events:?}");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_what_is_there_into_account_and_replaces_versions() {
    let bench = Bench::new().await;
    let (outcome, _) = bench.install("good==1.0").await;
    assert_eq!(outcome.message, "Successfully installed good-1.0");
    // good and the environment's numpy are there: neither is fetched again.
    let (outcome, _) = bench.install("needy").await;
    assert_eq!(outcome.message, "Successfully installed needy-1.0");
    assert!(!bench.index.requests().contains("/simple/numpy/"), "{}", bench.index.requests());
    assert_eq!(bench.printed(VERSION_OF_GOOD).await, "1.0");

    let (outcome, _) = bench.install("good>1").await;
    assert_eq!(outcome.message, "Successfully installed good-2.0");
    assert_eq!(bench.printed(VERSION_OF_GOOD).await, "2.0");
    let code = "import importlib.metadata as m, needy; print(m.version('good'), m.version('needy')); import good.old";
    let printed = bench.printed(code).await;
    assert!(printed.contains("2.0 1.0") && printed.contains("No module named 'good.old'"), "{printed}");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_frozen_is_imported_as_it_was() {
    let bench = Bench::new().await;
    assert!(bench.install("good==1.0").await.0.success);
    let frozen = FrozenLayer::of(&bench.layer, &bench.directory.path().join("frozen")).unwrap().unwrap();
    assert!(bench.install("good==2.0").await.0.success);
    assert_eq!(bench.printed(VERSION_OF_GOOD).await, "2.0");
    let mount = frozen.mount();
    assert_eq!(mount.guest, Path::new(GUEST_LAYER_PATH));
    let code = "import good, good.old; print('version', good.__version__); open(good.__file__, 'w')";
    let printed = bench.printed_with(mount, code).await;
    assert!(printed.contains("version 1.0") && printed.contains("Errno"), "nobody writes to it: {printed}");
    let packages = frozen.packages().unwrap();
    let listed: Vec<_> = packages.iter().map(|one| (one.name.as_str(), one.version.as_str())).collect();
    assert_eq!(listed, [("good", "1.0")]);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_installation_says_why_and_changes_nothing() {
    let bench = Bench::new().await;
    assert!(bench.install("good==1.0").await.0.success);
    let before = bench.layer.version().unwrap();
    for (names, reason) in [
        ("good==2.0 nowhere", "No wheel of nowhere fits Python 3.11"),
        ("good==3", "No wheel of good==3 fits Python 3.11"),
        ("source", "No wheel of source fits Python 3.11"),
        ("good==2.0 corrupt", "HASH"),
        ("climbing", "outside"),
    ] {
        let (outcome, events) = bench.install(names).await;
        assert!(!outcome.success, "{names}: {}", outcome.message);
        assert!(outcome.message.to_lowercase().contains(&reason.to_lowercase()), "{names}: {}", outcome.message);
        assert!(!events.iter().any(|event| matches!(event, InstallEvent::Progress { progress: 100, .. })));
        assert_eq!(bench.layer.version().unwrap(), before, "{names}");
    }
    assert_eq!(bench.printed(VERSION_OF_GOOD).await, "1.0");
    assert_eq!(names_in(bench.layer.directory().parent().unwrap()), [".packages.lock", "packages"]);
    bench.finish().await;
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn reaches_no_host_but_the_index() {
    let bench = Bench::new().await;
    let (outcome, events) = bench.install("elsewhere").await;
    assert!(!outcome.success, "{}", outcome.message);
    let requests = bench.index.requests();
    assert!(requests.contains("index /simple/elsewhere/"), "{requests}");
    assert!(!requests.contains("other "), "{requests} {events:?}");
    // Only because it was not allowed.
    let other = bench.index.settings.clone();
    let page = fetch(&other, "/simple/elsewhere/");
    let port = page.split("127.0.0.1:").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let mut options = bench.options();
    options.index.extra_index_urls = vec![format!("http://127.0.0.1:{port}/simple")];
    let packages = Packages::new(Arc::clone(&bench.backend), options);
    let (outcome, _) = install(&packages, &bench.layer, "elsewhere").await;
    assert!(outcome.success, "{}", outcome.message);
    assert!(bench.index.requests().contains("other /files/elsewhere"), "{}", bench.index.requests());
    bench.finish().await;
}

fn fetch(settings: &IndexSettings, path: &str) -> String {
    use std::io::{Read, Write};
    let address = settings.index_url.as_deref().unwrap().trim_start_matches("http://").trim_end_matches("/simple");
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_at_its_time_limit() {
    let bench = Bench::new().await;
    let before = bench.layer.version().unwrap();
    let mut options = bench.options();
    options.time_limit = Duration::from_secs(5);
    let packages = Packages::new(Arc::clone(&bench.backend), options);
    let (outcome, _) = install(&packages, &bench.layer, "slow").await;
    assert!(!outcome.success);
    assert!(outcome.message.starts_with("The installation took longer than"), "{}", outcome.message);
    assert_eq!(bench.layer.version().unwrap(), before);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_installation_ends_and_the_next_goes_on() {
    let bench = Bench::new().await;
    let packages = Arc::new(bench.packages());
    let (sender, mut receiver) = mpsc::channel(100);
    let mut installation = tokio::task::JoinSet::new();
    installation.spawn({
        let (packages, layer) = (Arc::clone(&packages), bench.layer.clone());
        async move { packages.install(&layer, VERSION, &PackageNames::parse("slow").unwrap(), &sender).await }
    });
    // It is in the middle: the index was asked.
    let asked = async {
        while !bench.index.requests().contains("/simple/slow/") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), asked).await.unwrap();
    installation.shutdown().await;
    while receiver.recv().await.is_some() {}
    let (outcome, _) = timeout(Duration::from_secs(60), install(&packages, &bench.layer, "good")).await.unwrap();
    assert!(outcome.success, "{}", outcome.message);
    assert_eq!(names_in(bench.layer.directory()).len(), 2);
    drop(packages);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn installations_at_once_all_arrive() {
    let bench = Bench::new().await;
    let packages = bench.packages();
    let (one, two) = tokio::join!(install(&packages, &bench.layer, "good==1.0"), install(&packages, &bench.layer, "needy"));
    assert!(one.0.success && two.0.success, "{} {}", one.0.message, two.0.message);
    let printed = bench.printed("import good, needy; print('both')").await;
    assert_eq!(printed, "both");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_when_nobody_listens() {
    let bench = Bench::new().await;
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    let names = PackageNames::parse("good").unwrap();
    let outcome = bench.packages().install(&bench.layer, VERSION, &names, &sender).await;
    assert!(outcome.success, "{}", outcome.message);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_the_environment_and_the_layer() {
    let bench = Bench::new().await;
    let packages = bench.packages();
    let before = packages.list(&bench.layer, VERSION).await.unwrap();
    assert!(before.iter().any(|package| package.name == "pandas" && package.summary.is_some() && package.version.is_some()));
    assert!(before.is_sorted_by_key(|package| package.name.to_lowercase()));
    assert!(!before.iter().any(|package| package.name == "good"));
    assert!(Arc::ptr_eq(&before, &packages.list(&bench.layer, VERSION).await.unwrap()), "kept until an installation");
    assert!(install(&packages, &bench.layer, "good==1.0").await.0.success);
    let after = packages.list(&bench.layer, VERSION).await.unwrap();
    let good = after.iter().find(|package| package.name == "good").unwrap();
    assert_eq!(good.version.as_deref(), Some("1.0"));
    assert_eq!(good.summary.as_deref(), Some("Made for a test."));
    assert_eq!(good.homepage.as_deref(), Some("https://example.org/good"));
    assert_eq!(after.len(), before.len() + 1);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_single_names_up() {
    let bench = Bench::new().await;
    let packages = bench.packages();
    let found = packages.look_up("good").await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.version.as_deref()), ("good", Some("2.0")));
    assert_eq!(packages.look_up("not-there").await.unwrap(), None);
    assert_eq!(bench.index.requests(), "index /simple/good/\nindex /simple/not-there/\n");
    // An index that is not there is an error, soon, and nothing else is asked in its place.
    let mut options = bench.options();
    options.index.index_url = Some("http://127.0.0.1:1/simple".into());
    let silent = Packages::new(Arc::clone(&bench.backend), options);
    let error = timeout(Duration::from_secs(30), silent.look_up("good")).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("did not answer"), "{error}");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn says_that_python_is_not_provisioned() {
    let bench = Bench::new().await;
    let names = PackageNames::parse("good").unwrap();
    let (sender, _receiver) = mpsc::channel(10);
    let other = gristmill_domain::execution::PythonVersion::V3_13;
    let outcome = bench.packages().install(&bench.layer, other, &names, &sender).await;
    assert!(!outcome.success);
    assert!(outcome.message.contains("gristmill setup"), "{}", outcome.message);
    assert!(bench.packages().list(&bench.layer, other).await.is_err());
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn installs_from_the_index_of_this_machine() {
    let bench = Bench::new().await;
    let mut options = bench.options();
    options.index = IndexSettings::of_this_machine(&crate::backend::locked::python().interpreter());
    for host in options.index.hosts() {
        let reachable = host.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
        let reachable = reachable.map(|address| TcpStream::connect_timeout(&address, Duration::from_secs(5)));
        if options.index.upstream_proxy.is_none() && !matches!(reachable, Some(Ok(_))) {
            println!("skipped: {} does not answer here", host.0);
            return bench.finish().await;
        }
    }
    let packages = Packages::new(Arc::clone(&bench.backend), options);
    let (outcome, events) = install(&packages, &bench.layer, "humanize").await;
    assert!(outcome.success, "{} {events:?}", outcome.message);
    let printed = bench.printed("import humanize; print(humanize.intword(10**9))").await;
    assert_eq!(printed, "1.0 billion");
    bench.finish().await;
}
