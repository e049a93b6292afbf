//! Datasets (contract 1, section 7) over HTTP. What `ingest` itself must get right is tested in its crate.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Client, TestApp, eventually, files_below};

const SALES: &str = "id,region,amount,paid,day\n1,north,1.5,true,2024-01-01\n2,south,,false,2024-02-29\n3,north,2.25,true,\n";

/// Nothing may be left of a refused upload: no row, no running job, no file.
async fn assert_nothing_left(app: &TestApp, client: &Client) {
    assert_eq!(client.get("/api/datasets").await.expect(200)["datasets"], json!([]));
    eventually("an empty store", async || files_below(app.data_dir.path()).is_empty().then_some(())).await;
}

#[actix_web::test]
async fn an_upload_becomes_a_profiled_table() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let answer = ada.upload(Some(&project), "My Sales (v2).csv", SALES).await.expect(201);
    let dataset = &answer["dataset"];
    assert_eq!((dataset["n_rows"].as_u64(), dataset["n_cols"].as_u64()), (Some(3), Some(5)));
    assert_eq!(dataset["tableName"], "my_sales_v2");
    let short: String = dataset["datasetId"].as_str().unwrap().chars().take(8).collect();
    assert_eq!(dataset["physicalTableName"], format!("my_sales_v2_{short}"));
    assert_eq!(
        dataset["dtypes"],
        json!({ "amount": "float", "day": "date", "id": "integer", "paid": "boolean", "region": "string" })
    );
    assert_eq!(dataset["null_counts"], json!({ "amount": 1, "day": 1, "id": 0, "paid": 0, "region": 0 }));
    assert_eq!(dataset["columns"], json!(["id", "region", "amount", "paid", "day"]));
    assert_eq!(
        dataset["sample"][0],
        json!({ "id": 1, "region": "north", "amount": 1.5, "paid": true, "day": "2024-01-01T00:00:00.000Z" })
    );
    assert_eq!(dataset["queryable"], true);
    assert_eq!(dataset["ingest"]["rowsRead"], 3);
    assert!(answer.get("warning").is_none(), "{answer}");
    assert!(dataset["eda"]["numericColumns"].is_array());

    let listed = ada.get(&format!("/api/datasets?projectId={project}")).await.expect(200)["datasets"][0].clone();
    assert_eq!(listed["nRows"], 3);
    assert_eq!(listed["columns"][0]["nullCount"], 0);
    assert_eq!(listed["metadata"]["sqlName"], "my_sales_v2");
    assert!(listed["metadata"]["eda"]["dataQuality"].is_array());
    let sample = ada.get(&format!("/api/datasets/{}/sample", dataset["datasetId"].as_str().unwrap())).await.expect(200);
    assert_eq!(sample["rowCount"], 3);
    let rows = ada.sql(&project, "select region, sum(amount) as total from my_sales_v2 group by 1 order by 1").await.expect(200);
    assert_eq!(rows["query"]["rows"], json!([{ "region": "north", "total": 3.75 }, { "region": "south", "total": null }]));
}

#[actix_web::test]
async fn what_does_not_fit_is_counted_and_listed() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let mut text = String::from("n,note\n");
    for n in 0..99 {
        text.push_str(&format!("{n},ok\n"));
    }
    text.push_str("many,bad\n1,2,3\n5\n");
    let answer = ada.upload(Some(&project), "t.csv", text).await.expect(201);
    let report = &answer["dataset"]["ingest"];
    assert_eq!(
        (report["rowsRead"].as_u64(), report["rowsTooLong"].as_u64(), report["rowsTooShort"].as_u64()),
        (Some(102), Some(1), Some(1))
    );
    assert_eq!(report["coercions"][0]["column"], "n");
    assert_eq!(report["coercions"][0]["count"], 1);
    assert!(answer["warning"].is_string() && answer["warning"] == answer["dataset"]["warning"]);
    let id = answer["dataset"]["datasetId"].as_str().unwrap();
    let rejects = ada.get(&format!("/api/datasets/{id}/rejects")).await;
    let rejects: Vec<Value> = rejects.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rejects.iter().any(|one| one["line"] == 101 && one["column"] == "n" && one["value"] == "many"), "{rejects:?}");
}

