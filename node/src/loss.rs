//! What a privacy loss means to people: the one place where rho becomes epsilon and a factor.
//!
//! Sums and multiples are exact integers of `PrivacyLoss`; only the last step, the reading, is a float,
//! and it is rounded against us: what is shown may overstate a loss, never understate it. Epsilon is shown
//! and never stored: logs and Releases hold rho. Must not know opendp: `noise` converts.
//!
//! Sources: Bun & Steinke 2016 (arXiv:1605.02065): rho adds up (Lemma 1.7), and k people who stand or fall
//! together, or one person who is there c times, have k^2 or c^2 times rho (Prop. 1.9). Canonne, Kamath &
//! Steinke 2020 (arXiv:2004.00010), Prop. 12 for (epsilon, delta). What is left when others cheat: ROUND
//! sections 1 and 5.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use datacoop_policy::ledger::{Account, Ledger};
use datacoop_policy::query::{Mode, Terms};
use datacoop_policy::{AcademicYear, MemberId, PrivacyLoss};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::rounds::{Kind, Round};
use datacoop_protocol::standing::replay;
use serde_json::{Value, json};

use crate::noise;

/// The delta at which epsilon is shown.
pub const DELTA: f64 = 1e-6;
/// `DELTA` as people read it.
pub const DELTA_TEXT: &str = "1e-6";
/// What a charter allows a year unless it says otherwise (ROUND section 5).
pub const YEAR_DEFAULT: PrivacyLoss = PrivacyLoss::from_nano(250_000_000);
/// A point of the privacy budget, as pages count it: a default year has a hundred (UI section 1).
pub const POINT: PrivacyLoss = PrivacyLoss::from_nano(2_500_000);
/// Bound on the chance that a discrete Gaussian lies beyond B = ceil(8.5 sigma): no likelier than that a
/// continuous one lies beyond 8.5 sigma, 2 Q(8.5) = 1.9e-17 (tail bound of CKS 2020, section 2).
pub const CUT_CHANCE: f64 = 2e-17;
/// Bound on the chance that any noise of a year was cut, which is not in a Gaussian's guarantee: the largest
/// Queries there are, of 2,000 cells with 130 honest shares each, fifty times, which a default year buys.
pub const YEAR_CUTS_CHANCE: f64 = 50.0 * 2_000.0 * 130.0 * CUT_CHANCE;
/// Most of `DELTA` that is kept back for cuts. From epsilon 5.9 on it covers smaller Queries, or fewer: fifty
/// of 15 cells at epsilon 9.
const CUTS_SHARE_MAX: f64 = 0.1;
/// The dataset of which a person counts at one member only: main registration (ROUND section 5).
const AT_ONE_MEMBER: &str = "pupils";
/// In how many members' records a person is pictured to be, where it can be in several.
const KNOWN_TO: [u32; 2] = [2, 3];
/// Above, a factor protects nobody and is not printed.
const FACTOR_MAX: f64 = 1e6;

/// Readings that are remembered: a few for each question of a year.
const READINGS_MAX: usize = 1_024;

/// A loss and how it reads.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reading {
    /// rho, exactly.
    pub loss: PrivacyLoss,
    /// Epsilon at `DELTA` in hundredths, rounded up; `None` if it cannot be computed or no sum is known.
    epsilon: Option<f64>,
}

impl Reading {
    /// Of a loss, or of a sum of losses: epsilons do not add up, rhos do.
    ///
    /// Computing one takes milliseconds, and pages ask for the same few again and again, so they are remembered.
    pub fn of(loss: PrivacyLoss) -> Self {
        static KNOWN: Mutex<BTreeMap<PrivacyLoss, Reading>> = Mutex::new(BTreeMap::new());
        // It is whole after each statement.
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = known().get(&loss) {
            return *reading;
        }
        let reading = Self::compute(loss);
        let mut known = known();
        if known.len() == READINGS_MAX {
            known.clear();
        }
        known.insert(loss, reading);
        reading
    }

