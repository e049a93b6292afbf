//! Hostile multipart bodies: whatever is sent, the answer is a refusal or a dataset, never a defect, and a refusal
//! leaves nothing. The forms that people get wrong are in `datasets`.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use reqwest::{Method, header};
use serde_json::json;

use crate::support::{TestApp, eventually, files_below};

const CASES: u32 = 150;
const BOUNDARY: &str = "boundary";

/// One piece of a body. Most are nearly right, for random bytes do not get far.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed = |text: &'static str| Just(text.as_bytes().to_vec());
    prop_oneof![
        4 => fixed("--boundary\r\n"),
        2 => fixed("--boundary--\r\n"),
        1 => fixed("--boundar"),
        1 => fixed("\r\n"),
        1 => fixed("\r\n\r\n"),
        4 => fixed("Content-Disposition: form-data; name=\"file\"; filename=\"t.csv\"\r\n\r\n"),
        1 => fixed("Content-Disposition: form-data; name=\"file\"\r\n\r\n"),
        1 => fixed("Content-Disposition: form-data; filename=\"../../etc/passwd\"\r\n\r\n"),
        1 => fixed("Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%00%ff%zz.csv\r\n\r\n"),
        1 => fixed("Content-Disposition: attachment\r\n\r\n"),
        1 => fixed("Content-Type: multipart/mixed; boundary=inner\r\n"),
        1 => fixed("Content-Transfer-Encoding: base64\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        2 => fixed("Content-Disposition: form-data; name=\"projectId\"\r\n\r\n"),
        3 => fixed("a,b\n1,2\n"),
        1 => fixed("[{\"a\":1}]"),
        1 => fixed("PK\u{3}\u{4}"),
        2 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (1usize..70_000).prop_map(|length| vec![b'x'; length]),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    (proptest::collection::vec(piece(), 0..12), any::<bool>()).prop_map(|(pieces, closed)| {
        let mut body = b"--boundary\r\n".to_vec();
        body.extend(pieces.into_iter().flatten());
        if closed {
            body.extend(b"\r\n--boundary--\r\n");
        }
        body
    })
}

#[actix_web::test]
async fn hostile_forms_are_answered_and_leave_nothing() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let mut runner = TestRunner::deterministic();
    let strategy = body();
    let mut refused = 0;
    for _ in 0..CASES {
        let mut bytes = strategy.new_tree(&mut runner).unwrap().current();
        if refused % 2 == 0 {
            // Half of them name a project that is there.
            let field = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"projectId\"\r\n\r\n{project}\r\n");
            bytes.splice(0..0, field.into_bytes());
        }
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = ada.request(Method::POST, "/api/upload/dataset").header(header::CONTENT_TYPE, content_type);
        let shown = String::from_utf8_lossy(&bytes).chars().take(600).collect::<String>();
        let answer = ada.send(request.body(bytes)).await;
        match answer.status.as_u16() {
            201 => {}
            400 | 404 | 413 => refused += 1,
            other => panic!("{other} for {shown}: {}", answer.text),
        }
    }
    assert!(refused > CASES / 4, "only {refused} were refused");
    for dataset in ada.get("/api/datasets").await.expect(200)["datasets"].as_array().unwrap() {
        ada.delete(&format!("/api/datasets/{}", dataset["datasetId"].as_str().unwrap())).await.expect(200);
    }
    assert_eq!(ada.get("/api/datasets").await.expect(200)["datasets"], json!([]));
    eventually("an empty store", async || files_below(app.data_dir.path()).is_empty().then_some(())).await;
}