#[actix_web::test]
async fn bad_files_are_refused_and_leave_nothing() {
    let app = TestApp::start_with(&[("DATASET_UPLOAD_MAX_MB", "1")]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let mut workbook = rust_xlsxwriter::Workbook::new();
    workbook.add_worksheet().write(0, 0, "a").unwrap();
    let header_only = workbook.save_to_buffer().unwrap();
    for (filename, content, status, code) in [
        ("empty.csv", Vec::new(), 400, "unreadable_file"),
        ("blank.csv", b"\n\n  \n".to_vec(), 400, "unreadable_file"),
        ("header.csv", b"a,b,c\n".to_vec(), 400, "unreadable_file"),
        ("empty.json", b"[]".to_vec(), 400, "unreadable_file"),
        ("broken.json", b"{\"a\": ".to_vec(), 400, "unreadable_file"),
        ("header.xlsx", header_only, 400, "unreadable_file"),
        ("corrupt.xlsx", b"PK\x03\x04 not a workbook".to_vec(), 400, "unreadable_file"),
        ("legacy.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and so on".to_vec(), 400, "unsupported_format"),
        ("encrypted.xlsx", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and so on".to_vec(), 400, "unsupported_format"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR".to_vec(), 400, "unsupported_format"),
        ("large.csv", b"a\n1\n".repeat(400_000), 413, "payload_too_large"),
    ] {
        let body = ada.upload(Some(&project), filename, content).await;
        let body = body.refused(status, code);
        if code == "unreadable_file" {
            assert!(body["detail"].is_string(), "{filename}: {body}");
        }
    }
    assert_nothing_left(&app, &ada).await;
}

#[actix_web::test]
async fn a_form_that_is_not_one_is_refused_and_leaves_nothing() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let foreign = eve.project("Hers").await;
    let part = || reqwest::multipart::Part::bytes(b"a\n1\n".to_vec()).file_name("t.csv");
    let send =
        async |form: reqwest::multipart::Form| ada.send(ada.request(Method::POST, "/api/upload/dataset").multipart(form)).await;
    use reqwest::multipart::Form;
    send(Form::new().text("projectId", "x")).await.refused(400, "validation_failed");
    send(Form::new().part("data", part())).await.refused(400, "validation_failed");
    send(Form::new().part("file", part()).part("file", part())).await.refused(400, "validation_failed");
    send(Form::new().part("file", part()).text("projectId", "nonsense")).await.refused(400, "validation_failed");
    send(Form::new().part("file", part()).text("projectId", "x".repeat(5000))).await.refused(400, "validation_failed");
    send(Form::new().part("file", part()).text("projectId", foreign.clone())).await.refused(404, "project_not_found");
    send(Form::new().part("file", part()).text("projectId", uuid::Uuid::new_v4().to_string()))
        .await
        .refused(404, "project_not_found");
    ada.post("/api/upload/dataset", &json!({ "file": "x" })).await.refused(400, "invalid_request");
    let cut = ada.request(Method::POST, "/api/upload/dataset").header(header::CONTENT_TYPE, "multipart/form-data; boundary=b");
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"t.csv\"\r\n\r\na\n1\n";
    ada.send(cut.body(body)).await.refused(400, "invalid_request");
    assert_nothing_left(&app, &ada).await;
    assert_eq!(eve.get("/api/datasets").await.expect(200)["datasets"], json!([]));
}

#[actix_web::test]
async fn a_client_that_leaves_mid_upload_leaves_nothing() {
    use tokio::io::AsyncWriteExt;
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let token = ada.token.clone().unwrap();
    let address = app.server.address();
    let spool = app.data_dir.path().to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/upload/dataset HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 10000000\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"t.csv\"\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&b"a,b\n1,2\n".repeat(300_000)).await.unwrap();
    eventually("a spooled file", async || (!files_below(&spool).is_empty()).then_some(())).await;
    drop(stream);
    assert_nothing_left(&app, &ada).await;
    assert_eq!(ada.get("/api/jobs").await.expect(200)["jobs"], json!([]));
}

