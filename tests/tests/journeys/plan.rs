//! A plan's page, which stands alone in a file.

use std::process::Command;

use datacoop_tests::program;

use super::browser::Browser;

pub(super) fn read(scripts: bool) {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("plan.html");
    // Unoptimised, more starts would take minutes.
    let starts = if scripts { "1" } else { "0" };
    let mut plan = Command::new(program());
    plan.args(["--quiet", "sim", "plan", "--schools", "5", "--starts", starts, "-o"]).arg(&page);
    let made = plan.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let browser = Browser::start(scripts);
    browser.go(&format!("file://{}", page.display()));
    assert!(browser.text("main").contains("For a charter, or an impact assessment"));
    browser.look("plan");
}
