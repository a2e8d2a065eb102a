//! `datacoop charter`: cards, the founding charter, signatures.

use std::path::PathBuf;

use clap::Subcommand;
use datacoop_policy::charter::{
    ASSET_LOCK_CLAUSE, AssetLock, Charter, CharterDraft, Dataset, Member, Role, amend_min, name_witnesses,
};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Assumptions;
use datacoop_policy::{Day, Digest, PrivacyLoss};
use datacoop_protocol::charter_text::{
    bare_text, charter_toml, member_fingerprint, open_card, open_charter, parse_charter, sign_charter,
    write_card,
};
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::cosignature::quorum;
use datacoop_protocol::words;
use serde_json::json;

use super::amend::{self, ProposeArgs};
use super::belonging;
use super::demo::read;
use super::fingerprint;
use super::invite::{self, InviteArgs};
use super::join::{self, JoinArgs};
use super::limits::{LimitsArgs, limits};
use super::node::{confirm, home_of, store_error};
use super::purpose::{PurposeArgs, day};
use super::rotate::{RotateArgs, rotate};
use super::show::plain_lines;
use super::shown;
use super::succession::{self, charter_id};
use super::try_limits::{TryArgs, try_limits};
use super::why::{WhyArgs, why};
use super::{Common, Printed};
use crate::clock;
use crate::error::CommandError;
use crate::folder::Folder;
use crate::home::{Config, Home};

