//! Blocks to chunks: pieces of the normalised text that end where sentences do, stay within a page and below one heading, and
//! repeat a little of the piece before.

use gristmill_domain::{
    documents::{DocumentChunk, TextSpan},
    limits,
};

use crate::parse::{Block, BlockKind};

/// Longest text of headings that is kept with a chunk, characters.
const HEADING_CHARS_MAX: usize = 200;
/// The smallest chunk size that can be asked for.
const SIZE_MIN: usize = 50;

/// How large chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkOptions {
    size: usize,
    overlap: usize,
}

impl ChunkOptions {
    /// Chunks of at most `size` characters (at least 50) that repeat at most `overlap` of the one before (at most half of
    /// `size`).
    #[must_use]
    pub fn new(size: usize, overlap: usize) -> Self {
        let size = size.max(SIZE_MIN);
        Self { size, overlap: overlap.min(size / 2) }
    }

    /// Characters of a chunk at most.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Characters that a chunk repeats at most.
    #[must_use]
    pub fn overlap(&self) -> usize {
        self.overlap
    }
}

impl Default for ChunkOptions {
    fn default() -> Self {
        Self::new(limits::CHUNK_CHARS, limits::CHUNK_OVERLAP_CHARS)
    }
}

/// A document's normalised text and its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SplitDocument {
    /// Blocks with a blank line between them; lines of a table or a list with a line break.
    pub text: String,
    /// Characters of `text`.
    pub text_length: u32,
    /// The chunks, in order, at most [`CHUNKS_MAX`]. Between two of them is nothing but white space; none is empty.
    pub chunks: Vec<DocumentChunk>,
    /// Whether text is left over that is in no chunk.
    pub is_cut: bool,
}

/// Chunks of a document. More than 25 MB of ordinary text make; what makes more is made of headings.
pub const CHUNKS_MAX: usize = 60_000;

/// A piece that is not divided: a sentence, a line, or as many words of a long one as fit.
#[derive(Debug, Clone, Copy)]
struct Atom {
    /// Bytes of the text.
    start: usize,
    end: usize,
    /// Characters before it, and at its end.
    start_chars: usize,
    end_chars: usize,
    block: usize,
}

/// Splits a document.
///
/// ```
/// use gristmill_documents::{ChunkOptions, ParseLimits, parse, split};
/// let document = parse(b"# Mills\n\nThey grind. They turn.", "notes.md", &ParseLimits::default());
/// let split = split(&document.blocks, ChunkOptions::default());
/// assert_eq!(split.chunks[0].text, "Mills\n\nThey grind. They turn.");
/// assert_eq!(split.chunks[0].heading, "Mills");
/// ```
#[must_use]
pub fn split(blocks: &[Block], options: ChunkOptions) -> SplitDocument {
    let (text, atoms) = lay_out(blocks, options.size);
    let headings = Headings::of(blocks);
    let mut chunks = Vec::new();
    let packer = Packer { text: &text, atoms: &atoms, blocks, options };
    let mut next = packer.atoms.first().map(|atom| Start { atom: 0, byte: atom.start, chars: atom.start_chars });
    while let Some(start) = next {
        if chunks.len() >= CHUNKS_MAX {
            break;
        }
        let last = packer.last_of(start);
        let Some(end) = packer.atoms.get(last) else { break };
        chunks.push(DocumentChunk {
            page: blocks.get(end.block).and_then(|block| block.page),
            heading: headings.above(end.block),
            span: TextSpan { start: narrow(start.chars), end: narrow(end.end_chars) },
            text: text.get(start.byte..end.end).unwrap_or_default().to_owned(),
        });
        next = packer.after(last);
    }
    let text_length = narrow(atoms.last().map_or(0, |atom| atom.end_chars));
    SplitDocument { text_length, is_cut: next.is_some(), text, chunks }
}

/// Where a chunk begins: within or at an atom.
#[derive(Debug, Clone, Copy)]
struct Start {
    atom: usize,
    byte: usize,
    chars: usize,
}

struct Packer<'a> {
    text: &'a str,
    atoms: &'a [Atom],
    blocks: &'a [Block],
    options: ChunkOptions,
}

