//! The Open Inference Protocol v2: a deployment as its clients see it.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    deployments::{key_of, path_of, row},
    models::{Lab, lab},
    peers::Peers,
    support::{Answer, Client},
};

/// A deployment, and a key of it.
struct Served {
    lab: Lab,
    path: String,
    base: String,
    key: String,
    nobody: Client,
}

async fn served(config: &Value) -> Served {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let deployment = lab.deploy(&model, &json!({ "config": config })).await;
    let path = path_of(&deployment);
    let (key, _) = key_of(&lab.ada, &path).await;
    let base = format!("/v2/models/{}", deployment["deploymentId"].as_str().unwrap());
    let nobody = lab.app.anonymous();
    Served { lab, path, base, key, nobody }
}

impl Served {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.nobody.request(method, path).header("x-api-key", &self.key)
    }

    async fn get(&self, path: &str) -> Answer {
        self.nobody.send(self.request(Method::GET, path)).await
    }

    async fn infer(&self, body: &Value) -> Answer {
        self.nobody.send(self.request(Method::POST, &format!("{}/infer", self.base)).json(body)).await
    }

    /// Sends JSON with bytes behind it.
    async fn infer_bytes(&self, body: &Value, binary: &[u8], header: Option<&str>) -> (u16, Vec<u8>, Option<usize>) {
        let mut bytes = body.to_string().into_bytes();
        let header = header.map_or_else(|| bytes.len().to_string(), ToOwned::to_owned);
        bytes.extend(binary);
        let request = self.request(Method::POST, &format!("{}/infer", self.base));
        let answer = request.header("Inference-Header-Content-Length", header).body(bytes).send().await.unwrap();
        let length = answer.headers().get("inference-header-content-length");
        let length = length.map(|value| value.to_str().unwrap().parse().unwrap());
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec(), length)
    }
}

/// The columns of rows as JSON tensors.
fn inputs(rows: &[Value]) -> Vec<Value> {
    let tensor = |name: &str| {
        let values: Vec<&Value> = rows.iter().map(|row| &row[name]).collect();
        let datatype = match values[0] {
            Value::String(_) => "BYTES",
            Value::Number(number) if number.is_i64() => "INT64",
            _ => "FP64",
        };
        json!({ "name": name, "shape": [rows.len()], "datatype": datatype, "data": values })
    };
    row().as_object().unwrap().keys().map(|name| tensor(name)).collect()
}

fn with(name: &str, tensor: &Value) -> Value {
    let mut inputs = inputs(&[row()]);
    let place = inputs.iter().position(|input| input["name"] == name).unwrap();
    inputs[place].as_object_mut().unwrap().extend(tensor.as_object().unwrap().clone());
    json!({ "inputs": inputs })
}

