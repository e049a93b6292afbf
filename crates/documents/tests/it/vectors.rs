//! Vectors that come after their document: who makes them, where they go on, and what becomes of those that there are.

use std::sync::{Arc, atomic::Ordering};

use futures_util::future::join_all;
use gristmill_documents::{
    BLOCK_CHUNKS, Citation, EmbedError, EmbeddedBeginning, Embedder, Payer, SearchRequest, embed_beginning, embed_block,
};
use gristmill_domain::{
    Caller, DocumentId, ProjectId,
    documents::{DocumentChunk, DocumentCreate, EmbeddedBy, TextSpan},
    ports::StoreError,
};
use gristmill_persistence::repo::documents::{VectorClaim, VectorsKept};

use crate::stored::{Library, Spelling, read};

const MODEL: &str = "spelling-1";
/// Numbers of its vectors, and bytes of one.
const DIMENSION: u32 = 256;
const VECTOR_BYTES: i64 = 4 * 256;
/// Two blocks, and some more.
const CHUNKS: u32 = 150;

fn text(chunk: u32) -> String {
    format!("Paragraph of topic{chunk} alone.")
}

/// A document of more chunks than fit into two blocks.
fn long(project: ProjectId) -> DocumentCreate {
    let chunk =
        |n: u32| DocumentChunk { page: None, heading: String::new(), span: TextSpan { start: n, end: n + 1 }, text: text(n) };
    DocumentCreate { chunks: (0..CHUNKS).map(chunk).collect(), ..read(project, "long.txt", b"as long as its chunks say") }
}

/// What it counts for without vectors.
fn plain_bytes(project: ProjectId) -> i64 {
    let create = long(project);
    let text: usize = create.chunks.iter().map(|chunk| chunk.text.len()).sum();
    i64::try_from(text).unwrap() + i64::try_from(create.size_bytes).unwrap()
}

/// Stores it with the vectors of its first block; a model of this dimension did not answer for the others.
async fn begun(library: &Library, (caller, project): (&Caller, ProjectId), dimension: Option<usize>) -> DocumentId {
    let model = Spelling { answers_max: Some(1), dimension, ..Spelling::default() };
    let create = long(project);
    let payer = Payer { user: caller.user_id, project: Some(project) };
    let EmbeddedBeginning { vectors, failure } = embed_beginning(&model, &create.chunks, payer, &|_| {}).await;
    assert!(matches!(failure, Some(EmbedError::Unavailable(_))), "{failure:?}");
    library.store(caller, DocumentCreate { vectors, ..create }).await
}

async fn claim(library: &Library) -> Option<VectorClaim> {
    library.documents.claim_unembedded(MODEL, &[]).await.unwrap()
}

/// Makes the vectors of the next block and stores them, as the server does.
async fn keep_next(library: &Library, model: &Spelling, claim: &mut VectorClaim) -> Result<VectorsKept, StoreError> {
    let chunks = library.documents.list_chunks(claim.id, claim.chunks_done, BLOCK_CHUNKS).await?;
    assert_eq!(chunks.first().map(|chunk| chunk.text.clone()), Some(text(claim.chunks_done)));
    let payer = Payer { user: claim.owner_id, project: claim.project_id };
    let block = embed_block(model, &chunks, payer).await.unwrap();
    library.documents.keep_vectors(claim, block.bytes, block.dimension).await
}

