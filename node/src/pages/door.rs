//! Who may see a page. In this order, outermost first: Host, time, headers, length, forgery, session, passphrase. Host
//! comes first because under DNS rebinding a page's Origin equals its Host, and a check of the Origin alone
//! passes. Must not know what a page says.
//!
//! Source: UI section 5; Fetch Metadata (W3C); RFC 6265bis on cookies.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use datacoop_policy::Digest;
use datacoop_protocol::log::tree::sha256;

use super::role::{Role, closed_to_auditors};
use crate::home::Home;
use crate::{entropy, passphrase};

/// How long a code that was shown opens the door: time to click a link, not to find it later.
pub const CODE_TIME: Duration = Duration::from_secs(60);
/// How long the code of a set-up opens the door, for there is no command yet that shows another; and an auditor's,
/// which somebody else carries to another window.
pub const SETUP_TIME: Duration = Duration::from_secs(15 * 60);
/// A session that nobody uses ends: a screen left alone over a working day.
pub const IDLE_TIME: Duration = Duration::from_secs(12 * 3600);
/// Any session ends.
pub const SESSION_TIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions at a time: a few browsers of a few people; the oldest makes room.
const SESSIONS_MAX: usize = 32;
/// The longest wait after a wrong passphrase: it doubles from one second up to this, whoever guesses. Nobody is
/// banned: that would lock the owner out.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long a file may take to come, to be looked at and to be imported: as the command line waits for it.
const FILE_TIME: Duration = Duration::from_secs(600);

/// Nothing from elsewhere, nothing inline, no frame around us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; report-uri /csp-report";

/// A session: the hash of its cookie, never the cookie.
struct Session {
    hash: Digest,
    began: Instant,
    seen: Instant,
    /// Whether the passphrase was given, by this person or by whoever let them in.
    unlocked: bool,
    role: Role,
}

#[derive(Default)]
struct Inside {
    /// For whom the hash of the code that opens, and until when.
    codes: BTreeMap<Role, (Digest, Instant)>,
    sessions: VecDeque<Session>,
    /// Passphrases that were not right since the last that was.
    wrong: u32,
    /// When the next one may be tried.
    next_try: Option<Instant>,
}

/// Where a request comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Outside,
    /// Signed in, without the passphrase.
    Locked,
    Inside(Role),
}

/// The door to a node's pages.
pub struct Door {
    hosts: [String; 3],
    cookie: String,
    inside: Mutex<Inside>,
    reports: AtomicU64,
    /// Whose passphrase is asked for; nobody's where that was waived.
    asks_for: Option<Home>,
}

impl Door {
    /// A door at a loopback address. Cookies do not tell ports apart, so the name tells nodes apart.
    /// A passphrase is asked for where `asks_for` has one.
    pub fn new(address: SocketAddr, node: &str, asks_for: Option<Home>) -> Self {
        let port = address.port();
        let member = sha256(&[node.as_bytes()]).to_string();
        Self {
            hosts: [format!("127.0.0.1:{port}"), format!("[::1]:{port}"), format!("localhost:{port}")],
            cookie: format!("datacoop_{}", member.get(..8).unwrap_or_default()),
            inside: Mutex::default(),
            reports: AtomicU64::new(0),
            asks_for,
        }
    }

    /// A code that opens the door once, within a minute. An older one is worth nothing from now on.
    pub fn new_code(&self, now: Instant) -> String {
        self.new_code_for(Role::Manager, now, CODE_TIME)
    }

    /// The same for another person and while.
    pub fn new_code_for(&self, role: Role, now: Instant, time: Duration) -> String {
        let code = Digest(entropy::bytes()).to_string();
        self.inside().codes.insert(role, (sha256(&[code.as_bytes()]), now + time));
        code
    }

    /// The address that a code opens.
    pub fn link(&self, code: &str) -> String {
        let [host, ..] = &self.hosts;
        format!("http://{host}/enter?code={code}")
    }

