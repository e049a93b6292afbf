//! Traces, with the feature `otel`: a server in this process, and a stand-in for a collector.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, post, web};
use gristmill_api::{config::Config, telemetry::Telemetry};
use reqwest::Method;
use serde_json::json;

use crate::{
    deployments::{path_of, row},
    models::lab,
    support::eventually,
};

/// A span, as far as the test looks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    /// The spans that it has links to.
    links: Vec<Vec<u8>>,
    name: String,
    service: String,
}

type Received = Arc<Mutex<Vec<Span>>>;

/// The fields of a protocol buffer that have a length, by their number. Fails when it is none.
fn fields(mut bytes: &[u8]) -> BTreeMap<u64, Vec<&[u8]>> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().expect("a number");
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return value;
            }
        }
        panic!("a number without an end");
    }
    let mut found: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                varint(&mut bytes);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)).unwrap(),
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = bytes.split_at(length);
        bytes = rest;
        found.entry(key >> 3).or_default().push(value);
    }
    found
}

fn all<'a>(message: &BTreeMap<u64, Vec<&'a [u8]>>, number: u64) -> Vec<&'a [u8]> {
    message.get(&number).cloned().unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `ExportTraceServiceRequest`.
fn spans(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource_spans in all(&fields(body), 1) {
        let resource_spans = fields(resource_spans);
        // `Resource.attributes`, of which there is one: the name of the service.
        let resource = fields(all(&resource_spans, 1)[0]);
        let attribute = fields(all(&resource, 1)[0]);
        assert_eq!(all(&attribute, 1)[0], b"service.name");
        let service = text(all(&fields(all(&attribute, 2)[0]), 1)[0]);
        for scope_spans in all(&resource_spans, 2) {
            for span in all(&fields(scope_spans), 2) {
                let span = fields(span);
                let first = |number| all(&span, number).first().map(|bytes| bytes.to_vec()).unwrap_or_default();
                spans.push(Span {
                    trace: first(1),
                    id: first(2),
                    parent: first(4),
                    links: all(&span, 13).into_iter().map(|link| all(&fields(link), 2)[0].to_vec()).collect(),
                    name: text(&first(5)),
                    service: service.clone(),
                });
            }
        }
    }
    spans
}

#[post("/v1/traces")]
async fn collect(request: HttpRequest, received: web::Data<Mutex<Vec<Span>>>, body: web::Bytes) -> HttpResponse {
    assert_eq!(request.headers().get("content-type").unwrap(), "application/x-protobuf");
    received.lock().unwrap().extend(spans(&body));
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

/// Starts the stand-in, and returns where it is.
fn collector(received: &Received) -> String {
    let shared = web::Data::from(Arc::clone(received));
    let server = HttpServer::new(move || App::new().app_data(shared.clone()).service(collect)).workers(1);
    let server = server.disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    format!("http://{address}")
}

#[actix_web::test]
async fn a_request_its_jobs_and_a_prediction_are_traced() {
    let received = Received::default();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), collector(&received)),
        ("OTEL_SERVICE_NAME".to_owned(), "mill under test".to_owned()),
    ];
    let config = Config::read(&BTreeMap::from(variables)).unwrap();
    // Of its own, as the program's: the test's runtime has one thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let telemetry = Telemetry::start(&config, runtime.handle().clone()).unwrap();

    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let path = path_of(&lab.deploy(&model, &json!({})).await);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = lab.ada.request(Method::POST, &format!("{path}/predict")).json(&row());
    lab.ada.send(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await.expect(200);

    let find = |name: &str, trace: Option<&[u8]>| {
        let spans = received.lock().unwrap();
        spans.iter().rev().find(|span| span.name == name && trace.is_none_or(|trace| span.trace == trace)).cloned()
    };
    // What is done within the client's trace belongs to it.
    let trace = hex::decode(trace).unwrap();
    let name = "POST /api/deployments/{deploymentId}/predict";
    let asked = eventually("the request to be traced", async || find(name, Some(&trace))).await;
    assert_eq!(asked.parent, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!(asked.service, "mill under test");
    let prediction = eventually("the prediction to be traced", async || find("prediction", Some(&trace))).await;
    assert_eq!(prediction.parent, asked.id);
    // A request without a trace of its client begins one; jobs begin their own, with a link to the span that asked for them.
    let trained = eventually("the training to be traced", async || find("POST /api/models/train", None)).await;
    assert!(trained.parent.is_empty() && trained.trace != trace, "{trained:?}");
    let linked = || {
        let spans = received.lock().unwrap();
        let within: Vec<&Vec<u8>> = spans.iter().filter(|span| span.trace == trained.trace).map(|span| &span.id).collect();
        let is_linked = |span: &&Span| span.name == "job" && span.links.iter().any(|link| within.contains(&link));
        let jobs: Vec<Span> = spans.iter().filter(is_linked).cloned().collect();
        (jobs.len() == 2).then_some(jobs)
    };
    let jobs = eventually("the training's job and that of its evaluation to be traced", async || linked()).await;
    assert!(jobs.iter().all(|job| job.parent.is_empty() && job.trace != trained.trace), "{jobs:?}");

    // At the end nothing is left behind.
    lab.ada.get(&path).await.expect(200);
    tokio::task::spawn_blocking(move || {
        telemetry.stop();
        runtime.shutdown_background();
    })
    .await
    .unwrap();
    assert!(find("GET /api/deployments/{id}", None).is_some());
}
