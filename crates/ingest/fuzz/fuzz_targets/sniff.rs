//! Any bytes under any name are something, or nothing; they are never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, Option<&str>, &[u8])| {
    let (name, media_type, head) = input;
    let _ = gristmill_ingest::sniff(name, media_type, head);
});
