//! `datacoop charter why`: each member's verdict on a question, in its sentence, and what would have to
//! change. Reads the journal, so it needs no running node and writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use datacoop_policy::charter::{Charter, Member};
use datacoop_policy::limits::{Layer, Limits};
use datacoop_policy::refusal::{Refusal, Rule, told};
use datacoop_policy::verdict::Layers;
use datacoop_policy::{MemberId, PrivacyLoss, QueryId};
use datacoop_protocol::entry::Body;
use datacoop_protocol::entry::Order;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::hindsight::{Hindsight, Judge, Judged, hindsight};
use datacoop_protocol::rounds::{Kind, Round};
use datacoop_protocol::standing::{self, replay_until};
use serde_json::{Value, json};

use super::means::loss_text;
use super::node::{home_of, store_error};
use super::show::plain;
use super::{Common, Printed};
use crate::clock;
use crate::error::CommandError;
use crate::home::Home;
use crate::loss::Reading;
use crate::storage::records;
use crate::view::stage;

/// Ids that are named when none fits.
const NEAREST_MAX: usize = 3;
/// Digits of an id in a list: as many as `status` shows.
pub(super) const SHORT_DIGITS: usize = 8;

#[derive(Args)]
pub(super) struct WhyArgs {
    /// The query's id, or the beginning of it
    query: String,
}

/// What this node's journal holds, judged again by some limits.
pub(super) struct Seen {
    pub(super) me: MemberId,
    pub(super) charter: Arc<Charter>,
    pub(super) fold: Fold,
    pub(super) decided: BTreeMap<QueryId, Hindsight>,
}

impl Seen {
    /// Errors: no node, no charter, or a journal that is none.
    pub(super) fn read(home: &Home, own: Option<&Limits>) -> Result<Self, CommandError> {
        let config = home.config().map_err(store_error)?;
        let held = home.charters().map_err(store_error)?;
        let charters: Vec<Arc<Charter>> = held.into_iter().map(|(_, charter)| charter).collect();
        let charter = charters.last().cloned().ok_or_else(|| {
            CommandError::usage("this node has no charter yet".into())
                .hint("sign one with `datacoop charter sign`")
        })?;
        let known = home.vocabularies().map_err(store_error)?;
        let vocabularies = known.into_iter().map(|(hash, (_, vocabulary))| (hash, vocabulary)).collect();
        let declared = home.declared(&charters).map_err(store_error)?;
        let me = config.id.0;
        let inbox = home.inbox().unwrap_or_default();
        let judge = Judge { me: &me, own, inbox: &inbox, declared: &declared };
        let journal = records(home.path()).map_err(store_error)?;
        let (fold, decided) = hindsight(charters, vocabularies, journal, &judge)
            .map_err(|error| CommandError::failed(error.to_string()))?;
        Ok(Self { me, charter, fold, decided })
    }

    /// The version that holds here now, as our log has it, and our place in it; `None` if we have none.
    pub(super) fn in_force(&self) -> Option<(&Arc<Charter>, &Member)> {
        let now = self.fold.charter_at(&self.me, clock::now());
        let place = |charter: &&Arc<Charter>| charter.member(&self.me).is_some();
        // Whoever joined with a later version, and never ran, has put none in force.
        let charter = Some(now).filter(place).or_else(|| self.fold.charters().iter().find(place))?;
        Some((charter, charter.member(&self.me)?))
    }

    /// The version of the charter that a round's Query names.
    fn under(&self, round: &Round) -> &Arc<Charter> {
        round.asked().map_or(&self.charter, |asked| self.fold.charter_of(&asked.body.charter))
    }

    /// The one round whose id begins so.
    fn round(&self, beginning: &str) -> Result<&Arc<Round>, CommandError> {
        let hex = beginning.to_ascii_lowercase();
        if hex.is_empty() {
            return Err(CommandError::usage("a query id, or its beginning, is missing".into()));
        }
        let asked = || self.fold.rounds().values().filter(|round| round.asked().is_some());
        let mut found = asked().filter(|round| round.id.to_string().starts_with(&hex));
        match (found.next(), found.next()) {
            (Some(round), None) => Ok(round),
            (None, _) if asked().next().is_none() => {
                Err(CommandError::usage(format!("no query begins with `{}`", plain(beginning)))
                    .hint("this node has seen no query yet"))
            }
            (None, _) => Err(CommandError::usage(format!("no query begins with `{}`", plain(beginning)))
                .hint(&format!("the nearest are: {}", nearest(asked(), &hex).join("; ")))),
            _ => Err(CommandError::usage(format!("more than one query begins with `{}`", plain(beginning)))
                .hint(&format!("give more digits: {}", nearest(asked(), &hex).join("; ")))),
        }
    }
}

