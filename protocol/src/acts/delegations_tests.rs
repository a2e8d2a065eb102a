use super::*;
use crate::json::parse;

fn read(text: &str) -> Result<Limits, JsonError> {
    parse_limits(parse(text.as_bytes()).unwrap())
}

fn one_form(limits: &Limits, text: &str) {
    assert_eq!(String::from_utf8(limits_value(limits).to_bytes()).unwrap(), text);
    assert_eq!(read(text).as_ref(), Ok(limits), "{text}");
}

#[test]
fn limits_say_what_narrows_and_read_back() {
    one_form(&Limits::top(), "{}");
    let all = Limits {
        purposes: Set::only(["p"]),
        questions: Set::Except(["a".to_owned(), "b".to_owned()].into()),
        datasets: Set::none(),
        columns: Set::only(["x", "y"]),
        group_by: Set::only(["z"]),
        rho_query: PrivacyLoss::from_nano(5_000_000),
        rho_purpose: PrivacyLoss::ZERO,
        rho_year: PrivacyLoss::from_nano(1),
        max_cells: 12,
        min_roster: 5,
        min_bodies: 4,
        min_people: 1_000,
        min_cosigners: 2,
        min_step: 3,
        not_before: Day::parse("2025-09-01").unwrap(),
        not_after: Day::parse("2026-08-31").unwrap(),
        public: false,
        full_noise: false,
    };
    let text = concat!(
        r#"{"columns":{"only":["x","y"]},"datasets":{"only":[]},"full_noise":0,"group_by":{"only":["z"]},"#,
        r#""max_cells":12,"min_bodies":4,"min_cosigners":2,"min_people":1000,"min_roster":5,"min_step":3,"#,
        r#""not_after":"2026-08-31","not_before":"2025-09-01","public":0,"purposes":{"only":["p"]},"#,
        r#""questions":{"except":["a","b"]},"rho_purpose":0,"rho_query":5000000,"rho_year":1}"#,
    );
    one_form(&all, text);
    // Each of them alone, too: none rests on another.
    let value = parse(text.as_bytes()).unwrap();
    let Value::Object(fields) = value else { panic!() };
    assert_eq!(fields.len(), Limits::top().values().len(), "every limit is in the sample");
    for (name, value) in fields {
        let alone = Value::Object([(name.clone(), value)].into());
        let limits = parse_limits(alone.clone()).unwrap();
        let top = Limits::top();
        let narrowed = limits.values().into_iter().zip(top.values()).filter(|(ours, free)| ours != free);
        assert_eq!(narrowed.map(|(ours, _)| ours.0).collect::<Vec<_>>(), [name.as_str()]);
        assert_eq!(limits_value(&limits), alone);
    }
}

#[test]
fn every_other_form_is_refused() {
    let names = |n: usize| {
        let names: Vec<String> = (0..n).map(|n| format!("\"n{n:02}\"")).collect();
        format!(r#"{{"columns":{{"only":[{}]}}}}"#, names.join(","))
    };
    assert!(read(&names(NAMES_MAX)).is_ok());
    for bad in [
        names(NAMES_MAX + 1).as_str(),
        // What narrows nothing.
        r#"{"columns":{"except":[]}}"#,
        r#"{"public":1}"#,
        r#"{"full_noise":2}"#,
        r#"{"max_cells":4294967295}"#,
        r#"{"min_roster":0}"#,
        // Another order, twice, both at once, neither.
        r#"{"columns":{"only":["y","x"]}}"#,
        r#"{"columns":{"only":["x","x"]}}"#,
        r#"{"columns":{"except":["y"],"only":["x"]}}"#,
        r#"{"columns":{}}"#,
        // Out of range, of another kind, unknown.
        r#"{"max_cells":-1}"#,
        r#"{"max_cells":4294967296}"#,
        r#"{"rho_query":-1}"#,
        r#"{"rho_query":"5"}"#,
        r#"{"columns":["x"]}"#,
        r#"{"columns":{"only":[1]}}"#,
        r#"{"columns":{"only":[""]}}"#,
        r#"{"columns":{"only":["a few words"]}}"#,
        r#"{"not_after":"2026-02-30"}"#,
        r#"{"not_after":20000}"#,
        r#"{"rho":5}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    // What an entry cannot say does not read back, so it is not written.
    for limits in [
        Limits { rho_query: PrivacyLoss::from_nano(u64::MAX - 1), ..Limits::top() },
        Limits { not_before: Day(i64::MAX), ..Limits::top() },
        Limits { not_after: Day(-800_000), ..Limits::top() },
        Limits { columns: Set::only(["a few words"]), ..Limits::top() },
    ] {
        let value = limits_value(&limits);
        assert!(parse(&value.to_bytes()).and_then(parse_limits).is_err(), "{limits:?}");
    }
}