impl Packer<'_> {
    /// The last atom of the chunk that begins at `start`.
    fn last_of(&self, start: Start) -> usize {
        let mut last = start.atom;
        while let Some(next) = self.atoms.get(last + 1) {
            if next.end_chars - start.chars > self.options.size || self.parts(last, last + 1) {
                break;
            }
            last += 1;
        }
        last
    }

    /// Whether a chunk ends between two neighbours: at another page, and before a heading that does not follow a heading.
    fn parts(&self, one: usize, other: usize) -> bool {
        let block = |atom: usize| self.atoms.get(atom).and_then(|atom| self.blocks.get(atom.block));
        let (Some(before), Some(behind)) = (block(one), block(other)) else { return true };
        let is_heading = |block: &Block| matches!(block.kind, BlockKind::Heading(_));
        let starts_block = self.atoms.get(one).map(|atom| atom.block) != self.atoms.get(other).map(|atom| atom.block);
        before.page != behind.page || (starts_block && is_heading(behind) && !is_heading(before))
    }

    /// Where the chunk after the one that ends with the atom `last` begins.
    fn after(&self, last: usize) -> Option<Start> {
        let (end, next) = (self.atoms.get(last)?, self.atoms.get(last + 1)?);
        let fresh = Start { atom: last + 1, byte: next.start, chars: next.start_chars };
        if self.parts(last, last + 1) {
            return Some(fresh);
        }
        // What is repeated leaves room for the next atom, so that each chunk has something new.
        let room = self.options.size.saturating_sub(next.end_chars - end.end_chars).min(self.options.overlap);
        Some(self.whole_sentences(last, room).or_else(|| self.some_words(last, room)).unwrap_or(fresh))
    }

    /// Back by as many atoms as fit into `room` characters.
    fn whole_sentences(&self, last: usize, room: usize) -> Option<Start> {
        let end_chars = self.atoms.get(last)?.end_chars;
        let mut found = None;
        for atom in (0..=last).rev() {
            let candidate = self.atoms.get(atom)?;
            if end_chars - candidate.start_chars > room || (atom < last && self.parts(atom, atom + 1)) {
                break;
            }
            found = Some(Start { atom, byte: candidate.start, chars: candidate.start_chars });
        }
        found
    }

    /// Back by as many words of the atom as fit into `room` characters.
    fn some_words(&self, last: usize, room: usize) -> Option<Start> {
        let atom = self.atoms.get(last)?;
        let text = self.text.get(atom.start..atom.end)?;
        let first = (atom.end_chars - atom.start_chars).checked_sub(room)?;
        let mut was_space = false;
        for (chars, (byte, c)) in text.char_indices().enumerate() {
            if chars >= first && was_space && !c.is_whitespace() {
                return Some(Start { atom: last, byte: atom.start + byte, chars: atom.start_chars + chars });
            }
            was_space = c.is_whitespace();
        }
        None
    }
}

/// Puts blocks one below the other and finds the atoms.
fn lay_out(blocks: &[Block], size: usize) -> (String, Vec<Atom>) {
    let mut text = String::with_capacity(blocks.iter().map(|block| block.text.len() + 2).sum());
    let mut atoms: Vec<Atom> = Vec::new();
    let mut previous: Option<&Block> = None;
    for (index, block) in blocks.iter().enumerate() {
        if block.text.trim().is_empty() {
            continue;
        }
        text.push_str(match previous {
            None => "",
            Some(before) if before.kind == BlockKind::Line && block.kind == BlockKind::Line => "\n",
            Some(_) => "\n\n",
        });
        let base = text.len();
        let atom = |(start, end)| Atom { start: base + start, end: base + end, start_chars: 0, end_chars: 0, block: index };
        atoms.extend(pieces(&block.text, size).into_iter().map(atom));
        text.push_str(&block.text);
        previous = Some(block);
    }
    number(&text, &mut atoms);
    (text, atoms)
}

/// Counts characters up to each atom, in one pass.
fn number(text: &str, atoms: &mut [Atom]) {
    let (mut byte, mut chars) = (0, 0);
    for atom in atoms {
        chars += text.get(byte..atom.start).map_or(0, |gap| gap.chars().count());
        atom.start_chars = chars;
        chars += text.get(atom.start..atom.end).map_or(0, |own| own.chars().count());
        atom.end_chars = chars;
        byte = atom.end;
    }
}

/// The sentences of a block as byte ranges without white space around them; long ones are divided between words.
fn pieces(text: &str, size: usize) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    let mut start = 0;
    for end in sentence_ends(text) {
        push_pieces(text, start, end, size, &mut all);
        start = end;
    }
    push_pieces(text, start, text.len(), size, &mut all);
    all
}

