//! Scenario files: TOML, and every key that is not known is an error.

use datacoop_policy::query::Mode;
use datacoop_policy::{Day, Span};
use toml::{Table, Value};

use super::{
    Ask, CELLS, CELLS_MAX, DAYS_MAX, Expect, LINES_MAX, MEMBERS_MAX, MemberSpec, Scenario, ScenarioError,
};
use crate::calendar::{DAY, HOUR, Holidays, Hours};
use crate::faults::{Cheat, Deed, Fault, FaultKind, Narrowing, Rogue};

type Parsed<T> = Result<T, ScenarioError>;

fn fail<T>(text: impl Into<String>) -> Parsed<T> {
    Err(ScenarioError(text.into()))
}

/// A table whose keys are taken one by one; what is left was not known.
struct Fields {
    what: String,
    table: Table,
}

impl Fields {
    fn of(what: impl Into<String>, value: Value) -> Parsed<Self> {
        let what = what.into();
        let Value::Table(table) = value else {
            return fail(format!("{what}: a table in braces is expected"));
        };
        Ok(Self { what, table })
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.table.remove(key)
    }

    fn text(&mut self, key: &str) -> Parsed<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => fail(format!("{}: `{key}` is a text in quotes, not {other}", self.what)),
        }
    }

    fn whole(&mut self, key: &str) -> Parsed<Option<i64>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => Ok(Some(number)),
            Some(other) => fail(format!("{}: `{key}` is a whole number, not {other}", self.what)),
        }
    }

    fn count(&mut self, key: &str, most: u32) -> Parsed<Option<u32>> {
        let Some(number) = self.whole(key)? else { return Ok(None) };
        match u32::try_from(number).ok().filter(|number| *number <= most) {
            Some(number) => Ok(Some(number)),
            None => fail(format!("{}: `{key}` is {number}; at most {most}, and not below 0", self.what)),
        }
    }

    fn flag(&mut self, key: &str) -> Parsed<Option<bool>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(flag)),
            Some(other) => fail(format!("{}: `{key}` is true or false, not {other}", self.what)),
        }
    }

    fn span(&mut self, key: &str, default: Option<Span>) -> Parsed<Span> {
        match (self.text(key)?, default) {
            (Some(text), _) => span(&text)
                .map_err(|ScenarioError(error)| ScenarioError(format!("{}: `{key}`: {error}", self.what))),
            (None, Some(default)) => Ok(default),
            (None, None) => fail(format!("{}: `{key}` is missing, such as `36h` or `5d`", self.what)),
        }
    }

    fn at(&mut self) -> Parsed<Span> {
        match self.text("at")? {
            Some(text) => moment(&text).ok_or_else(|| {
                ScenarioError(format!("{}: `{text}` is no moment such as `d3 10:00`", self.what))
            }),
            None => fail(format!("{}: `at` is missing, such as `d3 10:00`", self.what)),
        }
    }

    fn member(&mut self, key: &str, members: usize) -> Parsed<usize> {
        let number = self.whole(key)?;
        match number.and_then(|number| usize::try_from(number).ok()).filter(|number| *number < members) {
            Some(number) => Ok(number),
            None => fail(format!("{}: `{key}` is a member's number, 0 to {}", self.what, members.max(1) - 1)),
        }
    }

    /// One of these, by its name.
    fn one_of<T: Copy>(&mut self, key: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Parsed<T> {
        let text = self.text(key)?.unwrap_or_default();
        match all.iter().find(|one| name(**one) == text) {
            Some(one) => Ok(*one),
            None => {
                let known: Vec<&str> = all.iter().map(|one| name(*one)).collect();
                fail(format!("{}: `{key}` is `{text}`; known are {}", self.what, known.join(", ")))
            }
        }
    }

    fn finish(self) -> Parsed<()> {
        match self.table.keys().next() {
            Some(key) => fail(format!("{}: the key `{key}` is not known", self.what)),
            None => Ok(()),
        }
    }
}

/// `36h`, `250ms`, `3d`.
pub(super) fn span(text: &str) -> Parsed<Span> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let size = match text[digits..].trim() {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(HOUR),
        "d" => Some(DAY),
        _ => None,
    };
    let long =
        text[..digits].parse::<u64>().ok().zip(size).and_then(|(number, size)| number.checked_mul(size));
    match long.filter(|long| *long <= 400 * DAY) {
        Some(long) => Ok(Span(long)),
        None => fail(format!("`{text}` is no length of time such as `36h`, `5d`, `90s` or `250ms`")),
    }
}

