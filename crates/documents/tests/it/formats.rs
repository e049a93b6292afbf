//! Formats: well-formed and otherwise. In the server all of this happens in a process of its own; here in the test's.

use gristmill_documents::{BlockKind, ParseLimits, ParsedDocument, parse};
use gristmill_testkit::documents::{docx, docx_xml, encrypted_pdf, pdf, scanned_pdf, zipped};

fn read(bytes: &[u8], name: &str) -> ParsedDocument {
    parse(bytes, name, &ParseLimits::default())
}

fn texts(document: &ParsedDocument) -> Vec<&str> {
    document.blocks.iter().map(|block| block.text.as_str()).collect()
}

#[track_caller]
fn warns(document: &ParsedDocument, part: &str) {
    let warning = document.warning.as_deref().unwrap_or_default();
    assert!(warning.contains(part), "{document:?}");
}

#[test]
fn a_pdf_is_read_page_by_page() {
    let document = read(&pdf(&[&["CHAPTER 1. MILLS", "They grind exam-", "ples of grain."], &["Second (page) \\ end."]]), "x");
    assert_eq!((document.format.as_str(), document.page_count), ("pdf", Some(2)));
    assert_eq!(document.warning, None);
    let all = texts(&document).join("\n");
    assert!(all.contains("examples of grain.") && all.contains("Second (page) \\ end."), "{all}");
    assert_eq!(document.blocks.first().and_then(|block| block.page), Some(1));
    assert_eq!(document.blocks.last().and_then(|block| block.page), Some(2));
}

#[test]
fn pages_without_text_are_told() {
    warns(&read(&scanned_pdf(3), "x"), "images");
    let half = pdf(&[&["Words."], &[]]);
    warns(&read(&half, "x"), "1 of 2 pages have no text");
}

#[test]
fn encrypted_and_broken_pdfs_say_so() {
    warns(&read(&encrypted_pdf(), "x"), "encrypted");
    let whole = pdf(&[&["Some words."], &["More words."]]);
    for cut in [10, 100, whole.len() / 2, whole.len() - 200] {
        let document = read(&whole[..cut], "x");
        assert!(document.warning.is_some() || !document.blocks.is_empty(), "{document:?}");
    }
    warns(&read(b"%PDF-1.4\nxref\n0 99999999999\n", "x"), "damaged");
}

#[test]
fn more_pages_than_are_read_are_told() {
    let limits = ParseLimits { pages_max: 2, ..ParseLimits::default() };
    let document = parse(&pdf(&[&["One."], &["Two."], &["Three."]]), "x", &limits);
    assert_eq!(texts(&document), ["One.", "Two."]);
    warns(&document, "only the first 2");
}

#[test]
fn a_docx_has_headings_tables_and_entities() {
    let document = read(&docx(&[("Title", "Mills"), ("Heading2", "Water & wind"), ("", "a <b> c"), ("", "")]).unwrap(), "x");
    let kinds: Vec<BlockKind> = document.blocks.iter().map(|block| block.kind).collect();
    assert_eq!(kinds, [BlockKind::Heading(1), BlockKind::Heading(2), BlockKind::Paragraph]);
    assert_eq!(texts(&document), ["Mills", "Water & wind", "a <b> c"]);
    let table = "<w:document><w:body><w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r>\
                 </w:p></w:tc></w:tr></w:tbl><w:p><w:r><w:t>x&#233;&quot;</w:t><w:tab/><w:t>y</w:t></w:r></w:p>\
                 <w:p><w:r><w:lastRenderedPageBreak/><w:t>next</w:t></w:r></w:p></w:body></w:document>";
    let document = read(&zipped("word/document.xml", &mut table.as_bytes()).unwrap(), "x");
    assert_eq!(texts(&document), ["a | b", "xé\" y", "next"]);
    assert_eq!((document.page_count, document.blocks[2].page), (Some(2), Some(2)));
}

#[test]
fn docx_entities_are_not_expanded_and_damage_is_told() {
    let xml = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b SYSTEM \"file:///etc/passwd\">]>\
               <w:document><w:p><w:r><w:t>x&a;&b;y</w:t></w:r></w:p></w:document>";
    let document = read(&zipped("word/document.xml", &mut xml.as_bytes()).unwrap(), "x");
    assert_eq!(texts(&document), ["xy"]);
    let cut = docx_xml(&[("", "first"), ("", "second")]).replace("second", "second</w:t>");
    let document = read(&zipped("word/document.xml", &mut cut.as_bytes()).unwrap(), "x");
    assert_eq!(texts(&document).first(), Some(&"first"));
    warns(&document, "damaged");
    warns(&read(&zipped("other.xml", &mut "word/document.xml".as_bytes()).unwrap(), "x"), "");
    let whole = docx(&[("", "words")]).unwrap();
    warns(&read(&whole[..whole.len() - 30], "x"), "damaged");
}

#[test]
fn html_is_text_without_tags() {
    let html = "<!DOCTYPE html><html><head><title>T &amp; U</title><style>p{}</style></head><body><h2>Head</h2>\
                <p>One <b>bold</b> w&ouml;rd &lt;kept&gt; &nope; 3 < 4</p><!-- hidden --><script>if (a</b) {}</script>\
                <ul><li>first<li>second</ul><table><tr><td>a</td><td>b</td></tr></table><p title='>'>tail";
    let document = read(html.as_bytes(), "x");
    assert_eq!(texts(&document), ["T & U", "Head", "One bold wörd <kept> &nope; 3 < 4", "first", "second", "a | b", "tail"]);
    assert_eq!(document.blocks[1].kind, BlockKind::Heading(2));
    for hostile in
        ["<", "<html", "<html><!--", "<html><script>", "<html></", "<html><a b='", "<?xml ?><![CDATA[<x>", "<p>&#xFFFFFFFF;&"]
    {
        let document = read(hostile.as_bytes(), "x.html");
        assert!(document.warning.is_some() || !document.blocks.is_empty(), "{hostile}: {document:?}");
    }
}

#[test]
fn text_beyond_the_limit_is_left_out_and_told() {
    let limits = ParseLimits { text_bytes_max: 40, ..ParseLimits::default() };
    let document = parse(b"first words\n\nsecond words\n\nthird", "x", &limits);
    assert_eq!(texts(&document), ["first words"]);
    warns(&document, "left out");
}

#[test]
fn nuls_and_bad_bytes_do_no_harm() {
    let mut bytes = b"one\0 two \xff three \xc3\xa9\xc3\xa9".to_vec();
    bytes.extend(" and more words".repeat(4).bytes());
    let document = read(&bytes, "x");
    assert!(texts(&document)[0].starts_with("one two \u{fffd} three éé and more"), "{document:?}");
    warns(&document, "UTF-8");
}
