//! `datacoop ask`: plan, ask, follow.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::{PERIODS, QuestionDraft, QuestionError};
use datacoop_policy::{Period, PrivacyLoss};
use serde_json::{Value, json};

use super::demo::{parse_params, parse_period, read};
use super::means::{factor_text, loss_text};
use super::node::{confirm, home_of};
use super::questions::{compile_sql, figures_text, find, known_vocabularies, vocabulary_of, words_text};
use super::results::{Told, form_of, save};
use super::show::{lot_text, plain, plain_lines};
use super::{Common, Printed, Progress};
use crate::api::asking::{AskRequest, AskTerms};
use crate::client::Client;
use crate::clock;
use crate::error::{CommandError, Exit};
use crate::home::Home;
use crate::questions::filled::{FilledIn, Given, fill_in};
use crate::questions::reckon::Cluster;
use crate::view::{default_mode, reckoned_json, unanswerable};

#[derive(Args)]
pub(super) struct AskArgs {
    /// Name of a question of the catalogue; or use --question or --sql
    name: Option<String>,
    /// A question definition in TOML
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    question: Option<PathBuf>,
    /// A SELECT of your own: groups, COUNT, SUM and AVG over one vocabulary
    #[arg(long, value_name = "SELECT", conflicts_with_all = ["name", "question"])]
    sql: Option<String>,
    /// The days it is about [default: the last whole period of the question's kind]
    #[arg(long, value_name = "FIRST..LAST")]
    period: Option<String>,
    /// A parameter of the question; repeat for more
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Split by this too, where the question offers it; repeat for more
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// Only these values of a column, where the question offers it; repeat for more
    #[arg(long = "for", value_name = "COLUMN=VALUE,VALUE")]
    narrow: Vec<String>,
    /// Purpose in the charter [default: the only one]
    #[arg(long)]
    purpose: Option<String>,
    /// Plain words for the log: why
    #[arg(long, default_value = "")]
    why: String,
    /// Plain words for the log: who benefits
    #[arg(long, default_value = "")]
    benefits: String,
    /// Plain words for the log: who pays
    #[arg(long, default_value = "")]
    pays: String,
    /// Supersede this release of the same question, parameters and period: once, and charged in full
    #[arg(long, value_name = "QUERY", requires = "because")]
    supersedes: Option<String>,
    /// Plain words for the log: why the release must be superseded
    #[arg(long, value_name = "TEXT", requires = "supersedes")]
    because: Option<String>,
    /// Ask under this delegation, by its id or the beginning of it [default: none for a coordinator, else one that allows it]
    #[arg(long, value_name = "ID")]
    under: Option<String>,
    /// Privacy loss at each member, as zCDP rho [default: the question's own]
    #[arg(long)]
    rho: Option<PrivacyLoss>,
    /// Release only if this many take part; can only raise the charter's
    #[arg(long, value_name = "N")]
    min_members: Option<u32>,
    /// Let members see each other's noised figures, as clusters of 3 or 4 must
    #[arg(long)]
    full_noise: bool,
    /// Show cost and expected error and stop; spends nothing, and needs no node
    #[arg(long)]
    plan: bool,
    /// Ask although not one figure would be sure enough to matter
    #[arg(long)]
    force: bool,
    /// Without a node: plan for this many schools or charities [default: 20]
    #[arg(long, alias = "charities", value_name = "N", requires = "plan", value_parser = clap::value_parser!(u16).range(3..=200))]
    schools: Option<u16>,
    /// Without a node: with this many pupils or people each [default: 1000 pupils, 100 people]
    #[arg(long, alias = "people", value_name = "N", requires = "plan", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pupils: Option<u32>,
    /// Time for each of joining, contributing and closing, such as 30s, 2h or 3d
    #[arg(long, value_name = "TIME", default_value = "3d", value_parser = parse_window)]
    window: Duration,
    /// How long to follow; the round goes on anyway
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    wait: Duration,
    /// Also save the figures, once they are released (.csv, .parquet, .json, .html)
    #[arg(short, long, value_name = "FILE", conflicts_with = "plan")]
    output: Option<PathBuf>,
}

pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let read = units
        .iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*seconds));
    read.filter(|seconds| *seconds <= 10 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(|| "write a time such as 30s, 5m, 2h or 3d, at most 10d".into())
}

/// A window as people write it: 30s, 2h, 3d.
pub(crate) fn parse_window(text: &str) -> Result<Duration, String> {
    let window = parse_time(text)?;
    if window.is_zero() { Err("a window lasts at least 1s".into()) } else { Ok(window) }
}

/// What is to be asked, with everything that was left out filled in.
struct Wanted {
    text: String,
    filled: FilledIn,
    /// What is to be said aloud: what SQL was understood as, and which period was taken.
    said: String,
}

fn wanted(common: &Common, args: &AskArgs) -> Result<Wanted, CommandError> {
    let known = known_vocabularies(common)?;
    let given = args.period.as_deref().map(parse_period).transpose()?;
    let mut said = String::new();
    let text = match (&args.name, &args.question, &args.sql) {
        (Some(name), ..) => find(name)?.toml.to_owned(),
        (_, Some(file), _) => read(file)?,
        (_, _, Some(sql)) => {
            let made = compile_sql(sql, &known, given.map_or("half_term", kind_of))?;
            said += &words_text(&made);
            made.toml
        }
        (None, None, None) => {
            let text = "name a question of the catalogue, or give --question FILE or --sql SELECT".into();
            return Err(CommandError::usage(text)
                .hint("find one: datacoop questions search \"why are children off on Fridays\""));
        }
    };
    let usage = |error: QuestionError| CommandError::usage(error.0);
    let draft = QuestionDraft::from_toml(&text).map_err(usage)?;
    let vocabulary = vocabulary_of(&draft, &known).map_err(CommandError::usage)?;
    let given = Given {
        period: given,
        params: parse_params(&args.params)?,
        by: args.by.clone(),
        narrow: parse_narrowings(&args.narrow)?,
    };
    let filled = fill_in(draft, vocabulary, given, clock::now().day()).map_err(usage)?;
    if let Some(name) = &filled.default_period {
        said += &format!("No --period given: {}, {name} as most schools keep it\n", filled.period);
    }
    Ok(Wanted { text, filled, said })
}

/// The least kind of period that holds these days.
fn kind_of(period: Period) -> &'static str {
    let days = period.last().0 - period.first().0 + 1;
    PERIODS.iter().find(|(_, most)| days <= *most).map_or("year", |(kind, _)| kind)
}

fn parse_narrowings(given: &[String]) -> Result<BTreeMap<String, Vec<String>>, CommandError> {
    let split = |text: &String| {
        let (column, values) = text.split_once('=').ok_or_else(|| {
            CommandError::usage(format!("--for {text}: write COLUMN=VALUE,VALUE, such as nc_year=7,8"))
        })?;
        Ok((column.to_owned(), values.split(',').map(|value| value.trim().to_owned()).collect()))
    };
    given.iter().map(split).collect()
}

