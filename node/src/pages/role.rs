//! Whom a session is for, and how far it reaches. Must not know who is signed in.
//!
//! Source: UI section 2.

use axum::http::{Method, StatusCode};
use axum::response::Response;
use maud::html;

use super::frame::outside;

/// Whom a session is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Does and sees all.
    Manager,
    /// Sees all but own figures and what was brought in, checks the logs, and changes nothing.
    Auditor,
}

/// The first parts of paths that an auditor sees. What is not named here is closed: own figures are on few pages, and
/// a new page is nobody's by oversight.
const AUDITOR_SEES: [&str; 10] =
    ["", "ask", "charter", "help", "log", "members", "privacy", "register", "results", "rounds"];
/// What an auditor does.
const AUDITOR_DOES: [&str; 2] = ["/leave", "/log/check"];

impl Role {
    /// Whether somebody in this role may ask for this.
    pub(super) fn may(self, method: &Method, path: &str) -> bool {
        let sees = |path: &str| {
            let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
            // The governors' page has own figures.
            AUDITOR_SEES.contains(&first) && !path.trim_end_matches('/').ends_with("/pack")
        };
        match (self, method) {
            (Self::Manager, _) => true,
            (Self::Auditor, &Method::GET | &Method::HEAD) => sees(path),
            (Self::Auditor, _) => AUDITOR_DOES.contains(&path),
        }
    }
}

/// What an auditor hears whose sign-in does not reach this far.
pub(super) fn closed_to_auditors() -> Response {
    let body = html! {
        p { "You are signed in as an auditor. An auditor sees everything here but the node's own figures, its data files and its settings, checks the logs, and changes nothing." }
        p { a href="/" { "Home" } " \u{b7} " a href="/log" { "Log" } }
    };
    let mut response = outside("Not open to an auditor", &body);
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auditor_reads_all_but_what_is_the_nodes_own_and_changes_nothing() {
        for path in
            ["/", "/ask", "/rounds/0123", "/results/0123", "/results/0123/figures.csv", "/log/GB-EDU-1/4"]
        {
            assert!(Role::Auditor.may(&Method::GET, path), "{path}");
        }
        for path in [
            "/data",
            "/data/files/1",
            "/results/0123/pack",
            "/results/0123/pack/",
            "/settings",
            "/setup",
            "/try",
            "/new",
        ] {
            assert!(!Role::Auditor.may(&Method::GET, path), "{path}");
        }
        assert!(Role::Auditor.may(&Method::POST, "/log/check"));
        for path in
            ["/ask/attendance", "/rounds/0123/approve", "/settings/auditor", "/members/leave", "/unlock"]
        {
            assert!(!Role::Auditor.may(&Method::POST, path), "{path}");
            assert!(Role::Manager.may(&Method::POST, path), "{path}");
        }
    }
}
