//! Documents: from a file of any supported format to chunks that are found by words and by meaning, and cited with document,
//! page and place.
//!
//! [`parse`] turns bytes into [`Block`]s: it reads hostile files, so the server runs it in a process of its own ([`worker`]
//! is both ends of the pipe to it). [`split`] makes chunks from blocks. [`Search`] finds chunks of a [`DocumentIndex`], by
//! words alone or, with an [`Embedder`], by words and vectors together.
//!
//! [`local`] is a model that runs on this machine: its program, what the program needs, and what is said to it.
//!
//! What is not here: storage (the port [`DocumentIndex`]), the network (the port [`Embedder`]) and starting processes.
//!
//! [`DocumentIndex`]: gristmill_domain::documents::DocumentIndex

mod chunk;
mod embed;
pub mod local;
mod parse;
mod search;
mod sniff;
mod text;
mod vectors;
pub mod worker;

pub use chunk::{CHUNKS_MAX, ChunkOptions, SplitDocument, split};
pub use embed::{
    BLOCK_CHUNKS, EmbedError, EmbeddedBeginning, EmbeddedBlock, Embedder, Payer, TextKind, Texts, embed_beginning, embed_block,
    embed_chunks,
};
pub use parse::{Block, BlockKind, ParseLimits, ParsedDocument, parse};
pub use search::{Citation, Search, SearchError, SearchOptions, SearchRequest};
pub use sniff::{Sniffed, sniff};
