//! Repositories against a real PostgreSQL.

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod deletions;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod models;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod spool;
#[cfg(test)]
mod stored_by_jobs;
#[cfg(test)]
mod tracking;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod workflows;
