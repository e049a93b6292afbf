//! What is asked of the index, and how PostgreSQL answers it in the plan that it keeps.

use gristmill_testkit::pg::TestDatabase;

use super::{FIND, QueryWords, is_one_word, single_words};

#[test]
fn a_query_of_one_word_is_asked_once() {
    let check = |query: &str, stems: &[&str], words: &[&str], strict: &str, expected: bool| {
        let owned = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let read = QueryWords { stems: owned(stems), words: owned(words), strict: strict.to_owned() };
        assert_eq!(is_one_word(&read, &single_words(query, &read)), expected, "{query}");
    };
    check("mill", &["mill"], &["mill"], "'mill'", true);
    check("Mills", &["mill"], &["mills"], "'mill' | 'mills'", true);
    check("the", &[], &["the"], "'the'", true);
    check("o'", &["o'"], &["o'"], "'o'''", true);
    check("\"mill\"", &["mill"], &["mill"], "'mill'", false);
    check("- mill", &["mill"], &["mill"], "!'mill'", false);
    check("mill mill", &["mill"], &["mill"], "'mill' & 'mill'", false);
    check("mill race", &["mill", "race"], &["mill", "race"], "'mill' & 'race'", false);
    check("the mill", &["mill"], &["mill", "the"], "'mill' | 'the' & 'mill'", false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_made_while_there_is_nothing_holds_for_much() {
    let test = TestDatabase::create().await.unwrap();
    let client = test.client().await.unwrap();
    let settings = "set enable_seqscan = off; set plan_cache_mode = force_generic_plan";
    let prepare = format!("{settings}; prepare found (text, text[], text, uuid, uuid, integer, boolean) as {FIND}");
    client.batch_execute(&prepare).await.unwrap();
    let lines = client.query("explain execute found (null, null, null, null, null, null, null)", &[]).await.unwrap();
    let plan = lines.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n");
    assert_eq!(plan.matches("on document_chunks_search_idx").count(), 2, "once for all words, once for each:\n{plan}");
    for index in ["document_chunks_pkey", "documents_pkey"] {
        assert!(plan.contains(index), "does not use {index}:\n{plan}");
    }
    assert!(!plan.contains("Seq Scan"), "reads a whole table:\n{plan}");
    // Lookups one by one: a join would read what was little when the plan was made.
    assert!(!plan.contains("Merge Cond: (document") && !plan.contains("Hash Cond: (document"), "joins tables:\n{plan}");
}