/// `d3`, `d3 10:00`, `d3 10:00:30.250`: counted from the scenario's first moment.
fn moment(text: &str) -> Option<Span> {
    let (day, clock) = text.strip_prefix('d')?.split_once(' ').unwrap_or((text.strip_prefix('d')?, "00:00"));
    let day: u64 = day.parse().ok().filter(|day| *day <= 400)?;
    let mut parts = clock.split(':');
    let hours: u64 = parts.next()?.parse().ok().filter(|hours| *hours < 24)?;
    let minutes: u64 = parts.next()?.parse().ok().filter(|minutes| *minutes < 60)?;
    let (seconds, thousandths) = match parts.next() {
        None => (0, 0),
        Some(rest) => {
            let (seconds, parts) = rest.split_once('.').unwrap_or((rest, "0"));
            (seconds.parse::<u64>().ok()?, format!("{parts:0<3}").parse::<u64>().ok()?)
        }
    };
    (parts.next().is_none() && seconds < 60 && thousandths < 1000)
        .then_some(Span(day * DAY + hours * HOUR + minutes * 60_000 + seconds * 1000 + thousandths))
}

impl Scenario {
    /// Reads a file. Errors: not TOML, a key that is not known, a value out of bounds, with its place.
    pub fn from_toml(text: &str) -> Parsed<Self> {
        let table: Table = toml::from_str(text).map_err(|error| ScenarioError(error.to_string()))?;
        let mut fields = Fields { what: "the scenario".to_owned(), table };
        let name = fields.text("name")?.unwrap_or_else(|| "unnamed".to_owned());
        let seed = fields.text("seed")?.map(|text| seed_number(&text)).transpose()?;
        let start = fields.text("start")?.unwrap_or_else(|| "2026-09-01".to_owned());
        let Some(start) = Day::parse(&start) else {
            return fail(format!("`start` is `{start}`; a day is written `2026-09-01`"));
        };
        let Some(days) = fields.count("days", DAYS_MAX)?.filter(|days| *days > 0) else {
            return fail("`days` is missing");
        };
        let calendar = fields.text("calendar")?.unwrap_or_else(|| "none".to_owned());
        let Some(holidays) = Holidays::named(&calendar) else {
            let known: Vec<&str> = Holidays::names().collect();
            return fail(format!("`calendar` is `{calendar}`; known are {}", known.join(", ")));
        };
        let cells = match fields.whole("cells")? {
            None => CELLS,
            Some(cells) => {
                match usize::try_from(cells).ok().filter(|cells| (1..=CELLS_MAX).contains(cells)) {
                    Some(cells) => cells,
                    None => return fail(format!("`cells` is {cells}; 1 to {CELLS_MAX}")),
                }
            }
        };
        let members = members(rows(&mut fields, "members")?)?;
        let begin = start.start() + Span(8 * HOUR);
        let windows = Windows { holidays: &holidays, begin };
        let asks = rows(&mut fields, "queries")?.into_iter().enumerate();
        let asks = asks.map(|(n, row)| ask(n, row, members.len(), &windows)).collect::<Parsed<_>>()?;
        let faults = rows(&mut fields, "faults")?.into_iter().enumerate();
        let mut faults: Vec<Fault> =
            faults.map(|(n, row)| fault(n, row, members.len())).collect::<Parsed<_>>()?;
        faults.sort_by_key(|fault| fault.at);
        let beyond = fields.text("beyond")?;
        let expect = fields.take("expect").map(expect).transpose()?.unwrap_or_default();
        fields.finish()?;
        Ok(Self { name, seed, start, days, holidays, cells, members, asks, faults, expect, beyond })
    }
}

/// `0x2a`, or `42`.
pub fn seed_number(text: &str) -> Parsed<u64> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.or_else(|_| fail(format!("`{text}` is no seed such as `0x2a`")))
}

fn rows(fields: &mut Fields, key: &str) -> Parsed<Vec<Value>> {
    match fields.take(key) {
        None => Ok(vec![]),
        Some(Value::Array(rows)) if rows.len() <= LINES_MAX => Ok(rows),
        Some(Value::Array(rows)) => fail(format!("`{key}` has {} lines; at most {LINES_MAX}", rows.len())),
        Some(_) => fail(format!("`{key}` is a list in square brackets")),
    }
}

