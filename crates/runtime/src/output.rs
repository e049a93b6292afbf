//! What a run puts out: collected to be kept, and handed on while it runs.

mod bundle;
mod collector;
mod live;
mod text;

pub(crate) use self::{collector::Collector, live::Live};
