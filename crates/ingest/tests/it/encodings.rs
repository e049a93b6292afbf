//! Encodings and damaged characters.

use serde_json::json;

use crate::support::{Place, csv};

fn utf16(text: &str, little: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn every_encoding_gives_the_same_table() {
    let text = "städt,größe\nAachen,1\nKöln,2\n";
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (name, bytes, encoding) in [
        ("utf-8", text.as_bytes().to_vec(), "UTF-8"),
        ("utf-8 with mark", format!("\u{feff}{text}").into_bytes(), "UTF-8"),
        ("utf-16le with mark", utf16(&format!("\u{feff}{text}"), true), "UTF-16LE"),
        ("utf-16be with mark", utf16(&format!("\u{feff}{text}"), false), "UTF-16BE"),
        ("utf-16le", utf16(text, true), "UTF-16LE"),
        ("utf-16be", utf16(text, false), "UTF-16BE"),
        ("latin-1", latin, "windows-1252"),
    ] {
        let found = csv(&bytes);
        assert_eq!(found.names(), ["städt", "größe"], "{name}");
        assert_eq!(found.values("städt"), [json!("Aachen"), json!("Köln")], "{name}");
        assert_eq!(found.dataset.report.encoding, encoding, "{name}");
        assert_eq!(found.has_note("Windows-1252"), encoding == "windows-1252", "{name}");
    }
}

#[test]
fn latin_text_late_in_a_large_file_is_still_latin() {
    let mut bytes = b"name,n\n".to_vec();
    for row in 0..30_000 {
        bytes.extend_from_slice(format!("plain,{row}\n").as_bytes());
    }
    bytes.extend_from_slice(b"caf\xe9,1\n");
    let found = csv(&bytes);
    assert_eq!(found.dataset.report.encoding, "windows-1252");
    let last = gristmill_ingest::read_rows(&found.place.output(), 30_000, 1).unwrap();
    assert_eq!(last[0].get("name"), Some(&json!("café")));
}

#[test]
fn one_bad_byte_does_not_garble_utf8() {
    let mut bytes = "name\nKöln\nMünchen\nZürich\n".as_bytes().to_vec();
    bytes.extend_from_slice(b"bad\xff\n");
    let found = csv(&bytes);
    assert_eq!(found.dataset.report.encoding, "UTF-8");
    assert_eq!(found.values("name"), [json!("Köln"), json!("München"), json!("Zürich"), json!("bad\u{fffd}")]);
    assert!(found.has_note("1 damaged characters"));
}

#[test]
fn nul_characters_are_removed_and_counted() {
    let found = csv(b"na\0me,n\nx\0y,1\n\0z,2\nlonger text so that NUL stays rare,3\n");
    assert_eq!(found.names(), ["name", "n"]);
    assert_eq!(found.values("name")[..2], [json!("xy"), json!("z")]);
    assert!(found.has_note("3 NUL characters"));
}

#[test]
fn unpaired_surrogates_are_replaced() {
    let mut bytes = utf16("\u{feff}name\nx", true);
    bytes.extend_from_slice(&[0x00, 0xD8]);
    bytes.extend_from_slice(&utf16("y\n", true));
    let found = csv(&bytes);
    assert_eq!(found.values("name"), [json!("x\u{fffd}y")]);
    let json = Place::new("a.json", r#"[{"k\ud800":"a\u0000b\udc00"}]"#).ingest();
    assert_eq!(json.values("k\u{fffd}"), [json!("ab\u{fffd}")]);
    assert!(json.has_note("1 NUL") && json.has_note("2 damaged"));
}
