//! Documents through the crate's public door: parsing, chunks, and search over a real PostgreSQL.

#[cfg(test)]
mod chunks;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod recall;
#[cfg(test)]
mod search;
#[cfg(test)]
mod stored;
