//! Documents through the crate's public door: parsing, chunks, and search over a real PostgreSQL.

#[cfg(test)]
mod chunks;
#[cfg(test)]
mod formats;
#[cfg(test)]
#[path = "../../../runtime/tests/shared/python.rs"]
mod locked;
#[cfg(test)]
mod real_model;
#[cfg(test)]
mod recall;
#[cfg(test)]
mod search;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod vectors;