#[derive(Subcommand)]
pub(super) enum CharterCommand {
    /// Write this member's card: what the others copy into the charter
    Card {
        /// Write to a file instead of stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// What it asks to be: voting, coordinator, witness, auditor, observer or helper; repeat for more
        /// [default: voting and coordinator]
        #[arg(long, value_name = "ROLE", value_parser = role)]
        role: Vec<Role>,
        /// For a co-operative that follows ours, as that lost its quorum: new keys, and what our log spent goes along.
        /// The id of the one that would be left, or its first 16 digits
        #[arg(long, value_name = "ID", value_parser = charter_id)]
        leaving: Option<String>,
    },
    /// Write a founding charter from members' cards
    New(Box<NewArgs>),
    /// Write the next version of the charter, to be edited, read and signed
    Propose(ProposeArgs),
    /// Say what a next version changes, which way, and whose signatures it lacks
    Diff {
        /// The version's text or note [default: the newest that this node holds]
        file: Option<PathBuf>,
    },
    /// Say twelve words for a charter, a card or this node's keys, to compare on the telephone
    Fingerprint {
        /// A card, or version 1 of a charter [default: the charter held here, and our own keys]
        file: Option<PathBuf>,
    },
    /// Write the letter of admission to a member: what it joins by
    Invite(InviteArgs),
    /// Join a co-operative by the words in your letter of admission
    Join(JoinArgs),
    /// Make new keys for this member and write the card that puts them into the charter
    Rotate(RotateArgs),
    /// Take later versions of our charter that others signed, in order
    Adopt {
        /// Their notes
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Sign a charter file; the last signature puts it in force here
    Sign {
        /// The charter's text or note; our signature is added to it
        file: PathBuf,
        /// Of a founding text that follows our co-operative: that this node leaves it. Its id, or the first 16 digits
        #[arg(long, value_name = "ID", value_parser = charter_id)]
        leaving: Option<String>,
    },
    /// Show a charter: the newest version held here, and which is in force; or a file
    Show {
        /// A charter's text or note
        file: Option<PathBuf>,
        /// Another version that is held here
        #[arg(long, value_name = "NUMBER", conflicts_with = "file")]
        version: Option<u32>,
    },
    /// Show the limits that hold at this node, and who set each
    Limits(LimitsArgs),
    /// Explain each member's verdict on a question, and what would have to change
    Why(WhyArgs),
    /// Say what another limits file would have decided about the questions this node has seen
    Try(TryArgs),
}

#[derive(clap::Args)]
pub(super) struct NewArgs {
    /// Members' cards
    #[arg(required = true, num_args = 3.., value_name = "CARD")]
    cards: Vec<PathBuf>,
    /// Name of the co-operative
    #[arg(long)]
    name: String,
    /// A vocabulary: a shipped name such as attendance/1, or a TOML file; repeat for more
    #[arg(long, required = true, value_name = "NAME|FILE")]
    vocabulary: Vec<String>,
    #[command(flatten)]
    purpose: PurposeArgs,
    /// Register number of the asset-locked body that receives what is left
    #[arg(long, value_name = "ID")]
    successor: String,
    /// The id of a co-operative that lost its quorum and that this one follows: its members bring what they spent
    #[arg(long, value_name = "ID", value_parser = charter_id)]
    predecessor: Option<String>,
    /// Last day in force [default: in 365 days]
    #[arg(long, value_name = "DAY")]
    expires: Option<String>,
    /// Most a question may cost (zCDP rho)
    #[arg(long, default_value = "0.02")]
    rho_query: PrivacyLoss,
    /// Most a year may cost (zCDP rho)
    #[arg(long, default_value = "0.25")]
    rho_year: PrivacyLoss,
    /// Where to write the text to sign
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn charter(common: &Common, command: CharterCommand) -> Result<Printed, CommandError> {
    match command {
        CharterCommand::Card { output, role, leaving } => card(common, output, &role, leaving.as_deref()),
        CharterCommand::New(args) => new(common, &args),
        CharterCommand::Propose(args) => amend::propose(common, &args),
        CharterCommand::Diff { file } => amend::diff(common, file.as_ref()),
        CharterCommand::Fingerprint { file } => fingerprint::fingerprint(common, file.as_ref()),
        CharterCommand::Invite(args) => invite::invite(common, &args),
        CharterCommand::Join(args) => join::join(common, &args),
        CharterCommand::Rotate(args) => rotate(common, &args),
        CharterCommand::Adopt { files } => amend::adopt(common, &files),
        CharterCommand::Sign { file, leaving } => sign(common, &file, leaving.as_deref()),
        CharterCommand::Show { file, version } => shown::show(common, file, version),
        CharterCommand::Limits(args) => limits(common, &args),
        CharterCommand::Why(args) => why(common, &args),
        CharterCommand::Try(args) => try_limits(common, &args),
    }
}

pub(super) fn write(path: &PathBuf, text: &str) -> Result<(), CommandError> {
    std::fs::write(path, text).map_err(|error| CommandError::failed(format!("{}: {error}", path.display())))
}

fn role(code: &str) -> Result<Role, String> {
    let known = Role::ALL.into_iter().find(|role| role.code() == code);
    known.ok_or_else(|| format!("write one of {}", Role::ALL.map(Role::code).join(", ")))
}

fn card(
    common: &Common,
    output: Option<PathBuf>,
    roles: &[Role],
    leaving: Option<&str>,
) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let config = home.config().map_err(store_error)?;
    if let Some(leaving) = leaving {
        let _lock = Folder::open(home.path()).map_err(store_error)?;
        let (member, keys) = succession::card(&home, &config, leaving, roles)?;
        return say_card(&member, &keys, output);
    }
    let keys = home.keys(&config).map_err(store_error)?;
    let mut member = home.card_member(&config, &keys);
    if !roles.is_empty() {
        member.roles = roles.iter().copied().collect();
    }
    say_card(&member, &keys, output)
}

fn say_card(member: &Member, keys: &Keys, output: Option<PathBuf>) -> Result<Printed, CommandError> {
    let card = write_card(member, keys);
    let print = member_fingerprint(member);
    let json = json!({ "schema": "datacoop.card/1", "card": card, "words": words::words(&print) });
    match output {
        Some(path) => {
            write(&path, &card)?;
            let text = format!(
                "Wrote {}. Send it to whoever writes the charter; read these words to your sponsors on the telephone:\n{}",
                path.display(),
                fingerprint::lines(&print)
            );
            Ok(Printed::new(json, text))
        }
        None => Ok(Printed::new(json, card)),
    }
}

/// A vocabulary by shipped name or file: its name, dataset and the SHA-256 of its text.
fn vocabulary(home: &Home, named: &str) -> Result<(String, String, Digest), CommandError> {
    if named.ends_with(".toml") {
        let text = read(&PathBuf::from(named))?;
        let (hash, vocabulary) =
            home.add_vocabulary(&text).map_err(|error| CommandError::usage(format!("{named}: {error}")))?;
        return Ok((vocabulary.name().to_owned(), vocabulary.dataset().to_owned(), hash));
    }
    let known = home.vocabularies().map_err(store_error)?;
    let found = known.iter().find(|(_, (_, vocabulary))| vocabulary.name() == named);
    found
        .map(|(hash, (_, vocabulary))| (named.to_owned(), vocabulary.dataset().to_owned(), *hash))
        .ok_or_else(|| CommandError::usage(format!("no vocabulary `{named}` is shipped; give its TOML file")))
}

fn new(common: &Common, args: &NewArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    // A vocabulary's file is copied into the folder, which is a running node's alone.
    let _lock = Folder::open(home.path()).map_err(store_error)?;
    let mut members = vec![];
    for path in &args.cards {
        let member = open_card(&read(path)?)
            .map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
        members.push(member);
    }
    name_witnesses(&mut members);
    let mut datasets: Vec<Dataset> = vec![];
    for named in &args.vocabulary {
        let (name, dataset, hash) = vocabulary(&home, named)?;
        match datasets.iter_mut().find(|known| known.id == dataset) {
            Some(known) => known.vocabularies.push((name, hash)),
            None => datasets.push(Dataset {
                unit: "person".into(),
                vocabularies: vec![(name, hash)],
                id: dataset,
            }),
        }
    }
    let today = clock::now().day();
    let last = match &args.expires {
        Some(text) => day(text)?,
        None => Day(today.0 + 365),
    };
    let voting = u32::try_from(members.iter().filter(|member| member.votes()).count()).unwrap_or(u32::MAX);
    let small = voting < 5;
    let open =
        Limits { datasets: Set::only(datasets.iter().map(|dataset| dataset.id.clone())), ..Limits::top() };
    let held = home.charters().map_err(store_error)?;
    let predecessor = args.predecessor.as_deref().map(|id| succession::predecessor(&held, id)).transpose()?;
    let draft = CharterDraft {
        id: Digest::default(),
        hash: Digest::default(),
        version: 1,
        prev: None,
        condemns: vec![],
        predecessor,
        name: args.name.clone(),
        made: today,
        effective: today,
        expires: last,
        demo: false,
        amend: amend_min(voting),
        restrict: 2,
        assumed: Assumptions::FLOOR,
        limits: Limits {
            rho_query: args.rho_query,
            rho_purpose: args.rho_year,
            rho_year: args.rho_year,
            max_cells: 200,
            min_roster: if small { 3 } else { 5 },
            full_noise: small,
            ..Limits::floor()
        },
        members,
        purposes: vec![args.purpose.purpose(open, today, last)?],
        datasets,
        asset_lock: AssetLock {
            clause: ASSET_LOCK_CLAUSE.into(),
            stricter: String::new(),
            successor: args.successor.parse().map_err(CommandError::usage)?,
        },
    };
    let text = charter_toml(&draft);
    let charter = parse_charter(&text).map_err(|error| CommandError::usage(error.to_string()))?;
    if predecessor.is_some() && predecessor == held.last().map(|(_, last)| last.id()) {
        succession::check_brings(&home, &held, &charter)?;
    }
    write(&args.output, &text)?;
    let path = args.output.display();
    let said = format!("Wrote {path}. Read it, then let every member run: datacoop charter sign {path}\n");
    Ok(Printed::new(
        json!({ "schema": "datacoop.charter/1", "id": charter.id().to_string(), "file": path.to_string() }),
        said,
    ))
}

fn sign(common: &Common, file: &PathBuf, named: Option<&str>) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let _lock = Folder::open(home.path()).map_err(store_error)?;
    let text = read(file)?;
    let draft = parse_charter(bare_text(&text))
        .map_err(|error| CommandError::usage(format!("{}: {error}", file.display())))?;
    if draft.version() > 1 {
        return amend::sign(common, &home, file);
    }
    let config = home.config().map_err(store_error)?;
    let leaving = succession::leaving(&home, &config, &draft, named)?;
    let keys = keys_of(&home, &config, &draft)?;
    if !common.quiet && !common.json {
        let leaves = leaving.as_ref().map_or_else(String::new, |leaving| format!("\n{}", leaving.text()));
        eprint!("{}", plain_lines(&(describe(&draft) + &leaves)));
    }
    confirm(common, "Sign this charter for your organisation")?;
    let note = sign_charter(&text, None, &keys)
        .map_err(|error| CommandError::usage(format!("{}: {error}", file.display())))?;
    write(file, &note)?;
    let opened = open_charter(&note).map_err(|error| CommandError::usage(error.to_string()))?;
    let missing: Vec<String> = opened.missing.iter().map(ToString::to_string).collect();
    let said = if missing.is_empty() {
        if let Some(leaving) = &leaving {
            leaving.leave(&home)?;
        }
        home.adopt_charter(&note).map_err(store_error)?;
        let purposes: Vec<&str> =
            opened.charter.fields().purposes.iter().map(|purpose| purpose.id.as_str()).collect();
        home.write_limits_once(&purposes).map_err(store_error)?;
        format!(
            "Signed by all {} members, and in force here. {} says which purposes this node answers.\nNext: datacoop import, then datacoop run\n",
            opened.signed.len(),
            home.join("limits.toml").display()
        )
    } else {
        format!(
            "Signed. Still missing: {}. When all have signed, run this once more to put it in force here.\n",
            missing.join(", ")
        )
    };
    let json = json!({ "schema": "datacoop.charter/1", "id": opened.charter.id().to_string(),
                       "signed": opened.signed.iter().map(ToString::to_string).collect::<Vec<_>>(),
                       "missing": missing, "in_force": missing.is_empty() });
    Ok(Printed::new(json, said))
}

