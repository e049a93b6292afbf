//! Serving workers in real sandboxes, on the backend that `GRISTMILL_TEST_BACKEND` names.

mod backend;
mod hostile;
mod life;
mod models;
mod support;
