//! `datacoop charter limits`: what holds at this node, and who set it. Reads the charter, the journal and
//! `limits.toml`, so it needs no running node.

use clap::Args;
use datacoop_policy::charter::{Charter, Purpose, acts_from};
use datacoop_policy::limits::{Layer, Limits, Restricted, Set, Value, set_by};
use datacoop_policy::{Day, PrivacyLoss};
use serde_json::json;

use super::means::loss_text;
use super::node::home_of;
use super::show::plain;
use super::why::Seen;
use super::{Common, Printed};
use crate::acts::{Sought, find};
use crate::clock;
use crate::error::CommandError;
use crate::home::Home;
use crate::loss::{DELTA_TEXT, Reading};

/// Names of a list that are printed; the rest is counted.
const NAMES_MAX: usize = 8;

#[derive(Args)]
pub(super) struct LimitsArgs {
    /// The limits under this purpose of the charter [default: the only one, where there is one]
    #[arg(long, value_name = "ID")]
    purpose: Option<String>,
    /// And within leave to ask: a delegation's id, or the beginning of it
    #[arg(long, value_name = "ID")]
    under: Option<String>,
}

/// One of the layers that are met, as a person knows it.
struct Source {
    /// For people.
    name: String,
    /// For programs.
    code: &'static str,
    limits: Limits,
}

/// The charter's only purpose, or the one that was named.
fn purpose_of<'a>(charter: &'a Charter, named: Option<&str>) -> Result<Option<&'a Purpose>, CommandError> {
    let all = &charter.fields().purposes;
    match named {
        None => Ok(if let [only] = all.as_slice() { Some(only) } else { None }),
        Some(id) => charter.purpose(id).map(Some).ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|purpose| purpose.id.as_str()).collect();
            CommandError::usage(format!("the charter has no purpose `{id}`"))
                .hint(&format!("its purposes are: {}", known.join(", ")))
        }),
    }
}

/// The layers one by one: the charter's own limits, its purpose's and what members paused apart, which a verdict
/// counts as one.
fn sources(
    charter: &Charter,
    purpose: Option<&Purpose>,
    paused: &Restricted,
    own: Option<&Limits>,
) -> Vec<Source> {
    let fields = charter.fields();
    let between = |limits: &Limits, first: Day, last: Day| {
        limits.meet(&Limits { not_before: first, not_after: last, ..Limits::top() })
    };
    let mut all = vec![
        Source { name: Layer::Floor.to_string(), code: "floor", limits: Limits::floor() },
        Source {
            name: Layer::Charter(charter.version()).to_string(),
            code: "charter",
            limits: between(&fields.limits, fields.effective, fields.expires),
        },
    ];
    all.extend(purpose.map(|purpose| Source {
        name: format!("purpose `{}`", purpose.id),
        code: "purpose",
        limits: between(&purpose.limits, purpose.starts, purpose.expires),
    }));
    let nothing = paused.limits() == Limits::top();
    all.extend((!nothing).then(|| Source {
        name: "what members paused".to_owned(),
        code: "restriction",
        limits: paused.limits(),
    }));
    all.extend(own.map(|own| Source {
        name: Layer::Member.to_string(),
        code: "member",
        limits: own.clone(),
    }));
    all
}

