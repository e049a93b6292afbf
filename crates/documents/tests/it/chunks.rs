//! Chunks: what must hold for any text.

use gristmill_documents::{Block, BlockKind, CHUNKS_MAX, ChunkOptions, ParseLimits, parse, split};
use proptest::prelude::*;

fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let kind = prop_oneof![
        1 => (1_u8..=6).prop_map(BlockKind::Heading),
        4 => Just(BlockKind::Paragraph),
        2 => Just(BlockKind::Line),
    ];
    let text = prop_oneof![
        3 => "([A-Za-zé]{1,9}[ .,!?]{1,2}){1,60}",
        1 => "\\PC{1,200}",
        1 => "[A-Z][a-z]{1,5}",
        1 => "[界。！🦀ß]{1,400}",
        1 => "x{300,700}",
    ];
    let block = (kind, proptest::option::of(1_u32..4), text).prop_map(|(kind, page, text)| Block { kind, page, text });
    proptest::collection::vec(block, 0..14)
}

fn place(chars: u32) -> usize {
    usize::try_from(chars).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn spans_tile_the_text_within_bounds(blocks in blocks(), size in 0_usize..700, overlap in 0_usize..500) {
        let options = ChunkOptions::new(size, overlap);
        let split = split(&blocks, options);
        let text: Vec<char> = split.text.chars().collect();
        prop_assert!(place(split.text_length) <= text.len());
        let mut covered = 0_usize;
        let mut before = None;
        for chunk in &split.chunks {
            let (start, end) = (place(chunk.span.start), place(chunk.span.end));
            prop_assert!(start < end && end <= text.len());
            prop_assert_eq!(&text[start..end].iter().collect::<String>(), &chunk.text);
            prop_assert!(end - start <= options.size(), "{} characters", end - start);
            prop_assert!(!chunk.text.trim().is_empty());
            prop_assert!(end > covered, "each chunk has something new");
            if start > covered {
                prop_assert!(text[covered..start].iter().all(|c| c.is_whitespace()), "a gap in the text");
            }
            prop_assert!(covered.saturating_sub(start) <= options.overlap(), "repeats {}", covered - start);
            if before == Some(start) {
                prop_assert!(false, "no chunk begins twice at one place");
            }
            before = Some(start);
            covered = end;
        }
        prop_assert!(text[covered..].iter().all(|c| c.is_whitespace()), "the end is missing");
    }

    #[test]
    fn a_chunk_is_on_one_page(blocks in blocks()) {
        let split = split(&blocks, ChunkOptions::default());
        for chunk in &split.chunks {
            let has = |one: &Block| blocks.iter().any(|other| other.page == chunk.page && other.text.contains(&one.text));
            // Long texts, which no block of the chunk's page has by chance.
            for block in blocks.iter().filter(|block| block.page != chunk.page && block.text.chars().count() > 100 && !has(block)) {
                prop_assert!(!chunk.text.contains(block.text.as_str()));
            }
        }
    }

    #[test]
    fn any_bytes_are_parsed_and_split(bytes in proptest::collection::vec(any::<u8>(), 0..2000), name in "[a-z.]{0,8}") {
        let document = parse(&bytes, &name, &ParseLimits::default());
        prop_assert!(!document.blocks.is_empty() || document.warning.is_some(), "no text, and no reason");
        for block in &document.blocks {
            prop_assert!(!block.text.trim().is_empty() && !block.text.contains(['\0', '\n']));
        }
        drop(split(&document.blocks, ChunkOptions::default()));
    }
}

fn chunks(markdown: &str, size: usize, overlap: usize) -> Vec<(String, String)> {
    let document = parse(markdown.as_bytes(), "a.md", &ParseLimits::default());
    let split = split(&document.blocks, ChunkOptions::new(size, overlap));
    split.chunks.into_iter().map(|chunk| (chunk.heading, chunk.text)).collect()
}

#[test]
fn chunks_end_with_sentences_and_repeat_whole_ones() {
    let found = chunks("Mills grind grain. They turn. The wheel is large. It drives the stones below.", 52, 26);
    let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["Mills grind grain. They turn. The wheel is large.", "The wheel is large. It drives the stones below."]);
}

#[test]
fn headings_begin_chunks_and_are_kept_with_them() {
    let found = chunks("# One\n\n## Two\n\nFirst text.\n\n## Three\n\nSecond text.\n\n# Four\n\nThird text.", 500, 50);
    let expected =
        [("One › Two", "One\n\nTwo\n\nFirst text."), ("One › Three", "Three\n\nSecond text."), ("Four", "Four\n\nThird text.")];
    assert_eq!(found, expected.map(|(heading, text)| (heading.to_owned(), text.to_owned())));
}

#[test]
fn a_word_longer_than_a_chunk_is_divided() {
    let found = chunks(&"w".repeat(130), 50, 0);
    assert_eq!(found.iter().map(|(_, text)| text.len()).collect::<Vec<_>>(), [50, 50, 30]);
}

#[test]
fn headings_without_end_cost_their_beginnings_only() {
    let markdown = format!("# {}\n\n{}", "long ".repeat(200_000), "## b\n\nc\n\n".repeat(70_000));
    let document = parse(markdown.as_bytes(), "x.md", &ParseLimits::default());
    let found = split(&document.blocks, ChunkOptions::default());
    assert_eq!((found.chunks.len(), found.is_cut), (CHUNKS_MAX, true));
    assert!(found.chunks.iter().all(|chunk| chunk.heading.chars().count() <= 200));
}
