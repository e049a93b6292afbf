//! Feature engineering (contract 2, section 8): datasets with features, as the catalog makes them.

mod code;
mod targets;
mod tools;

use std::collections::{BTreeMap, HashSet};

use gristmill_domain::models::{Split, SplitKind};
use gristmill_features::fold;
use gristmill_modeling::held_out_ids;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    models::PENGUINS,
    preprocessing::caller_of,
    support::{Client, TestApp, eventually, files_below},
};

const APPLY: &str = "/api/feature-engineering/apply";

/// A person with a project and the penguins in it.
struct Lab {
    app: TestApp,
    ada: Client,
    project: String,
    dataset: String,
}

impl Lab {
    async fn new() -> Self {
        Self::over(TestApp::start().await).await
    }

    async fn over(app: TestApp) -> Self {
        let ada = app.user("ada").await;
        let project = ada.project("Penguins").await;
        let dataset = ada.dataset(&project, "penguins.csv", PENGUINS).await["datasetId"].as_str().unwrap().to_owned();
        Self { app, ada, project, dataset }
    }

    fn request(&self, features: &Value, extra: &Value) -> Value {
        let mut request = json!({ "projectId": self.project, "datasetId": self.dataset, "features": features });
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        request
    }

    /// Makes features that can be made. Returns the whole answer.
    async fn apply(&self, features: Value, extra: Value) -> Value {
        self.ada.post(APPLY, &self.request(&features, &extra)).await.expect(201)
    }

    async fn datasets(&self) -> Vec<Value> {
        let list = self.ada.get(&format!("/api/datasets?projectId={}", self.project)).await.expect(200);
        list["datasets"].as_array().unwrap().clone()
    }

    /// Makes sure that a refused request left nothing but the penguins.
    async fn assert_only_the_source(&self) {
        assert_eq!(self.datasets().await.len(), 1);
        eventually("only the source's files", async || {
            let files = files_below(self.app.data_dir.path());
            files.iter().all(|file| file.to_string_lossy().contains(&self.dataset)).then_some(())
        })
        .await;
    }

    async fn splits(&self, dataset: &str) -> Value {
        self.ada.get(&format!("/api/datasets/{dataset}/splits")).await.expect(200)["splits"].clone()
    }

    /// The columns of a dataset, as far as they are stored.
    async fn parquet(&self, dataset: &str) -> std::path::PathBuf {
        let owner = caller_of(&self.ada).await.user_id;
        let files = &self.app.server.state().files;
        files.dataset(owner, Some(self.project.parse().unwrap()), dataset.parse().unwrap()).parquet(1)
    }
}

fn id_of(answer: &Value) -> &str {
    answer["dataset"]["datasetId"].as_str().unwrap()
}

/// A feature of a method of the catalog.
fn feature(name: &str, method: &str, source: &str) -> Value {
    json!({ "featureName": name, "method": method, "sourceColumn": source })
}

fn with(mut feature: Value, key: &str, value: Value) -> Value {
    feature[key] = value;
    feature
}

/// Rows of a CSV file without quotes, a column by its name. Nothing and `NA` are no values.
struct Rows(Vec<BTreeMap<String, String>>);

impl Rows {
    fn of(csv: &str) -> Self {
        let mut lines = csv.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let row = |line: &str| names.iter().map(ToString::to_string).zip(line.split(',').map(str::to_owned)).collect();
        Self(lines.map(row).collect())
    }

    fn texts(&self, name: &str) -> Vec<Option<&str>> {
        self.0.iter().map(|row| Some(row[name].as_str()).filter(|text| !text.is_empty() && *text != "NA")).collect()
    }

    fn numbers(&self, name: &str) -> Vec<Option<f64>> {
        self.texts(name).into_iter().map(|text| text.map(|text| text.parse().unwrap())).collect()
    }
}

