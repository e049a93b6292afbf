//! Watching notebooks over a WebSocket (contract 3, section 8). The notebook's log in PostgreSQL is the queue: a slow
//! watcher lags behind in it and costs no memory.

mod follow;
mod hub;
mod socket;

pub use hub::Hub;
pub(crate) use socket::notebook_socket;