    fn compute(loss: PrivacyLoss) -> Self {
        // A saturated sum says only that it is large.
        let known = loss.nano() < u64::MAX;
        // Up by as much as the conversion and the division can have rounded down.
        let rho =
            if loss == PrivacyLoss::ZERO { 0.0 } else { (loss.nano() as f64 / 1e9).next_up().next_up() };
        let exact = if known { epsilon_with_cuts(rho) } else { None };
        let epsilon = exact.filter(|epsilon| epsilon.is_finite()).map(|epsilon| up(epsilon, 2));
        Self { loss, epsilon }
    }

    /// Epsilon at `DELTA` as shown: two decimals, rounded up.
    pub fn epsilon(&self) -> Option<f64> {
        self.epsilon
    }

    /// How many times as likely anything learned can be than without the person: e to the epsilon shown,
    /// so that a reader who checks finds the same, rounded up. `None` where that is no protection.
    pub fn factor(&self) -> Option<f64> {
        let epsilon = self.epsilon?;
        let factor = if epsilon == 0.0 { 1.0 } else { up_to_three_digits(epsilon.exp().next_up()) };
        (factor <= FACTOR_MAX).then_some(factor)
    }

    /// rho without zeros that say nothing.
    pub fn rho_text(&self) -> String {
        let rho = self.loss.to_string();
        rho.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Epsilon in words.
    pub fn epsilon_text(&self) -> String {
        self.epsilon.map_or_else(|| "unknown".to_owned(), |epsilon| format!("{epsilon:.2}"))
    }

    /// The factor in words, with separators.
    pub fn factor_text(&self) -> String {
        self.factor().map_or_else(|| "over a million".to_owned(), factor_digits)
    }

    /// For programs: exact rho, and the reading as text.
    pub fn json(&self) -> Value {
        json!({
            "rho": self.loss.to_string(),
            "epsilon": self.epsilon_text(),
            "delta": DELTA_TEXT,
            "factor": self.factor().map(|factor| factor_digits(factor).replace(',', "")),
        })
    }
}

/// What a cost comes to in points, rounded up.
pub fn points_of(cost: PrivacyLoss) -> u64 {
    cost.nano().div_ceil(POINT.nano())
}

/// What a cost comes to in words: `1 point`, `12 points`.
pub fn in_points(cost: PrivacyLoss) -> String {
    let points = points_of(cost);
    format!("{points} {}", if points == 1 { "point" } else { "points" })
}

/// What is left in points, rounded down.
pub fn points_left(left: PrivacyLoss) -> u64 {
    left.nano() / POINT.nano()
}

/// Epsilon of Gaussian noise that may be cut. Where noise is cut at all, whatever the data, with chance at most
/// p, delta grows by (1 + e^epsilon) p at most: so much is kept back of `DELTA`.
fn epsilon_with_cuts(rho: f64) -> Option<f64> {
    let uncut = noise::epsilon(rho, DELTA)?;
    // A tenth more than uncut: what is kept back moves epsilon by less.
    let kept = (1.0 + (uncut + 0.1).exp()) * YEAR_CUTS_CHANCE;
    noise::epsilon(rho, DELTA - kept.min(DELTA * CUTS_SHARE_MAX))
}

/// The least number of so many decimals that is not smaller.
fn up(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    let rounded = (value * scale).ceil() / scale;
    // Scaling can itself have rounded down.
    if rounded < value { rounded + 1.0 / scale } else { rounded }
}

/// The least number of three digits that is not smaller than a factor.
fn up_to_three_digits(factor: f64) -> f64 {
    let digits = [(10.0, 2), (100.0, 1), (1e3, 0), (1e4, -1), (1e5, -2)];
    let decimals = digits.into_iter().find(|(below, _)| factor < *below).map_or(-3, |(_, decimals)| decimals);
    up(factor, decimals)
}

fn factor_digits(factor: f64) -> String {
    if factor < 10.0 {
        return format!("{factor:.2}");
    }
    if factor < 100.0 {
        return format!("{factor:.1}");
    }
    let whole = format!("{factor:.0}");
    let groups = whole.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

/// Everything that is said of the loss of one round.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Meaning {
    /// For a person at one member, while no more collude and vanish than the round assumes.
    pub stated: Reading,
    /// If everyone but the person's own member colludes, or the whole committee: only that member's noise
    /// is left, one of `shares` that make up the rest. m times rho.
    pub own_noise: Reading,
    /// m; 1 where each member adds all the noise.
    pub shares: u32,
    mode: Mode,
}

impl Meaning {
    /// Of a round that states this loss and has a Roster with these terms.
    pub fn new(loss: PrivacyLoss, mode: Mode, terms: &Terms) -> Self {
        let shares = terms.honest;
        let own_noise = Reading::of(loss.times(u64::from(shares)));
        Self { stated: Reading::of(loss), own_noise, shares, mode }
    }

