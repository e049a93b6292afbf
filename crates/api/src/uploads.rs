//! Receiving a file: multipart to a spool directory, with limits while reading.

mod receive;
mod spool;

pub(crate) use receive::io_error;
pub use receive::{ReceivedFile, receive};
pub use spool::Spool;
