//! How often the passage that answers a question is among the results: by words, by vectors, by both, on real texts in the
//! public domain. The vectors here know spelling only; what a real model adds is in docs/BENCHMARKS.md.

use std::{collections::HashMap, sync::Arc};

use gristmill_documents::{Citation, SearchRequest};

use crate::stored::{Library, Spelling};

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

#[tokio::test(flavor = "multi_thread")]
async fn the_answering_passage_is_found() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let model = Arc::new(Spelling::default());
    for (name, text) in TEXTS {
        library.add((&ada, project), name, text.as_bytes(), Some(model.as_ref())).await;
    }
    let (words, both) = (library.search(None), library.search(Some(model)));
    let mut scores: HashMap<&str, Score> = HashMap::new();
    let mut missed = Vec::new();
    let questions: Vec<(&str, &str)> = QUESTIONS.lines().filter_map(|line| line.split_once('\t')).collect();
    for (question, answer) in &questions {
        assert!(TEXTS.iter().any(|(_, text)| text.contains(answer)), "no text has {answer:?}");
        let request = SearchRequest { project: Some(project), query: question, limit: 100 };
        let lexical = words.search(&ada, request).await.unwrap();
        scores.entry("lexical").or_default().count(&lexical.iter().collect::<Vec<_>>(), answer);
        let fused = both.search(&ada, request).await.unwrap();
        scores.entry("hybrid").or_default().count(&fused.iter().collect::<Vec<_>>(), answer);
        let mut by_vector: Vec<&Citation> = fused.iter().filter(|citation| citation.vector_score.is_some()).collect();
        by_vector.sort_by(|one, other| other.vector_score.unwrap().total_cmp(&one.vector_score.unwrap()));
        scores.entry("vector").or_default().count(&by_vector, answer);
        if !lexical.iter().take(AMONG).any(|citation| citation.chunk.chunk.text.contains(answer)) {
            missed.push(*question);
        }
    }
    let count = u32::try_from(questions.len()).unwrap();
    for kind in ["lexical", "vector", "hybrid"] {
        let score = scores[kind];
        let all = f64::from(count);
        println!(
            "{kind:8} recall@{AMONG} {:.2}  mean reciprocal rank {:.2}",
            f64::from(score.hits) / all,
            score.reciprocal / all
        );
    }
    println!("missed by words: {missed:?}");
    let least = |kind: &str, percent: u32| scores[kind].hits * 100 >= count * percent;
    assert!(least("lexical", 80), "{scores:?}");
    assert!(least("hybrid", 80), "{scores:?}");
    assert!(scores["hybrid"].hits >= scores["vector"].hits, "fusion is worse than its parts: {scores:?}");
}
