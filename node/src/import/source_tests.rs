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

/// A workbook of one cell and one in the last corner of its sheet has 17 thousand million cells, by its own account.
#[test]
fn a_sheet_that_claims_more_cells_than_memory_is_refused_by_name_and_with_the_remedy() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet().set_name("Marks").unwrap();
    sheet.write_string(0, 0, "pupil").unwrap();
    sheet.write_number(1_048_575, 16_383, 1.0).unwrap();
    let bytes = book.save_to_buffer().unwrap();
    assert!(bytes.len() < 10_000);
    let (_dir, path) = write("marks.xlsx", &bytes);
    let error = open(&path).err().unwrap().0;
    for said in ["marks.xlsx: sheet `Marks` claims 17179869184 cells", "25165824", "save the sheet as CSV"] {
        assert!(error.contains(said), "{error}");
    }
}

/// One text that all cells show is one in the file, and as many in memory as there are cells.
#[test]
fn one_long_text_in_too_many_cells_is_refused() {
    let text = Data::String("x".repeat(1024 * 1024));
    let mut rows = 0;
    let said = bounded::<()>("Marks", 4 * 1024 * 1024, || {
        rows += 1;
        Ok(Some(((rows, 0), text.clone())))
    });
    assert!(said.unwrap().unwrap_err().contains("sheet `Marks` has more than 4 MB of text"));
    // The fourth fills it but for what is around each text.
    assert_eq!(rows, 4);
}

/// Short texts take more than their letters, cells with nothing in them are read too, and no sheet of Excel's has more
/// rows or columns than its last.
#[test]
fn what_a_cell_takes_and_where_it_lies_is_bounded() {
    let said = |text_bytes_max, at: &dyn Fn(u32) -> (u32, u32), value: &Data| {
        let mut n = 0;
        bounded::<()>("Marks", text_bytes_max, || {
            n += 1;
            Ok(Some((at(n), value.clone())))
        })
        .unwrap()
        .unwrap_err()
    };
    let error = said(1024 * 1024, &|n| (n / 16, n % 16), &Data::String("x".into()));
    assert!(error.contains("more than 1 MB of text"), "{error}");
    let error = said(0, &|_| (u32::MAX, u32::MAX), &Data::Empty);
    assert!(error.contains("more than 25165824 cells"), "{error}");
    for (at, row, column) in [
        ((u32::MAX, 0), "row 4294967296", "column 1,"),
        ((SHEET_ROWS_MAX, 3), "row 1048577", "column 4,"),
        ((7, SHEET_COLUMNS_MAX), "row 8", "column 16385,"),
    ] {
        let error = said(0, &|_| at, &Data::Int(1));
        assert!([row, column, "save the sheet as CSV"].iter().all(|part| error.contains(part)), "{error}");
    }
}

/// Each sheet is read and let go, and the best of them read once more.
#[test]
fn the_sheet_that_fits_best_is_the_one_that_is_read() {
    let mut book = rust_xlsxwriter::Workbook::new();
    for name in ["Notes", "Marks", "Sums"] {
        book.add_worksheet().set_name(name).unwrap().write_string(0, 0, name).unwrap();
    }
    let (_dir, path) = write("marks.xlsx", &book.save_to_buffer().unwrap());
    for best in ["Notes", "Marks", "Sums"] {
        let fit = |records: Vec<csv::StringRecord>| usize::from(records[0][0] == *best);
        let (mut source, mut text) = (open_for(&path, &fit).unwrap(), String::new());
        source.reader.read_to_string(&mut text).unwrap();
        assert_eq!(text.trim_end(), best);
        assert!(source.read_as.unwrap().contains(&format!("sheet `{best}`; 2 other sheets")));
    }
}

/// Its reader would set 24 GB aside before it saw a cell.
#[test]
fn a_workbook_that_promises_more_texts_than_it_has_is_refused() {
    let sst = "<sst uniqueCount=\"1000000000\"><si><t>x</t></si></sst>";
    let (_dir, path) = write("marks.xlsx", &zip(&[("xl/sharedStrings.xml", sst)]));
    let error = open(&path).err().unwrap().0;
    assert!(error.starts_with("marks.xlsx: it says that cells share 1000000000 texts"), "{error}");
}

#[test]
fn what_is_no_data_file_is_refused_with_the_remedy() {
    for (name, bytes, said) in [
        ("a.pdf", &b"%PDF-1.7\n"[..], "export the report as CSV"),
        ("a.csv", b"a,b\n\0\x01\x02,3\n", "is no text"),
        ("a.xls", b"<HTML><body><table><tr><td>Adno</td>", "is a web page, whatever its name says"),
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

/// A zip archive of files as they are. The checksums are those that the format asks for.
fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let checksum = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
        })
    };
    let (mut archive, mut list) = (vec![], vec![]);
    for (name, text) in files {
        let at = u32::try_from(archive.len()).unwrap();
        let size = u32::try_from(text.len()).unwrap();
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend([checksum(text.as_bytes()), size, size].iter().flat_map(|number| number.to_le_bytes()));
        common.extend([u8::try_from(name.len()).unwrap(), 0, 0, 0]);
        archive.extend(b"PK\x03\x04".iter().chain(&common).chain(name.as_bytes()).chain(text.as_bytes()));
        list.extend(b"PK\x01\x02\x14\x00".iter().chain(&common));
        list.extend([0; 10]);
        list.extend(at.to_le_bytes().iter().chain(name.as_bytes()));
    }
    let (count, at) = (u8::try_from(files.len()).unwrap(), u32::try_from(archive.len()).unwrap());
    let size = u32::try_from(list.len()).unwrap();
    archive.extend(list);
    archive.extend([b'P', b'K', 5, 6, 0, 0, 0, 0, count, 0, count, 0]);
    archive.extend([size, at].iter().flat_map(|number| number.to_le_bytes()).chain([0, 0]));
    archive
}

#[test]
fn an_open_document_workbook_is_read() {
    let cell = |text: &str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
    };
    let day = "<table:table-cell office:value-type=\"date\" office:date-value=\"2025-12-08\"><text:p>08/12/2025</text:p></table:table-cell>";
    let number = "<table:table-cell office:value-type=\"float\" office:value=\"7\"><text:p>7</text:p></table:table-cell>";
    let row = |cells: String| format!("<table:table-row>{cells}</table:table-row>");
    let rows = row(["Adno", "Date", "Mark"].map(cell).concat()) + &row(format!("{number}{day}{}", cell("/")));
    let content = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><office:document-content \
         xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" \
         xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" \
         xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\"><office:body><office:spreadsheet>\
         <table:table table:name=\"Marks\">{rows}</table:table></office:spreadsheet></office:body>\
         </office:document-content>"
    );
    let manifest = "<?xml version=\"1.0\"?><manifest:manifest \
        xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"/>";
    let bytes = zip(&[
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", manifest),
        ("content.xml", &content),
    ]);
    let (text, _, read_as) = read("marks.ods", &bytes);
    assert_eq!(text, "Adno,Date,Mark\n7,2025-12-08,/\n");
    assert_eq!(read_as.as_deref(), Some("a workbook, sheet `Marks`"));
}