async fn best(library: &Library, model: &Arc<Spelling>, caller: &Caller, query: &str) -> Citation {
    let embedder: Arc<dyn Embedder> = Arc::<Spelling>::clone(model);
    let request = SearchRequest { project: None, query, limit: 10 };
    library.search(Some(embedder)).search(caller, request).await.unwrap().swap_remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_came_with_its_first_vectors_gets_the_others_only() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let id = begun(&library, (&ada, project), None).await;
    let (documents, plain) = (&library.documents, plain_bytes(project));
    assert_eq!(library.stored_bytes(id).await, plain + i64::from(BLOCK_CHUNKS) * VECTOR_BYTES);
    assert_eq!(documents.find(&ada, id).await.unwrap().embedded, None, "some vectors are none for search");
    let asks = Arc::new(Spelling::default());
    let by_words = best(&library, &asks, &ada, "topic3").await;
    assert_eq!((by_words.chunk.place.index, by_words.vector_score), (3, None));

    let model = Spelling::default();
    let mut first = claim(&library).await.expect("it does not have all");
    assert_eq!((first.id, first.chunks_done, first.failures), (id, BLOCK_CHUNKS, 0));
    assert_eq!(keep_next(&library, &model, &mut first).await.unwrap(), VectorsKept::More);
    // Its server stops, and another one goes on.
    documents.release_vector_claim(&first, None).await.unwrap();
    let mut second = claim(&library).await.expect("it still does not");
    assert_eq!((second.id, second.chunks_done), (id, 2 * BLOCK_CHUNKS));
    assert_eq!(keep_next(&library, &model, &mut second).await.unwrap(), VectorsKept::Complete);
    assert_eq!(model.calls.load(Ordering::SeqCst), 2, "nothing is paid for twice");
    assert_eq!(claim(&library).await, None);

    assert_eq!(library.stored_bytes(id).await, plain + i64::from(CHUNKS) * VECTOR_BYTES);
    let embedded = documents.find(&ada, id).await.unwrap().embedded;
    assert_eq!(embedded, Some(EmbeddedBy { model: MODEL.to_owned(), dimension: DIMENSION }));
    for n in [0, 63, 64, 127, 128, 149] {
        let found = best(&library, &asks, &ada, &format!("topic{n}")).await;
        assert_eq!((found.chunk.place.index, found.vector_score.is_some()), (n, true), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_another_length_start_the_document_anew() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let id = begun(&library, (&ada, project), Some(64)).await;
    let plain = plain_bytes(project);
    assert_eq!(library.stored_bytes(id).await, plain + i64::from(BLOCK_CHUNKS) * 4 * 64);

    let model = Spelling::default();
    let mut mine = claim(&library).await.unwrap();
    assert_eq!(mine.chunks_done, BLOCK_CHUNKS);
    assert_eq!(keep_next(&library, &model, &mut mine).await.unwrap(), VectorsKept::StartsAnew);
    assert_eq!((mine.chunks_done, library.stored_bytes(id).await), (0, plain), "the earlier ones are gone");
    assert_eq!(claim(&library).await, None, "it is claimed as before");
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(keep_next(&library, &model, &mut mine).await.unwrap());
    }
    assert_eq!(kept, [VectorsKept::More, VectorsKept::More, VectorsKept::Complete]);
    assert_eq!(library.stored_bytes(id).await, plain + i64::from(CHUNKS) * VECTOR_BYTES);
    let embedded = library.documents.find(&ada, id).await.unwrap().embedded;
    assert_eq!(embedded.map(|by| by.dimension), Some(DIMENSION));
    let found = best(&library, &Arc::new(model), &ada, "topic70").await;
    assert_eq!((found.chunk.place.index, found.vector_score.is_some()), (70, true), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_claim_a_document_one_gets_it() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let documents = &library.documents;
    let claim_at_once = async || -> Vec<DocumentId> {
        let claims = join_all((0..8).map(|_| documents.claim_unembedded(MODEL, &[]))).await;
        claims.into_iter().filter_map(|claim| claim.unwrap()).map(|claim| claim.id).collect()
    };
    let only = library.add((&ada, project), "only.txt", b"barley", None).await;
    assert_eq!(claim_at_once().await, [only]);
    library.end_claims().await;
    assert_eq!(claim_at_once().await, [only], "one takes it over");

    let mut all = Vec::new();
    for n in 0..5 {
        all.push(library.add((&ada, project), &format!("{n}.txt"), b"rye", None).await);
    }
    let mut claimed = claim_at_once().await;
    while let Some(next) = claim(&library).await {
        claimed.push(next.id);
    }
    all.sort_unstable();
    claimed.sort_unstable();
    assert_eq!(claimed, all, "each of the others once");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_too_late_for_a_document_claims_another_one() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let older = library.add((&ada, project), "older.txt", b"barley", None).await;
    let newest = library.add((&ada, project), "newest.txt", b"rye", None).await;
    // The newest is looked at first.
    let claimed = library.while_claimed(newest, claim(&library)).await.expect("the other one");
    assert_eq!(claimed.id, older);
    assert_eq!(library.while_claimed(newest, claim(&library)).await, None);
    assert_eq!(claim(&library).await.map(|claim| claim.id), Some(newest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_lost_stores_nothing_and_forgets_nothing() {
    let library = Library::open().await;
    let (ada, project) = library.user().await;
    let id = begun(&library, (&ada, project), None).await;
    let begun_bytes = library.stored_bytes(id).await;
    let documents = &library.documents;
    let mut late = claim(&library).await.unwrap();
    library.end_claims().await;
    let mut mine = claim(&library).await.expect("its time is over");
    assert_eq!((mine.id, mine.chunks_done), (id, BLOCK_CHUNKS));

    let renewed = documents.renew_vector_claim(&late).await;
    assert!(matches!(renewed, Err(StoreError::LeaseLost)), "{renewed:?}");
    // Neither vectors that fit nor such as would start it anew.
    for dimension in [None, Some(64)] {
        let model = Spelling { dimension, ..Spelling::default() };
        let kept = keep_next(&library, &model, &mut late).await;
        assert!(matches!(kept, Err(StoreError::LeaseLost)), "{kept:?}");
        assert_eq!((late.chunks_done, library.stored_bytes(id).await), (BLOCK_CHUNKS, begun_bytes));
    }
    documents.release_vector_claim(&late, None).await.unwrap();
    assert_eq!(claim(&library).await, None, "the claim that holds is another's");

    documents.renew_vector_claim(&mine).await.unwrap();
    let model = Spelling::default();
    assert_eq!(keep_next(&library, &model, &mut mine).await.unwrap(), VectorsKept::More);
    let chunks = documents.list_chunks(id, mine.chunks_done, BLOCK_CHUNKS).await.unwrap();
    let payer = Payer { user: ada.user_id, project: Some(project) };
    let block = embed_block(&model, &chunks, payer).await.unwrap();
    documents.delete(&ada, id).await.unwrap();
    let gone = documents.keep_vectors(&mut mine, block.bytes, block.dimension).await;
    assert!(matches!(gone, Err(StoreError::NotFound)), "{gone:?}");
}
