//! The same worker in the sandbox that servers use.

use std::sync::Arc;

use gristmill_domain::{execution::PythonVersion, ids::ProjectId};
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    environment::PythonEnvironment,
    intelligence::{AssistDirectories, AssistOp, Assistant},
    sandbox::process::{ProcessBackend, ProcessOptions},
};

use super::{DEADLINE, FRAME, direct::python, names, request, settings};

#[tokio::test(flavor = "multi_thread")]
async fn answers_from_the_process_sandbox() {
    let directory = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let owner = uuid::Uuid::new_v4().simple().to_string();
    let backend = ProcessBackend::new(ProcessOptions::new(directory.path().join("state"), owner), tasks.clone());
    let root = python().parent().unwrap().parent().unwrap().to_owned();
    let installed = std::fs::canonicalize(root.join("bin/python")).unwrap();
    let base = installed.parent().unwrap().parent().unwrap().to_owned();
    backend.provide(PythonEnvironment { version: PythonVersion::V3_11, binds: vec![root.clone(), base], root });
    let directories = AssistDirectories {
        projects: directory.path().join("projects"),
        sockets: directory.path().join("sockets"),
        cache: directory.path().join("cache"),
    };
    let project = ProjectId::random();
    let workspace = directories.projects.join(project.to_string()).join("workspace");
    std::fs::create_dir_all(&workspace).unwrap();
    std::fs::write(workspace.join("mine.py"), "def helper_of_project(): pass\n").unwrap();
    let assistant = Assistant::new(Arc::new(backend), directories, settings(), tasks.clone());
    for (code, expected) in [
        (format!("{FRAME}df[\""), vec!["region", "unit price"]),
        (format!("{FRAME}df.dropn"), vec!["dropna"]),
        ("import mine\nmine.helper".to_owned(), vec!["helper_of_project"]),
    ] {
        let answer = assistant.assist(project, request(AssistOp::Completions, &code)).await.unwrap();
        assert_eq!(names(answer), expected);
    }
    assert_eq!(tasks.shutdown(DEADLINE).await, 0);
}
