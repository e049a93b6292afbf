//! Jobs over HTTP (DESIGN decisions 9 and 10).

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::{Client, TestApp, eventually};

async fn upload_async(client: &Client, project: &str, filename: &str, content: Vec<u8>) -> Value {
    let part = reqwest::multipart::Part::bytes(content).file_name(filename.to_owned());
    let form = reqwest::multipart::Form::new().part("file", part).text("projectId", project.to_owned());
    let request = client.request(Method::POST, "/api/upload/dataset").header("Prefer", "respond-async").multipart(form);
    client.send(request).await.expect(202)["job"].clone()
}

fn events_of(text: &str) -> Vec<Value> {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[actix_web::test]
async fn an_upload_can_be_followed_as_a_job() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let job = upload_async(&ada, &project, "t.csv", b"a,b\n1,x\n2,y\n".to_vec()).await;
    assert_eq!((job["kind"].as_str(), job["projectId"].as_str()), (Some("dataset_ingest"), Some(project.as_str())));
    assert!(job.get("payload").is_none());
    let path = format!("/api/jobs/{}", job["jobId"].as_str().unwrap());

    let stream = ada.get(&format!("{path}/events")).await;
    assert!(stream.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("application/x-ndjson"));
    let events = events_of(&stream.text);
    let sequence: Vec<i64> = events.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert_eq!(sequence, (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>(), "gapless from 1");
    assert_eq!(events.first().unwrap()["type"], "job_queued");
    let closing = events.last().unwrap();
    assert_eq!(closing["type"], "job_succeeded");

    let done = ada.get(&path).await.expect(200)["job"].clone();
    assert_eq!(done["status"], "succeeded");
    let datasets = ada.get(&format!("/api/datasets?projectId={project}")).await.expect(200)["datasets"].clone();
    assert_eq!(datasets[0]["datasetId"], closing["result"]["datasetId"]);
    let tail = events_of(&ada.get(&format!("{path}/events?after={}", events.len() - 1)).await.text);
    assert_eq!(tail, [closing.clone()]);
    assert!(events_of(&ada.get(&format!("{path}/events?after={}", events.len())).await.text).is_empty());
}

#[actix_web::test]
async fn server_sent_events_carry_ids_and_resume() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let job = upload_async(&ada, &project, "t.csv", b"a\n1\n".to_vec()).await;
    let path = format!("/api/jobs/{}/events", job["jobId"].as_str().unwrap());
    let sse = async |last: Option<&str>| {
        let mut request = ada.request(Method::GET, &path).header(header::ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        ada.send(request).await
    };
    let stream = sse(None).await;
    assert!(stream.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/event-stream"));
    assert!(stream.text.contains("id: 1\nevent: job_queued\ndata: {"), "{}", stream.text);
    let resumed = sse(Some("1")).await.text;
    assert!(!resumed.contains("job_queued") && resumed.contains("job_succeeded"), "{resumed}");
}

#[actix_web::test]
async fn jobs_are_listed_in_pages_newest_first() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let (one, two) = (ada.project("One").await, ada.project("Two").await);
    for n in 0..5 {
        ada.dataset(&one, &format!("t{n}.csv"), "a\n1\n").await;
    }
    ada.dataset(&two, "u.csv", "a\n1\n").await;
    let all = ada.get("/api/jobs").await.expect(200);
    assert_eq!(all["jobs"].as_array().unwrap().len(), 6);
    assert!(all.get("nextCursor").is_none(), "a list without limit is complete");
    let of_one = ada.get(&format!("/api/jobs?projectId={one}")).await.expect(200)["jobs"].clone();
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ada.get(&format!("/api/jobs?projectId={one}&limit=2{cursor}")).await.expect(200);
        paged.extend(page["jobs"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(Value::Array(paged), of_one);
    for bad in ["limit=0", "limit=201", "limit=x", "cursor=nonsense", "projectId=1"] {
        ada.get(&format!("/api/jobs?{bad}")).await.refused(400, "validation_failed");
    }
}

#[actix_web::test]
async fn a_slow_ingest_can_be_cancelled_and_leaves_nothing() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let row = "1,2.5,some text that makes the row longer,2024-01-01,true\n";
    let job = upload_async(&ada, &project, "big.csv", format!("a,b,c,d,e\n{}", row.repeat(400_000)).into_bytes()).await;
    let path = format!("/api/jobs/{}", job["jobId"].as_str().unwrap());
    ada.post(&format!("{path}/cancel"), &json!({})).await.expect(200);
    let ended = eventually("the end of the job", async || {
        let job = ada.get(&path).await.expect(200)["job"].clone();
        (job["status"] != "running" && job["status"] != "queued").then_some(job)
    })
    .await;
    assert_eq!(ended["status"], "cancelled", "{ended}");
    assert_eq!(ada.get("/api/datasets").await.expect(200)["datasets"], json!([]));
    eventually("the removal of the files", async || crate::support::files_below(app.data_dir.path()).is_empty().then_some(()))
        .await;
    // A second request changes nothing.
    assert_eq!(ada.post(&format!("{path}/cancel"), &json!({})).await.expect(200)["job"]["status"], "cancelled");
}

#[actix_web::test]
async fn a_failed_ingest_says_why_in_the_job_too() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let job = upload_async(&ada, &project, "old.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and so on".to_vec()).await;
    let events = events_of(&ada.get(&format!("/api/jobs/{}/events", job["jobId"].as_str().unwrap())).await.text);
    let closing = events.last().unwrap();
    assert_eq!((closing["type"].as_str(), closing["error"]["code"].as_str()), (Some("job_failed"), Some("unsupported_format")));
}

#[actix_web::test]
async fn a_repeated_upload_finds_the_first_one() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let upload = async || {
        let part = reqwest::multipart::Part::bytes(b"a\n1\n".to_vec()).file_name("t.csv");
        let form = reqwest::multipart::Form::new().part("file", part).text("projectId", project.clone());
        let request = ada.request(Method::POST, "/api/upload/dataset").header("Idempotency-Key", "k1").multipart(form);
        ada.send(request).await.expect(201)["dataset"]["datasetId"].clone()
    };
    assert_eq!(upload().await, upload().await);
    assert_eq!(ada.get("/api/datasets").await.expect(200)["datasets"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn foreign_jobs_are_not_there() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let project = ada.project("P").await;
    let job = upload_async(&ada, &project, "t.csv", b"a\n1\n".to_vec()).await;
    let path = format!("/api/jobs/{}", job["jobId"].as_str().unwrap());
    eve.get(&path).await.refused(404, "job_not_found");
    eve.get(&format!("{path}/events")).await.refused(404, "job_not_found");
    eve.post(&format!("{path}/cancel"), &json!({})).await.refused(404, "job_not_found");
    eve.get(&format!("/api/jobs?projectId={project}")).await.refused(404, "project_not_found");
    assert_eq!(eve.get("/api/jobs").await.expect(200), json!({ "jobs": [] }));
    eve.get("/api/jobs/nonsense").await.refused(400, "invalid_id");
}
