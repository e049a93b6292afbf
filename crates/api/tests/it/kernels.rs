//! Cells, sessions and Python help on real kernels in real sandboxes.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    crash::until_it_runs_code,
    notebooks::{cell, notebook},
    support::{Client, TestApp, eventually, sandbox_backend},
};

/// A server that runs code; fails where that is impossible, and says why.
pub(crate) async fn running(variables: &[(&str, &str)]) -> TestApp {
    let app = TestApp::start_with(variables).await;
    until_it_runs_code(&app.user("nobody").await).await;
    app
}

struct Setting {
    app: TestApp,
    ada: Client,
    project: String,
    notebook: String,
}

async fn setting_of(kind: &str) -> Setting {
    let app = running(&[]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let notebook = notebook(&ada, &project, &json!({ "kind": kind })).await;
    Setting { app, ada, project, notebook }
}

impl Setting {
    async fn cell(&self, content: &str) -> String {
        cell(&self.ada, &self.notebook, content).await
    }

    async fn run(&self, cell: &str) -> Value {
        self.ada.post(&format!("/api/cells/{cell}/run"), &json!({ "projectId": self.project })).await.expect(200)
    }

    async fn code(&self, content: &str) -> Value {
        let cell = self.cell(content).await;
        self.run(&cell).await
    }

    async fn find(&self, cell: &str) -> Value {
        self.ada.get(&format!("/api/cells/{cell}")).await.expect(200)
    }

    async fn wait_until_running(&self, cell: &str) {
        eventually("the cell to run", async || (self.find(cell).await["executionStatus"] == "running").then_some(())).await;
    }
}

#[actix_web::test]
async fn the_isolation_in_force_is_told() {
    let app = running(&[]).await;
    let ada = app.user("ada").await;
    let backend = sandbox_backend();
    let health = ada.get("/api/execute/health").await.expect(200);
    assert_eq!(
        (health["backend"].as_str(), health["dockerAvailable"].as_bool()),
        (Some(backend.as_str()), Some(true)),
        "{health}"
    );
    assert!(health["isolation"].to_string().contains("no network"), "{health}");
    assert!(health["reasons"].to_string().contains("RUNTIME_BACKEND names another"), "{health}");
    let runtimes = ada.get("/api/execute/runtimes").await.expect(200);
    let usual = runtimes["runtimes"].as_array().unwrap().iter().find(|one| one["pythonVersion"] == "3.11").unwrap();
    assert_eq!((usual["available"].as_bool(), usual["backend"].as_str()), (Some(true), Some(backend.as_str())), "{runtimes}");
}

#[actix_web::test]
async fn cells_share_a_kernel_and_keep_what_they_put_out() {
    let setting = setting_of("phase").await;
    let first = setting.code("x = 20\nprint('set')").await;
    assert_eq!((first["status"].as_str(), first["stdout"].as_str()), (Some("success"), Some("set\n")), "{first}");
    let second = setting.cell("x + 22").await;
    let result = setting.run(&second).await;
    assert_eq!(result["outputs"], json!([{ "type": "text", "content": "42" }]), "{result}");
    assert_eq!(result["executionOrder"], 2);
    let kept = setting.find(&second).await;
    assert_eq!((kept["executionStatus"].as_str(), kept["output"].clone()), (Some("success"), result["outputs"].clone()));
    let failed = setting.code("1 / 0").await;
    assert_eq!(
        (failed["status"].as_str(), failed["error"].as_str()),
        (Some("error"), Some("ZeroDivisionError: division by zero"))
    );
    setting.ada.post(&format!("/api/projects/{}/kernel/restart", setting.project), &json!({})).await.expect(200);
    assert_eq!(setting.code("x").await["error"], "NameError: name 'x' is not defined");
}

#[actix_web::test]
async fn datasets_are_there_under_their_names() {
    let setting = setting_of("phase").await;
    setting.ada.dataset(&setting.project, "my data.csv", "a,b\n1,2\n3,4\n").await;
    let result = setting.code("import pandas as pd\nint(pd.read_csv('/workspace/datasets/my data.csv').b.sum())").await;
    assert_eq!(result["outputs"][0]["content"], "6", "{result}");
}

#[actix_web::test]
async fn a_plot_opens_in_a_page_and_goes_into_the_file() {
    let setting = setting_of("phase").await;
    let id = setting.cell("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()").await;
    let result = setting.run(&id).await;
    let picture = result["outputs"].as_array().unwrap().iter().find(|output| output["type"] == "image");
    let content = picture.unwrap_or_else(|| panic!("no picture in {result}"))["content"].as_str().unwrap().to_owned();
    let name = content.strip_prefix(&format!("outputs/{id}/")).unwrap_or_else(|| panic!("{content}"));
    let answer = setting.app.anonymous();
    let request = answer.request(Method::GET, &format!("/api/cells/{id}/outputs/{name}"));
    let bytes = request.send().await.unwrap().bytes().await.unwrap();
    assert!(bytes.starts_with(b"\x89PNG"), "{} bytes", bytes.len());
    assert_eq!(setting.find(&id).await["outputRefs"][0]["ref"], content);
    let file = setting.ada.get(&format!("/api/notebooks/{}/export", setting.notebook)).await.expect(200);
    assert!(file["cells"][0]["outputs"].to_string().contains("image/png"), "{file}");
    // A second run replaces the picture, and its file goes.
    setting.run(&id).await;
    eventually("the old picture to go", async || {
        (answer.get(&format!("/api/cells/{id}/outputs/{name}")).await.status == 404).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn a_run_is_interrupted_and_one_that_waits_never_begins() {
    let setting = setting_of("phase").await;
    setting.code("import time").await;
    let (first, second) = (setting.cell("print('on', flush=True)\ntime.sleep(60)").await, setting.cell("'second'").await);
    let runs = futures_util::future::join(setting.run(&first), async {
        setting.wait_until_running(&first).await;
        setting.run(&second).await
    });
    let stops = async {
        setting.wait_until_running(&second).await;
        for id in [&second, &first] {
            let body = json!({ "projectId": setting.project });
            setting.ada.post(&format!("/api/cells/{id}/interrupt"), &body).await.expect(200);
            eventually("the run to end", async || (setting.find(id).await["executionStatus"] == "error").then_some(())).await;
        }
    };
    let ((one, two), ()) = futures_util::future::join(runs, stops).await;
    assert!(one["error"].as_str().unwrap().starts_with("KeyboardInterrupt"), "{one}");
    assert!(two["error"].as_str().unwrap().contains("before it began"), "{two}");
    assert_eq!(setting.code("'alive'").await["status"], "success");
}

#[actix_web::test]
async fn a_run_goes_on_when_the_client_goes_away_and_edits_stay_dirty() {
    let setting = setting_of("phase").await;
    let id = setting.cell("import time\ntime.sleep(5)\nprint('done')").await;
    let path = format!("/api/cells/{id}/run");
    let request = setting.ada.request(Method::POST, &path).json(&json!({ "projectId": setting.project }));
    // The client goes when the run is seen: how long a kernel takes to start is the machine's affair.
    tokio::select! {
        answer = request.send() => panic!("the run ended before the client went away: {answer:?}"),
        () = setting.wait_until_running(&id) => {}
    }
    setting.ada.post(&path, &json!({ "projectId": setting.project })).await.refused(409, "cell_locked");
    setting.ada.patch(&format!("/api/cells/{id}"), &json!({ "content": "edited" })).await.expect(200);
    let done =
        eventually("the run to end", async || Some(setting.find(&id).await).filter(|cell| cell["executionStatus"] != "running"))
            .await;
    assert_eq!((done["executionStatus"].as_str(), done["output"][0]["content"].as_str()), (Some("success"), Some("done\n")));
    assert_eq!((done["isDirty"].clone(), done["content"].as_str()), (json!(true), Some("edited")));
}

#[actix_web::test]
async fn exports_of_a_scratch_pad_become_datasets() {
    let setting = setting_of("standalone").await;
    let result =
        setting.code("import pandas as pd\nsave_to_project(pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']}), 'my export')").await;
    let exported = &result["exportedDatasets"];
    assert_eq!(
        (exported[0]["name"].as_str(), exported[0]["rows"].as_u64(), exported[0]["cols"].as_u64()),
        (Some("my export"), Some(2), Some(2)),
        "{result}"
    );
    let datasets = setting.ada.get(&format!("/api/datasets?projectId={}", setting.project)).await.expect(200);
    let dataset = &datasets["datasets"][0];
    assert_eq!(
        (dataset["datasetId"].clone(), dataset["metadata"]["source"].as_str()),
        (exported[0]["id"].clone(), Some("notebook_export")),
        "{dataset}"
    );
    assert!(dataset["metadata"]["exportId"].is_string() && dataset["metadata"]["exportedAt"].is_string(), "{dataset}");
    assert!(setting.code("1").await.get("exportedDatasets").is_none(), "taken over once");
}

#[actix_web::test]
async fn large_outputs_have_a_preview_and_a_file() {
    let setting = setting_of("phase").await;
    let id = setting.cell("print('x' * 2_000_000)").await;
    let result = setting.run(&id).await;
    let shown = result["outputs"][0]["content"].as_str().unwrap();
    assert!(shown.len() < 100_000 && shown.contains("2000001 bytes"), "{} bytes of a preview", shown.len());
    let kept = setting.find(&id).await;
    let reference = kept["outputRefs"][0]["ref"].as_str().unwrap();
    let name = reference.rsplit('/').next().unwrap();
    let whole = setting.app.anonymous().get(&format!("/api/cells/{id}/outputs/{name}")).await;
    assert_eq!(whole.text.len(), 2_000_001);
}

#[actix_web::test]
async fn sessions_are_apart_from_notebooks() {
    let setting = setting_of("phase").await;
    setting.code("x = 1").await;
    let made = setting.ada.post("/api/execute/session", &json!({ "projectId": setting.project })).await.expect(200);
    let id = made["session"]["id"].as_str().unwrap();
    let packages = made["session"]["installedPackages"].as_array().unwrap();
    assert!(packages.iter().any(|one| one["name"] == "pandas"), "{made}");
    let run = async |code: &str| {
        let body = json!({ "projectId": setting.project, "sessionId": id, "code": code, "timeout": 1000 });
        setting.ada.post("/api/execute", &body).await.expect(200)["result"].clone()
    };
    assert_eq!(run("x").await["error"], "NameError: name 'x' is not defined");
    assert_eq!(run("y = 5").await["status"], "success");
    assert_eq!(run("y").await["outputs"][0]["content"], "5");
    let slow = run("while True: pass").await;
    assert_eq!(slow["status"], "timeout", "{slow}");
    assert_eq!(setting.ada.delete(&format!("/api/execute/session/{id}")).await.expect(200), json!({ "success": true }));
}

#[actix_web::test]
async fn python_help_knows_cells_and_columns() {
    let setting = setting_of("phase").await;
    setting.ada.dataset(&setting.project, "people.csv", "salary,name\n1,ada\n").await;
    let ask = async |operation: &str, code: &str, line: u32, column: u32| {
        let body = json!({ "code": code, "line": line, "column": column, "projectId": setting.project });
        setting.ada.post(&format!("/api/python/{operation}"), &body).await.expect(200)
    };
    // The first worker on a machine has much to read.
    let names = eventually("completions", async || {
        let names = ask("completions", "import math\nmath.sq", 2, 7).await["completions"].clone();
        (names != json!([])).then_some(names)
    })
    .await;
    assert_eq!(names[0]["name"], "sqrt", "{names}");
    let wrong = ask("diagnostics", "def f(:\n  pass", 1, 0).await;
    assert_eq!(
        (wrong["diagnostics"][0]["line"].as_u64(), wrong["diagnostics"][0]["severity"].as_str()),
        (Some(1), Some("error")),
        "{wrong}"
    );
    let hover = ask("hover", "import math\nmath.sqrt", 2, 7).await;
    assert_eq!(hover["hover"]["name"], "sqrt", "{hover}");
    let signatures = ask("signatures", "import math\nmath.pow(1, ", 2, 12).await;
    assert_eq!(signatures["signatures"][0]["activeParam"], 1, "{signatures}");
}

/// What code tries and must not reach, over HTTP as its owner would: `escape` in the runtime's tests tries more.
#[actix_web::test]
async fn a_cell_reaches_neither_other_projects_nor_the_server() {
    let setting = setting_of("phase").await;
    let other = setting.ada.project("Other").await;
    let dataset = setting.ada.dataset(&other, "secret.csv", "a\n1\n").await["datasetId"].as_str().unwrap().to_owned();
    setting.ada.dataset(&setting.project, "mine.csv", "a\n2\n").await;
    let data_dir = setting.app.data_dir.path().display().to_string();
    let url = setting.app.database.url().expose_secret().to_owned();
    let host = url.split(['@', '/']).nth(3).unwrap().replace("%2F", "/").replace("%2f", "/");
    let code = format!(
        "import os, socket
for path in ['{data_dir}', '{data_dir}/store/projects/{other}', '{host}', '/datasets/../{other}']:
    try: print('SEES', path, os.listdir(path))
    except OSError: pass
os.symlink('{data_dir}/store', 'out')
os.symlink('/datasets/../../{other}', 'up')
for path in ['out/projects/{other}', 'up']:
    try: print('FOLLOWED', path, os.listdir(path))
    except OSError: pass
for root, directories, files in os.walk('/'):
    if root == '/': directories[:] = [d for d in directories if d not in ('proc', 'sys', 'usr', 'opt', 'lib')]
    for name in directories + files:
        if '{dataset}' in name or '{other}' in name or 'secret.csv' in name: print('FOUND', root, name)
for what, family, address in [
    ('server', socket.AF_INET, ('127.0.0.1', {port})), ('internet', socket.AF_INET, ('1.1.1.1', 443)),
    ('database', socket.AF_UNIX, '{host}/.s.PGSQL.5432'),
]:
    try:
        with socket.socket(family) as s:
            s.settimeout(2)
            s.connect(address)
        print('REACHED', what)
    except OSError: pass
print(open('/workspace/datasets/mine.csv').read().split())",
        port = setting.app.server.address().port(),
    );
    let result = setting.code(&code).await;
    assert_eq!((result["status"].as_str(), result["stdout"].as_str()), (Some("success"), Some("['a', '2']\n")), "{result}");
}

#[actix_web::test]
async fn exports_that_lead_out_are_not_taken_over() {
    let setting = setting_of("standalone").await;
    let code = "import json, os
os.makedirs('_exports')
os.symlink('/etc/passwd', '_exports/stolen.csv')
json.dump([{'name': 'stolen', 'rows': 1, 'cols': 1, 'exportId': 'x'}], open('_exports/.manifest.json', 'w'))";
    let result = setting.code(code).await;
    assert_eq!(result["status"], "success", "{result}");
    assert!(result.get("exportedDatasets").is_none(), "{result}");
    let datasets = setting.ada.get(&format!("/api/datasets?projectId={}", setting.project)).await.expect(200);
    assert_eq!(datasets["datasets"], json!([]));
}

/// Each is a result that says what happened, the next run has a new kernel, and another project's kernel noticed nothing.
#[actix_web::test]
async fn code_that_takes_its_kernel_down_harms_nobody_else() {
    let setting = setting_of("phase").await;
    let other = setting.ada.project("Other").await;
    let elsewhere = notebook(&setting.ada, &other, &json!({})).await;
    let run_elsewhere = async |content: &str| {
        let id = cell(&setting.ada, &elsewhere, content).await;
        setting.ada.post(&format!("/api/cells/{id}/run"), &json!({ "projectId": other })).await.expect(200)
    };
    assert_eq!(run_elsewhere("kept = 7").await["status"], "success");
    for (code, why) in [
        ("import os\nos._exit(3)", &["code 3"][..]),
        ("import ctypes\nctypes.string_at(0)", &["crashed"]),
        ("hog = []\nwhile True: hog.append(bytearray(64 << 20))", &["memory", "MemoryError"]),
        // ZeroMQ aborts when it notices; the connection may end before.
        ("import os\nos.closerange(3, 1024)\nwhile True: pass", &["sockets were closed", "aborted"]),
    ] {
        let id = setting.cell(code).await;
        let result = setting.run(&id).await;
        assert_eq!(result["status"], "error", "{code}: {result}");
        let error = result["error"].as_str().unwrap();
        assert!(why.iter().any(|why| error.contains(why)), "{code}: {error}");
        assert_eq!(setting.find(&id).await["lockedBy"], Value::Null);
        assert_eq!(setting.code("2 + 2").await["outputs"][0]["content"], "4", "after {code}");
    }
    assert_eq!(run_elsewhere("kept").await["outputs"][0]["content"], "7");
}

#[actix_web::test]
async fn a_project_that_is_deleted_on_another_server_ends_its_kernel_here() {
    let setting = setting_of("phase").await;
    let (ada, project) = (&setting.ada, &setting.project);
    assert_eq!(setting.code("x = 1").await["status"], "success");
    assert_eq!(ada.get("/api/execute/health").await.expect(200)["activeSessions"], 1);
    let kept = setting.app.data_dir.path().join("runtime/projects").join(project);
    assert!(kept.exists());
    // Of a directory of its own: a second server over the same one on one machine would take it for a dead one's.
    let elsewhere = tempfile::tempdir().unwrap();
    let second = setting.app.second_server(&[("GRISTMILL_DATA_DIR", elsewhere.path().to_str().unwrap())]).await;
    let there = Client::new(&format!("http://{}", second.address()), ada.token.as_deref());
    there.delete(&format!("/api/projects/{project}")).await.expect(204);
    eventually("the kernel to end", async || {
        (ada.get("/api/execute/health").await.expect(200)["activeSessions"] == 0 && !kept.exists()).then_some(())
    })
    .await;
    second.stop().await;
}

#[actix_web::test]
async fn completions_know_the_kernels_variables() {
    let setting = setting_of("phase").await;
    setting.code("import pandas as pd\nlive_frame = pd.DataFrame({'only here': [1]})").await;
    let body = json!({ "projectId": setting.project, "code": "live_frame['", "line": 1, "column": 12 });
    eventually("the columns of the frame", async || {
        let answer = setting.ada.post("/api/python/completions", &body).await.expect(200);
        (answer["completions"][0]["name"] == "only here").then_some(())
    })
    .await;
}

#[actix_web::test]
async fn sessions_and_notebooks_start_on_kernels_that_are_ready() {
    let app = running(&[("EXECUTION_POOL_SIZE", "2")]).await;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can mount into a running sandbox");
        return;
    }
    let ada = app.user("ada").await;
    let full = async || {
        eventually("two ready kernels", async || {
            (ada.get("/api/execute/health").await.expect(200)["readyKernels"] == 2).then_some(())
        })
        .await;
    };
    full().await;
    let project = ada.project("P").await;
    ada.dataset(&project, "sales.csv", "a\n1\n").await;
    let made = ada.post("/api/execute/session", &json!({ "projectId": project })).await.expect(200);
    let id = made["session"]["id"].as_str().unwrap();
    let packages = made["session"]["installedPackages"].as_array().unwrap();
    assert!(packages.iter().any(|package| package["name"] == "pandas"), "{made}");
    let code = "open('/workspace/datasets/sales.csv').read()";
    let ran = ada.post("/api/execute", &json!({ "projectId": project, "sessionId": id, "code": code })).await.expect(200);
    assert_eq!(ran["result"]["outputs"][0]["content"], "'a\\n1\\n'", "{ran}");
    let notebook = notebook(&ada, &project, &json!({})).await;
    let cell = cell(&ada, &notebook, "import os\nos.listdir('/workspace/datasets')").await;
    let ran = ada.post(&format!("/api/cells/{cell}/run"), &json!({ "projectId": project })).await.expect(200);
    assert!(ran["outputs"][0]["content"].as_str().unwrap().contains("sales.csv"), "{ran}");
    // Others take their places.
    full().await;
}