/// Of the members that scenarios name by a word: hours, lid and loss in a thousand, whether it is a meeting point.
const TEMPLATES: [(&str, Hours, u32, u32, bool); 4] = [
    ("school-laptop", Hours::School, 150, 5, false),
    ("office-pc", Hours::Office, 30, 2, false),
    ("home-laptop", Hours::Evenings, 250, 10, false),
    ("meeting-point", Hours::Always, 0, 1, true),
];

fn members(rows: Vec<Value>) -> Parsed<Vec<MemberSpec>> {
    let mut members = vec![];
    for (n, row) in rows.into_iter().enumerate() {
        let mut fields = Fields::of(format!("members, line {}", n + 1), row)?;
        let mut spec = MemberSpec { hours: Hours::Always, lid: 0, loss: 0, meeting_point: false };
        if let Some(name) = fields.text("template")? {
            let Some((_, hours, lid, loss, meeting_point)) =
                TEMPLATES.iter().find(|(known, ..)| *known == name)
            else {
                let known: Vec<&str> = TEMPLATES.iter().map(|(name, ..)| *name).collect();
                return fail(format!(
                    "members, line {}: no template `{name}`; known are {}",
                    n + 1,
                    known.join(", ")
                ));
            };
            spec = MemberSpec { hours: *hours, lid: *lid, loss: *loss, meeting_point: *meeting_point };
        }
        if let Some(name) = fields.text("hours")? {
            let Some(hours) = Hours::named(&name) else {
                let known: Vec<&str> = Hours::ALL.iter().map(|(name, _)| *name).collect();
                return fail(format!(
                    "members, line {}: no hours `{name}`; known are {}",
                    n + 1,
                    known.join(", ")
                ));
            };
            spec.hours = hours;
        }
        spec.lid = fields.count("lid", 1000)?.unwrap_or(spec.lid);
        spec.loss = fields.count("loss", 1000)?.unwrap_or(spec.loss);
        spec.meeting_point = fields.flag("meeting_point")?.unwrap_or(spec.meeting_point);
        let count = fields.count("count", 200)?.unwrap_or(1);
        fields.finish()?;
        members.extend((0..count).map(|_| spec.clone()));
    }
    let points = members.iter().filter(|spec| spec.meeting_point).count();
    if !(3..=MEMBERS_MAX).contains(&members.len()) {
        return fail(format!("{} members; a co-operative has 3 to {MEMBERS_MAX}", members.len()));
    }
    // The first are the meeting points, in files as in a random scenario: numbers count on.
    if points == 0 {
        return fail("no member is a meeting point; one at least must be reached by others");
    }
    Ok(members)
}

struct Windows<'a> {
    holidays: &'a Holidays,
    begin: datacoop_policy::Time,
}

impl Windows<'_> {
    /// `3 school days`, or a plain length, from a moment of the scenario.
    fn read(&self, fields: &mut Fields, key: &str, from: Span) -> Parsed<Span> {
        let what = fields.what.clone();
        let Some(text) = fields.text(key)? else {
            return fail(format!("{what}: `{key}` is missing, such as `3 school days` or `5d`"));
        };
        match text.strip_suffix(" school days").or_else(|| text.strip_suffix(" school day")) {
            Some(days) => {
                let Some(days) = days.parse().ok().filter(|days| *days <= 60) else {
                    return fail(format!("{what}: `{key}` is `{text}`; write `3 school days`"));
                };
                Ok(self.holidays.after_school_days(self.begin + from, days) - (self.begin + from))
            }
            None => {
                span(&text).map_err(|ScenarioError(error)| ScenarioError(format!("{what}: `{key}`: {error}")))
            }
        }
    }
}

fn ask(n: usize, row: Value, members: usize, windows: &Windows<'_>) -> Parsed<Ask> {
    let mut fields = Fields::of(format!("queries, line {}", n + 1), row)?;
    let at = fields.at()?;
    let by = if fields.table.contains_key("by") { fields.member("by", members)? } else { 0 };
    // A question of its own unless it says which.
    let least = fields.count("least", 100)?.unwrap_or(u32::try_from(n % 100).unwrap_or(0));
    let rho = fields.text("rho")?;
    let loss = match (fields.whole("rho_nano")?, rho) {
        (Some(nano), None) => u64::try_from(nano).ok(),
        (None, Some(text)) => nano(&text),
        (None, None) => Some(5_000_000),
        (Some(_), Some(_)) => None,
    };
    let Some(loss) = loss.filter(|loss| *loss > 1) else {
        return fail(format!("queries, line {}: the loss is `rho=\"0.005\"`, or `rho_nano=5000000`", n + 1));
    };
    let mode = fields.text("mode")?.unwrap_or_else(|| "secure".to_owned());
    let Some(mode) = Mode::from_code(&mode) else {
        return fail(format!("queries, line {}: `mode` is `secure` or `full_noise`, not `{mode}`", n + 1));
    };
    let join = windows.read(&mut fields, "join", at)?;
    let contribute = windows.read(&mut fields, "contribute", Span(at.0 + join.0))?;
    let close = match fields.table.contains_key("close") {
        true => windows.read(&mut fields, "close", Span(at.0 + join.0 + contribute.0))?,
        false => contribute,
    };
    fields.finish()?;
    Ok(Ask { at, by, least, loss, mode, join, contribute, close })
}

