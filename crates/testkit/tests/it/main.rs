//! The tools for tests, tested.

#[cfg(test)]
mod testdb;