pub(super) fn ask(common: &Common, args: &AskArgs) -> Result<Printed, CommandError> {
    // A command that needs a node says so before it says anything else.
    let home = if args.plan { Home::new(&common.node) } else { home_of(common)? };
    // A file that cannot be written so is refused before anything is spent.
    args.output.as_deref().map(form_of).transpose()?;
    let wanted = wanted(common, args)?;
    if args.plan && !home.exists() {
        return plan_without_node(args, &wanted, "no node here");
    }
    if args.plan && Client::new(&home).is_err_and(|error| error.exit == Exit::NotRunning) {
        return plan_without_node(args, &wanted, "the node here is not running");
    }
    if args.schools.is_some() || args.pupils.is_some() {
        let text =
            "--schools and --pupils are for plans without a node; the node here knows its members".into();
        return Err(CommandError::usage(text));
    }
    let request = AskRequest {
        question: wanted.text,
        terms: AskTerms {
            params: wanted.filled.params,
            period: wanted.filled.period.to_string(),
            purpose: args.purpose.clone(),
            rho: args.rho.map(PrivacyLoss::nano),
            full_noise: args.full_noise,
            min_members: args.min_members,
            window: args.window.as_secs(),
            why: args.why.clone(),
            benefits: args.benefits.clone(),
            pays: args.pays.clone(),
            supersedes: args.supersedes.clone(),
            because: args.because.clone(),
            under: args.under.clone(),
            force: args.force,
        },
    };
    tokio::task::block_in_place(|| {
        let client = Client::new(&home)?;
        let plan = client.post(&home, "plan", &request)?;
        if args.plan {
            let end = if plan["answered"].is_null() { "Nothing was spent.\n" } else { ANSWERED };
            let text = wanted.said + &plan_text(&plan) + end;
            return Ok(Printed::new(plan, text));
        }
        // A stored answer costs nothing, and a refused question is not worth a yes.
        if let Some(id) = plan["answered"].as_str() {
            return follow(common, &client, &home, id, args);
        }
        if let Some(rule) = plan["refused"]["rule"].as_str() {
            let text = plan["refused"]["text"].as_str().unwrap_or("refused").to_owned();
            return Err(CommandError::refused(rule, text));
        }
        if let Some(refusal) = unanswerable(&plan).filter(|_| !args.force) {
            return Err(refusal);
        }
        if !common.quiet && !common.json {
            eprint!("{}", plain_lines(&(wanted.said + &plan_text(&plan))));
        }
        confirm(common, "Ask the members, at this cost to each")?;
        let asked = client.post(&home, "queries", &request)?;
        let id = asked["query"].as_str().unwrap_or("").to_owned();
        follow(common, &client, &home, &id, args)
    })
}

/// A plan from public facts alone, for a cluster that is said or the reference cluster.
fn plan_without_node(args: &AskArgs, wanted: &Wanted, why: &str) -> Result<Printed, CommandError> {
    if args.supersedes.is_some() {
        let text = format!("{why}: what --supersedes names is held by a node that runs");
        return Err(CommandError::usage(text).hint("start it: datacoop run"));
    }
    let question = &wanted.filled.question;
    let bound = question.bind(&wanted.filled.params, wanted.filled.period);
    let bound = bound.map_err(|error| CommandError::usage(error.0))?;
    let dataset = question.vocabulary().dataset();
    let mut cluster = Cluster::reference(dataset);
    let each = args.pupils.map_or(cluster.people / cluster.members as u64, u64::from);
    cluster.members = args.schools.map_or(cluster.members, usize::from);
    cluster.people = each * cluster.members as u64;
    let mode = if args.full_noise { Mode::FullNoise } else { default_mode(cluster.members) };
    let own = u64::try_from(question.draft().loss).unwrap_or(0);
    let loss = args.rho.unwrap_or(PrivacyLoss::from_nano(own));
    let plan = reckoned_json(&bound, &cluster, mode, Assumptions::FLOOR, loss);
    let plan = plan.map_err(|(rule, text)| CommandError::refused(rule, text))?;
    let (members, people) = if dataset == "pupils" { ("schools", "pupils") } else { ("charities", "people") };
    let note = format!("{why}: planned for {} {members} of {} {people}\n", cluster.members, thousands(each));
    let text = format!("{}{note}{}Nothing was spent.\n", wanted.said, plan_text(&plan));
    Ok(Printed::new(plan, text))
}

/// `1,000` for 1000.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// The end of a plan of what was answered before.
const ANSWERED: &str = "Nothing was spent. Leave out --plan to see the stored release.\n";

/// How many figures of a plan are shown; its JSON has all.
const FIGURES_SHOWN: usize = 24;