/// A limit as people read it: what it is about, and its value.
pub(super) fn in_words(name: &str, value: Value<'_>) -> (&'static str, String) {
    let about = match name {
        "purposes" => "Purposes answered",
        "questions" => "Questions answered",
        "datasets" => "Datasets used",
        "columns" => "Columns used",
        "group_by" => "Results split by",
        "not_before" => "Open from",
        "not_after" => "Open until",
        "max_cells" => "Cells of one answer",
        "public" => "Results may become public",
        "full_noise" => "Members may see noised figures",
        "min_cosigners" => "Members that co-sign",
        "rho_query" => "One question costs",
        "rho_purpose" => "One purpose costs in a year",
        "rho_year" => "All questions cost in a year",
        "min_roster" => "Members in a round",
        "min_bodies" => "Bodies in a round",
        "min_people" => "People declared in a round",
        _ => "Bodies that may be set apart",
    };
    let words = match value {
        Value::Names(set) => set_words(set),
        Value::LossMost(most) => loss_words(most),
        Value::Most(u32::MAX) => "any number".to_owned(),
        Value::Most(most) => format!("at most {most}"),
        Value::Least(0) => "any number".to_owned(),
        Value::Least(least) => format!("at least {least}"),
        Value::From(Day(i64::MIN)) | Value::Until(Day(i64::MAX)) => "any day".to_owned(),
        Value::From(day) | Value::Until(day) => day.to_string(),
        Value::May(may) => if may { "yes" } else { "no" }.to_owned(),
    };
    (about, words)
}

fn loss_words(most: PrivacyLoss) -> String {
    match most {
        PrivacyLoss::ZERO => "nothing".to_owned(),
        most => format!("at most {}", loss_text(&Reading::of(most).json())),
    }
}

fn set_words(set: &Set) -> String {
    let (names, before) = match set {
        Set::Only(names) if names.is_empty() => return "none".to_owned(),
        Set::Except(names) if names.is_empty() => return "all".to_owned(),
        Set::Only(names) => (names, ""),
        Set::Except(names) => (names, "all but "),
    };
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{before}{}{more}", shown.join(", "))
}

fn value_json(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Names(Set::Only(names)) => json!({ "only": names }),
        Value::Names(Set::Except(names)) => json!({ "except": names }),
        Value::LossMost(most) => Reading::of(most).json(),
        Value::Most(u32::MAX) | Value::Least(0) => serde_json::Value::Null,
        Value::Most(number) | Value::Least(number) => json!(number),
        Value::From(Day(i64::MIN)) | Value::Until(Day(i64::MAX)) => serde_json::Value::Null,
        Value::From(day) | Value::Until(day) => json!(day.to_string()),
        Value::May(may) => json!(may),
    }
}

/// Rows of the table, for people and programs.
fn rows(all: &[Source]) -> (Vec<[String; 3]>, Vec<serde_json::Value>) {
    let limits: Vec<&Limits> = all.iter().map(|source| &source.limits).collect();
    let met = limits.iter().fold(Limits::top(), |met, layer| met.meet(layer));
    let (mut text, mut json) = (vec![], vec![]);
    for ((name, value), (_, by)) in met.values().into_iter().zip(set_by(&limits)) {
        let (about, words) = in_words(name, value);
        let names: Vec<&str> = by.iter().map(|place| all[*place].name.as_str()).collect();
        let set_by = match names.as_slice() {
            [] => "nobody".to_owned(),
            [one] => (*one).to_owned(),
            several => format!("{}, together", several.join(" and ")),
        };
        let codes: Vec<&str> = by.iter().map(|place| all[*place].code).collect();
        json.push(json!({ "limit": name, "value": value_json(value), "words": words,
                          "set_by": codes, "set_by_words": set_by }));
        text.push([about.to_owned(), words, set_by]);
    }
    (text, json)
}

/// What holds here under a purpose: each limit in words, its value, and who set it.
pub(crate) fn limit_rows(
    charter: &Charter,
    purpose: &Purpose,
    paused: &Restricted,
    own: Option<&Limits>,
) -> Vec<[String; 3]> {
    rows(&sources(charter, Some(purpose), paused, own)).0
}

/// A version that is held and does not hold here yet, and from when on it does, as far as that is known.
pub(super) struct Waiting {
    version: u32,
    from: Day,
    /// Our log says so; else it is the earliest day, once this node runs.
    logged: bool,
    /// It has this node as a member.
    ours: bool,
}

