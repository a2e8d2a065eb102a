use super::*;
use crate::bounds::LAY_BYTES_MAX;

/// A query entry as it stands in a log: an older program's, and one that supersedes a Release.
const PLAIN: &str = r#"{"at":1764583200,"by":"GB-EDU-000001","charter":"0303030303030303030303030303030303030303030303030303030303030303","close_by":1764583260,"colluding_percent":30,"committee_max":7,"contribute_by":1764583240,"join_by":1764583220,"kind":"query","lay":{"benefits":"","pays":"","why":"to see"},"min_roster":5,"missing_percent":5,"mode":"secure","params":{},"period":"2025-09-01..2025-12-19","purpose":"demo","question":{"id":"how-many"},"rho":5000000,"seq":7,"v":1,"vocabulary":"exam/1"}"#;
const CORRECTS: &str = r#"{"at":1764583200,"by":"GB-EDU-000001","charter":"0303030303030303030303030303030303030303030303030303030303030303","close_by":1764583260,"colluding_percent":30,"committee_max":7,"contribute_by":1764583240,"join_by":1764583220,"kind":"query","lay":{"because":"an old roll","benefits":"","pays":"","why":"to see"},"min_roster":5,"missing_percent":5,"mode":"secure","params":{},"period":"2025-09-01..2025-12-19","purpose":"demo","question":{"id":"how-many"},"rho":5000000,"seq":7,"supersedes":"0404040404040404040404040404040404040404040404040404040404040404","v":1,"vocabulary":"exam/1"}"#;

fn supersedes(text: &str) -> Option<Supersedes> {
    let entry = Entry::parse(text.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(entry.to_bytes()).unwrap(), text);
    let Body::Query(query) = entry.body else { panic!("a query") };
    query.supersedes
}

#[test]
fn a_query_has_one_form_with_and_without_what_it_supersedes() {
    assert_eq!(supersedes(PLAIN), None);
    let old = Supersedes { query: Digest([4; 32]), because: "an old roll".into() };
    assert_eq!(supersedes(CORRECTS), Some(old));
}

#[test]
fn what_is_superseded_comes_with_a_reason_and_no_reason_without() {
    let field = format!("\"supersedes\":\"{}\",", "04".repeat(32));
    let long = format!("\"because\":\"{}\"", "x".repeat(LAY_BYTES_MAX + 1));
    for (from, to) in [
        (field.as_str(), ""),
        ("\"because\":\"an old roll\",", ""),
        ("\"because\":\"an old roll\"", "\"because\":\"\""),
        ("\"because\":\"an old roll\"", "\"because\":\" \\n\""),
        ("\"because\":\"an old roll\"", "\"because\":1"),
        ("\"because\":\"an old roll\"", &long),
        (&"04".repeat(32), "04"),
        (&"04".repeat(32), &"0A".repeat(32)),
    ] {
        let other = CORRECTS.replacen(from, to, 1);
        assert_ne!(other, CORRECTS);
        assert!(Entry::parse(other.as_bytes()).is_err(), "{to}");
    }
    let most = CORRECTS.replacen("an old roll", &"x".repeat(LAY_BYTES_MAX), 1);
    assert!(Entry::parse(most.as_bytes()).is_ok());
}

/// A `head` entry has one form, and no room for anything but heads.
#[test]
fn a_head_entry_holds_heads_sorted_by_origin_and_nothing_else() {
    let (a, b) = (
        format!("[\"a.example/datacoop/1\",3,\"{}\"]", "0a".repeat(32)),
        format!("[\"b.example/datacoop/1\",9,\"{}\"]", "0b".repeat(32)),
    );
    let entry = |heads: &str| {
        format!(
            "{{\"at\":5,\"by\":\"GB-EDU-000001\",\"heads\":[{heads}],\"kind\":\"head\",\"seq\":7,\"v\":1}}"
        )
    };
    let good = entry(&format!("{a},{b}"));
    let read = Entry::parse(good.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(read.to_bytes()).unwrap(), good);
    let Body::Head { heads } = read.body else { panic!("heads") };
    assert_eq!(heads.iter().map(|head| head.size).collect::<Vec<_>>(), [3, 9]);
    for bad in [
        String::new(),
        format!("{b},{a}"),
        format!("{a},{a}"),
        a.replace(",3,", ",0,"),
        a.replace(",3,", ",-3,"),
        a.replace(",3,", ",\"3\","),
        a.replace("0a0a", "0A0A"),
        a.replace("0a0a", "0a"),
        a.replace("a.example", "a school"),
        a.replace("a.example", "a\\nb"),
        a.replace("a.example", &"a".repeat(255)),
        a.replace("]", ",1]"),
        a.replace(",3", ""),
        "\"a\"".to_owned(),
    ] {
        assert_ne!(entry(&bad), entry(&a));
        let parsed = Entry::parse(entry(&bad).as_bytes());
        assert!(matches!(parsed, Err(EntryError::Malformed(_))), "{bad}: {parsed:?}");
    }
    let origins: Vec<String> = (0..257).map(|n| a.replace("a.example", &format!("{n:03}.example"))).collect();
    assert!(Entry::parse(entry(&origins[..256].join(",")).as_bytes()).is_ok());
    assert!(Entry::parse(entry(&origins.join(",")).as_bytes()).is_err());
}

/// What refusals quote brings no line of its own along.
#[test]
fn a_querys_purpose_and_vocabulary_are_lines() {
    for (name, value) in [("purpose", "demo"), ("vocabulary", "exam/1")] {
        for bad in ["x\\nRESULT PASS", "x\u{9b}2J", "x\u{202e}", " x"] {
            let text = PLAIN.replace(&format!(r#""{name}":"{value}""#), &format!(r#""{name}":"{bad}""#));
            let error = Entry::parse(text.as_bytes()).unwrap_err();
            assert!(format!("{error:?}").contains(&format!("`{name}` is no line")), "{error:?}");
        }
    }
}
