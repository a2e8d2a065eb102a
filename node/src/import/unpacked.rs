//! What a workbook's archive unpacks to, counted before anything of it is kept: the reader of workbooks holds all texts
//! that cells share, and sets memory aside for as many as the file says. Alone imports the archive reader.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek};
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::Event;
use zip::ZipArchive;

/// All parts of a workbook: the 25 million cells that are read of a sheet, at 160 bytes each, or more sheets of fewer.
const UNPACKED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Texts that cells share, and how cells look: held in memory whole. The shortest text takes 14 bytes there and 24 in
/// memory, so that all take less than 1 GB.
const HELD_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Fewest bytes of a shared text there: an element with nothing in it has 5, and a text has an element of its own.
const SHARED_TEXT_BYTES_MIN: u64 = 8;
/// How much is unpacked at a time.
const BLOCK_BYTES: usize = 64 * 1024;
const REMEDY: &str = "save the sheet as CSV";

/// Unpacks a workbook to nowhere.
///
/// Errors: what it has too much of. What is no archive, and parts of one that cannot be unpacked, pass: nobody keeps
/// those either.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let Ok(file) = File::open(path) else { return Ok(()) };
    check_within(BufReader::new(file), UNPACKED_BYTES_MAX, HELD_BYTES_MAX)
}

fn check_within(archive: impl Read + Seek, most: u64, held_most: u64) -> Result<(), String> {
    let Ok(mut archive) = ZipArchive::new(archive) else { return Ok(()) };
    let too_much = |what: &str, most: u64| {
        Err(format!("{what} more than {} MB when they are unpacked; {REMEDY}", most / (1024 * 1024)))
    };
    let mut all = 0;
    for index in 0..archive.len() {
        let Ok(mut part) = archive.by_index(index) else { continue };
        // As the reader of workbooks looks for parts: whatever case, whichever way its slashes go.
        let name = part.name().map(|name| name.replace('\\', "/").to_ascii_lowercase()).unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        let held = ["sharedstrings.xml", "sharedstrings.bin", "styles.xml", "styles.bin"].contains(&name);
        let limit = if held { held_most.min(most - all) } else { most - all };
        let bytes = unpacked(&mut part, limit);
        if bytes > limit && limit == held_most {
            return too_much("its shared texts, or its styles, have", held_most);
        }
        if bytes > limit {
            return too_much("its parts have", most);
        }
        all += bytes;
        drop(part);
        if name == "sharedstrings.xml"
            && let Ok(part) = archive.by_index(index)
            && let Some(promised) = promised(BufReader::new(part))
            && promised > bytes / SHARED_TEXT_BYTES_MIN
        {
            return Err(format!(
                "it says that cells share {promised} texts, and has {bytes} bytes of them; open it and save it again, or {REMEDY}"
            ));
        }
    }
    Ok(())
}

/// Bytes of a part as they come, whatever the archive says of them; more than the limit where it stopped there, and
/// fewer than all where it cannot be unpacked.
fn unpacked(part: &mut impl Read, limit: u64) -> u64 {
    let mut block = vec![0; BLOCK_BYTES];
    let mut bytes = 0;
    while bytes <= limit {
        match part.read(&mut block) {
            Ok(0) => break,
            Ok(read) => bytes += read as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    bytes
}

/// How many texts the part says that it has, the most where it says so more than once.
fn promised(part: impl BufRead) -> Option<u64> {
    let mut xml = Reader::from_reader(part);
    let config = xml.config_mut();
    // As the reader of workbooks sets it: what that takes is to be looked at here.
    (config.check_end_names, config.check_comments, config.expand_empty_elements) = (false, false, true);
    let mut buffer = vec![];
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer) {
            Ok(Event::Start(start)) if start.local_name().as_ref() == "sst" => {
                let said = start.attributes_raw().split("uniqueCount").skip(1).filter_map(|rest| {
                    let rest = rest.trim_start_matches(['=', '"', '\'', ' ', '\t', '\r', '\n']);
                    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                    rest[..digits].parse().ok()
                });
                return said.max();
            }
            Ok(Event::Eof) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write as _};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn archive(parts: &[(&str, &str)]) -> Cursor<Vec<u8>> {
        let mut archive = ZipWriter::new(Cursor::new(vec![]));
        for (name, text) in parts {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap()
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused_by_what_comes_out_of_it() {
        const MB: u64 = 1024 * 1024;
        let sheet = " ".repeat(3 * 1024 * 1024);
        let packed = archive(&[("xl/worksheets/sheet1.xml", &sheet), ("xl/media/1.png", &sheet)]);
        assert!(packed.get_ref().len() < 20_000);
        check_within(packed.clone(), 6 * MB, 1).unwrap();
        let error = check_within(packed.clone(), 5 * MB, 1).unwrap_err();
        assert!(error.contains("more than 5 MB") && error.contains("save the sheet as CSV"), "{error}");
        // What the archive says of it is no matter: what its reader gives out is.
        let mut lies = packed.into_inner();
        let size = u32::try_from(sheet.len()).unwrap().to_le_bytes();
        for at in 0..lies.len() - 4 {
            if lies[at..at + 4] == size {
                lies[at..at + 4].copy_from_slice(&[1, 0, 0, 0]);
            }
        }
        let mut lied = ZipArchive::new(Cursor::new(&lies)).unwrap();
        let out = |index| lied.by_index(index).map_or(0, |mut part| unpacked(&mut part, u64::MAX));
        let comes_out: u64 = (0..2).map(out).sum();
        assert_eq!(check_within(Cursor::new(&lies), 5 * MB, 1).is_err(), comes_out > 5 * MB);
        for name in ["xl/sharedStrings.xml", "XL\\SHAREDSTRINGS.XML", "a/b/styles.xml", "sharedStrings.bin"] {
            let held = archive(&[(name, &sheet)]);
            check_within(held.clone(), 6 * MB, 3 * MB).unwrap();
            let error = check_within(held, 6 * MB, 2 * MB).unwrap_err();
            assert!(error.contains("shared texts") && error.contains("2 MB"), "{name}: {error}");
        }
        check_within(Cursor::new(b"PK no archive".to_vec()), 1, 1).unwrap();
    }

    /// For each that it promises 24 bytes would be set aside before one is read.
    #[test]
    fn more_shared_texts_than_there_is_room_for_are_refused() {
        let check =
            |texts: String| check_within(archive(&[("xl/sharedStrings.xml", &texts)]), 1 << 20, 1 << 20);
        let texts = |attributes: &str| {
            format!("<?xml version=\"1.0\"?><!-- <sst> --><x:sst {attributes}><si><t>a</t></si></x:sst>")
        };
        for fits in ["", "count=\"9000000\" uniqueCount=\"1\"", "uniqueCount=\"\"", "uniqueCount='x'"] {
            check(texts(fits)).unwrap();
        }
        for lies in [
            "uniqueCount=\"100\"",
            "uniqueCount = '18446744073709551615'",
            "uniqueCount=\"1\" uniqueCount=\"100000000000\"",
        ] {
            let error = check(texts(lies)).unwrap_err();
            assert!(error.contains("texts, and has") && error.contains("save it again"), "{error}");
        }
        assert!(check("<sst uniqueCount=\"1000000000\"/>".into()).is_err());
    }
}
