//! Behaviour through the public door: files in, datasets and reports out.

#[cfg(test)]
mod cancel;
#[cfg(test)]
mod csv;
#[cfg(test)]
mod derive;
#[cfg(test)]
mod eda;
#[cfg(test)]
mod encodings;
#[cfg(test)]
mod export;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod json;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod retype;
#[cfg(test)]
mod roundtrip;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod sniffing;
#[cfg(test)]
mod support;
#[cfg(test)]
mod types;
#[cfg(test)]
mod xlsx;
