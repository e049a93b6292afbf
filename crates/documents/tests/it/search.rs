//! Hybrid search: fusion, fallbacks, caches, tenancy.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use gristmill_documents::{Citation, Embedder, Payer, Search, SearchError, SearchOptions, SearchRequest, TextKind, embed_block};
use gristmill_domain::{Caller, ProjectId, ports::StoreError};
use gristmill_persistence::repo::documents::VectorsKept;

use crate::stored::{Library, Spelling};

async fn found(search: &Search, caller: &Caller, project: Option<ProjectId>, query: &str) -> Vec<Citation> {
    search.search(caller, SearchRequest { project, query, limit: 10 }).await.unwrap()
}

fn files(found: &[Citation]) -> Vec<&str> {
    found.iter().map(|citation| citation.chunk.filename.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn words_and_vectors_complete_each_other() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let model = Arc::new(Spelling::default());
    for (name, text) in [
        ("exact.txt", "The part number is QX-4711."),
        ("alike.txt", "Gristmilling and gristmillers of the valley."),
        ("other.txt", "Nothing of the kind is said here."),
    ] {
        library.add((&ada, project), name, text.as_bytes(), Some(model.as_ref())).await;
    }
    let words = library.search(None);
    let both = library.search(Some(model.clone()));
    assert_eq!(files(&found(&words, &ada, None, "QX-4711").await), ["exact.txt"]);
    assert_eq!(files(&found(&words, &ada, None, "gristmillwrights").await), Vec::<&str>::new(), "no word is this one");
    let near = found(&both, &ada, None, "gristmillwrights").await;
    assert_eq!(near[0].chunk.filename, "alike.txt");
    assert!(near[0].vector_score > near[1].vector_score && near[0].lexical_score.is_none(), "{near:?}");
    let first = &found(&both, &ada, None, "part number QX-4711").await[0];
    assert_eq!((first.chunk.filename.as_str(), first.score), ("exact.txt", 1.0), "first by both");
    assert!(first.lexical_score.is_some() && first.vector_score.is_some_and(|cosine| (0.0..=1.001).contains(&cosine)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_answer_leaves_the_words() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    library.add((&ada, project), "a.txt", b"barley and oats", Some(&Spelling::default())).await;
    let broken: Arc<dyn Embedder> = Arc::new(Spelling { fails: true, ..Spelling::default() });
    let found = found(&library.search(Some(broken)), &ada, Some(project), "barley").await;
    assert_eq!((files(&found), found[0].score, found[0].vector_score), (vec!["a.txt"], 1.0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_queries_are_embedded_once_and_failures_are_not_kept() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    library.add((&ada, project), "a.txt", b"barley and oats", Some(&Spelling::default())).await;
    let model = Arc::new(Spelling::default());
    let search = library.search(Some(model.clone()));
    let same = (0..8).map(|_| found(&search, &ada, None, "oats"));
    futures_util::future::join_all(same).await;
    assert_eq!(model.calls.load(Ordering::SeqCst), 1);
    found(&search, &ada, None, "barley").await;
    assert_eq!(model.calls.load(Ordering::SeqCst), 2);
    let broken = Arc::new(Spelling { fails: true, ..Spelling::default() });
    let search = library.search(Some(broken.clone()));
    for _ in 0..2 {
        found(&search, &ada, None, "oats").await;
    }
    assert_eq!(broken.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_asked_for_in_the_name_of_who_asks() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let model = Arc::new(Spelling::default());
    library.add((&ada, project), "a.txt", b"barley and oats", Some(model.as_ref())).await;
    let search = library.search(Some(model.clone()));
    found(&search, &ada, Some(project), "oats").await;
    found(&search, &ada, None, "barley").await;
    let payer = |project| Payer { user: ada.user_id, project };
    let expected =
        [(TextKind::Passage, payer(Some(project))), (TextKind::Query, payer(Some(project))), (TextKind::Query, payer(None))];
    assert_eq!(*model.payers.lock().unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_in_which_the_model_finds_nothing_are_stored_and_found_by_words() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let model = Arc::new(Spelling::default());
    // No word of three letters: only zeros come back.
    library.add((&ada, project), "a.txt", b"x1 y2 \xE2\x80\xA6", Some(model.as_ref())).await;
    library.add((&ada, project), "b.txt", b"barley and oats", Some(model.as_ref())).await;
    let search = library.search(Some(model));
    assert_eq!(files(&found(&search, &ada, None, "y2").await), ["a.txt"], "a query without a direction is near nothing");
    assert_eq!(found(&search, &ada, None, "oats").await[0].chunk.filename, "b.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_another_length_are_not_compared() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let before = Spelling { dimension: Some(64), ..Spelling::default() };
    library.add((&ada, project), "before.txt", b"barley", Some(&before)).await;
    let model = Arc::new(Spelling::default());
    let search = library.search(Some(model.clone()));
    let by_words = found(&search, &ada, None, "barley").await;
    assert_eq!((by_words[0].score, by_words[0].vector_score), (1.0, None));
    library.add((&ada, project), "after.txt", b"barley", Some(model.as_ref())).await;
    let both = found(&search, &ada, None, "barley").await;
    let vectors: Vec<_> = both.iter().map(|one| (one.chunk.filename.as_str(), one.vector_score.is_some())).collect();
    assert_eq!(vectors, [("after.txt", true), ("before.txt", false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_that_come_later_are_searched_and_replace_another_model_s() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let plain = library.add((&ada, project), "plain.txt", b"heirloom tomatoes", None).await;
    let empty = library.add((&ada, project), "empty.txt", b"", None).await;
    let model = Arc::new(Spelling::default());
    let search = library.search(Some(model.clone()));
    assert_eq!(found(&search, &ada, None, "heirloom").await[0].vector_score, None);

    let documents = &library.documents;
    let claim = async |model: &str| documents.claim_unembedded(model, &[]).await.unwrap();
    let first = claim("spelling-1").await.unwrap();
    assert_eq!((first.id, first.owner_id, first.project_id), (plain, ada.user_id, Some(project)));
    assert_eq!(claim("spelling-1").await, None, "it is claimed, and {empty} has nothing to embed");
    documents.release_vector_claim(&first, Some(Duration::from_secs(60))).await.unwrap();
    assert_eq!(claim("spelling-1").await, None, "it failed, and is left alone for a while");
    let other = claim("other-1").await.expect("for another model it did not fail");
    documents.release_vector_claim(&other, None).await.unwrap();
    assert_eq!(documents.claim_unembedded("spelling-1", &[ada.user_id]).await.unwrap(), None);
    let mut mine = claim("spelling-1").await.unwrap();
    let chunks = documents.list_chunks(plain, 0, 10).await.unwrap();
    assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>(), ["heirloom tomatoes"]);
    assert!(documents.list_chunks(plain, 1, 10).await.unwrap().is_empty());
    let payer = Payer { user: ada.user_id, project: Some(project) };
    let block = embed_block(model.as_ref(), &chunks, payer).await.unwrap();
    let mut late = first;
    let lost = documents.keep_vectors(&mut late, block.bytes.clone(), block.dimension).await;
    assert!(matches!(lost, Err(StoreError::LeaseLost)), "{lost:?}");
    let kept = documents.keep_vectors(&mut mine, block.bytes.clone(), block.dimension).await.unwrap();
    assert_eq!((kept, claim("spelling-1").await), (VectorsKept::Complete, None));
    assert!(found(&search, &ada, None, "heirloom").await[0].vector_score.is_some());
    let stored = library.stored_bytes(plain).await;
    assert!(stored >= 17 + 17 + 4 * 256);

    let mut other = claim("other-1").await.unwrap();
    assert_eq!(library.stored_bytes(plain).await, stored - 4 * 256, "the other model's are gone");
    let kept = documents.keep_vectors(&mut other, block.bytes, block.dimension).await.unwrap();
    assert_eq!((kept, library.stored_bytes(plain).await), (VectorsKept::Complete, stored));
    assert_eq!(claim("spelling-1").await.map(|claim| claim.id), Some(plain));
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_others_and_of_other_models_are_never_compared() {
    let library = Library::open().await;
    let ((ada, project), (bob, foreign)) = (library.user().await, library.user().await);
    let model = Arc::new(Spelling::default());
    library.add((&ada, project), "ada.txt", b"heirloom tomatoes", Some(model.as_ref())).await;
    library.add((&bob, foreign), "bob.txt", b"heirloom apples", Some(model.as_ref())).await;
    library.add((&ada, project), "plain.txt", b"heirloom beans", None).await;
    let search = library.search(Some(model));
    // The cache is warm with the other's vectors.
    assert_eq!(files(&found(&search, &bob, None, "heirloom").await), ["bob.txt"]);
    let mine = found(&search, &ada, None, "heirloom").await;
    let mut names = files(&mine);
    names.sort_unstable();
    assert_eq!(names, ["ada.txt", "plain.txt"]);
    assert!(mine.iter().all(|citation| citation.vector_score.is_some() == (citation.chunk.filename == "ada.txt")), "{mine:?}");
    let refused = search.search(&bob, SearchRequest { project: Some(project), query: "heirloom", limit: 5 }).await;
    assert!(matches!(refused, Err(SearchError::Store(error)) if matches!(*error, StoreError::NotFound)));
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_memory_for_vectors_older_documents_are_found_by_words() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let model = Arc::new(Spelling::default());
    for name in ["old.txt", "new.txt"] {
        library.add((&ada, project), name, b"sorghum", Some(model.as_ref())).await;
    }
    // Room for one vector of 256 numbers.
    let options = SearchOptions { vectors_bytes_max: 1500, ..SearchOptions::default() };
    let search = Search::new(Arc::new(library.documents.clone()), Some(model), options);
    let found = found(&search, &ada, None, "sorghum").await;
    let by_vector: Vec<&str> = found
        .iter()
        .filter(|citation| citation.vector_score.is_some())
        .map(|citation| citation.chunk.filename.as_str())
        .collect();
    assert_eq!((found.len(), by_vector), (2, vec!["new.txt"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn long_documents_keep_the_order_of_their_vectors() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let model = Arc::new(Spelling::default());
    // More chunks than one stored row and one call hold.
    let text: String = (0..700).map(|n| format!("# Heading {n}\n\nParagraph of topic{n} alone.\n\n")).collect();
    library.add((&ada, project), "long.md", text.as_bytes(), Some(model.as_ref())).await;
    let search = library.search(Some(model));
    for n in [0, 63, 64, 255, 256, 300, 699] {
        let found = found(&search, &ada, Some(project), &format!("topic{n}")).await;
        assert!(found[0].chunk.chunk.text.contains(&format!("topic{n} ")), "{n}: {:?}", found[0]);
    }
}