    /// For a person that so many members of the Roster have records of.
    pub fn known_to(&self, members: u32) -> Reading {
        together(self.stated.loss, members)
    }

    /// For programs; of a dataset in which a person may be at several members, with what that means.
    pub fn json(&self, dataset: &str) -> Value {
        let mut json = self.stated.json();
        json["own_noise"] = self.own_noise.json();
        json["own_noise"]["shares"] = json!(self.shares);
        json["own_noise"]["committee"] = json!(self.mode == Mode::Secure);
        let several = KNOWN_TO.into_iter().filter(|_| dataset != AT_ONE_MEMBER).map(|members| {
            let mut known = self.known_to(members).json();
            known["members"] = json!(members);
            known
        });
        json["known_to"] = several.collect();
        json
    }
}

/// The loss of `people` who are in or out together, such as siblings or a class; or of one person of whom
/// so many members of a Roster have records.
pub fn together(loss: PrivacyLoss, people: u32) -> Reading {
    Reading::of(loss.times(u64::from(people) * u64::from(people)))
}

/// The loss of so many years, or Queries, that each cost this.
pub fn repeated(loss: PrivacyLoss, times: u32) -> Reading {
    Reading::of(loss.times(u64::from(times)))
}

/// What a member's log says was spent of one account.
#[derive(Clone, PartialEq, Debug)]
pub struct AccountSpent {
    /// Dataset and academic year.
    pub account: Account,
    /// Debits that stand.
    pub debits: u32,
    /// As its Ledger adds up.
    pub spent: Reading,
    /// If in each round everyone else, or the whole committee, had colluded: the sum of m times rho.
    pub own_noise: Reading,
    /// Debits whose Roster is in no log here, so that m is unknown: counted once in `own_noise`.
    pub unknown: u32,
}

/// What was spent on a dataset in all its years.
#[derive(Clone, PartialEq, Debug)]
pub struct YearsSpent {
    /// The dataset.
    pub dataset: String,
    /// Years with debits.
    pub years: u32,
    /// What a person loses that was there in all of them.
    pub spent: Reading,
}

/// What was spent, by account and over the years.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Spent {
    /// By dataset, then year.
    pub accounts: Vec<AccountSpent>,
    /// By dataset.
    pub years: Vec<YearsSpent>,
}

/// Adds up a member's log.
pub fn spent(fold: &Fold, member: &MemberId) -> Spent {
    let mut books = Books::default();
    fold.rounds().values().for_each(|round| books.take(round));
    books.spent(member, replay(fold, member).0.ledger())
}

/// What members spent by account, as their debits say, round by round.
#[derive(Clone, Default, Debug)]
pub struct Books(BTreeMap<MemberId, BTreeMap<Account, Own>>);

impl Books {
    /// Takes a round: each once.
    pub fn take(&mut self, round: &Round) {
        for (member, _) in round.all(Kind::Debit) {
            let Some((account, loss, shares)) = standing_debit(round, member) else { continue };
            let own = self.0.entry(member.clone()).or_default().entry(account).or_default();
            own.debits += 1;
            own.unknown += u32::from(shares.is_none());
            own.loss = own.loss.plus(loss.times(u64::from(shares.unwrap_or(1))));
        }
    }

