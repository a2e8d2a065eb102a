//! What must hold of every page that a journey comes to: one heading, nothing that a person with a screen reader,
//! a phone or no mouse is shut out by, no complaint of the browser. Pictures are for a person to look at.

use datacoop_protocol::log::tree::sha256;
use serde_json::{Value, json};

use super::browser::{Browser, screenshots};

/// SHA-256 of `axe.min.js` of axe-core 4.12.1, which `.ci/run` fetches and nothing ships.
const AXE_SHA256: &str = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc";
const AXE_RULES: &str = "['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']";
/// Smallest thing to press, in CSS pixels (WCAG 2.2, 2.5.8); links in running text are excepted there.
const TARGETS: &str = "
    const done = arguments[0];
    const small = [...document.querySelectorAll('main button, main input:not([type=hidden]), main select, main textarea, nav a')]
        .filter(e => e.offsetParent && (e.getBoundingClientRect().width < 24 || e.getBoundingClientRect().height < 24)
            && !(e.labels && [...e.labels].some(l => l.getBoundingClientRect().height >= 24)));
    done(small.map(e => e.outerHTML.slice(0, 120)));";

/// What reaches out of the window.
const OUTSIDE: &str = "
    const done = arguments[0];
    const out = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
        && getComputedStyle(e).overflowX == 'visible');
    done(out.slice(0, 8).map(e => e.outerHTML.slice(0, 160)));";

/// `axe-core`, where it was fetched.
///
/// Panics: it is another version, or missing in CI.
fn axe() -> Option<String> {
    let file = screenshots().with_file_name("axe").join("axe.min.js");
    let Ok(text) = std::fs::read_to_string(&file) else {
        assert!(std::env::var("CI").is_err(), "{} is missing: .ci/run fetches it", file.display());
        eprintln!("not checked by axe: {} is missing; .ci/run fetches it", file.display());
        return None;
    };
    assert_eq!(sha256(&[text.as_bytes()]).to_string(), AXE_SHA256, "another axe-core than was looked at");
    Some(text)
}

impl Browser {
    /// Checks the page that is open and takes its pictures.
    pub(super) fn look(&self, name: &str) {
        assert_eq!(self.count("h1"), 1, "{name}: a page has one heading");
        assert!(self.title().contains(" - "), "{name}: {} does not say where it is", self.title());
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "{name}: {complaints:?}");
        let kind = if self.scripts { "with" } else { "without" };
        for (width, height) in [(1280, 900), (375, 800)] {
            self.narrow(width, height, name);
            self.picture(&format!("{name}-{width}-{kind}-scripts"));
        }
        // A tablet held upright, and what a page that is enlarged four times has (WCAG 1.4.10).
        self.narrow(780, 900, name);
        self.narrow(320, 700, name);
        self.cdp("Emulation.clearDeviceMetricsOverride", &json!({}));
        if self.scripts {
            self.check_with_axe(name);
            let small = self.run(TARGETS);
            assert_eq!(small, json!([]), "{name}: too small to press");
            self.in_other_colours(name);
        }
    }

    /// Nothing stands out sideways at a width.
    fn narrow(&self, width: u32, height: u32, name: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", &metrics);
        let sizes = self.cdp("Page.getLayoutMetrics", &json!({}));
        let wide = sizes["cssContentSize"]["width"].as_u64();
        if wide.is_none_or(|wide| wide > u64::from(width)) {
            let what = if self.scripts { self.run(OUTSIDE) } else { Value::Null };
            panic!("{name} is {wide:?} wide at {width}: {}", lines(&what));
        }
    }

    fn check_with_axe(&self, name: &str) {
        let Some(axe) = axe() else { return };
        // Of a page that lets nothing be fetched axe cannot fetch the stylesheet once more; it reads it as it is drawn.
        let preload = self.count("meta[http-equiv=\"Content-Security-Policy\"]") == 0;
        let found = self.run(&format!(
            "{axe}; const done = arguments[arguments.length - 1];
             axe.run(document, {{ preload: {preload}, runOnly: {AXE_RULES} }}).then(r => done(r.violations.map(v =>
                 v.id + ': ' + v.help + ' ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).slice(0, 3).join(' | '))));"
        ));
        assert_eq!(found, json!([]), "{name}: {}", lines(&found));
    }

    /// Pictures in the dark, and in a person's own few colours.
    fn in_other_colours(&self, name: &str) {
        for (feature, value) in [("prefers-color-scheme", "dark"), ("forced-colors", "active")] {
            let media = json!({ "features": [{ "name": feature, "value": value }] });
            self.cdp("Emulation.setEmulatedMedia", &media);
            self.picture(&format!("{name}-{value}"));
            if value == "dark" {
                self.check_with_axe(&format!("{name}, dark"));
            }
        }
        self.cdp("Emulation.setEmulatedMedia", &json!({ "features": [] }));
    }
}

fn lines(found: &Value) -> String {
    let each = found.as_array().into_iter().flatten().filter_map(Value::as_str);
    each.map(|line| format!("\n  {line}")).collect()
}