fn push_pieces(text: &str, start: usize, end: usize, size: usize, all: &mut Vec<(usize, usize)>) {
    let Some(sentence) = text.get(start..end) else { return };
    let trimmed = sentence.trim_start();
    let mut from = start + (sentence.len() - trimmed.len());
    let mut rest = trimmed.trim_end();
    while !rest.is_empty() {
        let length = piece_length(rest, size);
        let (piece, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        all.push((from, from + piece.trim_end().len()));
        let trimmed = behind.trim_start();
        from += piece.len() + (behind.len() - trimmed.len());
        rest = trimmed;
    }
}

/// Bytes of the longest beginning of at most `size` characters that ends between words, or anywhere if one word is longer.
fn piece_length(text: &str, size: usize) -> usize {
    let Some((limit, _)) = text.char_indices().nth(size) else { return text.len() };
    let head = text.get(..limit).unwrap_or(text);
    // The word goes on behind the limit unless a space stands there.
    if text.get(limit..).is_some_and(|rest| rest.starts_with(char::is_whitespace)) {
        return limit;
    }
    match head.rfind(char::is_whitespace) {
        Some(at) if !head.get(..at).unwrap_or_default().trim().is_empty() => at,
        _ => limit,
    }
}

/// Where sentences end, as byte offsets behind their last mark.
fn sentence_ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let is_wide = matches!(c, '。' | '！' | '？' | '｡');
        if !is_wide && !matches!(c, '.' | '!' | '?' | '…') {
            continue;
        }
        let mut end = at + c.len_utf8();
        // Quotes and brackets that close belong to the sentence, and so do more marks.
        while let Some((next, closing)) = chars.next_if(|(_, c)| ".!?…\"'”’»)]}」』".contains(*c)) {
            end = next + closing.len_utf8();
        }
        if is_wide {
            ends.push(end);
            continue;
        }
        let rest = text.get(end..).unwrap_or_default();
        let follows = rest.trim_start();
        let has_gap = follows.len() < rest.len();
        let goes_on = follows.starts_with(|c: char| c.is_lowercase());
        if has_gap && !goes_on && !(c == '.' && is_abbreviation(text.get(..at).unwrap_or_default())) {
            ends.push(end);
        }
    }
    ends
}

/// Whether the word before a full stop is one that is written with it.
fn is_abbreviation(before: &str) -> bool {
    const KNOWN: [&str; 34] = [
        "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "etc", "e.g", "i.e", "cf", "no", "vol", "fig", "eq", "ch",
        "sec", "art", "pp", "p", "ed", "al", "approx", "dept", "inc", "ltd", "co", "gen", "col", "capt", "hon", "messrs",
    ];
    let word = before.rsplit(|c: char| c.is_whitespace() || "([\"“‘".contains(c)).next().unwrap_or_default();
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    is_initial || KNOWN.contains(&word.to_lowercase().as_str())
}

/// Headings, each with those above it, and which of them is above each block, its own included.
struct Headings {
    paths: Vec<String>,
    of_blocks: Vec<usize>,
}

impl Headings {
    fn of(blocks: &[Block]) -> Self {
        // Their beginnings: with all of long headings, each further one would cost what they have together.
        let mut open: Vec<(u8, String)> = Vec::new();
        // What comes before the first heading is below none.
        let mut paths = vec![String::new()];
        let mut of_blocks = Vec::with_capacity(blocks.len());
        for block in blocks {
            if let BlockKind::Heading(level) = block.kind {
                open.retain(|(above, _)| *above < level);
                open.push((level, block.text.chars().take(HEADING_CHARS_MAX).collect()));
                let whole = open.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" › ");
                paths.push(whole.chars().take(HEADING_CHARS_MAX).collect());
            }
            of_blocks.push(paths.len() - 1);
        }
        Self { paths, of_blocks }
    }

    fn above(&self, block: usize) -> String {
        self.of_blocks.get(block).and_then(|path| self.paths.get(*path)).cloned().unwrap_or_default()
    }
}

fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_readers_think() {
        for (text, expected) in [
            ("One. Two! Three?", &["One.", "Two!", "Three?"][..]),
            ("Mr. Smith met Dr. J. R. Jones. They spoke.", &["Mr. Smith met Dr. J. R. Jones.", "They spoke."]),
            ("It costs 3.50 e.g. in May. \"Really?\" he asked.", &["It costs 3.50 e.g. in May.", "\"Really?\" he asked."]),
            ("水は流れる。風が吹く。", &["水は流れる。", "風が吹く。"]),
            ("no end", &["no end"]),
        ] {
            let found: Vec<&str> = pieces(text, 500).into_iter().map(|(start, end)| text.get(start..end).unwrap()).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn long_sentences_are_divided_between_words() {
        let text = "aaaa bbbb cccc dddd";
        let found: Vec<&str> = pieces(text, 9).into_iter().map(|(start, end)| text.get(start..end).unwrap()).collect();
        assert_eq!(found, ["aaaa bbbb", "cccc dddd"]);
        let text = "é".repeat(7);
        assert_eq!(pieces(&text, 3).len(), 3);
    }
}