/// The rounds whose ids share most digits with these from the left on; the newest first of equals.
fn nearest<'a>(rounds: impl Iterator<Item = &'a Arc<Round>>, hex: &str) -> Vec<String> {
    let shared = |round: &&Arc<Round>| {
        let id = round.id.to_string();
        id.chars().zip(hex.chars()).take_while(|(a, b)| a == b).count()
    };
    let time = |round: &&Arc<Round>| round.asked().map(|asked| asked.time);
    let mut all: Vec<&Arc<Round>> = rounds.collect();
    all.sort_by_key(|round| (std::cmp::Reverse(shared(round)), std::cmp::Reverse(time(round))));
    all.into_iter().take(NEAREST_MAX).map(|round| format!("{} ({})", short(round), title(round))).collect()
}

pub(super) fn short(round: &Round) -> String {
    round.id.to_string().chars().take(SHORT_DIGITS).collect()
}

/// The question of a round in words: its title, or that it means nothing here.
pub(super) fn title(round: &Round) -> String {
    let query = round.query();
    query.map_or_else(
        || "no question that can be read here".to_owned(),
        |q| plain(q.question.question().title()),
    )
}

/// One member's verdict: who, what, and in its sentence why.
struct Said {
    member: MemberId,
    name: String,
    /// `accepted`, `refused`, or `none`.
    decision: &'static str,
    rule: Option<String>,
    layer: Option<String>,
    text: String,
}

/// A member's verdict as its log says it, with the sentence where floor and charter alone give it.
fn verdict_of(seen: &Seen, round: &Round, member: &MemberId, name: &str) -> Said {
    let of = |decision, text: &str| Said {
        member: member.clone(),
        name: name.to_owned(),
        decision,
        rule: None,
        layer: None,
        text: text.to_owned(),
    };
    let Some(logged) = round.said(Kind::Verdict, member) else { return of("none", "No verdict.") };
    let Body::Refuse { rule, layer, .. } = &logged.body else {
        let refusal = again(seen, round, member, logged.at.order(), logged.time);
        let text = match refusal {
            Some(refusal) => format!("Accepted, and should not have. {} See: datacoop audit", refusal.told()),
            None => "Accepted.".to_owned(),
        };
        return of("accepted", &text);
    };
    let set_by = match layer.as_str() {
        "floor" => Layer::Floor.to_string(),
        "charter" => Layer::Charter(seen.under(round).version()).to_string(),
        "member" => "its own limits".to_owned(),
        "delegation" => Layer::Delegation.to_string(),
        _ => plain(layer),
    };
    let same = again(seen, round, member, logged.at.order(), logged.time).filter(|no| no.rule.code() == rule);
    let unread = round.asked().and_then(|asked| asked.query.as_ref().err());
    let sentence = match (same, unread, Rule::from_code(rule)) {
        (Some(refusal), _, _) => refusal.sentence,
        (None, Some(problem), _) => plain(problem),
        (None, None, Some(rule)) => rule.meaning().to_owned(),
        (None, None, None) => format!("By a rule that this program does not know, `{}`", plain(rule)),
    };
    let mut said = of("refused", &told(&sentence, &set_by));
    (said.rule, said.layer) = (Some(rule.clone()), Some(layer.clone()));
    said
}

/// What floor and charter say of a member's verdict, from its own log up to there: as an audit does.
fn again(
    seen: &Seen,
    round: &Round,
    member: &MemberId,
    place: Order<'_>,
    at: datacoop_policy::Time,
) -> Option<Refusal> {
    let standing = replay_until(&seen.fold, member, place).0;
    standing
        .judge(&seen.fold, member, round.query()?, None, None, true, standing::Judged::Entry(place), at)
        .err()
}

/// A loss in billionths, as people read it.
fn loss(nano: u64) -> String {
    loss_text(&Reading::of(PrivacyLoss::from_nano(nano)).json())
}