/// `0.005` in billionths.
fn nano(text: &str) -> Option<u64> {
    let (whole, parts) = text.split_once('.').unwrap_or((text, "0"));
    let digits = parts.len() <= 9 && parts.bytes().chain(whole.bytes()).all(|byte| byte.is_ascii_digit());
    let parts: u64 = digits.then(|| format!("{parts:0<9}").parse().ok())??;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(parts)
}

fn fault(n: usize, row: Value, members: usize) -> Parsed<Fault> {
    let mut fields = Fields::of(format!("faults, line {}", n + 1), row)?;
    let at = fields.at()?;
    let kind = fields.text("kind")?.unwrap_or_default();
    let kind = match kind.as_str() {
        "loss" => FaultKind::Loss(needed(&mut fields, "permille", 1000)?, fields.span("for", None)?),
        "repeat" => FaultKind::Repeat(needed(&mut fields, "permille", 1000)?, fields.span("for", None)?),
        "reorder" => FaultKind::Reorder(needed(&mut fields, "doublings", 10)?, fields.span("for", None)?),
        "slow_reader" => {
            let who = fields.member("member", members)?;
            FaultKind::Slow(who, needed(&mut fields, "rate", 1 << 20)?, fields.span("for", None)?)
        }
        "cut" => {
            let (from, to) = (fields.member("member", members)?, fields.member("to", members)?);
            FaultKind::Cut(from, to, fields.span("for", None)?)
        }
        "meeting_point_down" => {
            let who =
                if fields.table.contains_key("member") { fields.member("member", members)? } else { 0 };
            FaultKind::Down(who, fields.span("for", None)?)
        }
        "crash" => {
            let who = fields.member("member", members)?;
            let after = fields.count("after", 1 << 20)?.unwrap_or(0);
            FaultKind::Crash(who, after, fields.count("keeps", 1 << 20)?.unwrap_or(0))
        }
        "write_fails" => {
            FaultKind::WriteFails(fields.member("member", members)?, fields.flag("stored")?.unwrap_or(false))
        }
        "restore_backup" => {
            FaultKind::Restore(fields.member("member", members)?, fields.span("age", None)?, false)
        }
        "restore_snapshot" => {
            FaultKind::Restore(fields.member("member", members)?, fields.span("age", None)?, true)
        }
        "lost_blob" => {
            FaultKind::LostBlob(fields.member("member", members)?, fields.count("nth", 1 << 20)?.unwrap_or(0))
        }
        "rot_blob" => {
            FaultKind::RotBlob(fields.member("member", members)?, fields.count("nth", 1 << 20)?.unwrap_or(0))
        }
        "rot_journal" => FaultKind::RotJournal(
            fields.member("member", members)?,
            fields.count("nth", 1 << 20)?.unwrap_or(0),
        ),
        "full_disk" => FaultKind::Full(fields.member("member", members)?, fields.span("for", None)?),
        "rival_charters" => FaultKind::Rivals(fields.span("for", None)?),
        "rekey" => FaultKind::Rekey(fields.member("member", members)?),
        "seats" => FaultKind::Seats(fields.count("spared", 1 << 10)?.unwrap_or(1)),
        "act" => {
            FaultKind::Act(fields.member("member", members)?, fields.one_of("does", Deed::ALL, Deed::name)?)
        }
        "decide" => {
            FaultKind::Decide(fields.member("member", members)?, fields.flag("yes")?.unwrap_or(false))
        }
        "narrow" => FaultKind::Narrow(
            fields.member("member", members)?,
            fields.one_of("what", Narrowing::ALL, Narrowing::name)?,
        ),
        "skew" => FaultKind::Skew(fields.member("member", members)?, fields.whole("ahead")?.unwrap_or(0)),
        "drift" => {
            let (who, daily) = (fields.member("member", members)?, fields.whole("daily")?.unwrap_or(0));
            FaultKind::Drift(who, daily, fields.span("for", None)?)
        }
        "wrong_year" => {
            let (who, ahead) = (fields.member("member", members)?, fields.flag("ahead")?.unwrap_or(true));
            FaultKind::WrongYear(who, ahead, fields.span("for", None)?)
        }
        "lid" => FaultKind::Lid(fields.member("member", members)?, fields.span("for", None)?),
        "off" => FaultKind::Off(fields.member("member", members)?, fields.span("for", None)?),
        "gone" => FaultKind::Gone(fields.member("member", members)?),
        "slow_tables" => {
            let who = fields.member("member", members)?;
            FaultKind::SlowTables(who, fields.span("takes", None)?, fields.span("for", None)?)
        }
        "no_tables" => FaultKind::NoTables(fields.member("member", members)?, fields.span("for", None)?),
        "amend" => FaultKind::Amend(fields.flag("tightens")?.unwrap_or(true)),
        "expire" => FaultKind::Expire(fields.span("in", None)?),
        "rogue" => FaultKind::Rogue(
            fields.member("member", members)?,
            fields.one_of("does", Rogue::ALL, Rogue::name)?,
        ),
        "cheat" => FaultKind::Cheat(
            fields.member("member", members)?,
            fields.one_of("does", Cheat::ALL, Cheat::name)?,
        ),
        other => return fail(format!("faults, line {}: no kind of fault is called `{other}`", n + 1)),
    };
    fields.finish()?;
    Ok(Fault { at, kind })
}