#[actix_web::test]
async fn names_with_paths_and_other_scripts_stay_names() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    for (sent, shown, table) in [
        ("../../etc/passwd.csv", "passwd.csv", "passwd"),
        ("..\\..\\boot.csv", "boot.csv", "boot"),
        ("данные продаж.csv", "данные продаж.csv", "table"),
        ("2020-sales.csv", "2020-sales.csv", "table_020_sales"),
        ("users.csv", "users.csv", "dataset_users"),
        ("a\"b;c.csv", "a\"b;c.csv", "a_b_c"),
    ] {
        let dataset = ada.dataset(&project, sent, "a\n1\n").await;
        assert_eq!((dataset["filename"].as_str(), dataset["tableName"].as_str()), (Some(shown), Some(table)), "{sent}");
        let download = ada.get(&format!("/api/datasets/{}/download", dataset["datasetId"].as_str().unwrap())).await;
        assert_eq!((download.status, download.text.as_str()), (StatusCode::OK, "a\n1\n"));
        let disposition = download.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert!(disposition.starts_with("attachment") && disposition.contains("filename*=UTF-8''"), "{disposition}");
    }
    for bad in ["../../up.csv", "a/b.csv", "..", "  ", "", "a\u{0}b.csv", "a\nb.csv"] {
        let id = ada.get("/api/datasets").await.expect(200)["datasets"][0]["datasetId"].as_str().unwrap().to_owned();
        ada.patch(&format!("/api/datasets/{id}"), &json!({ "filename": bad })).await.refused(400, "validation_failed");
    }
    for file in files_below(app.data_dir.path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(["original", "v1.parquet", "v1.rejects.ndjson"].contains(&name.as_str()), "{name} is not a generated name");
    }
}

#[actix_web::test]
async fn two_uploads_of_one_name_get_two_tables() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let uploads = (0..6).map(|n| {
        let (ada, project) = (ada.clone(), project.clone());
        async move { ada.dataset(&project, "sales.csv", format!("n\n{n}\n")).await["tableName"].as_str().unwrap().to_owned() }
    });
    let mut names = futures_util::future::join_all(uploads).await;
    names.sort();
    assert_eq!(names, ["sales", "sales_2", "sales_3", "sales_4", "sales_5", "sales_6"]);
    let mut seen = Vec::new();
    for name in names {
        seen.push(
            ada.sql(&project, &format!("select n from {name}")).await.expect(200)["query"]["rows"][0]["n"].as_i64().unwrap(),
        );
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
}

#[actix_web::test]
async fn rows_are_paged_in_file_order() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let lines: String = (0..150_000).map(|n| format!("{n},row {n}\n")).collect();
    let id = ada.dataset(&project, "t.csv", format!("n,text\n{lines}")).await["datasetId"].as_str().unwrap().to_owned();
    let page = async |query: &str| ada.get(&format!("/api/datasets/{id}/rows{query}")).await;
    let first = page("").await.expect(200);
    assert_eq!(
        (first["rows"].as_array().unwrap().len(), first["limit"].as_u64(), first["offset"].as_u64()),
        (200, Some(200), Some(0))
    );
    assert_eq!(first["rowCount"], 150_000);
    for offset in [0, 1, 65_535, 65_536, 65_537, 100_000, 149_999] {
        let rows = page(&format!("?offset={offset}&limit=3")).await.expect(200)["rows"].clone();
        for (at, row) in rows.as_array().unwrap().iter().enumerate() {
            let n = offset + at;
            assert_eq!(row, &json!({ "n": n, "text": format!("row {n}") }));
        }
    }
    assert_eq!(page("?offset=150000").await.expect(200)["rows"], json!([]));
    assert_eq!(page("?offset=18446744073709551615").await.expect(200)["rows"], json!([]));
    for bad in ["?limit=0", "?limit=1001", "?limit=x", "?offset=-1", "?offset=1.5", "?limit=1&limit=2"] {
        page(bad).await.refused(400, "validation_failed");
    }
}

#[actix_web::test]
async fn a_column_changes_its_type_or_stays_as_it_was() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let id = ada.dataset(&project, "t.csv", "n,word\n1,10\n2,x\n3,N/A\n").await["datasetId"].as_str().unwrap().to_owned();
    let path = |column: &str| format!("/api/datasets/{id}/columns/{column}");
    let same = ada.put(&path("n"), &json!({ "dtype": "integer" })).await.expect(200);
    assert_eq!(same["dataset"]["dtypes"]["n"], "integer");
    let cached = ada.sql(&project, "select n from t order by 1").await.expect(200);
    assert_eq!(cached["query"]["rows"][0]["n"], 1);

    let changed = ada.put(&path("n"), &json!({ "dtype": "string" })).await.expect(200);
    assert_eq!(changed["dataset"]["dtypes"]["n"], "string");
    assert!(changed["dataset"].get("eda").is_none());
    let fresh = ada.sql(&project, "select n from t order by 1").await.expect(200)["query"].clone();
    assert_eq!((fresh["cached"].as_bool(), &fresh["rows"][0]["n"]), (Some(false), &json!("1")), "the cache knows versions");

    let refused = ada.put(&path("word"), &json!({ "dtype": "integer" })).await.refused(400, "conversion_failed");
    assert!(refused["details"].as_str().unwrap().contains('2'), "the row is named: {refused}");
    assert_eq!(
        ada.get(&format!("/api/datasets?projectId={project}")).await.expect(200)["datasets"][0]["columns"][1]["dtype"],
        "string"
    );
    ada.put(&path("nope"), &json!({ "dtype": "integer" })).await.refused(404, "column_not_found");
    ada.put(&path("n"), &json!({ "dtype": "money" })).await.refused(400, "validation_failed");
    ada.put(&path("n"), &json!({})).await.refused(400, "validation_failed");
    let back = ada.put(&path("n"), &json!({ "dtype": "integer" })).await.expect(200);
    assert_eq!(back["dataset"]["sample"][0]["n"], 1);
}