/// What would have to change, for a refusal of ours: whoever set the rule, and what the asker can do.
pub(super) fn change(refusal: &Refusal, limits: &Limits) -> String {
    let asker = match refusal.rule {
        Rule::CharterVersion => "whoever is behind takes the newer charter, then it is asked again",
        Rule::CharterStale => "other members' nodes run and are reached: datacoop status",
        Rule::Clock => "this computer's clock is set right, and the node started again",
        Rule::CharterConflict => {
            "a next version follows one of the two, and lists the other in `condemns`: datacoop charter show"
        }
        Rule::CharterExpired => "the members put another charter in force",
        Rule::Asker => "a coordinator asks it, or lets a member ask: datacoop delegate",
        Rule::Window => "it is asked again with deadlines ahead, about days that the rule allows",
        Rule::Attempt => "nothing: another question, other parameters or another period can be asked",
        Rule::Answered => "nothing: the Release that stands is the answer, and costs nothing to read",
        Rule::Supersedes => "it names the Release that stands, which was never superseded",
        Rule::RhoQuery | Rule::RhoPurpose | Rule::RhoYear => match refusal.numbers {
            Some(numbers) if numbers.limit > 0 && numbers.asked > numbers.limit => {
                return format!(
                    "it is asked at {} or less, for wider ranges{}",
                    loss(numbers.limit),
                    loosen(refusal, limits)
                );
            }
            Some(numbers) if numbers.limit == 0 => "another year, or another purpose, pays for it",
            _ => "it is asked for a larger loss, so that some noise serves",
        },
        Rule::MaxCells => "it splits results by less",
        Rule::TwoHistories => "the members settle which history stands: datacoop audit",
        Rule::NoData => "this node imports such data: datacoop import FILE --as NAME",
        Rule::MemberFact => "it lists members of the charter only",
        Rule::Roster | Rule::MinRoster | Rule::MinBodies | Rule::BodyShare | Rule::MinPeople => {
            "other or more members take part"
        }
        Rule::MinStep => "the same members as before take part, or the term is over",
        Rule::MinCosigners => {
            "other members support it first: datacoop propose question FILE, then each of them datacoop support ID"
        }
        Rule::Purposes | Rule::Questions | Rule::Datasets | Rule::Columns | Rule::GroupBy => {
            "it asks for less, or something else"
        }
        Rule::NotBefore | Rule::NotAfter => "it is asked while this is open",
        Rule::FullNoise => "it is asked in a round that adds up secretly",
    };
    format!("{asker}{}", loosen(refusal, limits))
}

/// What whoever set a limit would have to write instead; nothing, where the rule is no limit.
fn loosen(refusal: &Refusal, limits: &Limits) -> String {
    let code = refusal.rule.code();
    let in_file = limits.values().iter().any(|(name, _)| *name == code);
    if !in_file || refusal.layer == Layer::Floor {
        return String::new();
    }
    let missing = refusal.numbers.map(|numbers| numbers.asked.saturating_sub(numbers.limit));
    let rho = |limit: PrivacyLoss| missing.map(|missing| limit.nano().saturating_add(missing));
    let of_loss = [
        (Rule::RhoQuery, limits.rho_query),
        (Rule::RhoPurpose, limits.rho_purpose),
        (Rule::RhoYear, limits.rho_year),
    ];
    let needed = match of_loss.into_iter().find(|(rule, _)| *rule == refusal.rule) {
        Some((_, limit)) => rho(limit),
        None => refusal.numbers.map(|numbers| numbers.asked),
    };
    let value = needed.map_or_else(|| "allow it".to_owned(), |needed| format!("be {needed}"));
    match refusal.layer {
        Layer::Member => {
            format!("; or `{code}` in limits.toml would have to {value}, and the node be started again")
        }
        Layer::Charter(_) => {
            format!("; or `{code}` of the charter or its purpose would have to {value}: the members decide")
        }
        Layer::Delegation => format!("; or `{code}` of the delegation would have to {value}"),
        Layer::Floor => String::new(),
    }
}

/// What the rules compared when we decided, each with its limit.
fn numbers(round: &Round, judged: &Judged, limits: &Limits) -> Vec<(&'static str, String, String)> {
    let Some(query) = round.query() else { return vec![] };
    let cost = loss(query.loss.nano());
    vec![
        ("cost", cost.clone(), format!("at most {} a question", loss(limits.rho_query.nano()))),
        ("of the purpose", cost.clone(), format!("{} was left", loss(judged.room.purpose.nano()))),
        ("of the year", cost, format!("{} was left", loss(judged.room.year.nano()))),
        ("cells", query.question.cells().to_string(), format!("at most {}", limits.max_cells)),
        ("members", query.min_roster.to_string(), format!("at least {}", limits.min_roster)),
    ]
}

