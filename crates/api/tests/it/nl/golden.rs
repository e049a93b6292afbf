//! Golden questions while a model takes its time: one run at a time, and questions that change meanwhile.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Setting, TOTALS, becomes, model::gated, setting_with, with_compatible};
use crate::support::{Answer, Client, eventually};

fn base(project: &str) -> String {
    format!("/api/projects/{project}/golden-questions")
}

/// Makes a question that the models of these tests answer rightly. Returns its path.
async fn golden(client: &Client, project: &str, question: &str) -> String {
    let base = base(project);
    let made = client.post(&base, &json!({ "question": question, "expectedSql": TOTALS })).await.expect(201);
    format!("{base}/{}", made["goldenQuestion"]["goldenQuestionId"].as_str().unwrap())
}

/// Starts a run, and does not wait for it.
async fn start(client: &Client, project: &str) -> Answer {
    let request = client.request(Method::POST, &format!("{}/run", base(project))).header("Prefer", "respond-async");
    client.send(request).await
}

/// The path of a job that was started.
#[track_caller]
fn job(started: Answer) -> String {
    format!("/api/jobs/{}", started.expect(202)["job"]["jobId"].as_str().unwrap())
}

async fn cancel(client: &Client, job: &str) {
    client.post(&format!("{job}/cancel"), &json!({})).await.expect(200);
    becomes(client, job, "cancelled").await;
}

#[actix_web::test]
async fn a_project_s_golden_questions_are_asked_once_at_a_time() {
    let hangs = json!([{ "always": true, "reply": { "thinking": "Hm.", "hangs": true } }]);
    let Setting { app, ada, project, _script } = setting_with(hangs, &[("NL2SQL_TIMEOUT_MS", "300000")]).await;
    golden(&ada, &project, "What is the total amount by region?").await;
    // Of two at once one is the first.
    let (one, other) = tokio::join!(start(&ada, &project), start(&ada, &project));
    let (begun, refused) = if one.status == 202 { (one, other) } else { (other, one) };
    let begun = job(begun);
    refused.refused(409, "conflict");
    becomes(&ada, &begun, "running").await;
    let waiting = ada.post(&format!("{}/run", base(&project)), &json!({})).await;
    for refused in [waiting, start(&ada, &project).await] {
        let refused = refused.refused(409, "conflict");
        assert!(refused["error"].as_str().unwrap().contains("being asked already"), "{refused}");
    }
    let jobs = ada.get(&format!("/api/jobs?projectId={project}")).await.expect(200);
    let runs = jobs["jobs"].as_array().unwrap().iter().filter(|job| job["kind"] == "golden_run").count();
    assert_eq!(runs, 1, "{jobs}");

    // Neither another project nor anybody else waits for it.
    let eve = app.user("eve").await;
    for client in [&ada, &eve] {
        let other = client.project("Other").await;
        let report = client.post(&format!("{}/run", base(&other)), &json!({})).await.expect(200);
        assert_eq!((&report["total"], &report["right"]), (&json!(0), &json!(0)));
    }

    cancel(&ada, &begun).await;
    let again = job(start(&ada, &project).await);
    assert_ne!(again, begun);
    cancel(&ada, &again).await;
}

#[actix_web::test]
async fn a_question_that_is_changed_while_it_is_asked_keeps_no_verdict() {
    let (gate, model) = gated();
    let (_app, ada, project) = with_compatible(&model.url).await;
    let mut paths = Vec::new();
    for question in
        ["Totals by region, asked otherwise?", "Totals, answered otherwise?", "Totals, deleted?", "Totals, left alone?"]
    {
        paths.push(golden(&ada, &project, question).await);
    }
    let [asked_otherwise, answered_otherwise, deleted, left_alone] = paths.as_slice() else { panic!("{paths:?}") };

    let run = job(start(&ada, &project).await);
    eventually("the model to be asked", async || (!model.asked("nl_plan").is_empty()).then_some(())).await;
    ada.patch(asked_otherwise, &json!({ "question": "Sum by region?" })).await.expect(200);
    ada.patch(answered_otherwise, &json!({ "expectedSql": "select count(*) from sales" })).await.expect(200);
    ada.delete(deleted).await.expect(204);
    gate.open();
    let run = becomes(&ada, &run, "succeeded").await;
    assert_eq!((&run["result"]["total"], &run["result"]["right"]), (&json!(4), &json!(4)), "as they were when it began: {run}");
    assert_eq!(model.asked("nl_plan").len(), 4);
    let log = ada.get(&format!("/api/jobs/{}/events", run["jobId"].as_str().unwrap())).await;
    assert_eq!(log.text.matches("\"golden_question_asked\"").count(), 4, "{}", log.text);

    let listed = ada.get(&base(&project)).await.expect(200);
    let verdicts = |listed: &Value| -> Vec<(String, Option<String>)> {
        let questions = listed["goldenQuestions"].as_array().unwrap().iter();
        let verdict = |one: &Value| one["lastAsked"]["verdict"].as_str().map(ToOwned::to_owned);
        questions.map(|one| (one["goldenQuestionId"].as_str().unwrap().to_owned(), verdict(one))).collect()
    };
    let expected = |verdicts: [Option<&str>; 3]| -> Vec<(String, Option<String>)> {
        let paths = [asked_otherwise, answered_otherwise, left_alone].into_iter();
        let id = |path: &String| path.rsplit('/').next().unwrap().to_owned();
        paths.map(id).zip(verdicts.map(|verdict| verdict.map(ToOwned::to_owned))).collect()
    };
    assert_eq!(verdicts(&listed), expected([None, None, Some("right")]), "{listed}");

    // The next run asks what they are now.
    let report = ada.post(&format!("{}/run", base(&project)), &json!({})).await.expect(200);
    assert_eq!((&report["total"], &report["right"]), (&json!(3), &json!(2)));
    let listed = ada.get(&base(&project)).await.expect(200);
    assert_eq!(verdicts(&listed), expected([Some("right"), Some("wrong"), Some("right")]), "{listed}");
}