#[actix_web::test]
async fn renaming_changes_the_display_name_only() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let id = ada.dataset(&project, "t.csv", "a\n1\n").await["datasetId"].as_str().unwrap().to_owned();
    let renamed = ada.patch(&format!("/api/datasets/{id}"), &json!({ "filename": "Täglich.csv" })).await.expect(200);
    assert_eq!(
        (renamed["dataset"]["filename"].as_str(), renamed["dataset"]["tableName"].as_str()),
        (Some("Täglich.csv"), Some("t"))
    );
    ada.sql(&project, "select a from t").await.expect(200);
    ada.patch(&format!("/api/datasets/{id}"), &json!({})).await.refused(400, "validation_failed");
}

#[actix_web::test]
async fn deleting_removes_rows_results_and_files() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let id = ada.dataset(&project, "t.csv", "a\n1\n").await["datasetId"].as_str().unwrap().to_owned();
    ada.sql(&project, "select a from t").await.expect(200);
    assert_eq!(ada.delete(&format!("/api/datasets/{id}")).await.expect(200), json!({ "success": true }));
    let gone = ada.sql(&project, "select a from t").await.refused(400, "sql_invalid");
    assert!(gone["error"].as_str().unwrap().contains("relation \"t\" does not exist"), "{gone}");
    for path in ["sample", "rows", "download", "rejects"] {
        ada.get(&format!("/api/datasets/{id}/{path}")).await.refused(404, "dataset_not_found");
    }
    ada.delete(&format!("/api/datasets/{id}")).await.refused(404, "dataset_not_found");
    assert_nothing_left(&app, &ada).await;
}

#[actix_web::test]
async fn deleting_a_project_removes_all_of_its_files() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    for n in 0..3 {
        ada.dataset(&project, &format!("t{n}.csv"), "a\n1\n").await;
    }
    assert!(files_below(app.data_dir.path()).len() >= 6);
    ada.delete(&format!("/api/projects/{project}")).await.expect(204);
    assert_nothing_left(&app, &ada).await;
}

#[actix_web::test]
async fn quota_and_disk_are_checked_before_anything_is_kept() {
    let app = TestApp::start_with(&[("USER_DISK_QUOTA_MB", "1")]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    ada.upload(Some(&project), "big.csv", b"a,b\n1,2\n".repeat(200_000)).await.refused(413, "quota_exceeded");
    assert_nothing_left(&app, &ada).await;
    let full = TestApp::start_with(&[("DISK_RESERVE_MB", "1000000")]).await;
    let ada = full.user("ada").await;
    let project = ada.project("P").await;
    ada.upload(Some(&project), "t.csv", "a\n1\n").await.refused(507, "disk_full");
    assert_nothing_left(&full, &ada).await;
}

#[actix_web::test]
async fn a_wide_table_is_accepted_and_a_wider_one_refused() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let table = |columns: usize| {
        let names: Vec<String> = (0..columns).map(|n| format!("c{n}")).collect();
        let values: Vec<String> = (0..columns).map(|n| n.to_string()).collect();
        format!("{}\n{}\n", names.join(","), values.join(","))
    };
    let wide = ada.dataset(&project, "wide.csv", table(16_384)).await;
    assert_eq!(wide["n_cols"], 16_384);
    assert_eq!(ada.sql(&project, "select c16383 from wide").await.expect(200)["query"]["rows"][0]["c16383"], 16_383);
    ada.upload(Some(&project), "wider.csv", table(16_385)).await.refused(400, "too_many_columns");
}

#[actix_web::test]
async fn migrate_finds_nothing_to_do() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let id = ada.dataset(&project, "t.csv", "a\n1\n").await["datasetId"].clone();
    let answer = ada.post("/api/datasets/migrate", &json!({})).await.expect(200);
    assert_eq!(answer["results"], json!({ "migrated": [], "skipped": [id], "errors": [] }));
}
