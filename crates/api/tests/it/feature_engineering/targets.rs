//! Features that learn from targets: never from rows that models are tested on.

use super::*;

/// Means of the target by category from rows that were learned from, as the catalog says: smoothed by one row.
fn encodings(rows: &[(i64, &str, f64)]) -> impl Fn(&str) -> f64 {
    let overall = mean(rows.iter().map(|(_, _, target)| *target));
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (_, category, target) in rows {
        let (sum, count) = sums.entry(*category).or_default();
        (*sum, *count) = (*sum + target, *count + 1.0);
    }
    move |category| {
        let (sum, count) = sums.get(category).copied().unwrap_or_default();
        (sum + overall) / (count + 1.0)
    }
}

/// Encodings of the species by a target that is made from the mass: learned from rows that are not held out, and of those
/// without the rows of their own fold.
fn expected(held_out: &HashSet<i64>, target: impl Fn(f64) -> f64) -> Vec<Option<f64>> {
    let source = Rows::of(PENGUINS);
    let rows: Vec<(i64, &str, Option<f64>)> = (0..)
        .zip(source.texts("species").into_iter().zip(source.numbers("body_mass_g")))
        .map(|(id, (species, mass))| (id, species.unwrap(), mass.map(&target)))
        .collect();
    let learned: Vec<(i64, &str, f64)> = rows
        .iter()
        .filter(|(id, ..)| !held_out.contains(id))
        .filter_map(|(id, species, target)| Some((*id, *species, (*target)?)))
        .collect();
    let (all, folds) = (encodings(&learned), 5);
    let without: Vec<_> = (0..folds)
        .map(|left_out| {
            let others: Vec<_> = learned.iter().copied().filter(|(id, ..)| fold(0, *id, folds) != left_out).collect();
            let of = encodings(&others);
            ["Adelie", "Chinstrap", "Gentoo"].map(|species| (species, of(species)))
        })
        .collect();
    rows.iter()
        .map(|(id, species, _)| {
            if held_out.contains(id) {
                return Some(all(species));
            }
            let of_fold = &without[usize::try_from(fold(0, *id, folds)).unwrap()];
            of_fold.iter().find(|(name, _)| name == species).map(|(_, encoding)| *encoding)
        })
        .collect()
}

fn encoded_by(target: &str) -> Value {
    with(feature("by_species", "target_encode", "species"), "params", json!({ "targetColumn": target }))
}

fn random(seed: u32) -> Split {
    Split { kind: SplitKind::Random, column: None, test_size: 0.2, seed }
}

impl Lab {
    async fn made(&self, answer: &Value, column: &str) -> Vec<Option<f64>> {
        Rows::of(&self.ada.get(&format!("/api/datasets/{}/download", id_of(answer))).await.text).numbers(column)
    }

    /// Declares a split as a training does.
    async fn declare(&self, target: &str, split: &Split) {
        let sql = format!(
            "insert into dataset_splits (dataset_id, target, split) values ('{}', '{target}', '{}')",
            self.dataset,
            serde_json::to_string(split).unwrap()
        );
        self.app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    }
}

#[actix_web::test]
async fn target_encodings_know_neither_held_out_rows_nor_their_own() {
    let lab = Lab::new().await;
    let answer = lab.apply(json!([feature("x", "log1p_transform", "year"), encoded_by("body_mass_g")]), json!({})).await;
    let declared = lab.splits(id_of(&answer)).await;
    assert_eq!((&declared[0]["target"], &declared[0]["kind"]), (&json!("body_mass_g"), &json!("random")), "{declared}");
    assert_eq!(lab.splits(&lab.dataset).await, json!([]), "the source is as it was");

    // What a training on either of them holds out is the same.
    let held = |file: std::path::PathBuf| held_out_ids(&file, None, "body_mass_g", &random(42)).unwrap();
    let held_out: HashSet<i64> = held(lab.parquet(&lab.dataset).await);
    assert_eq!(held(lab.parquet(id_of(&answer)).await), held_out);
    assert!((40..100).contains(&held_out.len()), "{} rows", held_out.len());
    assert_close(&lab.made(&answer, "by_species").await, &expected(&held_out, |mass| mass), "target_encode");
}

#[actix_web::test]
async fn a_target_that_a_feature_makes_is_held_out_too() {
    let lab = Lab::new().await;
    let features = json!([feature("mass_log", "log1p_transform", "body_mass_g"), encoded_by("mass_log")]);
    let answer = lab.apply(features.clone(), json!({})).await;
    let declared = lab.splits(id_of(&answer)).await;
    assert_eq!((&declared[0]["target"], &declared[0]["kind"]), (&json!("mass_log"), &json!("random")), "{declared}");
    let source = lab.parquet(&lab.dataset).await;
    let held_out = held_out_ids(&source, None, "body_mass_g", &random(42)).unwrap();
    assert_eq!(held_out_ids(&lab.parquet(id_of(&answer)).await, None, "mass_log", &random(42)).unwrap(), held_out);
    assert_close(&lab.made(&answer, "by_species").await, &expected(&held_out, f64::ln_1p), "of a target that is made");

    // What trainings hold out for the column that it is made from is not learned from either.
    lab.declare("body_mass_g", &random(7)).await;
    let answer = lab.apply(features, json!({})).await;
    let targets: Vec<Value> =
        lab.splits(id_of(&answer)).await.as_array().unwrap().iter().map(|split| split["target"].clone()).collect();
    assert_eq!(targets, [json!("body_mass_g"), json!("mass_log")]);
    let of_source = held_out_ids(&source, None, "body_mass_g", &random(7)).unwrap();
    let both: HashSet<i64> = held_out.union(&of_source).copied().collect();
    assert!(both.len() > held_out.len() && both.len() > of_source.len());
    assert_close(&lab.made(&answer, "by_species").await, &expected(&both, f64::ln_1p), "of both");
}

#[actix_web::test]
async fn a_split_that_features_have_learned_by_stays() {
    let lab = Lab::new().await;
    lab.declare("body_mass_g", &random(7)).await;
    let answer = lab.apply(json!([encoded_by("body_mass_g")]), json!({})).await;
    let first = id_of(&answer).to_owned();
    assert_eq!(lab.splits(&first).await[0]["seed"], 7);
    let held_out = held_out_ids(&lab.parquet(&lab.dataset).await, None, "body_mass_g", &random(7)).unwrap();
    assert_close(&lab.made(&answer, "by_species").await, &expected(&held_out, |mass| mass), "by the declared split");
    // A dataset that is made of it has it, too, and is bound by it.
    let request =
        json!({ "projectId": lab.project, "datasetId": first, "features": [feature("x", "sqrt_transform", "by_species")] });
    let second = lab.ada.post(APPLY, &request).await.expect(201);
    assert_eq!(lab.splits(id_of(&second)).await, lab.splits(&first).await);
    for dataset in [first.as_str(), id_of(&second)] {
        for other in [
            json!({ "seed": 8 }),
            json!({ "seed": 8, "redeclareSplit": true }),
            json!({ "split": { "kind": "group", "column": "island" }, "redeclareSplit": true }),
            json!({ "testSize": 0.4 }),
        ] {
            let mut request = json!({ "projectId": lab.project, "datasetId": dataset, "templateId": "ridge",
                "targetColumn": "body_mass_g", "parameters": {} });
            request.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
            let refused = lab.ada.post("/api/models/train", &request).await.refused(409, "conflict");
            assert!(refused["error"].as_str().unwrap().contains("have learned"), "{other}: {refused}");
        }
        assert_eq!(lab.splits(dataset).await[0]["seed"], 7, "nothing was declared");
    }
}
