//! Deployments of models whose columns were made by feature engineering: rows come with the columns of before.

use std::fmt::Write as _;

use chrono::{Days, NaiveDate};

use super::*;

const APPLY: &str = "/api/feature-engineering/apply";
const CITIES: [&str; 3] = ["Aachen", "Bonn", "Cologne"];
const ORDERS: u32 = 120;

fn feature(name: &str, method: &str, source: &str) -> Value {
    json!({ "featureName": name, "method": method, "sourceColumn": source })
}

/// An order as it is before any feature is made.
fn order(number: u32) -> Value {
    let day = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + Days::new(u64::from(3 * number));
    let amount = f64::from(number * 37 % 100) + 0.5;
    let city = CITIES[usize::try_from(number % 3).unwrap()];
    json!({
        "day": day.to_string(),
        "amount": if number % 17 == 5 { Value::Null } else { json!(amount) },
        "city": if number % 9 == 5 { Value::Null } else { json!(city) },
        "pieces": number % 9,
    })
}

fn orders_csv() -> String {
    let mut csv = "number,day,amount,city,pieces,size\n".to_owned();
    for number in 0..ORDERS {
        let order = order(number);
        let text = |name: &str| match &order[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let size = if number * 37 % 100 >= 50 { "large" } else { "small" };
        let (day, amount, city, pieces) = (text("day"), text("amount"), text("city"), text("pieces"));
        writeln!(csv, "{number},{day},{amount},{city},{pieces},{size}").unwrap();
    }
    csv
}

impl Lab {
    /// Makes features of a dataset. Returns the new one's id and table.
    async fn engineered(&self, dataset: &str, features: Value) -> (String, String) {
        let request = json!({ "projectId": self.project, "datasetId": dataset, "features": features });
        let made = self.ada.post(APPLY, &request).await.expect(201)["dataset"].clone();
        (made["datasetId"].as_str().unwrap().to_owned(), made["tableName"].as_str().unwrap().to_owned())
    }

    async fn schema(&self, path: &str) -> Value {
        self.ada.get(&format!("{path}/schema")).await.expect(200)
    }
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

fn without(row: &Value, field: &str) -> Value {
    let mut row = row.clone();
    row.as_object_mut().unwrap().remove(field).unwrap();
    row
}

/// Answers are equal but for the last digits.
#[track_caller]
fn assert_alike(one: &Value, other: &Value) {
    assert_eq!(one["prediction"], other["prediction"], "{one} {other}");
    for (class, chance) in one["probabilities"].as_object().unwrap() {
        assert!((chance.as_f64().unwrap() - other["probabilities"][class].as_f64().unwrap()).abs() < 1e-5, "{one} {other}");
    }
}

/// Orders with features, a model of most of these and of a raw column, and what the dataset has of its columns.
struct Orders {
    lab: Lab,
    source: String,
    derived: String,
    model: String,
    /// The model's columns of each order.
    rows: Vec<Value>,
}

async fn orders() -> Orders {
    let lab = lab(&[]).await;
    let source = lab.ada.dataset(&lab.project, "orders.csv", orders_csv()).await["datasetId"].as_str().unwrap().to_owned();
    let features = json!([
        feature("amount_log", "log1p_transform", "amount"),
        feature("amount_score", "standardize", "amount_log"),
        feature("amount_bin", "bucketize", "amount"),
        feature("no_amount", "missing_indicator", "amount"),
        feature("in", "one_hot_encode", "city"),
        feature("city_share", "frequency_encode", "city"),
        feature("month", "extract_month", "day"),
        feature("season", "cyclical_encode", "day"),
        feature("pieces_scaled", "min_max_scale", "pieces"),
        feature("unused", "square_transform", "number"),
    ]);
    let (derived, table) = lab.engineered(&source, features).await;
    let columns = [
        "amount_score",
        "amount_bin",
        "no_amount",
        "in_Aachen",
        "in_Bonn",
        "city_share",
        "month",
        "season_sin",
        "pieces_scaled",
        "pieces",
    ];
    let model = lab.model(&json!({ "datasetId": derived, "targetColumn": "size", "features": columns })).await;
    let made = lab.ada.sql(&lab.project, &format!("select * from {table} order by number")).await.expect(200);
    let made = made["query"]["rows"].as_array().unwrap().clone();
    assert_eq!(made.len(), usize::try_from(ORDERS).unwrap());
    let row = |made: &Value| columns.iter().map(|name| ((*name).to_owned(), made[*name].clone())).collect::<Value>();
    let rows = made.iter().map(row).collect();
    Orders { lab, source, derived, model, rows }
}

impl Orders {
    async fn deploy(&self, runtime: &str) -> String {
        let extra = json!({ "runtime": runtime, "name": runtime, "config": { "rateLimitPerMinute": 100_000 } });
        path_of(&self.lab.deploy(&self.model, &extra).await)
    }
}

#[actix_web::test]
async fn raw_rows_get_the_answers_of_engineered_ones() {
    let orders = orders().await;
    let ada = &orders.lab.ada;
    let raw: Vec<Value> = (0..ORDERS).map(order).collect();
    for runtime in ["native", "container"] {
        let path = orders.deploy(runtime).await;
        let batch = format!("{path}/predict/batch");
        let expected = ada.post(&batch, &json!(orders.rows)).await.expect(200);
        let answers = ada.post(&batch, &json!(raw)).await.expect(200);
        for (answer, expected) in answers.as_array().unwrap().iter().zip(expected.as_array().unwrap()) {
            assert_alike(answer, expected);
        }
        assert!(expected.as_array().unwrap().iter().any(|one| one["prediction"] != expected[0]["prediction"]), "{expected}");
        // Rows of both kinds, and some that have a part of the columns, in one request.
        let mut part = raw[2].clone();
        part["amount_bin"] = orders.rows[2]["amount_bin"].clone();
        part["amount_log"] = json!(3.5);
        let mixed = ada.post(&batch, &json!([orders.rows[0], raw[1], part])).await.expect(200);
        assert_alike(&mixed[0], &expected[0]);
        assert_alike(&mixed[1], &expected[1]);
        // One row; a field that nothing is made from is told, the others are not.
        let mut row = raw[3].clone();
        row["comment"] = json!("hello");
        let one = ada.post(&format!("{path}/predict"), &row).await.expect(200);
        assert_alike(&one, &expected[3]);
        assert_eq!(one["ignoredFields"], json!(["comment"]), "{one}");
        let explained = ada.post(&format!("{path}/predict?explain=true"), &raw[3]).await.expect(200);
        assert_alike(&explained, &expected[3]);
        assert!(explained["shapValues"].to_string().contains("amount_score"), "{explained}");
    }
}

#[actix_web::test]
async fn what_a_row_lacks_is_named_with_what_needs_it() {
    let orders = orders().await;
    let ada = &orders.lab.ada;
    let path = orders.deploy("native").await;
    let predict = format!("{path}/predict");
    let refused = ada.post(&predict, &without(&order(0), "amount")).await.refused(422, "rows_refused");
    assert_eq!(refused["detail"].as_array().unwrap().len(), 1, "{refused}");
    let detail = &refused["detail"][0];
    assert_eq!((&detail["type"], &detail["loc"]), (&json!("missing"), &json!(["body", "amount"])), "{refused}");
    assert!(detail["msg"].as_str().unwrap().contains("\"amount_score\" is computed from it"), "{refused}");
    // All at once, with the columns that are not computed.
    let fewer = without(&without(&order(0), "day"), "pieces");
    let refused = ada.post(&predict, &fewer).await.refused(422, "rows_refused");
    let fields: Vec<&str> = refused["detail"].as_array().unwrap().iter().map(|one| one["loc"][1].as_str().unwrap()).collect();
    assert_eq!(fields, ["day", "pieces"], "{refused}");
    let batch = json!([order(0), without(&order(1), "city")]);
    let refused = ada.post(&format!("{predict}/batch"), &batch).await.refused(422, "rows_refused");
    assert_eq!(refused["detail"][0]["loc"], json!(["body", 1, "city"]), "{refused}");
    for (field, value, kind) in [
        ("amount", json!("much"), "float_type"),
        ("amount", json!([1]), "scalar_type"),
        ("day", json!("soon"), "date_parsing"),
        ("city", json!({}), "scalar_type"),
    ] {
        let mut row = order(0);
        row[field] = value.clone();
        let detail = ada.post(&predict, &row).await.refused(422, "rows_refused")["detail"][0].clone();
        assert_eq!((&detail["type"], &detail["loc"]), (&json!(kind), &json!(["body", field])), "{value}");
    }
    // What is null is there, and missing.
    let mut row = order(0);
    for field in ["amount", "city", "day"] {
        row[field] = Value::Null;
    }
    ada.post(&predict, &row).await.expect(200);
    // An engineered column in the row needs nothing.
    let mut whole = orders.rows[0].clone();
    whole["amount_score"] = Value::Null;
    ada.post(&predict, &whole).await.expect(200);
}

#[actix_web::test]
async fn schemas_tell_what_may_be_sent_in_every_protocol() {
    let orders = orders().await;
    let ada = &orders.lab.ada;
    let path = orders.deploy("native").await;
    let schema = orders.lab.schema(&path).await;
    let engineered = &schema["engineered"];
    let columns = schema["featureColumns"].as_array().unwrap();
    assert!(columns.contains(&json!("amount_score")) && columns.contains(&json!("pieces")), "as before: {schema}");
    let mut raw = names(&engineered["rawColumns"]);
    raw.sort_unstable();
    assert_eq!(raw, ["amount", "city", "day", "pieces"], "{engineered}");
    let of = |list: &str, name: &str| {
        let list = engineered[list].as_array().unwrap();
        list.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(of("rawColumns", "city")["computes"], json!(["in_Aachen", "in_Bonn", "city_share"]));
    assert_eq!((&of("rawColumns", "day")["dtype"], &of("rawColumns", "day")["byCode"]), (&json!("date"), &json!(false)));
    let score = of("computedColumns", "amount_score");
    assert_eq!(score, json!({ "name": "amount_score", "dtype": "float", "method": "standardize", "sources": ["amount"] }));
    let computed = names(&engineered["computedColumns"]);
    assert!(!computed.contains(&"pieces") && computed.len() == columns.len() - 1, "{engineered}");
    assert_eq!(engineered["mustBeSent"], json!([]));

    let deployment = path.rsplit('/').next().unwrap();
    let metadata = ada.get(&format!("/v2/models/{deployment}")).await.expect(200);
    assert_eq!(metadata["inputs"].as_array().unwrap().len(), columns.len(), "{metadata}");
    let raw_inputs = metadata["parameters"]["raw_inputs"].as_array().unwrap();
    let day = raw_inputs.iter().find(|input| input["name"] == "day").unwrap();
    assert_eq!((&day["datatype"], &day["shape"]), (&json!("BYTES"), &json!([-1])), "{metadata}");
    assert_eq!(metadata["parameters"]["computed_inputs"].as_array().unwrap().len(), computed.len());

    // Tensors and CSV of raw columns.
    let rows = [order(0), order(5), order(11)];
    let answers = ada.post(&format!("{path}/predict/batch"), &json!(rows)).await.expect(200);
    let expected: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["prediction"]).collect();
    let tensor = |name: &str, datatype: &str| {
        let values: Vec<&Value> = rows.iter().map(|row| &row[name]).collect();
        json!({ "name": name, "shape": [rows.len()], "datatype": datatype, "data": values })
    };
    let inputs = [tensor("day", "BYTES"), tensor("amount", "FP64"), tensor("city", "BYTES"), tensor("pieces", "INT64")];
    let infer = format!("/v2/models/{deployment}/infer");
    let inferred = ada.post(&infer, &json!({ "inputs": inputs })).await.expect(200);
    assert_eq!(json!(inferred["outputs"][0]["data"]), json!(expected), "{inferred}");
    let mut unknown = tensor("amount", "FP64");
    unknown["name"] = json!("x");
    let refused = ada.post(&infer, &json!({ "inputs": [tensor("day", "BYTES"), unknown] })).await.expect(400);
    assert!(refused["error"].as_str().unwrap().contains("amount_score"), "{refused}");
    let all = orders_csv();
    let lines: Vec<&str> = all.lines().collect();
    // All but the number in front and the size behind.
    let fields = |line: usize| lines[line].split(',').skip(1).take(4).collect::<Vec<_>>().join(",");
    let csv = [0, 1, 6, 12].map(fields).join("\n");
    let request = ada.request(Method::POST, &format!("{path}/invocations")).header("content-type", "text/csv").body(csv);
    assert_eq!(ada.send(request).await.expect(200)["predictions"], json!(expected));
}

#[actix_web::test]
async fn the_log_has_what_was_sent_and_drift_what_the_model_saw() {
    let orders = orders().await;
    let ada = &orders.lab.ada;
    let path = orders.deploy("native").await;
    let raw: Vec<Value> = (0..ORDERS).map(order).collect();
    ada.post(&format!("{path}/predict"), &without(&order(0), "amount")).await.refused(422, "rows_refused");
    ada.post(&format!("{path}/predict/batch"), &json!(raw)).await.expect(200);
    let report = ada.post(&format!("{path}/drift"), &json!({})).await.expect(200);
    assert_eq!(report["available"], true, "{report}");
    for feature in report["features"].as_array().unwrap() {
        assert_ne!(feature["status"], "red", "the rows are those of the training: {feature}");
    }
    let one = ada.post(&format!("{path}/predict"), &order(3)).await.expect(200);
    let logs = ada.get(&format!("{path}/logs?limit=1")).await.expect(200);
    assert_eq!((&logs["logs"][0]["predictionId"], &logs["logs"][0]["inputFeatures"]), (&one["predictionId"], &order(3)));
    let dependence = ada.post(&format!("{path}/pdp"), &json!({ "feature": "amount_score" })).await.expect(200);
    assert!(dependence["values"].as_array().unwrap().len() > 5, "{dependence}");
}

#[actix_web::test]
async fn deployments_outlive_the_datasets_that_they_come_from() {
    let orders = orders().await;
    let ada = &orders.lab.ada;
    let (native, container) = (orders.deploy("native").await, orders.deploy("container").await);
    let mut before = Vec::new();
    for path in [&native, &container] {
        before.push(ada.post(&format!("{path}/predict"), &order(7)).await.expect(200));
    }
    for dataset in [&orders.derived, &orders.source] {
        ada.delete(&format!("/api/datasets/{dataset}")).await.expect(200);
    }
    eventually("the files to go", async || {
        let files = crate::support::files_below(orders.lab.app.data_dir.path());
        files.iter().all(|file| !file.to_string_lossy().contains(&orders.derived)).then_some(())
    })
    .await;
    for (path, before) in [&native, &container].into_iter().zip(&before) {
        ada.patch(path, &json!({ "action": "stop" })).await.expect(200);
        ada.patch(path, &json!({ "action": "start" })).await.expect(200);
        assert_alike(&ada.post(&format!("{path}/predict"), &order(7)).await.expect(200), before);
        let schema = orders.lab.schema(path).await;
        let computed = names(&schema["engineered"]["computedColumns"]).len();
        assert_eq!(computed, schema["featureColumns"].as_array().unwrap().len() - 1, "all but the raw one: {schema}");
    }
    // What computes the columns is a file of the model's like others.
    let store = orders.lab.app.data_dir.path().join("store");
    let file = walk(&store).into_iter().find(|path| path.ends_with("features.json")).unwrap();
    std::fs::write(&file, "{}").unwrap();
    ada.patch(&native, &json!({ "action": "stop" })).await.expect(200);
    let refused = ada.patch(&native, &json!({ "action": "start" })).await.refused(503, "deployment_not_ready");
    assert!(refused["error"].as_str().unwrap().contains("features.json"), "{refused}");
}

#[actix_web::test]
async fn target_encodings_are_those_of_all_training_rows() {
    let lab = lab(&[]).await;
    let mut encode = feature("by_species", "target_encode", "species");
    encode["params"] = json!({ "targetColumn": "body_mass_g" });
    let (derived, table) = lab.engineered(&lab.dataset, json!([encode])).await;
    let request = json!({
        "datasetId": derived, "templateId": "ridge_regression", "targetColumn": "body_mass_g", "parameters": {},
        "features": ["by_species", "flipper_length_mm"],
    });
    let path = path_of(&lab.deploy(&lab.model(&request).await, &json!({})).await);
    // Rows that were not learned from have these; the others have a mean of other folds, each another one.
    let sql = format!("select distinct by_species from {table} where species = 'Gentoo'");
    let distinct = lab.ada.sql(&lab.project, &sql).await.expect(200)["query"]["rows"].as_array().unwrap().len();
    assert!((3..=6).contains(&distinct), "{distinct}");
    let store = lab.app.data_dir.path().join("store");
    let file = walk(&store).into_iter().find(|path| path.ends_with(format!("{derived}/features.json"))).unwrap();
    let recipe: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let learned = &recipe["steps"][0]["fitted"]["features"][0]["learned"];
    let place = learned["categories"]["values"].as_array().unwrap().iter().position(|name| name == "Gentoo").unwrap();
    let encoding: f64 = learned["encodings"][place].as_str().unwrap().parse().unwrap();
    let predict = format!("{path}/predict");
    let raw = lab.ada.post(&predict, &json!({ "species": "Gentoo", "flipper_length_mm": 210 })).await.expect(200);
    let engineered = lab.ada.post(&predict, &json!({ "by_species": encoding, "flipper_length_mm": 210 })).await.expect(200);
    let number = |answer: &Value| answer["prediction"].as_f64().unwrap();
    assert!((number(&raw) - number(&engineered)).abs() < 1e-6 * number(&raw), "{raw} {engineered}");
    // A species that nobody knows is as the mean of all.
    lab.ada.post(&predict, &json!({ "species": "Emperor", "flipper_length_mm": 210 })).await.expect(200);
    let refused = lab.ada.post(&predict, &json!({ "flipper_length_mm": 210 })).await.refused(422, "rows_refused");
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "species"]), "{refused}");
}

