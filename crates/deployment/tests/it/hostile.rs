//! Files that nobody exported: none ends the process, takes much memory, or keeps it busy.

use std::{fs, time::Instant};

use gristmill_deployment::inference::{GraphError, InferenceError, NativeModel, Rows};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    onnx_file::{Attribute, Graph, Message, Trees, linear, tensor},
    support::{artifacts, number, object, signature, trained},
};

/// More than any of these files may make the process use, bytes.
const MEMORY_MAX: u64 = 1 << 30;

fn numbers(count: usize) -> Vec<u8> {
    let names: Vec<String> = (0..count).map(|number| format!("x{number}")).collect();
    signature(&names.iter().map(|name| (name.as_str(), "float", "numeric")).collect::<Vec<_>>()).to_string().into_bytes()
}

fn load(graph: &Graph) -> Result<NativeModel, GraphError> {
    match NativeModel::from_bytes(&numbers(1), &graph.file()) {
        Ok(model) => Ok(model),
        Err(InferenceError::Graph(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn refused(graph: &Graph, expected: &str) {
    let error = load(graph).expect_err(expected).to_string();
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
}

fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_tree_is_walked() {
    let model = load(&Trees::three_leaves().regression()).unwrap();
    let answers = [0.5, 0.6, 1.5, 1.6].map(|x| number(&model, json!({ "x0": x })));
    assert_eq!(answers, [10.0, 20.0, 20.0, 30.0]);
    assert_eq!(number(&model, json!({ "x0": null })), 30.0, "a missing value fails every comparison");
}

#[test]
fn trees_that_are_none_are_refused() {
    let broken = |change: fn(&mut Trees)| {
        let mut trees = Trees::three_leaves();
        change(&mut trees);
        load(&trees.regression()).expect_err("a broken tree").to_string()
    };
    let no_tree = "do not form a tree";
    assert!(broken(|trees| trees.nodes[2].6 = 0).contains(no_tree), "a cycle through the root");
    assert!(broken(|trees| trees.nodes[2].6 = 2).contains(no_tree), "a node that leads to itself");
    assert!(broken(|trees| trees.nodes[2].6 = 3).contains(no_tree), "two ways to one node");
    assert!(broken(|trees| trees.nodes[2].6 = 99).contains(no_tree), "a way to no node");
    assert!(broken(|trees| trees.nodes[2].6 = -1).contains(no_tree), "a way to a negative node");
    assert!(broken(|trees| trees.nodes[0].2 = "LEAF").contains(no_tree), "nodes that nothing leads to");
    assert!(broken(|trees| trees.nodes[4].1 = 3).contains("two nodes of one number"));
    assert!(broken(|trees| trees.nodes[0].3 = 1).contains("a column that there is not"));
    assert!(broken(|trees| trees.nodes[0].3 = -1).contains("a column that there is not"));
    assert!(broken(|trees| trees.nodes[0].3 = i64::MAX).contains("a column that there is not"));
    assert!(broken(|trees| trees.nodes[0].2 = "BRANCH_EQ").contains("a comparison other"));
    assert!(broken(|trees| trees.weights[0].1 = 77).contains("a node that there is not"));
    assert!(broken(|trees| trees.weights[0].0 = 5).contains("a node that there is not"));
    // Node 1 of another tree that comes back later.
    assert!(
        broken(|trees| trees.nodes.extend([(1, 0, "LEAF", 0, 0.0, 0, 0), (0, 9, "LEAF", 0, 0.0, 0, 0)])).contains("one number")
    );
}

#[test]
fn cyclic_trees_of_any_size_are_refused() {
    let ring = |length: i64| Trees {
        nodes: (0..length).map(|id| (0, id, "BRANCH_LEQ", 0, 1e30, (id + 1) % length, (id + 1) % length)).collect(),
        weights: Vec::new(),
    };
    for length in [1, 2, 1000, 100_000] {
        refused(&ring(length).regression(), "do not form a tree");
    }
}

#[test]
fn a_very_deep_tree_is_walked_without_deep_recursion() {
    let depth = 200_000;
    let mut nodes = Vec::new();
    let mut weights = Vec::new();
    for step in 0..depth {
        nodes.push((0, 2 * step, "BRANCH_LEQ", 0, 0.0, 2 * step + 1, 2 * step + 2));
        nodes.push((0, 2 * step + 1, "LEAF", 0, 0.0, 0, 0));
    }
    nodes.push((0, 2 * depth, "LEAF", 0, 0.0, 0, 0));
    weights.push((0, 2 * depth, 7.0));
    let model = load(&Trees { nodes, weights }.regression()).unwrap();
    assert_eq!(number(&model, json!({ "x0": 1 })), 7.0);
    assert!(model.work(1) >= 200_000, "its work is known");
    assert!(model.rows_max() < 1_000_000, "and bounds how many rows are taken");
}

#[test]
fn loops_are_refused() {
    let body = Graph::default()
        .input("turn", 7, 1)
        .input("go", 9, 1)
        .input("x", 1, 1)
        .node("Identity", &["go"], &["go_on"], &[])
        .node("Identity", &["x"], &["y"], &[])
        .output("go_on")
        .output("y");
    let graph = Graph::default().numeric(1).output("variable").ints("often", &[], &[i64::MAX]).node(
        "Loop",
        &["often", "", "numeric"],
        &["variable"],
        &[("body", Attribute::Graph(body.clone()))],
    );
    refused(&graph, "the operator `Loop`");
    let scan = Graph::default().numeric(1).output("variable").floats("points", &[2, 1], &[1.0, 2.0]).node(
        "Scan",
        &["numeric", "points"],
        &["state", "variable"],
        &[("body", Attribute::Graph(body)), ("num_scan_inputs", Attribute::Int(1))],
    );
    refused(&scan, "another body than the distance to a point");
}

#[test]
fn graphs_inside_graphs_are_not_followed_far() {
    let mut body = Graph::default();
    for _ in 0..200 {
        body = Graph::default().node("Scan", &["a"], &["b"], &[("body", Attribute::Graph(body))]);
    }
    let graph = Graph::default().numeric(1).output("variable").node(
        "Scan",
        &["numeric", "numeric"],
        &["state", "variable"],
        &[("body", Attribute::Graph(body)), ("num_scan_inputs", Attribute::Int(1))],
    );
    refused(&graph, "another body");
}

#[test]
fn gigantic_shapes_reserve_nothing() {
    let product = |shape: &[i64]| {
        let graph = Graph::default().numeric(1).output("variable").constant(&tensor("m", shape, 1).bytes(9, &[0; 8]));
        graph.node("Gemm", &["numeric", "m"], &["variable"], &[])
    };
    for shape in [[1, i64::MAX], [1, 1 << 40], [1, 1 << 29]] {
        assert!(load(&product(&shape)).is_err(), "{shape:?}");
    }
    refused(&product(&[1, -1]), "not as many numbers as its shape says");
    refused(&product(&[1, 3]), "not as many numbers as its shape says");
    assert!(peak_memory_bytes() < MEMORY_MAX);
}

#[test]
fn rows_do_not_grow_without_bound() {
    let mut graph = Graph::default().numeric(1).output("variable").node("Identity", &["numeric"], &["c0"], &[]);
    let names: Vec<String> = (0..=60).map(|number| format!("c{number}")).collect();
    for pair in names.windows(2) {
        graph = graph.node("Concat", &[&pair[0], &pair[0]], &[&pair[1]], &[("axis", Attribute::Int(1))]);
    }
    refused(&graph.node("ReduceSum", &["c60", "axes"], &["variable"], &[]).ints("axes", &[1], &[1]), "too many values");
    let mut graph = Graph::default().numeric(1).output("variable").node("Identity", &["numeric"], &["c0"], &[]);
    for pair in names[..22].windows(2) {
        graph = graph.node("Concat", &[&pair[0], &pair[0]], &[&pair[1]], &[("axis", Attribute::Int(1))]);
    }
    let many: Vec<String> = (0..3000).map(|number| format!("f{number}")).collect();
    for name in &many {
        graph = graph.node("ReduceSum", &["c21", "axes"], &[name], &[]);
    }
    let inputs: Vec<&str> = many.iter().map(String::as_str).collect();
    graph = graph.node("Sum", &inputs, &["variable"], &[]).ints("axes", &[1], &[1]);
    refused(&graph, "too much work");
    assert!(peak_memory_bytes() < MEMORY_MAX);
}

#[test]
fn a_graph_that_bites_its_tail_is_refused() {
    let graph = Graph::default().numeric(1).output("variable");
    let ring = graph.node("Add", &["numeric", "b"], &["a"], &[]).node("Identity", &["a"], &["b"], &[]);
    refused(&ring.node("Identity", &["b"], &["variable"], &[]), "used before it is there");
    let twice = Graph::default().numeric(1).output("variable").node("Identity", &["numeric"], &["variable"], &[]);
    refused(&twice.node("Identity", &["numeric"], &["variable"], &[]), "two nodes give");
}

#[test]
fn nothing_is_read_from_other_files() {
    let place = Message::default().text(1, "location").text(2, "/etc/passwd");
    let outside = tensor("m", &[1, 1], 1).message(13, &place).int(14, 1);
    let graph = Graph::default().numeric(1).output("variable").constant(&outside);
    refused(&graph.node("Gemm", &["numeric", "m"], &["variable"], &[]), "in another file");
}

#[test]
fn what_would_change_an_answer_is_not_ignored() {
    let regressor = |attributes: &[(&str, Attribute)]| {
        let mut all = vec![("coefficients", Attribute::Floats(vec![1.0])), ("intercepts", Attribute::Floats(vec![1.0]))];
        all.extend(attributes.iter().cloned());
        Graph::default().numeric(1).output("variable").node("LinearRegressor", &["numeric"], &["variable"], &all)
    };
    refused(&regressor(&[("post_transform", Attribute::Text("PROBIT"))]), "the transform PROBIT");
    refused(&regressor(&[("unheard_of", Attribute::Int(1))]), "the attribute `unheard_of`");
    refused(&regressor(&[("targets", Attribute::Int(2))]), "more than one number");
    assert!(load(&regressor(&[("post_transform", Attribute::Text("NONE")), ("targets", Attribute::Int(1))])).is_ok());
}

#[test]
fn graphs_that_do_not_fit_the_signature_are_refused() {
    refused(&linear(2), "its input `numeric` is not what the signature says");
    refused(&Graph::default().numeric(1), "outputs of its kind of model");
    refused(&Graph::default().input("files", 1, 1).output("variable"), "takes `files`");
    let wide = Graph::default().numeric(1).output("variable");
    let wide = wide.node("Concat", &["numeric", "numeric"], &["variable"], &[("axis", Attribute::Int(1))]);
    refused(&wide, "its answer is not what the signature says");
}

#[test]
fn an_answer_that_is_no_number_is_an_error() {
    let graph = Graph::default().numeric(1).output("variable").floats("zero", &[1], &[0.0]);
    let model = load(&graph.node("Div", &["numeric", "zero"], &["variable"], &[])).unwrap();
    for x in [json!(1), json!(0), Value::Null] {
        let rows = [object(json!({ "x0": 0.0 })), object(json!({ "x0": x }))];
        let rows = Rows::from_objects(model.signature(), &rows).unwrap().rows;
        assert!(matches!(model.predict(&rows), Err(InferenceError::NotFinite { row: 0 })), "{x}");
    }
}

#[test]
fn cut_files_are_refused() {
    let file = Trees::three_leaves().regression().file();
    for length in 0..file.len() {
        assert!(NativeModel::from_bytes(&numbers(1), &file[..length]).is_err(), "{length} of {} bytes", file.len());
    }
    for noise in [vec![0; 1000], vec![0xff; 1000], b"PK\x03\x04 not a model".to_vec()] {
        assert!(NativeModel::from_bytes(&numbers(1), &noise).is_err());
    }
}

/// A small model of each kind of step.
fn examples() -> Vec<(Vec<u8>, Vec<u8>)> {
    let texts = signature(&[("x0", "float", "numeric"), ("t", "string", "categorical")]).to_string().into_bytes();
    let encoded = Graph::default()
        .numeric(1)
        .categorical(1)
        .output("variable")
        .ints("zero", &[1], &[0])
        .ints("shape", &[2], &[-1, 2])
        .node(
            "Imputer",
            &["numeric"],
            &["filled"],
            &[("imputed_value_floats", Attribute::Floats(vec![2.0])), ("replaced_value_float", Attribute::Float(f32::NAN))],
        )
        .node("Gather", &["categorical", "zero"], &["text"], &[("axis", Attribute::Int(1))])
        .node("OneHotEncoder", &["text"], &["hot"], &[("cats_strings", Attribute::Texts(vec!["a", "b"]))])
        .node("Reshape", &["hot", "shape"], &["flat"], &[])
        .node("Concat", &["filled", "flat"], &["all"], &[("axis", Attribute::Int(1))])
        .node(
            "LinearRegressor",
            &["all"],
            &["variable"],
            &[("coefficients", Attribute::Floats(vec![1.0, 10.0, 100.0])), ("intercepts", Attribute::Floats(vec![0.5]))],
        );
    vec![(numbers(1), Trees::three_leaves().regression().file()), (numbers(3), linear(3).file()), (texts, encoded.file())]
}

#[test]
fn small_models_answer() {
    let models: Vec<NativeModel> =
        examples().iter().map(|(signature, graph)| NativeModel::from_bytes(signature, graph).unwrap()).collect();
    assert_eq!(number(&models[1], json!({ "x0": 1, "x1": 10, "x2": 100 })), 1.0 + 1.0 + 20.0 + 300.0);
    assert_eq!(number(&models[2], json!({ "x0": 1, "t": "b" })), 101.5);
    assert_eq!(number(&models[2], json!({ "x0": null, "t": "a" })), 12.5);
    assert_eq!(number(&models[2], json!({ "x0": 1, "t": "neither" })), 1.5);
}

/// Loads what may be a model; one that loads must predict, or say that it cannot.
fn survives(signature: &[u8], graph: &[u8]) {
    let Ok(model) = NativeModel::from_bytes(signature, graph) else { return };
    let row = model.signature().features.iter().map(|feature| (feature.name.clone(), json!(1))).collect();
    if let Ok(accepted) = Rows::from_object(model.signature(), &row) {
        drop(model.predict(&accepted.rows));
    }
}

proptest! {
    #[test]
    fn altered_files_harm_nobody(model in 0_usize..3, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let (signature, mut graph) = examples().swap_remove(model);
        for (place, byte) in changes {
            let place = place.index(graph.len());
            graph[place] = byte;
        }
        survives(&signature, &graph);
    }

    #[test]
    fn altered_signatures_harm_nobody(model in 0_usize..3, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let (mut signature, graph) = examples().swap_remove(model);
        for (place, byte) in changes {
            let place = place.index(signature.len());
            signature[place] = byte;
        }
        survives(&signature, &graph);
    }

    #[test]
    fn noise_harms_nobody(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&numbers(1), &bytes);
    }
}

#[test]
fn altered_real_models_harm_nobody() {
    let out = trained(&["xgboost_classifier", "knn_classifier", "gaussian_mixture"]);
    let mut tried = 0_u32;
    for entry in fs::read_dir(out.path()).unwrap() {
        let directory = entry.unwrap().path();
        let signature = fs::read(directory.join("signature.json")).unwrap();
        let graph = fs::read(directory.join("model.onnx")).unwrap();
        assert!(NativeModel::load(&directory, &artifacts(&directory)).is_ok());
        // A fixed sequence of places and bytes: a failure can be repeated.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 16).unwrap()
        };
        let started = Instant::now();
        for _ in 0..60 {
            let mut altered = graph.clone();
            for _ in 0..=next() % 4 {
                let place = next() % altered.len();
                altered[place] ^= 1 << (next() % 8);
            }
            altered.truncate(if next() % 4 == 0 { next() % graph.len() } else { graph.len() });
            survives(&signature, &altered);
            tried += 1;
        }
        println!("{}: 60 altered files in {:?}", directory.display(), started.elapsed());
    }
    assert!(tried >= 60 * 6, "{tried}");
    assert!(peak_memory_bytes() < MEMORY_MAX);
}