impl Waiting {
    /// When it acts.
    pub(super) fn text(&self) -> String {
        match (self.ours, self.logged) {
            (false, _) => "does not have this node as a member".to_owned(),
            (true, true) => format!("acts here from {} on", self.from),
            (true, false) => format!("acts here from {} on at the earliest, once this node runs", self.from),
        }
    }

    /// The same.
    pub(super) fn json(&self) -> serde_json::Value {
        json!({ "version": self.version, "from": self.from.to_string(), "logged": self.logged })
    }
}

/// The newest version, if another one holds here.
fn waiting(seen: &Seen, charter: &Charter) -> Option<Waiting> {
    waits(seen, charter, &seen.charter)
}

/// A held version, if an earlier one holds here.
pub(super) fn waits(seen: &Seen, charter: &Charter, newest: &Charter) -> Option<Waiting> {
    if newest.version() <= charter.version() {
        return None;
    }
    let adopted = seen.fold.log(&seen.me).map_or(&[][..], |log| log.adopted());
    let logged =
        adopted.iter().find(|adopted| adopted.hash == newest.hash()).map(|adopted| adopted.from.day());
    let mut earlier = seen.fold.charters().iter();
    let parent = earlier.find(|parent| Some(parent.hash()) == newest.fields().prev);
    let earliest = parent.map(|parent| acts_from(parent, newest, clock::now()).day());
    let from = logged.or(earliest)?;
    let ours = newest.member(&seen.me).is_some();
    Some(Waiting { version: newest.version(), from, logged: logged.is_some(), ours })
}

/// Whose leave narrows what is asked under it, if it holds.
fn leave(seen: &Seen, charter: &Charter, id: &str) -> Result<Source, CommandError> {
    let at = find(&seen.fold, id, Sought::Delegation)?;
    let held = seen.fold.acts().delegation(&at.leaf);
    let held = held.ok_or_else(|| CommandError::failed("the delegation is not here any more".into()))?;
    let now = clock::now();
    let closed = match () {
        () if held.revoked => Some("it was taken back".to_owned()),
        () if now > held.until => Some(format!("it ended on {}", held.until.day())),
        () => held.check(charter).err(),
    };
    if let Some(why) = closed {
        return Err(CommandError::refused("asker", format!("nothing is asked under that delegation: {why}")));
    }
    let by = charter.member(&held.by).map_or_else(|| held.by.to_string(), |by| plain(&by.name));
    let until = Limits { not_after: held.until.day(), ..Limits::top() };
    Ok(Source {
        name: format!("the delegation of {by}"),
        code: "delegation",
        limits: held.limits.meet(&until),
    })
}

pub(super) fn limits(common: &Common, args: &LimitsArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let own = home.limits();
    let seen = Seen::read(&home, own.as_ref().ok())?;
    // Of a member that left, the version it left with.
    let charter = seen.in_force().map_or_else(|| seen.charter.clone(), |(charter, _)| charter.clone());
    let purpose = purpose_of(&charter, args.purpose.as_deref())?;
    let paused = seen.fold.acts().restricted(&seen.fold, &seen.me, clock::now());
    let mut all = sources(&charter, purpose, &paused, own.as_ref().ok());
    all.extend(args.under.as_deref().map(|id| leave(&seen, &charter, id)).transpose()?);
    let mut printed = printed(&home, &charter, purpose, &all, own);
    let waiting = waiting(&seen, &charter);
    printed.json["waiting"] = match &waiting {
        None => serde_json::Value::Null,
        Some(waits) => waits.json(),
    };
    if let Some(waits) = waiting {
        let said = format!(
            "These are the limits of version {}, which is in force. Version {} {}; what it changes:\n  datacoop charter diff\n\n",
            charter.version(),
            waits.version,
            waits.text()
        );
        printed.text = said + &printed.text;
    }
    if paused.members.contains(&seen.me) {
        printed.text = format!(
            "THIS NODE IS SUSPENDED: it neither asks nor answers. See: datacoop proposals\n\n{}",
            printed.text
        );
    }
    Ok(printed)
}

