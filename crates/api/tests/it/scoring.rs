//! MLflow's scoring protocol: a deployment as programs see it that ask `<endpointUrl>/invocations`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    deployments::{ROW, key_of, path_of, row},
    models::lab,
    peers::Peers,
};

const CSV: &str = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year\n\
                   Dream,46.5,17.9,192,3500,female,2007\nDream,,17.9,192,3500,,2007\n";

#[actix_web::test]
async fn every_form_gets_the_same_predictions() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let path = path_of(&lab.deploy(&model, &json!({})).await);
    let (key, _) = key_of(&lab.ada, &path).await;
    let nobody = lab.app.anonymous();
    let mut second = row();
    second["bill_length_mm"] = Value::Null;
    second["sex"] = Value::Null;
    let expected = lab.ada.post(&format!("{path}/predict/batch"), &json!([row(), second])).await.expect(200);
    let expected = json!({ "predictions": [expected[0]["prediction"], expected[1]["prediction"]] });
    let names: Vec<String> = row().as_object().unwrap().keys().cloned().collect();
    let list = |row: &Value| names.iter().map(|name| row[name].clone()).collect::<Vec<_>>();
    // Without names, rows are in the order of the model's columns.
    let schema = lab.ada.get(&format!("{path}/schema")).await.expect(200);
    let order: Vec<String> = serde_json::from_value(schema["featureColumns"].clone()).unwrap();
    let plain = |row: &Value| order.iter().map(|name| row[name].clone()).collect::<Vec<_>>();
    let columns = names.iter().map(|name| (name.clone(), json!([row()[name], second[name]]))).collect::<serde_json::Map<_, _>>();
    let forms = [
        json!({ "dataframe_split": { "columns": names, "data": [list(&row()), list(&second)] } }).to_string(),
        json!({ "dataframe_records": [row(), second] }).to_string(),
        json!({ "instances": [row(), second], "params": {} }).to_string(),
        json!({ "instances": [plain(&row()), plain(&second)] }).to_string(),
        json!({ "inputs": columns }).to_string(),
        // As Python writes it.
        json!({ "dataframe_records": [row(), second] }).to_string().replace("null", "NaN"),
    ];
    let send = |content_type: &str, body: String| {
        let request = nobody.request(Method::POST, &format!("{path}/invocations")).header("x-api-key", &key);
        nobody.send(request.header("content-type", content_type).body(body))
    };
    for form in forms {
        assert_eq!(send("application/json", form.clone()).await.expect(200), expected, "{form}");
    }
    assert_eq!(send("text/csv; charset=utf-8", CSV.to_owned()).await.expect(200), expected);
    let ping = nobody.send(nobody.request(Method::GET, &format!("{path}/ping")).header("x-api-key", &key)).await;
    assert_eq!((ping.status.as_u16(), ping.text.as_str()), (200, "\n"));
    let logs = lab.ada.get(&format!("{path}/logs?limit=1")).await.expect(200);
    assert_eq!(logs["total"], 2 + 2 * 7, "{logs}");
}

#[actix_web::test]
async fn refusals_are_mlflow_s_and_logged() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let path = path_of(&lab.deploy(&model, &json!({ "config": { "rateLimitPerMinute": 12 } })).await);
    let (invocations, ping) = (format!("{path}/invocations"), format!("{path}/ping"));
    let many = format!(r#"{{"dataframe_records": [{}]}}"#, vec!["{}"; 10_001].join(","));
    let wide = json!({ "dataframe_records": [{ "bill_length_mm": "wide" }] }).to_string();
    let refused = [
        ("application/json", "{", 400, "not valid JSON"),
        ("application/json", "{}", 400, "exactly one of"),
        ("application/json", r#"{"dataframe_records": []}"#, 400, "no rows"),
        ("application/json", r#"{"instances": [[1]]}"#, 400, "columns"),
        ("application/json", &wide, 422, "island"),
        ("application/json", &many, 413, "10000 rows"),
        ("text/csv", "island\nDream\n", 422, "bill_length_mm"),
        ("text/csv", "a,a\n1,2\n", 400, "twice"),
        ("text/csv; charset=latin-1", CSV, 400, "UTF-8"),
        ("text/plain", ROW, 400, "Content-Type"),
    ];
    for (content_type, body, status, part) in refused {
        let request = lab.ada.request(Method::POST, &invocations).header("content-type", content_type).body(body.to_owned());
        let answer = lab.ada.send(request).await.expect(status);
        let message = answer["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(message.contains(part), "{body}: {answer}");
        let code = if status == 413 { "REQUEST_LIMIT_EXCEEDED" } else { "INVALID_PARAMETER_VALUE" };
        assert_eq!(answer["error_code"], code, "{answer}");
    }
    let good = json!({ "dataframe_records": [row()] });
    let (nobody, stranger) = (lab.app.anonymous(), lab.app.user("mallory").await);
    for (client, status, code) in [(&nobody, 401, "UNAUTHENTICATED"), (&stranger, 404, "RESOURCE_DOES_NOT_EXIST")] {
        assert_eq!(client.post(&invocations, &good).await.expect(status)["error_code"], code);
        assert_eq!(client.get(&ping).await.expect(status)["error_code"], code);
    }
    let wrong = nobody.request(Method::POST, &invocations).header("x-api-key", "ak_wrong").json(&good);
    assert_eq!(nobody.send(wrong).await.expect(401)["error_code"], "UNAUTHENTICATED");
    let answer = lab.ada.post("/api/deployments/penguins/invocations", &good).await.expect(400);
    assert_eq!(answer["error_code"], "INVALID_PARAMETER_VALUE");

    lab.ada.patch(&path, &json!({ "action": "stop" })).await.expect(200);
    for answer in [lab.ada.post(&invocations, &good).await, lab.ada.get(&ping).await] {
        assert_eq!(answer.expect(503)["error_code"], "TEMPORARILY_UNAVAILABLE");
    }
    lab.ada.patch(&path, &json!({ "action": "start" })).await.expect(200);
    lab.ada.post(&invocations, &good).await.expect(200);
    let limited = lab.ada.post(&invocations, &good).await;
    assert!(limited.headers.contains_key("retry-after"));
    assert_eq!(limited.expect(429)["error_code"], "REQUEST_LIMIT_EXCEEDED");
    let logs = lab.ada.get(&format!("{path}/logs?status=error")).await.expect(200);
    assert_eq!(logs["total"], 10 + 2, "{logs}");
}

#[actix_web::test]
async fn mlflow_s_own_client_asks() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let deployment = lab.deploy(&model, &json!({})).await;
    let (key, _) = key_of(&lab.ada, &path_of(&deployment)).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scoring/client.py");
    let base = deployment["endpointUrl"].as_str().unwrap().to_owned();
    let output = Peers::run(script, &[("BASE", &base), ("KEY", &key), ("ROW", ROW)]).await;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim_end().ends_with("done"), "{said}\n{errors}");
}
