//! The privacy budget is used up: an ask is refused in plain words, in points, with the day on which it begins anew.

use datacoop_tests::Coop;

use crate::{check_reports, coop_year, days, enter};

/// One answer to the question costs 2 points; a year has 3 here.
const YEAR: &str = "rho_year = 7_500_000";

pub(super) fn use_up(scripts: bool) {
    let mut coop = Coop::found(5, 200);
    // Member 0 allows itself less than the charter does.
    let limits = coop.node(0).join("limits.toml");
    let text = std::fs::read_to_string(&limits).unwrap();
    std::fs::write(&limits, format!("{text}\n{YEAR}\n")).unwrap();
    crate::run(&mut coop);
    coop.ok(0, &["ask", "--question", "mean.toml", "--period", &days(&coop), "--window", "20s", "--yes"]);
    let head = enter(&coop, 0, scripts);
    head.visit("/privacy");
    head.look("privacy-nearly-used");
    assert!(head.text("main").contains("1 point is left of exam"), "{}", head.text("main"));
    let ends = format!("1 September {}", coop_year(&coop).parse::<u32>().unwrap() + 1);
    assert!(head.text("main").contains(&ends), "{ends}: {}", head.text("main"));

    head.visit("/ask/mean-score");
    head.fill("#why", "To plan lessons");
    head.click("details:has(#first) summary");
    head.set_day("#first", &coop_year(&coop), "09-01");
    head.set_day("#last", &coop_year(&coop), "12-17");
    head.press("Check before you ask");
    head.look("ask-refused");
    let said = head.text("#refused");
    for part in ["2 points", "1 point is left", &ends, "our own limits"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(head.count("#ask-members"), 0, "there is no button to ask all the same");
    // Fewer points fit; what was typed is kept.
    head.press("Change something");
    assert_eq!(head.value("#why"), "To plan lessons");
    head.click("details:has(#points) summary");
    head.fill("#points", "1");
    head.press("Check before you ask");
    assert_eq!(head.count("#refused"), 0, "{}", head.text("main"));
    check_reports(&coop, 0);
}