fn needed(fields: &mut Fields, key: &str, most: u32) -> Parsed<u32> {
    match fields.count(key, most)? {
        Some(number) => Ok(number),
        None => fail(format!("{}: `{key}` is missing", fields.what)),
    }
}

fn expect(value: Value) -> Parsed<Expect> {
    let mut fields = Fields::of("expect", value)?;
    let mut expect = Expect::default();
    if let Some(text) = fields.text("released")? {
        let least = text.strip_prefix(">=").and_then(|text| text.trim().strip_suffix('%'));
        let Some(least) = least.and_then(|text| text.trim().parse().ok()).filter(|least| *least <= 100)
        else {
            return fail(format!("expect: `released` is `{text}`; write `>= 95 %`"));
        };
        expect.released = Some(least);
    }
    if let Some(text) = fields.text("p95_time_to_release")? {
        let Some(most) = text.strip_prefix('<') else {
            return fail(format!("expect: `p95_time_to_release` is `{text}`; write `< 12d`"));
        };
        expect.within = Some(span(most.trim())?);
    }
    if let Some(laws) = fields.text("laws")?.filter(|laws| laws != "all") {
        return fail(format!("expect: `laws` is `{laws}`; all of them hold, always: write `all`"));
    }
    fields.finish()?;
    Ok(expect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacoop_protocol::seed::Seed;

    #[test]
    fn a_random_scenario_is_written_and_read_back() {
        for n in 0..20 {
            let scenario = Scenario::random(&Seed::new([n; 32]), 12, 30);
            let read = Scenario::from_toml(&scenario.to_toml()).unwrap();
            assert_eq!(read, scenario);
        }
    }

    #[test]
    fn what_is_not_known_is_an_error_with_its_place() {
        let good = "name=\"x\"\ndays=3\nmembers=[{template=\"meeting-point\", count=5}]\n";
        assert!(Scenario::from_toml(good).is_ok());
        let check = |text: String, want: &str| {
            let error = Scenario::from_toml(&text).unwrap_err();
            assert!(error.0.contains(want), "{error}");
        };
        check(format!("{good}colour=1"), "`colour` is not known");
        check(good.replace("template", "templet"), "members, line 1: the key `templet` is not known");
        check(format!("{good}faults=[{{at=\"d1\", kind=\"flood\"}}]"), "no kind of fault is called `flood`");
        check(
            format!("{good}faults=[{{at=\"d1\", kind=\"gone\", member=9}}]"),
            "`member` is a member's number, 0 to 4",
        );
        check(format!("{good}queries=[{{at=\"d1\", join=\"3 weeks\"}}]"), "`3 weeks` is no length of time");
        check(format!("{good}expect={{released=\"95\"}}"), "write `>= 95 %`");
        check(good.replace("days=3", "days=900"), "`days` is 900; at most 364");
    }
}