    /// How many auditors are signed in.
    pub fn auditors(&self) -> usize {
        self.inside().sessions.iter().filter(|session| session.role == Role::Auditor).count()
    }

    /// Ends the sessions of auditors, and the code for one that nobody used yet.
    pub fn end_auditors(&self) {
        let mut inside = self.inside();
        inside.codes.remove(&Role::Auditor);
        inside.sessions.retain(|session| session.role != Role::Auditor);
    }

    /// Whether the policy of our pages was broken, and how often a browser said so.
    pub fn reports(&self) -> u64 {
        self.reports.load(Ordering::Relaxed)
    }

    /// A browser says that a page broke the policy.
    pub fn report(&self) {
        self.reports.fetch_add(1, Ordering::Relaxed);
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        // What it holds is whole after each statement.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Burns a code. The cookie to set, if it was the one; a wrong one burns nothing, since it cannot be
    /// guessed and whoever sends it must not lock us out.
    pub fn enter(&self, code: &str, now: Instant) -> Option<String> {
        let mut inside = self.inside();
        let hash = sha256(&[code.as_bytes()]);
        let role = *inside.codes.iter().find(|(_, (of, until))| *of == hash && now <= *until)?.0;
        inside.codes.remove(&role);
        // Whoever made an auditor's code had given the passphrase, and does not tell it.
        Some(self.admit(&mut inside, role, now, now, role == Role::Auditor))
    }

    /// A new session. Returns the cookie to set.
    fn admit(&self, inside: &mut Inside, role: Role, began: Instant, now: Instant, unlocked: bool) -> String {
        let secret = Digest(entropy::bytes()).to_string();
        if inside.sessions.len() == SESSIONS_MAX {
            inside.sessions.pop_front();
        }
        let hash = sha256(&[secret.as_bytes()]);
        inside.sessions.push_back(Session { hash, began, seen: now, unlocked, role });
        format!("{}={secret}; HttpOnly; SameSite=Strict; Path=/", self.cookie)
    }

    /// Whether a passphrase is asked for.
    pub fn asks(&self) -> bool {
        self.asks_for.as_ref().is_some_and(passphrase::is_set)
    }

    /// Whether there is one that is not asked for, as the person at the command line wanted.
    pub fn is_waived(&self) -> bool {
        self.asks_for.is_none()
    }

    /// Whether a passphrase may be tried now; each try counts as a wrong one until it was right, so that many at once
    /// gain nothing.
    ///
    /// Errors: how long to wait.
    pub fn begin_try(&self, now: Instant) -> Result<(), Duration> {
        let mut inside = self.inside();
        if let Some(left) =
            inside.next_try.map(|next| next.saturating_duration_since(now)).filter(|left| !left.is_zero())
        {
            return Err(left);
        }
        inside.wrong = inside.wrong.saturating_add(1);
        let delay = Duration::from_secs(1 << (inside.wrong - 1).min(5)).min(DELAY_MAX);
        inside.next_try = Some(now + delay);
        Ok(())
    }

    /// How long the next try has to wait.
    pub fn wait(&self, now: Instant) -> Duration {
        self.inside().next_try.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    /// The passphrase was right, or is a new one: a session takes the place of the one that a request comes with, and
    /// where all others are to end, they do. The cookie to set, unless there is no session.
    pub fn unlock(&self, headers: &HeaderMap, now: Instant, end_others: bool) -> Option<String> {
        let hash = self.secret(headers)?;
        let mut inside = self.inside();
        let began = inside.sessions.iter().find(|session| session.hash == hash)?.began;
        (inside.wrong, inside.next_try) = (0, None);
        inside.sessions.retain(|session| !end_others && session.hash != hash);
        Some(self.admit(&mut inside, Role::Manager, began, now, true))
    }

    /// Ends the session that a request comes with.
    pub fn leave(&self, headers: &HeaderMap) -> String {
        if let Some(hash) = self.secret(headers) {
            self.inside().sessions.retain(|session| session.hash != hash);
        }
        format!("{}=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/", self.cookie)
    }

    /// The hash of the cookie that a request comes with. Hashing first makes the comparison's time tell nothing.
    fn secret(&self, headers: &HeaderMap) -> Option<Digest> {
        let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, secret) = pairs.find(|(name, _)| *name == self.cookie)?;
        Some(sha256(&[secret.as_bytes()]))
    }

    /// Whether a request comes from somebody who signed in; it keeps the session alive.
    fn standing(&self, headers: &HeaderMap, now: Instant) -> Standing {
        let Some(hash) = self.secret(headers) else { return Standing::Outside };
        let asks = self.asks();
        let mut inside = self.inside();
        inside.sessions.retain(|session| {
            now.duration_since(session.seen) <= IDLE_TIME && now.duration_since(session.began) <= SESSION_TIME
        });
        let session = inside.sessions.iter_mut().find(|session| session.hash == hash);
        session.map_or(Standing::Outside, |session| {
            session.seen = now;
            if session.unlocked || !asks { Standing::Inside(session.role) } else { Standing::Locked }
        })
    }

    fn host<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut hosts = headers.get_all(header::HOST).into_iter();
        let host = hosts.next()?.to_str().ok()?;
        (hosts.next().is_none() && self.hosts.iter().any(|ours| ours == host)).then_some(host)
    }
}