#[track_caller]
fn assert_close(made: &[Option<f64>], expected: &[Option<f64>], what: &str) {
    assert_eq!(made.len(), expected.len(), "{what}");
    for (row, (made, expected)) in made.iter().zip(expected).enumerate() {
        let close = match (made, expected) {
            (Some(made), Some(expected)) => (made - expected).abs() <= 1e-9 * expected.abs().max(1.0),
            (made, expected) => made == expected,
        };
        assert!(close, "{what}, row {row}: {made:?} is not {expected:?}");
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[actix_web::test]
async fn features_are_what_the_catalog_says() {
    let lab = Lab::new().await;
    let answer = lab
        .apply(
            json!([
                with(feature("mass_log", "log1p_transform", "body_mass_g"), "id", json!("f-1")),
                feature("bill_std", "standardize", "bill_length_mm"),
                feature("gender", "one_hot_encode", "sex"),
                with(feature("mass_per_flipper", "ratio", "body_mass_g"), "secondaryColumn", json!("flipper_length_mm")),
                feature("island_share", "frequency_encode", "island"),
                with(feature("mass_bin", "bucketize", "body_mass_g"), "params", json!({ "bins": 3 })),
                feature("no_sex", "missing_indicator", "sex"),
                with(feature("off", "square_transform", "year"), "enabled", json!(false)),
                // Made from a feature before.
                feature("mass_log_root", "sqrt_transform", "mass_log"),
            ]),
            json!({ "runId": "x", "versionId": 7 }),
        )
        .await;
    let dataset = &answer["dataset"];
    assert_eq!((dataset["n_rows"].as_u64(), dataset["n_cols"].as_u64()), (Some(344), Some(17)), "{answer}");
    let filename = dataset["filename"].as_str().unwrap();
    let stamp = filename.strip_prefix("penguins_features_").and_then(|rest| rest.strip_suffix(".csv")).unwrap();
    assert!(stamp.parse::<u64>().is_ok() && dataset["fileType"] == "csv", "{filename}");
    for (column, dtype) in [("mass_log", "float"), ("gender_male", "boolean"), ("no_sex", "integer"), ("species", "string")] {
        assert_eq!(dataset["dtypes"][column], dtype, "{column}");
    }
    assert_eq!((dataset["null_counts"]["mass_log"].as_u64(), dataset["null_counts"]["no_sex"].as_u64()), (Some(2), Some(0)));
    assert!(dataset["sample"].as_array().is_some_and(|rows| rows.len() == 20) && answer.get("warning").is_none(), "{answer}");
    assert_eq!(answer["features"].as_array().unwrap().len(), 8);
    assert_eq!(
        (&answer["features"][0]["id"], &answer["features"][2]["outputs"][1]["name"]),
        (&json!("f-1"), &json!("gender_male"))
    );

    let source = Rows::of(PENGUINS);
    let download = lab.ada.get(&format!("/api/datasets/{}/download", id_of(&answer))).await;
    assert_eq!(dataset["size"].as_u64(), u64::try_from(download.text.len()).ok());
    let made = Rows::of(&download.text);
    assert_eq!(made.texts("species"), source.texts("species"), "the rows are the source's, in its order");
    let mass = source.numbers("body_mass_g");
    let of_mass = |make: &dyn Fn(f64) -> f64| mass.iter().map(|mass| mass.map(make)).collect::<Vec<_>>();
    assert_close(&made.numbers("mass_log"), &of_mass(&|mass| (1.0 + mass).ln()), "log1p_transform");
    assert_close(&made.numbers("mass_log_root"), &of_mass(&|mass| (1.0 + mass).ln().sqrt()), "sqrt_transform of a feature");
    let (low, high) = mass.iter().flatten().fold((f64::MAX, f64::MIN), |(low, high), mass| (low.min(*mass), high.max(*mass)));
    let third = (high - low) / 3.0;
    let bin = |mass: f64| f64::from(u8::from(mass > low + third) + u8::from(mass > low + 2.0 * third));
    assert_close(&made.numbers("mass_bin"), &of_mass(&bin), "bucketize");
    let bill = source.numbers("bill_length_mm");
    let center = mean(bill.iter().flatten().copied());
    let known = float(bill.iter().flatten().count());
    let spread = (bill.iter().flatten().map(|bill| (bill - center).powi(2)).sum::<f64>() / (known - 1.0)).sqrt();
    let scores: Vec<_> = bill.iter().map(|bill| bill.map(|bill| (bill - center) / spread)).collect();
    assert_close(&made.numbers("bill_std"), &scores, "standardize");
    let flipper = source.numbers("flipper_length_mm");
    let ratios: Vec<_> = mass.iter().zip(&flipper).map(|(mass, flipper)| Some(mass.as_ref()? / flipper.as_ref()?)).collect();
    assert_close(&made.numbers("mass_per_flipper"), &ratios, "ratio");
    let islands = source.texts("island");
    let share = |island: &Option<&str>| Some(float(islands.iter().filter(|other| *other == island).count()) / 344.0);
    assert_close(&made.numbers("island_share"), &islands.iter().map(share).collect::<Vec<_>>(), "frequency_encode");
    let sexes = source.texts("sex");
    let is = |wanted: &str| sexes.iter().map(|sex| Some(if *sex == Some(wanted) { "true" } else { "false" })).collect::<Vec<_>>();
    assert_eq!((made.texts("gender_male"), made.texts("gender_female")), (is("male"), is("female")), "one_hot_encode");
    let missing: Vec<_> = sexes.iter().map(|sex| Some(f64::from(u8::from(sex.is_none())))).collect();
    assert_close(&made.numbers("no_sex"), &missing, "missing_indicator");
}

#[actix_web::test]
async fn the_new_dataset_is_one_like_others() {
    let lab = Lab::new().await;
    let before = lab.datasets().await;
    let answer =
        lab.apply(json!([feature("mass_log", "log1p_transform", "body_mass_g")]), json!({ "outputName": "My set.v2" })).await;
    let (id, table) = (id_of(&answer), answer["dataset"]["tableName"].as_str().unwrap());
    assert_eq!(answer["dataset"]["filename"], "My_set.csv");
    let all = lab.datasets().await;
    let made = all.iter().find(|one| one["datasetId"] == id).unwrap();
    assert_eq!(made["metadata"]["derivedFrom"], lab.dataset.as_str(), "{made}");
    assert_eq!(made["metadata"]["featureEngineering"]["featureCount"], 1);
    assert!(made["metadata"]["featureEngineering"]["createdAt"].is_string() && made["metadata"]["eda"].is_object());
    let source = all.iter().find(|one| one["datasetId"] == lab.dataset.as_str());
    assert_eq!(source, before.first(), "the source is as it was");
    let rows = lab.ada.sql(&lab.project, &format!("select count(mass_log) as n from {table}")).await.expect(200);
    assert_eq!(rows["query"]["rows"][0]["n"], 342);
    assert_eq!(lab.ada.get(&format!("/api/datasets/{id}/rejects")).await.text, "");

    // Another type is read from its values: there is no upload to be read again.
    lab.ada.put(&format!("/api/datasets/{id}/columns/year"), &json!({ "dtype": "string" })).await.expect(200);
    let rows =
        lab.ada.sql(&lab.project, &format!("select year, mass_log from {table} where year = '2007' limit 1")).await.expect(200);
    assert!(rows["query"]["rows"][0]["mass_log"].is_f64(), "{rows}");
    lab.ada
        .put(&format!("/api/datasets/{id}/columns/species"), &json!({ "dtype": "float" }))
        .await
        .refused(400, "conversion_failed");

    // Features of features: the lineage is that of the first.
    let request =
        json!({ "projectId": lab.project, "datasetId": id, "features": [feature("twice", "sqrt_transform", "mass_log")] });
    let second = lab.ada.post(APPLY, &request).await.expect(201);
    assert_eq!(second["dataset"]["n_cols"], 10);
    lab.ada.delete(&format!("/api/datasets/{id}")).await.expect(200);
    eventually("the files to go", async || {
        files_below(lab.app.data_dir.path()).iter().all(|file| !file.to_string_lossy().contains(id)).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn formats_are_those_that_were_asked_for() {
    let lab = Lab::new().await;
    for (extra, name, format) in [
        (json!({ "outputName": "a.json" }), "a.json", "json"),
        (json!({ "outputName": "b.json", "outputFormat": "xlsx" }), "b.xlsx", "xlsx"),
        (json!({ "outputName": "__c d", "outputFormat": "csv" }), "c_d.csv", "csv"),
    ] {
        let features =
            json!([feature("mass_log", "log1p_transform", "body_mass_g"), feature("no_sex", "missing_indicator", "sex")]);
        let answer = lab.apply(features, extra).await;
        let dataset = &answer["dataset"];
        assert_eq!((dataset["filename"].as_str(), dataset["fileType"].as_str()), (Some(name), Some(format)));
        let request = lab.ada.request(Method::GET, &format!("/api/datasets/{}/download", id_of(&answer)));
        let file = request.send().await.unwrap().bytes().await.unwrap();
        // What was downloaded is read as what it was.
        let again = lab.ada.dataset(&lab.project, name, file.to_vec()).await;
        for what in ["n_rows", "columns", "dtypes", "null_counts"] {
            assert_eq!(again[what], dataset[what], "{what} of {name}");
        }
    }
    let unknown = lab.request(&json!([feature("x", "log1p_transform", "year")]), &json!({ "outputFormat": "parquet" }));
    lab.ada.post(APPLY, &unknown).await.refused(400, "validation_failed");
}

#[actix_web::test]
async fn what_cannot_be_made_is_refused_and_leaves_nothing() {
    let lab = Lab::new().await;
    let log = || feature("mass_log", "log1p_transform", "body_mass_g");
    for (features, code, words) in [
        (json!([]), "validation_failed", "features"),
        (json!([feature("", "log1p_transform", "year")]), "validation_failed", "eature"),
        (json!([feature("x", "log1p_transform", "")]), "validation_failed", "ource"),
        (json!([feature("x", "guess", "year")]), "validation_failed", "method"),
        (json!([with(log(), "code", json!("x".repeat(50_001)))]), "validation_failed", "code"),
        (json!([with(log(), "enabled", json!(false))]), "validation_failed", "no feature is enabled"),
        (json!([log(), feature("mass_log", "sqrt_transform", "year")]), "validation_failed", "the name of an earlier feature"),
        (json!([feature("island", "log1p_transform", "year")]), "validation_failed", "a column of the dataset already"),
        (json!([feature("x", "log1p_transform", "wings")]), "validation_failed", "wings"),
        (json!([feature("x", "log1p_transform", "species")]), "validation_failed", "holds texts"),
        (json!([feature("x", "ratio", "year")]), "validation_failed", "secondaryColumn"),
        (json!([feature("x", "target_encode", "island")]), "validation_failed", "targetColumn"),
        (
            json!([feature("x", "one_hot_encode", "sex"), feature("x_male", "square_transform", "year")]),
            "features_refused",
            "x_male",
        ),
    ] {
        let body = lab.ada.post(APPLY, &lab.request(&features, &json!({}))).await.refused(400, code);
        assert!(body.to_string().contains(words), "{features}: {body}");
        if code == "validation_failed" {
            assert!(body["details"]["fieldErrors"]["features"].is_array() && body["details"]["formErrors"].is_array(), "{body}");
        }
    }
    let other = lab.ada.project("Other").await;
    let elsewhere = lab.ada.dataset(&other, "a.csv", "a\n1\n").await["datasetId"].clone();
    let missing = uuid::Uuid::new_v4().to_string();
    for dataset in [elsewhere.as_str().unwrap(), &missing] {
        let request = lab.request(&json!([log()]), &json!({ "datasetId": dataset }));
        let body = lab.ada.post(APPLY, &request).await.refused(400, "features_refused");
        assert!(body["error"].as_str().unwrap().contains("not found"), "{body}");
    }
    lab.ada.delete(&format!("/api/projects/{other}")).await.expect(204);
    lab.assert_only_the_source().await;
    tokio::fs::remove_file(lab.parquet(&lab.dataset).await).await.unwrap();
    let body = lab.ada.post(APPLY, &lab.request(&json!([log()]), &json!({}))).await.refused(400, "features_refused");
    assert!(body["error"].as_str().unwrap().contains("is gone"), "{body}");
}

#[actix_web::test]
async fn without_a_sandbox_code_is_refused_and_methods_work() {
    let lab =
        Lab::over(TestApp::start_with(&[("RUNTIME_BACKEND", "docker"), ("DOCKER_HOST", "unix:///nowhere.sock")]).await).await;
    let code = with(feature("x", "log1p_transform", "year"), "code", json!("df['x'] = 1"));
    let body = lab.ada.post(APPLY, &lab.request(&json!([code]), &json!({}))).await.refused(400, "features_refused");
    assert!(body["error"].as_str().unwrap().starts_with("Code cannot be run now"), "{body}");
    lab.assert_only_the_source().await;
    // Code that does nothing stands for nothing: the method makes the feature.
    let comment = with(feature("x", "log1p_transform", "year"), "code", json!("# df['x'] = 1\nx = 'df'"));
    lab.apply(json!([comment]), json!({})).await;
}

#[actix_web::test]
async fn repeated_calls_make_one_dataset_and_jobs_can_be_followed() {
    let lab = Lab::new().await;
    let request = lab.request(&json!([feature("x", "log1p_transform", "year")]), &json!({}));
    let send = || lab.ada.request(Method::POST, APPLY).header("Idempotency-Key", "one").json(&request);
    let (first, second) = tokio::join!(lab.ada.send(send()), lab.ada.send(send()));
    let (first, second) = (first.expect(201), second.expect(201));
    assert_eq!(first["dataset"]["datasetId"], second["dataset"]["datasetId"]);
    assert_eq!(lab.datasets().await.len(), 2);
    let asked = lab.ada.request(Method::POST, APPLY).header("Prefer", "respond-async").json(&request);
    let job = lab.ada.send(asked).await.expect(202)["job"].clone();
    assert_eq!(job["kind"], "feature_apply");
    let ended = eventually("the job to end", async || {
        let job = lab.ada.get(&format!("/api/jobs/{}", job["jobId"].as_str().unwrap())).await.expect(200)["job"].clone();
        (job["status"] == "succeeded").then_some(job)
    })
    .await;
    let made = ended["result"]["datasetId"].as_str().unwrap();
    assert!(lab.datasets().await.iter().any(|one| one["datasetId"] == made), "{ended}");
    lab.app.user("bob").await.get(&format!("/api/jobs/{}", job["jobId"].as_str().unwrap())).await.refused(404, "job_not_found");
}

#[actix_web::test]
async fn other_people_s_projects_are_not_there() {
    let lab = Lab::new().await;
    let bob = lab.app.user("bob").await;
    let features = json!([feature("x", "log1p_transform", "year")]);
    bob.post(APPLY, &lab.request(&features, &json!({}))).await.refused(404, "project_not_found");
    let own = bob.project("B").await;
    bob.post(APPLY, &lab.request(&features, &json!({ "projectId": own }))).await.refused(400, "features_refused");
    lab.app.anonymous().post(APPLY, &lab.request(&features, &json!({}))).await.refused(401, "unauthenticated");
    lab.assert_only_the_source().await;
}

#[actix_web::test]
async fn the_quota_holds_for_what_is_made() {
    let app = TestApp::start_with(&[("USER_DISK_QUOTA_MB", "1")]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    // 600 kB, of which there may not be twice as much.
    let text: String = std::iter::once("a,b\n".to_owned()).chain((0..50_000).map(|n| format!("{n},{}\n", n % 7919))).collect();
    let dataset = ada.dataset(&project, "a.csv", text).await["datasetId"].clone();
    let request = json!({ "projectId": project, "datasetId": dataset, "features": [feature("x", "log1p_transform", "a")] });
    ada.post(APPLY, &request).await.refused(413, "quota_exceeded");
    assert_eq!(ada.get("/api/datasets").await.expect(200)["datasets"].as_array().unwrap().len(), 1);
}
