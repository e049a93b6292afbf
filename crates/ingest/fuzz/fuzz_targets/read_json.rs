//! Any bytes that are said to be JSON become a dataset whose numbers agree with one another, or a clear error.

#![no_main]

#[path = "../read.rs"]
mod read;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| read::check("data.json", bytes));
