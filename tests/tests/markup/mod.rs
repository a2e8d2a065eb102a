//! Whether a page is one that everybody can read: parsed as XML, for our pages are both.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::Event;

/// Well-formed, and made of nothing but elements that a page without scripts has; headings step down one by
/// one, and a table's heads say what they head.
pub(crate) fn check_page(name: &str, page: &str) {
    let mut reader = Reader::from_str(page);
    let (mut ids, mut headings) = (vec![], vec![]);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{name}: {error}")) {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => {
                let element = tag.name().as_ref().to_owned();
                assert!(!["script", "style", "img", "iframe", "form"].contains(&element.as_str()), "{name}");
                for attribute in tag.attributes() {
                    let attribute = attribute.unwrap();
                    let key = attribute.key.as_ref().to_owned();
                    assert!(!key.starts_with("on") && key != "style", "{name}: {key}");
                    if key == "id" {
                        ids.push(attribute.value.into_owned());
                    }
                }
                if let Some(level) = element.strip_prefix('h').and_then(|level| level.parse::<u8>().ok()) {
                    headings.push(level);
                }
                if element == "th" {
                    assert!(tag.attributes().any(|a| a.unwrap().key.as_ref() == "scope"), "{name}");
                }
            }
            Event::End(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{name}");
    assert!(headings.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {headings:?}");
    if name.ends_with(".html") {
        assert_eq!(headings.iter().filter(|level| **level == 1).count(), 1, "{name}");
        for needed in ["<html lang=", "<main id=\"main\"", "<footer>", "<title>"] {
            assert!(page.contains(needed), "{name}: {needed}");
        }
    }
}