#[actix_web::test]
async fn what_custom_code_made_must_be_sent() {
    let lab = lab(&[]).await;
    let coded = |name: &str, code: &str| {
        let mut coded = feature(name, "square_transform", "year");
        coded["code"] = json!(code);
        coded
    };
    let features = json!([
        feature("flipper_score", "standardize", "flipper_length_mm"),
        coded("mass_kg", "df['mass_kg'] = df['body_mass_g'] / 1000\ndf['year'] = df['year'] - 2000"),
        feature("mass_log", "log1p_transform", "mass_kg"),
        feature("year_square", "square_transform", "year"),
    ]);
    let (derived, _) = lab.engineered(&lab.dataset, features).await;
    let columns = ["flipper_score", "mass_log", "year_square", "bill_length_mm", "mass_kg"];
    let model = lab.model(&json!({ "datasetId": derived, "features": columns })).await;
    let path = path_of(&lab.deploy(&model, &json!({})).await);
    let engineered = lab.schema(&path).await["engineered"].clone();
    assert_eq!(names(&engineered["computedColumns"]), ["flipper_score", "mass_log"], "{engineered}");
    let mut sent = names(&engineered["mustBeSent"]);
    sent.sort_unstable();
    assert_eq!(sent, ["mass_kg", "year_square"], "{engineered}");
    assert!(engineered["mustBeSent"].to_string().contains("custom code made it"), "{engineered}");
    let by_code: Vec<&Value> =
        engineered["rawColumns"].as_array().unwrap().iter().filter(|column| column["byCode"] == true).collect();
    assert_eq!((by_code.len(), &by_code[0]["name"]), (1, &json!("mass_kg")), "{engineered}");

    let row = json!({ "flipper_length_mm": 192, "mass_kg": 3.5, "year_square": 49, "bill_length_mm": 46.5 });
    let predict = format!("{path}/predict");
    let computed = lab.ada.post(&predict, &row).await.expect(200);
    let mut whole = row.clone();
    whole["mass_log"] = json!(4.5_f64.ln());
    assert_alike(&computed, &lab.ada.post(&predict, &whole).await.expect(200));
    for field in ["mass_kg", "year_square"] {
        let refused = lab.ada.post(&predict, &without(&row, field)).await.refused(422, "rows_refused");
        let fields: Vec<&Value> = refused["detail"].as_array().unwrap().iter().map(|one| &one["loc"][1]).collect();
        assert_eq!(fields, [field], "{refused}");
    }
}
