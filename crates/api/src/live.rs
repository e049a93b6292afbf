//! Watching notebooks and deployments over a WebSocket (contract 3, section 8). The notebook's log in PostgreSQL is the
//! queue: a slow watcher lags behind in it and costs no memory. Of a deployment only the state of the moment is told.

mod deployments;
mod follow;
mod hub;
mod socket;

pub(crate) use deployments::deployment_socket;
pub use hub::Hub;
pub(crate) use socket::notebook_socket;