/// The rule and layer that a verdict names, if it refuses.
pub(super) fn refused_by(body: &Body) -> Option<(&str, &str)> {
    if let Body::Refuse { rule, layer, .. } = body { Some((rule, layer)) } else { None }
}

/// Our own decision, as the log has it and as it is judged again.
struct Own<'a> {
    round: &'a Round,
    /// Of the verdict in the log: the rule and layer of a refusal.
    logged: Option<Option<(&'a str, &'a str)>>,
    then: Hindsight,
    limits: Limits,
    debited: bool,
    version: u32,
}

impl<'a> Own<'a> {
    fn new(seen: &'a Seen, round: &'a Round, own: Option<&Limits>) -> Self {
        let query = round.query();
        let purpose = query.map_or("", |query| query.purpose.as_str());
        let cited = query.and_then(|query| seen.fold.acts().cited(query.delegation.as_ref()?));
        let layers = Layers::new(seen.under(round), purpose, own).delegated(cited.as_ref());
        Self {
            round,
            logged: round.said(Kind::Verdict, &seen.me).map(|logged| refused_by(&logged.body)),
            then: seen.decided.get(&round.id).cloned().unwrap_or_default(),
            limits: layers.effective(),
            debited: round.said(Kind::Debit, &seen.me).is_some(),
            version: seen.under(round).version(),
        }
    }

    /// What judging again says; absent where it cannot be done.
    fn again(&self) -> Option<Option<&Refusal>> {
        self.then.verdict.as_ref().map(|judged| judged.said.as_ref().err())
    }

    /// Whether judging again comes to what the log has.
    fn agrees(&self) -> Option<bool> {
        let again = self.again()?.map(|no| (no.rule.code(), no.layer.code()));
        Some(self.logged == Some(again))
    }

    /// Why we declined once the Roster was known: nothing in the log says so.
    fn declined(&self) -> Option<&Refusal> {
        self.then.debit.as_ref().filter(|_| !self.debited)?.said.as_ref().err()
    }

    fn text(&self) -> String {
        let Some(logged) = self.logged else {
            return match self.round.query() {
                None => "We gave no verdict, and the question means nothing here.\n",
                Some(_) => {
                    "We gave no verdict: we heard of it too late, wait for another round of the same question,\ntake no part in rounds, or hold no delegation by which its asker may ask.\n"
                }
            }
            .to_owned();
        };
        let mut text =
            logged.map_or_else(|| "Accepted.\n".to_owned(), |(rule, layer)| self.refused(rule, layer));
        if self.agrees() == Some(false) {
            let today =
                self.again().flatten().map_or_else(|| "It would be accepted.".to_owned(), Refusal::told);
            text += &format!(
                "By what limits.toml and our data are now, the decision would be another: {today}\n"
            );
        }
        for (what, asked, limit) in self.compared() {
            text += &format!("  {what:<15} {asked}; {limit}\n");
        }
        text + &self.after(logged.is_some())
    }

    /// A refusal in the log, in the words of its judging again if that comes to the same rule.
    fn refused(&self, rule: &str, layer: &str) -> String {
        if let Some(no) = self.again().flatten().filter(|no| no.rule.code() == rule) {
            return format!("{}\nWhat would have to change: {}.\n", no.told(), change(no, &self.limits));
        }
        let meaning = Rule::from_code(rule).map_or("By a rule that is not known here", Rule::meaning);
        let unread = self.round.asked().and_then(|asked| asked.query.as_ref().err());
        let sentence = unread.map_or_else(|| meaning.to_owned(), |problem| plain(problem));
        let layers = [Layer::Charter(self.version), Layer::Member, Layer::Delegation];
        let set_by = layers.into_iter().find(|known| known.code() == layer).unwrap_or(Layer::Floor);
        format!("{}\n", told(&sentence, &set_by.to_string()))
    }

