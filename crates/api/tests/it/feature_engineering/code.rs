//! Features by code, in real sandboxes.

use gristmill_api::models::StoredModels;
use gristmill_modeling::ModelPlaces;

use super::*;
use crate::kernels::running;

fn coded(name: &str, code: &str) -> Value {
    json!({ "featureName": name, "method": "square_transform", "sourceColumn": "year", "code": code })
}

#[actix_web::test]
async fn code_and_methods_take_turns() {
    let lab = Lab::over(running(&[]).await).await;
    let code = "from math import pi\nimport numpy as np\n\ndf = pd.read_csv('penguins.csv')  # it is there already\n\
                def root(x):\n    return np.sqrt(x)\n\ndf['mass_root'] = root(df['mass_log'])\nlabel = '''two\n  lines'''\n\
                df = df.assign(label=label)";
    let features = json!([
        feature("mass_log", "log1p_transform", "body_mass_g"),
        with(coded("mass_root", code), "id", json!("f-2")),
        coded("share", "df['share'] = df['mass_root'] / df['mass_root'].max()"),
        feature("mass_again", "square_transform", "mass_root"),
    ]);
    let answer = lab.apply(features, json!({ "pythonVersion": "3.11" })).await;
    let dataset = &answer["dataset"];
    let new = ["mass_log", "mass_root", "label", "share", "mass_again"];
    let columns: Vec<&str> = dataset["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(columns[8..], new, "{answer}");
    assert_eq!(dataset["sample"][0]["label"], "two\n  lines", "texts in code stay as they are");
    assert_eq!((&answer["features"][1]["byCode"], &answer["features"][1]["id"]), (&json!(true), &json!("f-2")));
    assert_eq!(answer["features"][2]["outputs"].as_array().unwrap().len(), 3, "{answer}");
    assert!(answer.get("warning").is_none(), "{answer}");
    let source = lab.datasets().await.into_iter().find(|one| one["datasetId"] == lab.dataset.as_str()).unwrap();
    for column in source["columns"].as_array().unwrap() {
        let name = column["name"].as_str().unwrap();
        assert_eq!(dataset["dtypes"][name], column["dtype"], "the type of {name} stays");
        assert_eq!(dataset["null_counts"][name], column["nullCount"], "the values of {name} stay");
    }
    let table = dataset["tableName"].as_str().unwrap();
    let sql =
        format!("select body_mass_g as mass, mass_log, mass_root, mass_again from {table} where mass_log is not null limit 20");
    let rows = lab.ada.sql(&lab.project, &sql).await.expect(200)["query"]["rows"].clone();
    let column = |name: &str| rows.as_array().unwrap().iter().map(|row| row[name].as_f64()).collect::<Vec<_>>();
    let logs: Vec<_> = column("mass").iter().map(|mass| Some((1.0 + (*mass)?).ln())).collect();
    assert_close(&column("mass_log"), &logs, "the method before the code");
    assert_close(&column("mass_again"), &logs, "the method behind the code");
    assert_close(&column("mass_root"), &logs.iter().map(|log| log.map(f64::sqrt)).collect::<Vec<_>>(), "the code");
}

#[actix_web::test]
async fn code_that_makes_nothing_says_why() {
    let lab = Lab::over(running(&[]).await).await;
    for (code, words) in [
        ("x = 1\ndf['x'] = 1 / 0", "ZeroDivisionError: division by zero (line 2)"),
        ("df['x'] =", "SyntaxError"),
        ("df['x'] = df['wings']", "KeyError"),
        ("df = len(df)", "no DataFrame"),
        ("df = df[df['year'] > 2007]", "no new column"),
        ("df = df.head(0).assign(x=1)", "no rows"),
        ("import os\nos._exit(3)\ndf", "ended without a result"),
        ("import urllib.request\ndf['x'] = urllib.request.urlopen('http://127.0.0.1:1').read()", "rror"),
        ("x = bytearray(64 * 1024**3)\ndf['x'] = len(x)", "emory"),
    ] {
        let request = lab.request(&json!([coded("x", code)]), &json!({}));
        let body = lab.ada.post(APPLY, &request).await.refused(400, "features_refused");
        assert!(body["error"].as_str().unwrap().contains(words), "{code}: {body}");
    }
    lab.ada.patch("/api/settings", &json!({ "settings": { "executionTimeoutMs": 5000 } })).await.expect(200);
    let request = lab.request(&json!([coded("x", "while True:\n    df['x'] = 1")]), &json!({}));
    let body = lab.ada.post(APPLY, &request).await.refused(400, "features_refused");
    assert!(body["error"].as_str().unwrap().contains("longer than 5 seconds"), "{body}");
    // Five seconds are little for what ends: a busy machine may take as long to start Python.
    lab.ada.patch("/api/settings", &json!({ "settings": { "executionTimeoutMs": 600_000 } })).await.expect(200);
    // Text that looks like a table of something else stays text in its column.
    let code = "df['x'] = '1,\"2\"\\n=cmd|x\\ry'\ndf['home'] = df['sex'].map({'male': 'NA', 'female': 'None'}).fillna('-')";
    let made = lab.apply(json!([coded("x", code)]), json!({})).await;
    assert_eq!(
        (&made["dataset"]["sample"][0]["x"], &made["dataset"]["n_rows"]),
        (&json!("1,\"2\"\n=cmd|x\ry"), &json!(344)),
        "{made}"
    );
    let sql = format!("select count(home) as n from {}", made["dataset"]["tableName"].as_str().unwrap());
    let row = lab.ada.sql(&lab.project, &sql).await.expect(200)["query"]["rows"][0].clone();
    assert_eq!((&made["dataset"]["dtypes"]["home"], &row["n"]), (&json!("string"), &json!(344)), "no text is taken for none");
    assert_eq!(made["dataset"]["null_counts"]["home"], 0, "the profile says of the texts what SQL says");
    lab.ada.delete(&format!("/api/datasets/{}", id_of(&made))).await.expect(200);
    lab.assert_only_the_source().await;
}

/// A table of text keeps no blanks around the names of its columns.
#[actix_web::test]
async fn values_that_only_a_blank_tells_apart_stay_two_columns() {
    let lab = Lab::over(running(&[]).await).await;
    let rows = "v,t\n1,a\n2,\"a \"\n3,b\n4,\"a \"\n";
    let source = lab.ada.dataset(&lab.project, "blanks.csv", rows).await["datasetId"].clone();
    let features = json!([feature("is", "one_hot_encode", "t"), coded("double", "df['double'] = df['v'] * 2")]);
    let made = lab.apply(features, json!({ "datasetId": source })).await;
    assert_eq!(made["dataset"]["columns"], json!(["v", "t", "is_a", "is_a_2", "is_b", "double"]), "{made}");
    let hot = |row: usize| ["t", "is_a", "is_a_2", "is_b"].map(|name| made["dataset"]["sample"][row][name].clone());
    assert_eq!(hot(0), [json!("a"), json!(true), json!(false), json!(false)], "{made}");
    assert_eq!(hot(1), [json!("a "), json!(false), json!(true), json!(false)], "{made}");
}

/// No feature knows what is to be predicted: code does not see the target, or not that of the rows that it makes.
#[actix_web::test]
async fn code_makes_no_feature_from_the_target() {
    let lab = Lab::over(running(&[]).await).await;
    let of_target = json!({ "targetColumn": "body_mass_g" });
    let request = lab.request(&json!([coded("m", "df['m'] = df['body_mass_g'] * 2")]), &of_target);
    let body = lab.ada.post(APPLY, &request).await.refused(400, "features_refused");
    assert!(body["error"].as_str().unwrap().contains("\"body_mass_g\" is the target"), "{body}");
    let code = "df = df[df['sex'].notna()].sort_values('bill_length_mm')\ndf['m'] = len(df.columns)";
    let answer = lab.apply(json!([coded("m", code)]), of_target.clone()).await;
    let table = answer["dataset"]["tableName"].as_str().unwrap();
    let sql = format!("select sum(body_mass_g) as mass, max(m) as m, count(*) as n from {table}");
    let row = lab.ada.sql(&lab.project, &sql).await.expect(200)["query"]["rows"][0].clone();
    let source = Rows::of(PENGUINS);
    let masses = source.texts("sex").into_iter().zip(source.numbers("body_mass_g"));
    let sum: f64 = masses.filter(|(sex, _)| sex.is_some()).filter_map(|(_, mass)| mass).sum();
    assert_eq!((row["mass"].as_f64(), &row["m"], &row["n"]), (Some(sum), &json!(7), &json!(333)), "each row keeps its target");

    // Code that says so is run without the targets of the rows that it makes.
    let learning = |code: &str| json!([with(coded("m", code), "params", of_target.clone())]);
    let own = lab.apply(learning("df['m'] = df['body_mass_g']"), json!({})).await;
    assert_eq!(own["dataset"]["null_counts"]["m"], 344, "none of its own: {own}");
    let others = lab.apply(learning("df['m'] = df.groupby('species')['body_mass_g'].transform('mean')"), json!({})).await;
    assert_eq!(others["dataset"]["null_counts"]["m"], 0, "{others}");
    assert_eq!(lab.splits(id_of(&others)).await[0]["target"], "body_mass_g", "it is bound to what it was kept from");
    let fewer = lab.request(&learning("df = df.head(9)\ndf['m'] = 1"), &json!({}));
    let body = lab.ada.post(APPLY, &fewer).await.refused(400, "features_refused");
    assert!(body["error"].as_str().unwrap().contains("must keep the rows"), "{body}");
}

#[actix_web::test]
async fn a_running_job_can_be_cancelled() {
    let lab = Lab::over(running(&[]).await).await;
    let request = lab.request(&json!([coded("x", "while True:\n    df['x'] = 1")]), &json!({}));
    let asked = lab.ada.request(Method::POST, APPLY).header("Prefer", "respond-async").json(&request);
    let job = lab.ada.send(asked).await.expect(202)["job"]["jobId"].as_str().unwrap().to_owned();
    let path = format!("/api/jobs/{job}");
    eventually("the code to run", async || {
        let job = lab.ada.get(&path).await.expect(200)["job"].clone();
        (job["progress"]["message"] == "running code").then_some(())
    })
    .await;
    lab.ada.post(&format!("{path}/cancel"), &json!({})).await;
    eventually("the job to end", async || (lab.ada.get(&path).await.expect(200)["job"]["status"] == "cancelled").then_some(()))
        .await;
    lab.assert_only_the_source().await;
}

#[actix_web::test]
async fn rows_are_traced_to_those_that_models_hold_out() {
    let lab = Lab::over(running(&[]).await).await;
    let encode = with(feature("by_island", "target_encode", "island"), "params", json!({ "targetColumn": "body_mass_g" }));
    let fewer = coded("m", "df = df[df['sex'].notna()].sort_values('bill_length_mm')\ndf['m'] = 1");
    let answer = lab.apply(json!([encode, fewer]), json!({})).await;
    let made = id_of(&answer);
    assert_eq!((answer["dataset"]["n_rows"].as_u64(), answer.get("warning")), (Some(333), None), "{answer}");
    assert_eq!(answer["dataset"]["dtypes"]["__row_id"], "integer");
    let of_code = &answer["features"][1];
    assert_eq!((&of_code["rowsBefore"], &of_code["rowsAfter"]), (&json!(344), &json!(333)), "lost rows are counted: {answer}");
    assert_eq!(of_code["outputs"].as_array().unwrap().len(), 1, "the numbers of rows are no feature: {answer}");

    let state = lab.app.server.state();
    let places = StoredModels { files: state.files.clone() };
    let (owner, project) = (caller_of(&lab.ada).await.user_id, lab.project.parse().unwrap());
    let source = lab.parquet(&lab.dataset).await;
    let origin = places.origin(owner, project, made.parse().unwrap(), 1).unwrap();
    assert_eq!(origin, std::path::absolute(&source).unwrap());
    assert_eq!(places.origin(owner, project, lab.dataset.parse().unwrap(), 1), None);
    let split = Split { kind: SplitKind::Random, column: None, test_size: 0.2, seed: 42 };
    let held_out = held_out_ids(&source, None, "body_mass_g", &split).unwrap();
    let sexes = Rows::of(PENGUINS);
    let expected: HashSet<i64> =
        (0..).zip(sexes.texts("sex")).filter(|(id, sex)| sex.is_some() && held_out.contains(id)).map(|(id, _)| id).collect();
    assert_eq!(held_out_ids(&lab.parquet(made).await, Some(&origin), "body_mass_g", &split).unwrap(), expected);

    // Another type of a column leaves the rows as they are.
    lab.ada.put(&format!("/api/datasets/{}/columns/year", lab.dataset), &json!({ "dtype": "string" })).await.expect(200);
    eventually("the new version to be the origin", async || {
        let origin = places.origin(owner, project, made.parse().unwrap(), 1).unwrap();
        origin.ends_with("v2.parquet").then_some(())
    })
    .await;

    // Rows that cannot be traced have a split of their own, and people are told.
    let lost = coded("m", "df = df.sort_values('bill_length_mm').reset_index(drop=True)\ndf['m'] = 1");
    let answer = lab.apply(json!([lost]), json!({})).await;
    let warning = answer["warning"].as_str().unwrap();
    assert!(warning.contains("cannot be matched") && answer["dataset"]["warning"] == warning, "{answer}");
    assert_eq!(places.origin(owner, project, id_of(&answer).parse().unwrap(), 1), None);
    assert_eq!(lab.splits(id_of(&answer)).await, json!([]));

    // Rows of such rows have no numbers: they would be taken for those of the source.
    let between = feature("depth_log", "log1p_transform", "bill_depth_mm");
    let long = "df = df.sort_values('bill_length_mm').reset_index(drop=True)\n\
                df['long'] = pd.array([2**53 + 1, None] * 172, 'Int64')";
    let steps = json!([coded("long", long), between, coded("n", "df = df.head(300)\ndf['n'] = 1")]);
    let answer = lab.apply(steps, json!({})).await;
    assert!(answer["dataset"]["dtypes"].get("__row_id").is_none() && answer["warning"].is_string(), "{answer}");
    let shown = answer["dataset"]["sample"][0]["long"].to_string();
    assert_eq!((answer["dataset"]["dtypes"]["long"].as_str(), shown.trim_matches('"')), (Some("integer"), "9007199254740993"));
    assert_eq!(places.origin(owner, project, id_of(&answer).parse().unwrap(), 1), None);
}

#[actix_web::test]
async fn trainings_on_features_follow_the_split_of_the_source() {
    let lab = Lab::over(running(&[]).await).await;
    let train = async |dataset: &str, extra: Value| {
        let mut request = json!({
            "projectId": lab.project, "datasetId": dataset, "templateId": "ridge", "targetColumn": "body_mass_g", "parameters": {},
        });
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let trained = lab.ada.post("/api/models/train", &request).await.expect(200);
        assert_eq!(trained["success"], true, "{trained}");
        trained["model"].clone()
    };
    train(&lab.dataset, json!({ "split": { "kind": "random" }, "testSize": 0.3, "seed": 7 })).await;
    let declared = lab.splits(&lab.dataset).await;
    assert_eq!((&declared[0]["seed"], &declared[0]["testSize"]), (&json!(7), &json!(0.3)), "{declared}");
    let encode = with(feature("by_species", "target_encode", "species"), "params", json!({ "targetColumn": "body_mass_g" }));
    let answer = lab.apply(json!([encode]), json!({})).await;
    assert_eq!(lab.splits(id_of(&answer)).await, declared);
    let model = train(id_of(&answer), json!({})).await;
    assert_eq!(
        (&model["metadata"]["split"]["seed"], &model["metadata"]["split"]["testSize"]),
        (&json!(7), &json!(0.3)),
        "{model}"
    );
    assert!(model["featureColumns"].as_array().unwrap().contains(&json!("by_species")), "{model}");
}