    /// What a member spent, whose Ledger this is.
    pub fn spent(&self, member: &MemberId, ledger: &Ledger) -> Spent {
        let accounts = ledger.accounts().filter(|(_, spent)| *spent > PrivacyLoss::ZERO);
        let accounts = accounts.map(|(account, spent)| {
            let own = self.0.get(member).and_then(|own| own.get(account)).copied().unwrap_or_default();
            AccountSpent {
                account: account.clone(),
                debits: own.debits,
                spent: Reading::of(spent),
                // A log whose debits do not add up is booked at the larger sum.
                own_noise: Reading::of(own.loss.max(spent)),
                unknown: own.unknown,
            }
        });
        let accounts: Vec<AccountSpent> = accounts.collect();
        Spent { years: years(accounts.iter().map(|spent| (&spent.account, spent.spent.loss))), accounts }
    }
}

#[derive(Clone, Copy, Default, Debug)]
struct Own {
    debits: u32,
    unknown: u32,
    loss: PrivacyLoss,
}

/// A member's debit in a round, unless it was returned: account, loss, and m where it is known.
fn standing_debit(round: &Round, member: &MemberId) -> Option<(Account, PrivacyLoss, Option<u32>)> {
    use datacoop_protocol::entry::Body;
    let Body::Debit { debit, .. } = &round.said(Kind::Debit, member)?.body else { return None };
    let used = round.said(Kind::Contribution, member).is_some();
    let returned = round.said(Kind::Void, member).is_some() && !used;
    let shares = round.plan().map(|plan| plan.terms.honest);
    (!returned).then(|| (debit.account.clone(), debit.loss, shares))
}

/// Adds accounts up over the years, by dataset.
pub fn years<'a>(accounts: impl Iterator<Item = (&'a Account, PrivacyLoss)>) -> Vec<YearsSpent> {
    let mut by_dataset: BTreeMap<&str, (u32, PrivacyLoss)> = BTreeMap::new();
    for (account, spent) in accounts {
        let (years, sum) = by_dataset.entry(account.dataset.as_str()).or_default();
        *years += 1;
        *sum = sum.plus(spent);
    }
    let all = by_dataset.into_iter().map(|(dataset, (years, sum))| YearsSpent {
        dataset: dataset.to_owned(),
        years,
        spent: Reading::of(sum),
    });
    all.collect()
}

impl Spent {
    /// For programs.
    pub fn json(&self) -> Value {
        let accounts = self.accounts.iter().map(|account| {
            json!({ "account": account.account.to_string(), "debits": account.debits,
                    "spent": account.spent.json(), "own_noise": account.own_noise.json(),
                    "rosters_unknown": account.unknown })
        });
        json!({ "accounts": accounts.collect::<Value>(), "years": years_json(&self.years) })
    }
}

/// Sums over the years, for programs.
pub fn years_json(years: &[YearsSpent]) -> Value {
    let all = years
        .iter()
        .map(|sum| json!({ "dataset": sum.dataset, "years": sum.years, "spent": sum.spent.json() }));
    all.collect()
}

/// The account of a dataset in a year, whether or not anything was spent.
pub fn account(dataset: &str, year: AcademicYear) -> Account {
    Account { dataset: dataset.to_owned(), year }
}

#[cfg(test)]
mod tests {
    use datacoop_policy::query::Assumptions;

    use super::*;

    fn reading(nano: u64) -> Reading {
        Reading::of(PrivacyLoss::from_nano(nano))
    }

    #[test]
    fn epsilon_is_that_of_the_published_table_rounded_up() {
        for (rho, golden) in [
            (2_000_000, "0.27"),
            (5_000_000, "0.43"),
            (50_000_000, "1.48"),
            (250_000_000, "3.55"),
            (1_000_000_000, "7.80"),
        ] {
            assert_eq!(reading(rho).epsilon_text(), golden, "{rho}");
        }
    }

    #[test]
    fn nothing_spent_changes_nothing() {
        let nothing = reading(0);
        assert_eq!((nothing.epsilon(), nothing.factor_text()), (Some(0.0), "1.00".to_owned()));
    }

