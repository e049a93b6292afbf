//! Documents for tests, made byte by byte: what no program writes is here too.

/// A PDF of pages with lines of text, as a typewriter would set them.
#[must_use]
pub fn pdf(pages: &[&[&str]]) -> Vec<u8> {
    let contents = pages.iter().map(|lines| {
        let mut content = String::from("BT /F1 12 Tf 14 TL 72 720 Td\n");
        for line in *lines {
            let escaped = line.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
            content.push_str(&format!("({escaped}) Tj T*\n"));
        }
        content.push_str("ET");
        content
    });
    pdf_of(&contents.collect::<Vec<_>>(), "", "")
}

/// A PDF whose pages show something that is no text, as those of a scanner do.
#[must_use]
pub fn scanned_pdf(pages: usize) -> Vec<u8> {
    let picture = "q 0.5 g 0 0 612 792 re f Q".to_owned();
    pdf_of(&vec![picture; pages], "", "")
}

/// A PDF that opens with a password only.
#[must_use]
pub fn encrypted_pdf() -> Vec<u8> {
    let (owner, user) = ("41".repeat(32), "42".repeat(32));
    let encrypt = format!("/Encrypt <</Filter /Standard /V 1 /R 2 /O <{owner}> /U <{user}> /P -4>> /ID [<01> <01>]");
    pdf_of(&["BT /F1 12 Tf 72 720 Td (secret) Tj ET".to_owned()], &encrypt, "")
}

/// A PDF of one page with so many objects more that nothing refers to.
#[must_use]
pub fn crowded_pdf(objects: usize) -> Vec<u8> {
    let first = 6;
    let mut more = String::with_capacity(objects * 20);
    for number in first..first + objects {
        more.push_str(&format!("{number} 0 obj 1 endobj\n"));
    }
    pdf_of(&["BT /F1 12 Tf 72 720 Td (in a crowd) Tj ET".to_owned()], "", &more)
}

/// A PDF with an array in an array in an array, so many levels deep.
#[must_use]
pub fn nested_pdf(levels: usize) -> Vec<u8> {
    let more = format!("6 0 obj {}{} endobj\n", "[".repeat(levels), "]".repeat(levels));
    pdf_of(&["BT /F1 12 Tf 72 720 Td (deep) Tj ET".to_owned()], "/Info 6 0 R", &more)
}

fn pdf_of(contents: &[String], trailer: &str, more_objects: &str) -> Vec<u8> {
    let kids: Vec<String> = (0..contents.len()).map(|page| format!("{} 0 R", 4 + page * 2)).collect();
    let mut objects = vec![
        "<</Type /Catalog /Pages 2 0 R>>".to_owned(),
        format!("<</Type /Pages /Kids [{}] /Count {}>>", kids.join(" "), contents.len()),
        "<</Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding>>".to_owned(),
    ];
    for (page, content) in contents.iter().enumerate() {
        let stream = 5 + page * 2;
        objects.push(format!(
            "<</Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources <</Font <</F1 3 0 R>>>> /Contents {stream} 0 R>>"
        ));
        objects.push(format!("<</Length {}>> stream\n{content}\nendstream", content.len()));
    }
    let mut file = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
    }
    for line in more_objects.split_inclusive('\n') {
        offsets.push(file.len());
        file.push_str(line);
    }
    let start = file.len();
    let count = offsets.len() + 1;
    file.push_str(&format!("xref\n0 {count}\n0000000000 65535 f \n"));
    for offset in offsets {
        file.push_str(&format!("{offset:010} 00000 n \n"));
    }
    file.push_str(&format!("trailer <</Size {count} /Root 1 0 R {trailer}>>\nstartxref\n{start}\n%%EOF\n"));
    file.into_bytes()
}

/// The XML of a DOCX document from paragraphs: style (may be empty) and text.
#[must_use]
pub fn docx_xml(paragraphs: &[(&str, &str)]) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\
         <w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>",
    );
    for (style, text) in paragraphs {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let style = if style.is_empty() { String::new() } else { format!("<w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr>") };
        xml.push_str(&format!("<w:p>{style}<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>"));
    }
    xml.push_str("</w:body></w:document>");
    xml
}

/// A ZIP archive with one entry that unpacks to `content`.
///
/// # Errors
/// When `content` cannot be read.
pub fn zipped(name: &str, content: &mut dyn std::io::Read) -> anyhow::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(name, zip::write::SimpleFileOptions::default())?;
    std::io::copy(content, &mut archive)?;
    Ok(archive.finish()?.into_inner())
}

/// A DOCX document of paragraphs: style (may be empty) and text.
///
/// # Errors
/// None that memory does not make.
pub fn docx(paragraphs: &[(&str, &str)]) -> anyhow::Result<Vec<u8>> {
    zipped("word/document.xml", &mut docx_xml(paragraphs).as_bytes())
}