/// Whether a request that may change something was sent by a page of ours.
fn is_ours(method: &Method, headers: &HeaderMap, host: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return true;
    }
    let said = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match said(&HeaderName::from_static("sec-fetch-site")) {
        Some(site) => site == "same-origin",
        None => said(&header::ORIGIN).is_some_and(|origin| origin.strip_prefix("http://") == Some(host)),
    }
}

/// Paths that need no session: how to get one, how pages look, what browsers report.
fn is_open(path: &str) -> bool {
    path == "/enter" || path == "/csp-report" || path.starts_with("/assets/")
}

/// Lets a request in, or says no. Every answer carries the headers.
pub async fn guard(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let Some(host) = door.host(request.headers()).map(str::to_owned) else {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    };
    let brings_file =
        ["/data/files", "/api/v1/imports"].iter().any(|path| request.uri().path().starts_with(path));
    let time = if brings_file { FILE_TIME } else { ANSWER_TIME };
    let answer = tokio::time::timeout(time, admit(&door, &host, request, next)).await;
    let mut response = answer.unwrap_or_else(|_| {
        (StatusCode::SERVICE_UNAVAILABLE, "This took too long. Try again.").into_response()
    });
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn admit(door: &Door, host: &str, mut request: Request, next: Next) -> Response {
    // A program's token stands for session and forgery check: no page can send one.
    if request.uri().path().starts_with(super::API) {
        return next.run(request).await;
    }
    if !is_ours(request.method(), request.headers(), host) && request.uri().path() != "/csp-report" {
        return (StatusCode::FORBIDDEN, "This form was sent from another page. Nothing was done.")
            .into_response();
    }
    let path = request.uri().path();
    if is_open(path) {
        return next.run(request).await;
    }
    match (door.standing(request.headers(), Instant::now()), path) {
        (Standing::Outside, _) => Redirect::to("/enter").into_response(),
        (Standing::Inside(role), path) if !role.may(request.method(), path) => closed_to_auditors(),
        (Standing::Inside(role), _) => {
            request.extensions_mut().insert(role);
            next.run(request).await
        }
        (Standing::Locked, "/unlock" | "/leave") => next.run(request).await,
        (Standing::Locked, _) => Redirect::to("/unlock").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Door {
        Door::new("127.0.0.1:8471".parse().unwrap(), "GB-EDU-000001", None)
    }

    fn is_inside(door: &Door, headers: &HeaderMap, now: Instant) -> bool {
        door.standing(headers, now) == Standing::Inside(Role::Manager)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_code_opens_once_and_only_while_it_is_fresh() {
        let (door, now) = (door(), Instant::now());
        let code = door.new_code(now);
        assert_eq!(door.enter("0", now), None);
        assert_eq!(door.enter(&code, now + CODE_TIME + Duration::from_secs(1)), None);
        let cookie = door.enter(&code, now + CODE_TIME).unwrap();
        assert_eq!(door.enter(&code, now), None, "burnt");
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let pair = cookie.split(';').next().unwrap();
        let with = headers(&[("cookie", &format!("other=1; {pair}"))]);
        assert!(is_inside(&door, &with, now));
        assert!(!is_inside(&door, &headers(&[("cookie", "datacoop_00000000=1")]), now));
        assert!(!is_inside(&door, &HeaderMap::new(), now));
        let (old, new) = (door.new_code(now), door.new_code(now));
        assert_eq!(door.enter(&old, now), None, "the newer one counts");
        assert!(door.enter(&new, now).is_some());
        door.leave(&with);
        assert!(!is_inside(&door, &with, now));
    }

    #[test]
    fn an_auditor_comes_in_by_a_code_of_its_own_and_goes_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let (door, now) = (locked_door(dir.path()), Instant::now());
        let ours = door.new_code(now);
        let code = door.new_code_for(Role::Auditor, now, SETUP_TIME);
        let cookie = door.enter(&code, now + CODE_TIME * 2).unwrap();
        let auditor = headers(&[("cookie", cookie.split(';').next().unwrap())]);
        // Without the passphrase, which whoever made the code had given.
        assert_eq!(door.standing(&auditor, now + CODE_TIME * 2), Standing::Inside(Role::Auditor));
        assert_eq!(door.enter(&code, now), None, "once");
        assert!(door.enter(&ours, now).is_some(), "one person's code does not end another's");
        let unused = door.new_code_for(Role::Auditor, now, SETUP_TIME);
        assert_eq!(door.auditors(), 1);
        door.end_auditors();
        assert_eq!((door.auditors(), door.standing(&auditor, now)), (0, Standing::Outside));
        assert_eq!(door.enter(&unused, now), None);
    }

    #[test]
    fn sessions_end_by_idleness_and_by_age() {
        let (door, now) = (door(), Instant::now());
        let session = || {
            let code = door.new_code(now);
            let cookie = door.enter(&code, now).unwrap();
            headers(&[("cookie", cookie.split(';').next().unwrap())])
        };
        let idle = session();
        assert!(is_inside(&door, &idle, now + IDLE_TIME));
        assert!(!is_inside(&door, &idle, now + IDLE_TIME * 2 + Duration::from_secs(1)));
        let busy = session();
        let mut at = now;
        while at <= now + SESSION_TIME {
            assert!(is_inside(&door, &busy, at), "{:?}", at.duration_since(now));
            at += IDLE_TIME;
        }
        assert!(!is_inside(&door, &busy, now + SESSION_TIME + Duration::from_secs(1)));
    }

    fn locked_door(dir: &std::path::Path) -> Door {
        let home = Home::new(dir);
        std::fs::create_dir(home.join("keys")).unwrap();
        passphrase::set(&home, "wet paper orange bus").unwrap();
        Door::new("127.0.0.1:8471".parse().unwrap(), "GB-EDU-000001", Some(home))
    }

    fn entered(door: &Door, now: Instant) -> HeaderMap {
        let cookie = door.enter(&door.new_code(now), now).unwrap();
        headers(&[("cookie", cookie.split(';').next().unwrap())])
    }

    #[test]
    fn a_passphrase_is_asked_for_and_a_new_session_takes_the_old_ones_place() {
        let dir = tempfile::tempdir().unwrap();
        let (door, now) = (locked_door(dir.path()), Instant::now());
        let before = entered(&door, now);
        assert_eq!(door.standing(&before, now), Standing::Locked);
        let other = entered(&door, now);
        assert_eq!(
            door.unlock(&HeaderMap::new(), now, false),
            None,
            "nobody's session is unlocked by nobody"
        );
        let cookie = door.unlock(&before, now, false).unwrap();
        let after = headers(&[("cookie", cookie.split(';').next().unwrap())]);
        assert_eq!(door.standing(&before, now), Standing::Outside, "rotated");
        assert_eq!(
            (door.standing(&after, now), door.standing(&other, now)),
            (Standing::Inside(Role::Manager), Standing::Locked)
        );
        // It is as old as the one it took the place of.
        assert_eq!(door.standing(&after, now + SESSION_TIME + Duration::from_secs(1)), Standing::Outside);
        let again = entered(&door, now);
        assert!(door.unlock(&again, now, true).is_some());
        assert_eq!(door.standing(&other, now), Standing::Outside, "a new passphrase ends all other sessions");
        passphrase::reset(&Home::new(dir.path())).unwrap();
        assert!(is_inside(&door, &entered(&door, now), now));
    }

    #[test]
    fn guessing_gets_slower_for_everybody_and_ends_with_the_right_one() {
        let dir = tempfile::tempdir().unwrap();
        let (door, start) = (locked_door(dir.path()), Instant::now());
        let mut now = start;
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            assert_eq!(door.begin_try(now), Ok(()), "{seconds}");
            // Many at once gain nothing.
            let left = door.begin_try(now).unwrap_err();
            assert_eq!((left, door.wait(now)), (Duration::from_secs(seconds), left));
            let almost = now + Duration::from_secs(seconds) - Duration::from_millis(1);
            assert!(door.begin_try(almost).is_err());
            now += Duration::from_secs(seconds);
        }
        // A day of guesses is fewer than three thousand.
        let mut tries = 0;
        let day = now + Duration::from_secs(24 * 3600);
        while now < day {
            tries += u32::from(door.begin_try(now).is_ok());
            now += Duration::from_secs(1);
        }
        assert!(tries <= 2_880, "{tries}");
        let inside = entered(&door, now);
        assert!(door.unlock(&inside, now, false).is_some());
        assert_eq!((door.wait(now), door.begin_try(now)), (Duration::ZERO, Ok(())), "it begins anew");
    }

    #[test]
    fn only_our_own_names_are_a_host() {
        let door = door();
        for host in ["127.0.0.1:8471", "[::1]:8471", "localhost:8471"] {
            assert_eq!(door.host(&headers(&[("host", host)])), Some(host));
        }
        for host in [
            "evil.example",
            "evil.example:8471",
            "127.0.0.1",
            "127.0.0.1:80",
            "LOCALHOST:8471",
            "127.0.0.1:8471.evil.example",
            "",
        ] {
            assert_eq!(door.host(&headers(&[("host", host)])), None, "{host}");
        }
        assert_eq!(door.host(&headers(&[("host", "localhost:8471"), ("host", "evil.example")])), None);
        assert_eq!(door.host(&HeaderMap::new()), None);
    }

    #[test]
    fn a_form_of_another_page_changes_nothing() {
        let host = "localhost:8471";
        let ours = |pairs: &[(&'static str, &str)]| is_ours(&Method::POST, &headers(pairs), host);
        assert!(ours(&[("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("origin", "http://localhost:8471")]));
        for pairs in [
            &[][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8471")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://localhost:9000")],
            &[("origin", "https://localhost:8471")],
            &[("origin", "null")],
        ] {
            assert!(!ours(pairs), "{pairs:?}");
        }
        assert!(is_ours(&Method::GET, &HeaderMap::new(), host));
        assert!(!is_ours(&Method::DELETE, &HeaderMap::new(), host));
    }
}