    #[test]
    fn a_factor_is_e_to_the_epsilon_shown_rounded_up() {
        for nano in (0..100).map(|n| 1 + n * n * 200_000) {
            let shown = reading(nano);
            let (epsilon, factor) = (shown.epsilon().unwrap(), shown.factor().unwrap());
            assert!(factor >= epsilon.exp() && factor <= epsilon.exp() * 1.01 + 0.01, "{shown:?} {factor}");
        }
        assert_eq!(factor_digits(2_370.0), "2,370");
        assert_eq!((up_to_three_digits(1.531), up_to_three_digits(2_361.2)), (1.54, 2_370.0));
    }

    #[test]
    fn a_sum_that_saturated_is_unknown_and_no_small_number() {
        let huge = reading(u64::MAX);
        assert_eq!((huge.epsilon(), huge.factor()), (None, None));
        assert_eq!(huge.epsilon_text(), "unknown");
        assert_eq!(repeated(PrivacyLoss::from_nano(u64::MAX / 2), 3).epsilon(), None);
    }

    #[test]
    fn epsilon_grows_with_every_billionth_and_never_reads_less() {
        let mut last = 0.0;
        for nano in (1..300).map(|n| n * 3_500_003) {
            let epsilon = reading(nano).epsilon().unwrap();
            assert!(epsilon >= last, "{nano}");
            last = epsilon;
        }
    }

    #[test]
    fn what_is_left_when_all_others_cheat_is_m_times_rho() {
        let loss = PrivacyLoss::from_nano(5_000_000);
        let of = |n: usize, mode| Meaning::new(loss, mode, &Terms::new(n, mode, Assumptions::FLOOR).unwrap());
        assert_eq!(of(20, Mode::Secure).own_noise.loss.nano(), 13 * 5_000_000);
        assert_eq!(of(200, Mode::Secure).own_noise.loss.nano(), 130 * 5_000_000);
        let open = of(4, Mode::FullNoise);
        assert_eq!(open.own_noise, open.stated, "each member has all of its noise itself");
        assert_eq!(of(20, Mode::Secure).known_to(3).loss.nano(), 9 * 5_000_000);
    }

    #[test]
    fn people_who_may_be_at_several_members_are_told_so_and_pupils_are_not() {
        let terms = Terms::new(20, Mode::Secure, Assumptions::FLOOR).unwrap();
        let meaning = Meaning::new(PrivacyLoss::from_nano(5_000_000), Mode::Secure, &terms);
        assert_eq!(meaning.json("pupils")["known_to"], json!([]));
        assert_eq!(meaning.json("people")["known_to"][1]["rho"], "0.045000000");
    }

    #[test]
    fn what_is_kept_back_covers_the_cuts_of_a_default_year_of_the_largest_queries() {
        let largest = Terms::new(200, Mode::Secure, Assumptions::FLOOR).unwrap();
        let cells = datacoop_policy::question::CELLS_MAX as f64;
        let typical = 5_000_000;
        let queries = (YEAR_DEFAULT.nano() / typical) as f64;
        assert!(queries * cells * f64::from(largest.honest) * CUT_CHANCE <= YEAR_CUTS_CHANCE);
        for nano in [typical, YEAR_DEFAULT.nano()] {
            let rho = nano as f64 / 1e9;
            let (uncut, kept) = (noise::epsilon(rho, DELTA).unwrap(), epsilon_with_cuts(rho).unwrap());
            let cuts = (1.0 + kept.exp()) * YEAR_CUTS_CHANCE;
            assert!(kept > uncut && kept < uncut + 0.1, "{nano}: {uncut} {kept}");
            assert!(kept >= noise::epsilon(rho, DELTA - cuts).unwrap(), "{nano}: {cuts}");
        }
    }

    #[test]
    fn years_of_one_dataset_add_up_and_datasets_do_not() {
        let at = |dataset: &str, year| account(dataset, AcademicYear(year));
        let spent = [(at("people", 2025), 7), (at("pupils", 2025), 5), (at("pupils", 2026), 6)];
        let all = years(spent.iter().map(|(account, nano)| (account, PrivacyLoss::from_nano(*nano))));
        let told: Vec<_> = all.iter().map(|y| (y.dataset.as_str(), y.years, y.spent.loss.nano())).collect();
        assert_eq!(told, [("people", 1, 7), ("pupils", 2, 11)]);
    }
}
