//! The engine through its public door: statements in, rows out.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod data;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod random;
#[cfg(test)]
mod support;