#[actix_web::test]
async fn metadata_and_health_are_those_of_the_protocol() {
    let served = served(&json!({})).await;
    let server = served.nobody.get("/v2").await.expect(200);
    assert_eq!((&server["name"], &server["extensions"]), (&json!("gristmill"), &json!(["binary_tensor_data"])));
    assert_eq!(served.nobody.get("/v2/health/live").await.expect(200), json!({ "live": true }));
    assert_eq!(served.nobody.get("/v2/health/ready").await.expect(200), json!({ "ready": true }));
    assert!(served.nobody.get("/v2/nothing").await.expect(404)["error"].is_string());

    let model = served.get(&served.base).await.expect(200);
    assert_eq!(model["name"], served.base.rsplit('/').next().unwrap());
    assert_eq!((&model["versions"], &model["platform"]), (&json!(["1"]), &json!("gristmill_native")));
    let input = |name: &str| model["inputs"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!(input("island"), json!({ "name": "island", "datatype": "BYTES", "shape": [-1] }));
    assert_eq!(input("bill_length_mm")["datatype"], "FP64");
    assert_eq!(input("year")["datatype"], "INT64");
    let outputs = json!([
        { "name": "prediction", "datatype": "BYTES", "shape": [-1] },
        { "name": "probabilities", "datatype": "FP64", "shape": [-1, 3], "parameters": { "labels": ["Adelie", "Chinstrap", "Gentoo"] } },
        { "name": "prediction_id", "datatype": "BYTES", "shape": [-1] },
    ]);
    assert_eq!(model["outputs"], outputs, "{model}");
    let version = format!("{}/versions/1", served.base);
    assert_eq!(served.get(&version).await.expect(200), model);
    for ready in [format!("{}/ready", served.base), format!("{version}/ready")] {
        assert_eq!(served.get(&ready).await.expect(200)["ready"], true);
    }
    for other in ["", "/ready"] {
        served.get(&format!("{}/versions/2{other}", served.base)).await.refused(404, "model_not_found");
    }
    let infer = served.request(Method::POST, &format!("{}/versions/2/infer", served.base));
    served.nobody.send(infer.json(&json!({ "inputs": inputs(&[row()]) }))).await.refused(404, "model_not_found");
    let infer = served.request(Method::POST, &format!("{version}/infer"));
    served.nobody.send(infer.json(&json!({ "inputs": inputs(&[row()]) }))).await.expect(200);

    // Stopped, it says so.
    served.lab.ada.patch(&served.path, &json!({ "action": "stop" })).await.expect(200);
    let refused = served.get(&format!("{}/ready", served.base)).await.refused(503, "deployment_not_ready");
    assert!(refused["error"].as_str().unwrap().contains("start it"), "{refused}");
    served.infer(&json!({ "inputs": inputs(&[row()]) })).await.refused(503, "deployment_not_ready");
    served.get(&served.base).await.expect(200);
}

#[actix_web::test]
async fn tensors_get_the_answers_that_rows_get() {
    let served = served(&json!({})).await;
    let mut second = row();
    second["bill_length_mm"] = Value::Null;
    second["island"] = json!("");
    let rows = [row(), second];
    let expected = served.lab.ada.post(&format!("{}/predict/batch", served.path), &json!(rows)).await.expect(200);
    let body = json!({ "id": "seven", "inputs": inputs(&rows) });
    let answer = served.infer(&body).await;
    assert_eq!(answer.headers["ratelimit-limit"], "60");
    let answer = answer.expect(200);
    assert_eq!((&answer["id"], &answer["model_version"]), (&json!("seven"), &json!("1")));
    let output = |answer: &Value, name: &str| {
        let found = answer["outputs"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {answer}"))
    };
    let prediction = output(&answer, "prediction");
    assert_eq!((&prediction["shape"], &prediction["datatype"]), (&json!([2]), &json!("BYTES")));
    assert_eq!(prediction["data"], json!([expected[0]["prediction"], expected[1]["prediction"]]));
    let chances = output(&answer, "probabilities");
    assert_eq!(chances["shape"], json!([2, 3]));
    let theirs = ["Adelie", "Chinstrap", "Gentoo"].map(|label| expected[0]["probabilities"][label].as_f64().unwrap());
    let ours: Vec<f64> = serde_json::from_value(chances["data"].clone()).unwrap();
    assert_eq!(ours[..3], theirs);

    // The same id is the same request: it is logged once, under the same names.
    let ids = output(&answer, "prediction_id")["data"].clone();
    assert_eq!(output(&served.infer(&body).await.expect(200), "prediction_id")["data"], ids);
    let logs = served.lab.ada.get(&format!("{}/logs", served.path)).await.expect(200);
    assert_eq!(logs["total"], 4, "{logs}");
    let logged: Vec<_> = logs["logs"].as_array().unwrap().iter().map(|log| &log["predictionId"]).collect();
    assert!(ids.as_array().unwrap().iter().all(|id| logged.contains(&id)), "{logs}");

    // NaN is a missing value, also without quotes.
    let text = body.to_string().replace("[46.5,null]", "[46.5,NaN]");
    assert!(text.contains("NaN"), "{text}");
    let request = served.request(Method::POST, &format!("{}/infer", served.base)).body(text);
    assert_eq!(output(&served.nobody.send(request).await.expect(200), "prediction"), prediction);

    // Only what is asked for, as bytes where that is asked for.
    let mut asked = body.clone();
    asked["outputs"] = json!([{ "name": "probabilities", "parameters": { "binary_data": true } }, { "name": "prediction" }]);
    let (status, bytes, length) = served.infer_bytes(&asked, &[], None).await;
    let (head, data) = bytes.split_at(length.unwrap());
    let head: Value = serde_json::from_slice(head).unwrap();
    assert_eq!((status, head["outputs"].as_array().unwrap().len()), (200, 2));
    assert_eq!(output(&head, "probabilities")["parameters"]["binary_data_size"], 48);
    let read: Vec<f64> = data.chunks_exact(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap())).collect();
    assert_eq!(read, ours);
    assert_eq!(output(&head, "prediction"), prediction);
}

#[actix_web::test]
async fn what_does_not_fit_is_refused_by_its_tensor_and_logged() {
    let served = served(&json!({ "rateLimitPerMinute": 1000 })).await;
    let mut refused = 0;
    for (body, status, part) in [
        (json!({}), 400, "inputs"),
        (json!({ "inputs": [] }), 400, "no inputs"),
        (with("bill_length_mm", &json!({ "shape": [2] })), 400, "bill_length_mm"),
        (with("bill_length_mm", &json!({ "shape": [1, 2], "data": [1, 2] })), 400, "[n, 1]"),
        (with("bill_length_mm", &json!({ "datatype": "FP8" })), 400, "FP8"),
        (with("bill_length_mm", &json!({ "data": ["wide"] })), 400, "should be a number"),
        (with("bill_length_mm", &json!({ "datatype": "BYTES", "data": ["wide"] })), 422, "bill_length_mm"),
        (with("bill_length_mm", &json!({ "datatype": "BOOL", "data": [true] })), 422, "bill_length_mm"),
        (with("island", &json!({ "datatype": "FP32", "data": [1.5] })), 422, "island"),
        (with("island", &json!({ "name": "continent" })), 400, "continent"),
        (json!({ "inputs": &inputs(&[row()])[1..] }), 422, "island"),
        (json!({ "inputs": inputs(&[row()]), "outputs": [{ "name": "chances" }] }), 400, "chances"),
        (with("year", &json!({ "shape": [10_001] })), 413, "10000 rows"),
    ] {
        let answer = served.infer(&body).await.expect(status);
        assert!(answer["error"].as_str().unwrap().contains(part), "{body}: {answer}");
        refused += 1;
    }
    // What a missing tensor lacks is told by its field, too.
    let answer = served.infer(&json!({ "inputs": &inputs(&[row()])[1..] })).await.refused(422, "rows_refused");
    assert_eq!(answer["detail"][0]["loc"], json!(["body", "island"]));
    refused += 1;
    let binary = with("bill_length_mm", &json!({ "datatype": "FP32", "parameters": { "binary_data_size": 4 } }));
    let mut binary = binary;
    for input in binary["inputs"].as_array_mut().unwrap() {
        if input["name"] == "bill_length_mm" {
            input.as_object_mut().unwrap().remove("data");
        }
    }
    let good = 46.5_f32.to_le_bytes();
    for (bytes, header, part) in [
        (&good[..3], None, "only 3 more"),
        (&good[..], Some("5"), "Open Inference Protocol"),
        (&good[..], Some("99999"), "has only"),
        (&good[..], Some("many"), "whole number"),
        (&f32::INFINITY.to_le_bytes()[..], None, "finite"),
    ] {
        let (status, answer, _) = served.infer_bytes(&binary, bytes, header).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
        refused += 1;
    }
    for bytes in [good, f32::NAN.to_le_bytes()] {
        assert_eq!(served.infer_bytes(&binary, &bytes, None).await.0, 200);
    }
    let request = served.request(Method::POST, &format!("{}/infer", served.base));
    let large = served.nobody.send(request.body(vec![b' '; (1 << 20) + 1])).await.refused(413, "payload_too_large");
    assert_eq!(large["maxBytes"], 1 << 20);
    let request = served.request(Method::POST, &format!("{}/infer", served.base)).header("Content-Encoding", "gzip");
    let packed = served.nobody.send(request.body("x")).await.refused(400, "invalid_request");
    assert!(packed["error"].as_str().unwrap().contains("compressed"), "{packed}");
    refused += 2;
    let logs = served.lab.ada.get(&format!("{}/logs?status=error", served.path)).await.expect(200);
    assert_eq!(logs["total"], refused, "{logs}");
}

#[actix_web::test]
async fn only_keys_and_the_owner_get_in_and_the_limit_is_the_deployment_s() {
    let served = served(&json!({ "rateLimitPerMinute": 3 })).await;
    let body = json!({ "inputs": inputs(&[row()]) });
    let stranger = served.lab.app.user("mallory").await;
    let infer = format!("{}/infer", served.base);
    for path in [served.base.clone(), format!("{}/ready", served.base)] {
        served.nobody.get(&path).await.refused(401, "unauthenticated");
        stranger.get(&path).await.refused(404, "deployment_not_found");
    }
    served.nobody.post(&infer, &body).await.refused(401, "unauthenticated");
    stranger.post(&infer, &body).await.refused(404, "deployment_not_found");
    let wrong = served.nobody.request(Method::POST, &infer).header("x-api-key", "ak_wrong").json(&body);
    served.nobody.send(wrong).await.refused(401, "api_key_invalid");
    let unknown = format!("/v2/models/{}/infer", uuid::Uuid::new_v4());
    served.lab.ada.post(&unknown, &body).await.refused(404, "deployment_not_found");
    served.lab.ada.post("/v2/models/penguins/infer", &body).await.refused(400, "invalid_id");
    // A key may come as a bearer token, and the owner needs none.
    let bearer = served.nobody.request(Method::POST, &infer).bearer_auth(&served.key).json(&body);
    served.nobody.send(bearer).await.expect(200);
    served.lab.ada.post(&infer, &body).await.expect(200);
    served.lab.ada.post(&format!("{}/predict", served.path), &row()).await.expect(200);
    let limited = served.infer(&body).await;
    assert!(limited.headers.contains_key("retry-after") && limited.headers["ratelimit-remaining"] == "0");
    limited.refused(429, "too_many_requests");
}

#[actix_web::test]
async fn an_unmodified_triton_client_asks() {
    let served = served(&json!({ "rateLimitPerMinute": 1000 })).await;
    let host = served.lab.app.url().strip_prefix("http://").unwrap().to_owned();
    let model = served.base.rsplit('/').next().unwrap().to_owned();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/oip/client.py");
    let row = row().to_string();
    let output = Peers::run(script, &[("HOST", &host), ("MODEL", &model), ("KEY", &served.key), ("ROW", &row)]).await;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim_end().ends_with("done"), "{said}\n{errors}");
}