fn printed(
    home: &Home,
    charter: &Charter,
    purpose: Option<&Purpose>,
    all: &[Source],
    own: Result<Limits, String>,
) -> Printed {
    let (rows, json_rows) = rows(all);
    // Which purposes our own limits open here at all.
    let opens = |purpose: &&Purpose| own.as_ref().is_ok_and(|own| own.purposes.holds(&purpose.id));
    let open: Vec<&str> =
        charter.fields().purposes.iter().filter(opens).map(|purpose| purpose.id.as_str()).collect();
    // Which purposes nothing is asked for while members paused it, or all data that is open to it.
    let paused = |purpose: &Purpose| {
        let met = all.iter().fold(Limits::top(), |met, source| met.meet(&source.limits));
        let has_data = charter.fields().datasets.iter().any(|dataset| met.datasets.holds(&dataset.id));
        let stopped = all.iter().find(|source| source.code == "restriction");
        stopped.is_some_and(|by| !by.limits.purposes.holds(&purpose.id) || !has_data)
    };
    let mut text = String::new();
    if let Err(problem) = &own {
        text +=
            &format!("THIS NODE ANSWERS NOTHING: {problem}\nWithout that file, floor and charter allow:\n\n");
    } else if open.is_empty() {
        text += "THIS NODE ANSWERS NOTHING: its limits.toml opens no purpose of the charter.\n\n";
    } else if let Some(shut) = purpose.filter(|purpose| !open.contains(&purpose.id.as_str())) {
        text +=
            &format!("THIS NODE ANSWERS NOTHING FOR `{}`: its limits.toml does not open it.\n\n", shut.id);
    } else if let Some(shut) = purpose.filter(|purpose| paused(purpose)) {
        text += &format!(
            "NOTHING IS ASKED FOR `{}` NOW: members paused it, or its data. See: datacoop proposals\n\n",
            shut.id
        );
    }
    text += &match purpose {
        Some(purpose) => format!("Limits of this node for purpose `{}`\n\n", purpose.id),
        None => {
            let ids: Vec<&str> = charter.fields().purposes.iter().map(|p| p.id.as_str()).collect();
            format!(
                "Limits of this node, whatever the purpose; each can tighten them: --purpose {}\n\n",
                ids.join(" | ")
            )
        }
    };
    text += &table(&rows);
    text += &format!(
        "\nepsilon is at delta {DELTA_TEXT}. A layer can only tighten what stands before it: the floor, the charter,\nthe purpose, what members paused, our own limits in {}. A node that runs goes by\nthat file as it was at its start, and by what `not-us` and `decline` took out of it since. A sensitive\ncolumn is open only to a purpose that names it.\n",
        home.join("limits.toml").display()
    );
    let json = json!({
        "schema": "datacoop.limits/1",
        "demo": charter.fields().demo,
        "charter": { "id": charter.id().to_string(), "version": charter.version() },
        "purpose": purpose.map(|purpose| purpose.id.as_str()),
        "answers": !open.is_empty() && purpose.is_none_or(|purpose| open.contains(&purpose.id.as_str()) && !paused(purpose)),
        "problem": own.err(),
        "open": open,
        "limits": json_rows,
    });
    Printed::new(json, text)
}

/// Rows in columns that fit their widest word.
fn table(rows: &[[String; 3]]) -> String {
    let head = ["Limit", "Value", "Set by"].map(str::to_owned);
    let width = |column: usize| {
        let all = std::iter::once(&head).chain(rows);
        all.map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1).min(VALUE_CHARS_MAX));
    let line = |row: &[String; 3]| format!("{:<first$}  {:<second$}  {}\n", row[0], row[1], row[2]);
    std::iter::once(&head).chain(rows).map(line).collect()
}

/// Widest column of values: a longer one pushes its own row alone.
const VALUE_CHARS_MAX: usize = 40;
