//! Answerability before spending, on running nodes: what nothing would answer is refused and forced,
//! SQL is asked end to end, and promises that are open are no longer left to spend.

use datacoop_tests::{Coop, QUESTION, json};

/// Five nodes whose charter says how few people they have.
fn few_people() -> Coop {
    let mut coop = Coop::found_with(5, 200, &["--people-min", "60"]);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    coop
}

#[test]
fn what_nothing_would_answer_is_refused_with_the_cure_and_asked_only_when_forced() {
    let coop = few_people();
    // No --period: data without dates are asked about in the year they are asked in.
    let ask = ["ask", "--question", "mean.toml", "--window", "20s"];
    let plan = json(&coop.ok(0, &[&ask[..], &["--plan", "--json"]].concat()));
    assert_eq!((plan["group_size_known"].as_bool(), plan["people"].as_u64()), (Some(true), Some(300)));
    assert_eq!(plan["expected"]["answerable"], false);
    coop.fails(
        0,
        &[&ask[..], &["--yes"]].concat(),
        6,
        "no figure would be sure to 0.1, the difference that matters",
    );
    coop.fails(0, &[&ask[..], &["--yes"]].concat(), 6, "ask all the same with --force");
    assert!(coop.status(0)["ledger"].as_array().unwrap().is_empty(), "nothing was spent");
    // A difference that it can see is no matter of force.
    std::fs::write(coop.path("coarse.toml"), QUESTION.replace("matters = \"0.1\"", "matters = \"4\""))
        .unwrap();
    let coarse = ["ask", "--question", "coarse.toml", "--window", "20s", "--yes", "--json"];
    let released = json(&coop.ok(0, &coarse));
    assert_eq!(released["release"]["accepted"], 5, "{released}");
    let released = json(&coop.ok(0, &[&ask[..], &["--yes", "--force", "--json"]].concat()));
    assert_eq!(released["release"]["accepted"], 5, "{released}");
}

#[test]
fn sql_is_asked_end_to_end_and_open_promises_are_not_left_to_spend() {
    let mut coop = few_people();
    let sql = ["ask", "--sql", "SELECT sex, AVG(score) FROM exam GROUP BY sex", "--window", "20s", "--force"];
    let output = coop.ok(0, &[&sql[..], &["--yes"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("for each person: the mean of score, clipped to -4 to 4; then the mean over persons"),
        "{said}"
    );
    assert!(said.contains("No --period given:") && said.contains("this academic year"), "{said}");
    coop.fails(0, &["ask", "--sql", "SELECT sex FROM exam LIMIT 3"], 2, "leave ORDER BY and LIMIT out");
    let plan = json(&coop.ok(0, &["ask", "--question", "mean.toml", "--plan", "--json"]));
    let before = plan["left"]["year"]["rho"].as_str().unwrap().to_owned();
    assert_eq!(plan["left"]["promised"]["rho"], "0.000000000");
    // With a member away the round waits for a verdict: what we promised it is spent in all but name.
    coop.kill(4);
    let count = ["ask", "--sql", "SELECT COUNT(*) FROM exam", "--window", "2h", "--wait", "0s", "--force"];
    let asked = coop.run(0, &[&count[..], &["--yes"]].concat());
    assert_eq!(asked.status.code(), Some(7), "{}", String::from_utf8_lossy(&asked.stderr));
    let plan = json(&coop.ok(0, &["ask", "--question", "mean.toml", "--plan", "--json"]));
    assert_eq!(plan["left"]["promised"]["rho"], "0.005000000", "{before}: {plan}");
    let nano = |text: &str| text.replace('.', "").parse::<u64>().unwrap();
    let after = plan["left"]["year"]["rho"].as_str().unwrap();
    assert_eq!(nano(&before) - nano(after), 5_000_000);
    assert_eq!(nano(after) - nano(plan["left_after"]["rho"].as_str().unwrap()), 5_000_000);
}
