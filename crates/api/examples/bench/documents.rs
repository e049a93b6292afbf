//! Documents: reading a long PDF, and search where there are many chunks.

use std::{fmt::Write as _, time::Instant};

use anyhow::{Context, Result, ensure};
use gristmill_testkit::documents::pdf;
use reqwest::{Method, multipart};

use crate::{
    server::Server,
    table::{Table, Target::AtMost, percentile},
    work::{User, user},
};

const PAGES: usize = 500;
/// Chunks that are searched, in documents of this many paragraphs of one chunk each.
const CHUNKS: usize = 50_000;
const PARAGRAPHS: usize = 2_500;
const TIMES: usize = 10;
/// Words of the made-up text: each is about as frequent as words of its rank are in English.
const WORDS: usize = 20_000;

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A word: of rank r with a probability of about 1/r.
    fn word(&mut self) -> String {
        name_of(((WORDS as f64).powf(self.roll()) - 1.0) as usize)
    }

    fn sentence(&mut self) -> String {
        let mut sentence = String::from("So ");
        for _ in 0..12 {
            sentence.push_str(&self.word());
            sentence.push(' ');
        }
        format!("{}.", sentence.trim_end())
    }
}

/// A word that can be spoken, from its rank.
fn name_of(rank: usize) -> String {
    const SYLLABLES: [&str; 28] = [
        "ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "wa", "ze", "bri", "cho",
        "dru", "fla", "gre", "kli", "plo", "stu", "tra", "sne", "qui",
    ];
    let mut rest = rank + SYLLABLES.len();
    let mut name = String::new();
    while rest > 0 {
        name.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    name
}

pub(crate) async fn documents(table: &mut Table) -> Result<()> {
    // By words: what a model adds depends on the model.
    let server = Server::start_with(None, &[("EMBEDDINGS", "none")])?;
    let user = user(&server).await?;
    let mut dice = Dice(7);
    long_pdf(table, &user, &mut dice).await?;
    for number in 0..CHUNKS / PARAGRAPHS {
        let mut text = String::new();
        for paragraph in 0..PARAGRAPHS {
            // A heading of its own makes each paragraph a chunk of its own.
            writeln!(text, "# Part {number} {paragraph}\n\n{} {} {}\n", dice.sentence(), dice.sentence(), dice.sentence())?;
        }
        let stored = upload(&user, &format!("{number}.md"), text.into_bytes()).await?;
        ensure!(stored["document"]["chunkCount"] == PARAGRAPHS, "a chunk a paragraph, not {stored}");
    }
    let rare = (name_of(9_000), name_of(12_345));
    let queries = [
        ("a rare word", rare.0.clone()),
        ("a frequent word", name_of(3)),
        (
            "a question of eight words",
            format!("what {} {} {} of {} {} and", name_of(40), rare.1, name_of(700), name_of(5), name_of(150)),
        ),
        ("frequent words only", format!("{} {} {}", name_of(2), name_of(4), name_of(6))),
        ("a phrase", format!("\"{} {}\"", name_of(1), name_of(2))),
        ("no such word", "zyzzyva".to_owned()),
    ];
    let mut all = Vec::new();
    for (what, query) in queries {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
            user.send(Method::GET, &format!("/api/docs/search?projectId={}&k=10&q={query}", user.project), None).await?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        table.add(&format!("search {CHUNKS} chunks by words, {what}, p50"), percentile(&mut times, 50.0), "ms", None);
        all.extend(times);
    }
    table.add(
        &format!("search {CHUNKS} chunks by words, all of these, p50"),
        percentile(&mut all, 50.0),
        "ms",
        Some(AtMost(20.0)),
    );
    Ok(())
}

async fn long_pdf(table: &mut Table, user: &User, dice: &mut Dice) -> Result<()> {
    let pages: Vec<Vec<String>> = (0..PAGES).map(|_| (0..40).map(|_| dice.sentence()).collect()).collect();
    let lines: Vec<Vec<&str>> = pages.iter().map(|page| page.iter().map(String::as_str).collect()).collect();
    let file = pdf(&lines.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let began = Instant::now();
    let stored = upload(user, "long.pdf", file).await?;
    table.add(&format!("ingest of a PDF of {PAGES} pages"), began.elapsed().as_secs_f64(), "s", None);
    ensure!(stored["document"]["pageCount"] == PAGES && stored["document"].get("parseWarning").is_none(), "{stored}");
    Ok(())
}

async fn upload(user: &User, name: &str, content: Vec<u8>) -> Result<serde_json::Value> {
    let part = multipart::Part::bytes(content).file_name(name.to_owned());
    let form = multipart::Form::new().part("file", part).text("projectId", user.project.clone());
    user.upload_to("doc", form).await.context("an upload")
}