    /// What followed the verdict.
    fn after(&self, refused: bool) -> String {
        match (self.debited, &self.then.debit, self.declined()) {
            (true, ..) => "Then we were in the Roster, and debited our Ledger.\n".to_owned(),
            (false, _, Some(no)) => format!(
                "Then, with the Roster, we declined. {}\nWhat would have to change: {}.\n",
                no.told(),
                change(no, &self.limits)
            ),
            (false, Some(_), None) => "Then we were in the Roster, and debited nothing.\n".to_owned(),
            (false, None, None) if !refused => "No Roster named us.\n".to_owned(),
            (false, None, None) => String::new(),
        }
    }

    fn compared(&self) -> Vec<(&'static str, String, String)> {
        let judged = self.then.verdict.as_ref();
        judged.map(|judged| numbers(self.round, judged, &self.limits)).unwrap_or_default()
    }

    fn json(&self) -> Value {
        let no = self.again().flatten();
        let numbers = no.and_then(|no| no.numbers);
        let compared = self.compared().into_iter();
        json!({
            "decision": match self.logged { None => "none", Some(None) => "accepted", Some(Some(_)) => "refused" },
            "rule": self.logged.flatten().map(|(rule, _)| rule),
            "layer": self.logged.flatten().map(|(_, layer)| layer),
            "sentence": no.map(|no| no.sentence.as_str()),
            "asked": numbers.map(|numbers| numbers.asked),
            "limit": numbers.map(|numbers| numbers.limit),
            "change": no.map(|no| change(no, &self.limits)),
            "recomputed": match self.agrees() { Some(true) => "same", Some(false) => "differs", None => "not possible" },
            "debited": self.debited,
            "declined": self.declined().map(
                |no| json!({ "rule": no.rule.code(), "layer": no.layer.code(), "told": no.told() })),
            "compared": compared.map(
                |(what, asked, limit)| json!({ "what": what, "asked": asked, "limit": limit })).collect::<Vec<_>>(),
            "text": self.text(),
        })
    }
}

pub(super) fn why(common: &Common, args: &WhyArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let own = home.limits().and_then(|limits| home.inbox().map(|_| limits));
    let seen = Seen::read(&home, own.as_ref().ok())?;
    let round = seen.round(&args.query)?;
    let ours = Own::new(&seen, round, own.as_ref().ok());
    let others = seen.under(round).members().iter();
    let others = others.filter(|member| member.takes_part() && member.id != seen.me);
    let said: Vec<Said> = others.map(|member| verdict_of(&seen, round, &member.id, &member.name)).collect();
    let mut text = head_text(round);
    text += &format!("\nOur own decision ({})\n{}", seen.me, ours.text());
    if let Err(problem) = &own {
        text += &format!("This node answers nothing now: {problem}\n");
    }
    text += "\nThe others\n";
    for one in &said {
        text += &format!("  {:<16} {}: {}\n", one.member.to_string(), plain(&one.name), one.text);
    }
    let counted = |decision| said.iter().filter(|one| one.decision == decision).count();
    text += &format!(
        "  {} accepted, {} refused, {} without a verdict here\n",
        counted("accepted"),
        counted("refused"),
        counted("none")
    );
    let json = json!({
        "schema": "datacoop.why/1",
        "demo": seen.charter.fields().demo,
        "query": round.id.to_string(),
        "title": title(round),
        "stage": stage(round),
        "asker": round.asked().map(|asked| asked.asker.to_string()),
        "member": seen.me.to_string(),
        "own": ours.json(),
        "members": said.iter().map(|one| json!({
            "member": one.member.to_string(), "name": one.name, "decision": one.decision,
            "rule": one.rule, "layer": one.layer, "text": one.text })).collect::<Vec<_>>(),
    });
    Ok(Printed::new(json, text))
}

/// What was asked, by whom, and how it stands.
fn head_text(round: &Round) -> String {
    let mut text = format!("{}\nquery {}\n", title(round), round.id);
    if let Some(asked) = round.asked() {
        text += &format!(
            "asked by {} on {}, for purpose `{}`",
            asked.asker,
            asked.time.day(),
            plain(&asked.body.purpose)
        );
        text += &format!(", about {}, {}\n", asked.body.period, loss(asked.body.loss.nano()));
    }
    let code = stage(round);
    let ended = code.strip_prefix("aborted: ").map(|rule| {
        let meaning = Rule::from_code(rule).map_or_else(|| plain(rule), |rule| rule.meaning().to_owned());
        format!("ended without an answer: {meaning}")
    });
    text + &format!("now: {}\n", ended.unwrap_or(code))
}
