use super::*;

fn write(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// The text that comes out, the delimiter, and how it was understood.
fn read(name: &str, bytes: &[u8]) -> (String, char, Option<String>) {
    let (_dir, path) = write(name, bytes);
    let mut source = open(&path).unwrap();
    let mut text = String::new();
    source.reader.read_to_string(&mut text).unwrap();
    (text, char::from(source.delimiter), source.read_as)
}

fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
    let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn text_is_read_whatever_program_wrote_it() {
    let text = "name,caf\u{e9}\nZo\u{eb},1\n";
    let plain = (text.to_owned(), ',', None);
    assert_eq!(read("a.csv", text.as_bytes()), plain);
    let mut marked = "\u{feff}".as_bytes().to_vec();
    marked.extend(text.as_bytes());
    assert_eq!(read("a.csv", &marked), plain);
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert_eq!(read("a.csv", &latin), (text.into(), ',', Some("text in windows-1252".into())));
    for (little, name) in [(true, "UTF-16LE"), (false, "UTF-16BE")] {
        for mark in [true, false] {
            let bytes = utf16(text, little, mark);
            assert_eq!(read("a.csv", &bytes), (text.into(), ',', Some(format!("text in {name}"))), "{mark}");
        }
    }
}

/// One letter far below the head tells the encoding of the whole, and one that a block's end cuts in
/// two does not.
#[test]
fn the_whole_file_tells_its_encoding() {
    for pad in 0..4 {
        let mut text = "a".repeat(HEAD_BYTES - 2 + pad);
        text += "\u{20ac}\u{e9}";
        assert_eq!(read("a.csv", text.as_bytes()), (text.clone(), ',', None), "{pad}");
        let mut bytes = text.clone().into_bytes();
        bytes.push(0xe9);
        assert_eq!(read("a.csv", &bytes).2.as_deref(), Some("text in windows-1252"), "{pad}");
        let cut = &text.as_bytes()[..text.len() - 1];
        assert_eq!(read("a.csv", cut).2.as_deref(), Some("text in windows-1252"), "{pad}: cut in a letter");
    }
}

#[test]
fn the_header_tells_the_delimiter() {
    for (text, delimiter) in [
        ("a,b;c,d\n", ','),
        ("a;b;c\n1,5;2;3\n", ';'),
        ("\n\na\tb\n", '\t'),
        ("\"a;b;c\",d\n", ','),
        ("one\n", ','),
        ("", ','),
    ] {
        assert_eq!(read("a.csv", text.as_bytes()).1, delimiter, "{text:?}");
    }
    let said = read("a.csv", b"a;b\n").2.unwrap();
    assert_eq!(said, "text in UTF-8, fields split by semicolons");
}

#[test]
fn a_workbook_becomes_lines_with_the_rows_of_its_sheet() {
    use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
    let mut book = Workbook::new();
    let date = Format::new().set_num_format("dd/mm/yyyy");
    book.add_worksheet().set_name("Notes").unwrap();
    let sheet = book.add_worksheet().set_name("Marks").unwrap();
    // The table begins on the sheet's third row.
    for (column, header) in ["pupil, full", "date", "late", "score"].iter().enumerate() {
        sheet.write_string(2, u16::try_from(column).unwrap(), *header).unwrap();
    }
    sheet.write_string(3, 0, "two\nlines \"q\"").unwrap();
    sheet.write_with_format(3, 1, ExcelDateTime::from_ymd(2025, 12, 8).unwrap(), &date).unwrap();
    sheet.write_boolean(3, 2, true).unwrap();
    sheet.write_number(3, 3, 7.0).unwrap();
    sheet.write_number(4, 3, 1.25).unwrap();
    let bytes = book.save_to_buffer().unwrap();
    let (text, delimiter, read_as) = read("marks.xlsx", &bytes);
    assert_eq!(
        text,
        "\n\n\"pupil, full\",date,late,score\n\"two lines \"\"q\"\"\",2025-12-08,true,7\n,,,1.25\n"
    );
    assert_eq!(delimiter, ',');
    assert_eq!(read_as.as_deref(), Some("a workbook, sheet `Marks`; 1 other sheets were not read"));
}

#[test]
fn what_is_no_data_file_is_refused_with_the_remedy() {
    for (name, bytes, said) in [
        ("a.pdf", &b"%PDF-1.7\n"[..], "export the report as CSV"),
        ("a.csv", b"a,b\n\0\x01\x02,3\n", "is no text"),
        ("a.xlsx", b"PK\x03\x04 but not really", "save it again as .xlsx"),
        ("a.xls", &[0xd0, 0xcf, 0x11, 0xe0, 0, 0], "save it again as .xlsx"),
    ] {
        let (_dir, path) = write(name, bytes);
        let error = open(&path).err().unwrap().0;
        assert!(error.contains(said) && error.starts_with(name), "{name}: {error}");
    }
    let missing = open(Path::new("/no/such/file.csv")).err().unwrap().0;
    assert!(missing.contains("/no/such/file.csv"), "{missing}");
}
