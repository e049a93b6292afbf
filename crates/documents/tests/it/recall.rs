//! How often the passage that answers a question is among the results: by words, by vectors, by both, on real texts in the
//! public domain. Once with vectors that know spelling only, and once with the model that runs on this machine: its table is
//! in docs/BENCHMARKS.md.

use std::{collections::HashMap, sync::Arc};

use gristmill_documents::{Citation, Embedder, SearchRequest};

use crate::{
    real_model::RealModel,
    stored::{Library, Spelling},
};

const TEXTS: [(&str, &str); 4] = [
    ("declaration.md", include_str!("../texts/declaration.md")),
    ("amendments.md", include_str!("../texts/amendments.md")),
    ("constitution.md", include_str!("../texts/constitution.md")),
    ("gettysburg.txt", include_str!("../texts/gettysburg.txt")),
];
const QUESTIONS: &str = include_str!("../texts/questions.tsv");
const AMONG: usize = 5;

/// Hits among the first five, and the sum of reciprocal ranks.
#[derive(Debug, Default, Clone, Copy)]
struct Score {
    hits: u32,
    reciprocal: f64,
}

impl Score {
    fn count(&mut self, found: &[&Citation], answer: &str) {
        let rank = (1_u32..).zip(found.iter().take(AMONG)).find(|(_, citation)| citation.chunk.chunk.text.contains(answer));
        if let Some((rank, _)) = rank {
            self.hits += 1;
            self.reciprocal += 1.0 / f64::from(rank);
        }
    }
}

/// What came of all questions.
#[derive(Debug)]
struct Measured {
    scores: HashMap<&'static str, Score>,
    questions: u32,
}

impl Measured {
    async fn with(model: Arc<dyn Embedder>) -> Self {
        let library = Library::open().await;
        let (ada, project) = library.user().await;
        for (name, text) in TEXTS {
            library.add((&ada, project), name, text.as_bytes(), Some(model.as_ref())).await;
        }
        let (words, both) = (library.search(None), library.search(Some(model)));
        let mut scores: HashMap<&str, Score> = HashMap::new();
        let questions: Vec<(&str, &str)> = QUESTIONS.lines().filter_map(|line| line.split_once('\t')).collect();
        for (question, answer) in &questions {
            assert!(TEXTS.iter().any(|(_, text)| text.contains(answer)), "no text has {answer:?}");
            let request = SearchRequest { project: Some(project), query: question, limit: 100 };
            let lexical = words.search(&ada, request).await.unwrap();
            scores.entry("words").or_default().count(&lexical.iter().collect::<Vec<_>>(), answer);
            let fused = both.search(&ada, request).await.unwrap();
            scores.entry("both").or_default().count(&fused.iter().collect::<Vec<_>>(), answer);
            let mut by_vector: Vec<&Citation> = fused.iter().filter(|citation| citation.vector_score.is_some()).collect();
            by_vector.sort_by(|one, other| other.vector_score.unwrap().total_cmp(&one.vector_score.unwrap()));
            scores.entry("vectors").or_default().count(&by_vector, answer);
        }
        Self { scores, questions: u32::try_from(questions.len()).unwrap() }
    }

    fn print(&self, model: &str) {
        println!("| search by ({model}) | recall@{AMONG} | mean reciprocal rank |\n|---|---|---|");
        for kind in ["words", "vectors", "both"] {
            let (score, all) = (self.scores[kind], f64::from(self.questions));
            println!("| {kind} | {:.2} | {:.2} |", f64::from(score.hits) / all, score.reciprocal / all);
        }
    }

    fn percent(&self, kind: &str) -> u32 {
        self.scores[kind].hits * 100 / self.questions
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answering_passage_is_found_by_words_and_spelling() {
    let measured = Measured::with(Arc::new(Spelling::default())).await;
    measured.print("spelling");
    assert!(measured.percent("words") >= 80 && measured.percent("both") >= 80, "{measured:?}");
    assert!(measured.percent("both") >= measured.percent("vectors"), "fusion is worse than its parts: {measured:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answering_passage_is_found_by_meaning() {
    let model = tokio::task::spawn_blocking(RealModel::start).await.unwrap();
    let measured = Measured::with(Arc::new(model)).await;
    measured.print("all-MiniLM-L6-v2");
    assert!(measured.percent("vectors") >= 80, "{measured:?}");
    assert!(measured.percent("both") >= measured.percent("words"), "the model makes search worse: {measured:?}");
}