fn plan_text(plan: &Value) -> String {
    let words = |value: &Value| plain(value.as_str().unwrap_or("unknown"));
    let mut text = format!("{}\n  Would ask        {} members\n", words(&plan["title"]), plan["would_ask"]);
    text += &format!("  Period           {}\n", words(&plan["period"]));
    text += &format!("  Worth noticing   {}\n", words(&plan["matters"]));
    if !plan["answered"].is_null() {
        return text + "  Costs            nothing: a release answers it already\n";
    }
    if let Some(by) = plan["delegated_by"].as_str() {
        text += &format!("  Asked            under the delegation by {}\n", plain(by));
    }
    if let Some(old) = plan["supersedes"].as_str() {
        let old = plain(old.get(..8).unwrap_or(old));
        text += &format!(
            "  Supersedes       release {old}; that costs as much as any answer, and is done once\n"
        );
    }
    let sizes = match plan["group_size_known"] == true {
        true => "from public numbers of people and usual shares".to_owned(),
        false => format!(
            "as if each group had {} people: the charter states no numbers",
            plan["group_size_assumed"]
        ),
    };
    text += &format!("  Likely error     (95 %) {sizes}\n");
    text += &figures_text(&plan["expected"], plan["matters"].as_str().unwrap_or(""), FIGURES_SHOWN);
    text += &format!("  Costs            {} at each member", loss_text(&plan["loss"]));
    text += &match plan["left"].is_null() {
        true => "\n".to_owned(),
        false => format!("; you would have {} left\n", loss_text(&plan["left_after"])),
    };
    if !plan["left"].is_null() {
        text += &format!(
            "  Left this year   {} in all, {} for this purpose; open promises hold {}\n",
            loss_text(&plan["left"]["year"]),
            loss_text(&plan["left"]["purpose"]),
            loss_text(&plan["left"]["promised"])
        );
    }
    text += &means_text(&plan["loss"]);
    text += &match plan["mode"].as_str() {
        Some("secure") => format!(
            "  Secrecy          holds if any 1 of {} committee members is honest\n",
            plan["committee"]
        ),
        _ => "  Secrecy          members see each other's noised figures\n".to_owned(),
    };
    if plan["committee_can_be_all_corrupt"] == true {
        text += &format!("{}\n", lot_text(true).trim_start());
    }
    text += "  Logged           question, purpose and you as asker, for all members\n";
    if let Some(why) = plan["refused"]["text"].as_str() {
        text += &format!("  Refused          {why}\n");
    }
    text
}

/// What a plan's cost means for one person, in the lines of a plan.
fn means_text(loss: &Value) -> String {
    let own = &loss["own_noise"];
    let mut text = format!(
        "  For each person  what anybody learns is at most {} as likely as without their record\n",
        factor_text(loss)
    );
    text += &match own["committee"] == true {
        true => format!(
            "  If others cheat  all of them, or the whole committee: {}, {}\n",
            loss_text(own),
            factor_text(own)
        ),
        false => "  If others cheat  the same: each member adds all of the noise itself\n".to_owned(),
    };
    if let Some(known) = loss["known_to"].get(0) {
        text += &format!(
            "  Known to {}       {}, {}: for a person in the records of {} members\n",
            known["members"],
            loss_text(known),
            factor_text(known),
            known["members"]
        );
    }
    text
}

/// Follows a round until it ends or patience does.
fn follow(
    common: &Common,
    client: &Client,
    home: &Home,
    id: &str,
    args: &AskArgs,
) -> Result<Printed, CommandError> {
    let progress = Progress::new(common);
    let deadline = Instant::now() + args.wait;
    loop {
        let seen = client.get(home, &format!("queries/{id}"))?;
        let stage = seen["stage"].as_str().unwrap_or("").to_owned();
        progress.say(&stage);
        if stage == "released" {
            progress.done();
            let told = Told::get(client, home, id)?;
            let figures = told.figures();
            args.output.as_deref().map_or(Ok(()), |file| save(&figures, file, false))?;
            let text = told.release_text(&figures, common);
            let json = json!({ "schema": "datacoop.release/1", "demo": false, "release": seen["release"] });
            return Ok(Printed::new(json, text));
        }
        if let Some(code) = stage.strip_prefix("aborted: ") {
            progress.done();
            let refused = seen["refused"].as_array().map_or(0, Vec::len);
            let text = format!("the round ended without a release (`{code}`); {refused} members refused");
            let hint = Some(format!("see why: datacoop --json results {id}"));
            return Err(CommandError { exit: Exit::Aborted, text, hint });
        }
        if Instant::now() >= deadline {
            progress.done();
            let text =
                format!("Asked; the round goes on ({stage}). Look again with: datacoop results {id}\n");
            let mut printed = Printed::new(
                json!({ "schema": "datacoop.asked/1", "demo": false, "query": id, "stage": stage }),
                text,
            );
            printed.code = Exit::Going as u8;
            return Ok(printed);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
