//! `verify --state FILE`: an audit that goes on from an earlier one.

use super::*;

fn state(exports: &Exports) -> String {
    exports.dir.path().join("audited.json").display().to_string()
}

/// Verifies the exports in a folder, with what an earlier audit remembered.
fn go_on(exports: &Exports, state: &str) -> (i32, Value, String) {
    exports.verify(&["--state", state])
}

fn rewrite(exports: &Exports, logs: &[Log]) {
    for (log, folder) in logs.iter().zip(&exports.folders) {
        fs::remove_dir_all(folder).unwrap();
        log.write(folder);
    }
}

fn text_of(verified: &Value, log: usize, code: &str) -> String {
    let id = story().logs[log].id.to_string();
    let logs = verified["logs"].as_array().unwrap();
    let report = logs.iter().find(|report| report["member"] == id).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["code"] == code).unwrap();
    check["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_audit_goes_on_where_the_first_ended_and_recomputes_no_proof_twice() {
    let asker = author_of("release");
    let mut shorter = story().logs.clone();
    let cut = shorter[asker].find("release");
    shorter[asker].entries.truncate(cut);
    let exports = Exports::of(&shorter);
    let state = state(&exports);
    let (code, verified, text) = exports.verify(&["--state", &state]);
    assert_eq!(code, 0, "{text}");
    // `verify` runs the program twice: the second time it knows all.
    assert!(text.contains("GOES ON"), "{text}");
    assert_eq!(verified["continued"], serde_json::json!([]));

    rewrite(&exports, &story().logs);
    let (code, verified, text) = go_on(&exports, &state);
    assert_eq!(code, 0, "{text}");
    let origin = keys(asker).public().log.name.clone();
    let continued = verified["continued"].as_array().unwrap();
    assert_eq!(continued.len(), MEMBERS);
    assert!(continued.contains(&serde_json::json!({ "log": origin, "size": cut })), "{continued:?}");
    let size = story().logs[asker].entries.len();
    assert!(text.contains(&format!("GOES ON  {origin}   from {size} entries audited earlier")), "{text}");
    let seat = author_of("close");
    let again = "0 accepted sets recomputed from range proofs; 1 more were by an earlier audit";
    assert_eq!(text_of(&verified, seat, "A11"), again);
}

#[test]
fn proofs_that_could_not_be_recomputed_are_tried_again() {
    let exports = Exports::of(&story().logs);
    let state = state(&exports);
    for folder in &exports.folders {
        fs::remove_dir_all(folder.join("blobs")).unwrap();
        fs::create_dir(folder.join("blobs")).unwrap();
        let vocabulary = sha256(&[VOCABULARY.as_bytes()]);
        fs::write(folder.join(format!("blobs/{vocabulary}")), VOCABULARY).unwrap();
    }
    let seat = author_of("close");
    let (code, verified, text) = go_on(&exports, &state);
    assert_eq!(code, 0, "{text}");
    assert!(codes(&verified, seat, "skip").contains(&"A11".to_owned()), "{text}");
    rewrite(&exports, &story().logs);
    let (_, verified, _) = go_on(&exports, &state);
    assert_eq!(text_of(&verified, seat, "A11"), "1 accepted sets recomputed from range proofs");
}

#[test]
fn another_history_than_was_audited_is_refused_with_both_heads_and_not_remembered() {
    let exports = Exports::of(&story().logs);
    let state = state(&exports);
    assert_eq!(go_on(&exports, &state).0, 0);
    let mut other = story().logs.clone();
    let last = other[0].entries.last_mut().unwrap();
    last.at = last.at + Span(1_000);
    rewrite(&exports, &other);
    let evidence = exports.dir.path().join("evidence");
    let (code, verified, text) =
        exports.verify(&["--state", &state, "--evidence", evidence.to_str().unwrap()]);
    assert_eq!(code, 3, "{text}");
    assert!(codes(&verified, 0, "fail").contains(&"A04".to_owned()), "{text}");
    assert_eq!(verified["conflicts"][0]["notes"].as_array().unwrap().len(), 2);
    assert!(evidence.join(format!("{}.split", story().logs[0].id)).exists());
    // The first history is still the one that is held against what comes; and what failed has failed.
    rewrite(&exports, &story().logs);
    let (code, verified, text) = go_on(&exports, &state);
    assert_eq!(code, 1, "{text}");
    assert_eq!(codes(&verified, 0, "fail"), ["A04"], "{text}");
    assert_eq!(verified["conflicts"], serde_json::json!([]));
}

#[test]
fn what_failed_once_fails_for_ever_and_is_told_once() {
    let author = author_of("release");
    let mut logs = story().logs.clone();
    logs[author].change("release", |body| {
        let Body::Release { sums, .. } = body else { panic!("a release") };
        sums[0] += 1;
    });
    let mut exports = Exports::of(&logs);
    let state = state(&exports);
    assert_eq!(go_on(&exports, &state).0, 1);
    // Without the shares that it rests on it could not be told anew.
    let seat = author_of("close");
    exports.folders.remove(seat);
    for _ in 0..2 {
        let (code, verified, text) = go_on(&exports, &state);
        assert_eq!(code, 1, "{text}");
        assert_eq!(codes(&verified, author, "fail"), ["A10"], "{text}");
        assert_eq!(text.matches("found by an earlier audit: ").count(), 1, "{text}");
        assert!(text.contains("RESULT FAIL (1)"), "{text}");
    }
    assert_eq!(exports.verify(&[]).0, 0, "without it nothing is known");
}

/// A courier can damage a copy, or lay a note beside it: its author did neither.
#[test]
fn what_nobody_signed_is_held_against_nobody_later() {
    let exports = Exports::of(&story().logs);
    let state = state(&exports);
    let lines = exports.folders[0].join("entries.jsonl");
    let right = fs::read(&lines).unwrap();
    fs::write(&lines, b"others").unwrap();
    let junk = exports.folders[1].join("checkpoints");
    fs::create_dir_all(&junk).unwrap();
    fs::write(junk.join("1"), "junk\n").unwrap();
    assert_eq!(go_on(&exports, &state).0, 1);
    fs::write(&lines, right).unwrap();
    fs::remove_file(junk.join("1")).unwrap();
    let (code, _, text) = go_on(&exports, &state);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_damaged_or_foreign_memory_is_refused_and_left_as_it_is() {
    let exports = Exports::of(&story().logs);
    let state = state(&exports);
    assert_eq!(go_on(&exports, &state).0, 0);
    let right = fs::read_to_string(&state).unwrap();
    let foreign = {
        let id = json_text(&right, "\"charter\":\"", "\"");
        let audited = json_text(&right, "{\"audited\":", ",\"sha256\"").replace(id, &"0".repeat(64));
        let digest = sha256(&[audited.as_bytes()]);
        format!("{{\"audited\":{audited},\"sha256\":\"{digest}\"}}\n")
    };
    let cases = [
        (right.replacen("\"size\":", "\"size\":1", 1), "its digest is another"),
        (right[..right.len() / 2].to_owned(), "is damaged, or not what an audit remembered"),
        (String::new(), "is damaged, or not what an audit remembered"),
        (foreign, "the earlier audit was of another charter"),
    ];
    for (bytes, expected) in cases {
        fs::write(&state, &bytes).unwrap();
        let output =
            Command::new(program()).args(["verify", "--state", &state]).args(&exports.folders).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{expected}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
        assert_eq!(fs::read_to_string(&state).unwrap(), bytes, "it is not written over");
    }
}

/// What stands between two marks.
fn json_text<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap() + from.len();
    &text[start..start + text[start..].find(to).unwrap()]
}