/// Those of our keys that a founding text lists; the first where it lists none.
fn keys_of(home: &Home, config: &Config, draft: &Charter) -> Result<Keys, CommandError> {
    let mut all = home.all_keys(config).map_err(store_error)?;
    let listed = draft.member(&config.id.0).map(|member| &member.keys);
    let at = all.iter().position(|keys| Some(keys.public()) == listed).unwrap_or(0);
    Ok(all.swap_remove(at))
}

pub(super) fn describe(charter: &Charter) -> String {
    let fields = charter.fields();
    let mut text = format!(
        "{}, version {}, {} to {}\nid {}\n{}\nMembers\n",
        fields.name,
        charter.version(),
        fields.effective,
        fields.expires,
        charter.id(),
        fingerprint::lines(&charter.id())
    );
    for member in charter.members() {
        let meeting = if member.is_meeting_point() { ", meeting point" } else { "" };
        text += &format!(
            "  {:<16} {} ({}), {} to {} people{meeting}{}\n",
            member.id,
            member.name,
            member.body,
            member.people_min,
            member.people_max,
            belonging::standing_text(member)
        );
    }
    text += &succession::follows_text(charter);
    text += "\nWitnesses\n";
    for member in charter.members() {
        let named: Vec<&str> = member.witnesses.iter().map(|id| id.as_str()).collect();
        let k = quorum(named.len());
        let text_of = match named.is_empty() {
            true => "nobody: its log is vouched for by its own signature alone".to_owned(),
            false => format!("{k} of {}", named.join(", ")),
        };
        text += &format!("  {:<16} {text_of}\n", member.id);
    }
    text += "\nPurposes\n";
    for purpose in &fields.purposes {
        text += &format!("  {:<16} {} (until {})\n", purpose.id, purpose.plain, purpose.expires);
    }
    text += "\nData\n";
    for dataset in &fields.datasets {
        let names: Vec<&str> = dataset.vocabularies.iter().map(|(name, _)| name.as_str()).collect();
        text += &format!("  {:<16} {}\n", dataset.id, names.join(", "));
    }
    let limits = &fields.limits;
    text += &format!(
        "\nLimits\n  a question costs at most rho {}, a year rho {}; at most {} cells\n  at least {} members of {} bodies; {} of {} sign an amendment\n\n{}\n",
        limits.rho_query,
        limits.rho_year,
        limits.max_cells,
        limits.min_roster,
        limits.min_bodies,
        fields.amend,
        charter.members().iter().filter(|member| member.votes()).count(),
        fields.asset_lock.clause.trim()
    );
    text
}
