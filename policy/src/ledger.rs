//! The Ledger: the running privacy loss per dataset and academic year, one for all askers.

use std::collections::BTreeMap;
use std::fmt;

use crate::loss::PrivacyLoss;
use crate::time::AcademicYear;

/// What a loss is booked to: one dataset in one academic year, whoever asks, whatever the purpose.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Account {
    /// The dataset of the Question's Vocabulary: those about the same people share one.
    pub dataset: String,
    /// The year the Query's period lies in.
    pub year: AcademicYear,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.dataset, self.year)
    }
}

/// Accounts that a log carries over from the one before it: of a dataset one a year, for more years than it is asked
/// about. Whoever stole a key can debit more, and must not keep the next log from beginning.
pub const CARRIED_ACCOUNTS_MAX: usize = 256;

/// The largest sum that is carried over, in billionths of rho: entries hold no larger number, and no limit comes near.
const CARRIED_MAX: PrivacyLoss = PrivacyLoss::from_nano((1 << 53) - 1);

/// The longest name of a dataset that is carried over beside those that are listed.
const DATASET_BYTES_MAX: usize = 64;

/// A member's debits, added up. It only grows, but for a `void` of an unused debit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    spent_by_account: BTreeMap<Account, PrivacyLoss>,
}

/// One debit as its entry states it: `after` is `before` and `loss` together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Debit {
    /// Which account.
    pub account: Account,
    /// Spent so far.
    pub before: PrivacyLoss,
    /// What this Query costs.
    pub loss: PrivacyLoss,
    /// Spent from now on.
    pub after: PrivacyLoss,
}

impl Ledger {
    /// Debited so far.
    pub fn spent(&self, account: &Account) -> PrivacyLoss {
        self.spent_by_account.get(account).copied().unwrap_or_default()
    }

    /// The debit that would book `loss`.
    pub fn plan(&self, account: Account, loss: PrivacyLoss) -> Debit {
        let before = self.spent(&account);
        Debit { before, loss, after: before.plus(loss), account }
    }

    /// Books a debit. Returns whether it continues from what was spent and adds up; a debit that
    /// does not is booked all the same, at the larger of the two sums, so a lie never earns room.
    pub fn book(&mut self, debit: &Debit) -> bool {
        let honest = self.plan(debit.account.clone(), debit.loss);
        let after = honest.after.max(debit.after);
        self.spent_by_account.insert(debit.account.clone(), after);
        honest == *debit
    }

    /// Returns an unused debit to its account. A sum that saturated stays: what it was before is not known.
    pub fn void(&mut self, account: &Account, loss: PrivacyLoss) {
        let known = |spent: &&mut PrivacyLoss| spent.nano() < u64::MAX;
        if let Some(spent) = self.spent_by_account.get_mut(account).filter(known) {
            *spent = spent.less(loss);
        }
    }

    /// What a log before this one had spent: no account starts lower.
    pub fn carry(&mut self, account: &Account, spent: PrivacyLoss) {
        let held = self.spent_by_account.entry(account.clone()).or_default();
        *held = spent.max(*held);
    }

    /// What of it the next log must carry over: of datasets that are listed, the accounts that spent most.
    pub fn owed(&self, is_listed: impl Fn(&str) -> bool) -> Self {
        self.most(CARRIED_ACCOUNTS_MAX, |dataset| is_listed(dataset))
    }

    /// What of it the next log carries over: what it must, and of other datasets, which may be listed again, as much as
    /// an entry has room for. Of what is no dataset's name only a thief of the key wrote.
    pub fn carried(&self, is_listed: impl Fn(&str) -> bool) -> Self {
        let mut carried = self.owed(&is_listed);
        let room = CARRIED_ACCOUNTS_MAX - carried.spent_by_account.len();
        let others = |dataset: &str| !is_listed(dataset) && dataset.len() <= DATASET_BYTES_MAX;
        carried.spent_by_account.extend(self.most(room, others).spent_by_account);
        carried
    }

    /// The accounts of these datasets that spent most, with sums that an entry can hold.
    fn most(&self, count: usize, wanted: impl Fn(&str) -> bool) -> Self {
        let wanted = self.accounts().filter(|(account, _)| wanted(&account.dataset));
        let mut most: Vec<(&Account, PrivacyLoss)> =
            wanted.map(|(account, spent)| (account, spent.min(CARRIED_MAX))).collect();
        most.sort_by_key(|(_, spent)| std::cmp::Reverse(*spent));
        most.truncate(count);
        Self { spent_by_account: most.into_iter().map(|(account, spent)| (account.clone(), spent)).collect() }
    }

    /// The first account of another Ledger of which less is spent here, with both sums.
    pub fn falls_short(&self, of: &Self) -> Option<(Account, PrivacyLoss, PrivacyLoss)> {
        let mut all = of.accounts().map(|(account, spent)| (account.clone(), self.spent(account), spent));
        all.find(|(_, here, there)| here < there)
    }

    /// Every account with what it has spent.
    pub fn accounts(&self) -> impl Iterator<Item = (&Account, PrivacyLoss)> {
        self.spent_by_account.iter().map(|(account, spent)| (account, *spent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account { dataset: "pupils".into(), year: AcademicYear(2025) }
    }

    #[test]
    fn debits_add_up_in_any_order() {
        let (mut one, mut two) = (Ledger::default(), Ledger::default());
        for nano in [5, 7, 11] {
            assert!(one.book(&one.plan(account(), PrivacyLoss::from_nano(nano))));
        }
        for nano in [11, 5, 7] {
            assert!(two.book(&two.plan(account(), PrivacyLoss::from_nano(nano))));
        }
        assert_eq!(one, two);
        assert_eq!(one.spent(&account()).nano(), 23);
    }

    #[test]
    fn a_debit_that_does_not_add_up_is_seen_and_earns_nothing() {
        let mut ledger = Ledger::default();
        let mut low = ledger.plan(account(), PrivacyLoss::from_nano(10));
        low.after = PrivacyLoss::from_nano(1);
        assert!(!ledger.book(&low));
        assert_eq!(ledger.spent(&account()).nano(), 10);
    }

    #[test]
    fn what_is_carried_over_fits_an_entry() {
        let mut ledger = Ledger::default();
        let of = |dataset: &str, year| Account { dataset: dataset.into(), year: AcademicYear(year) };
        ledger.carry(&of("made-up", 2025), PrivacyLoss::from_nano(u64::MAX));
        ledger.carry(&of(&"x".repeat(DATASET_BYTES_MAX + 1), 2025), PrivacyLoss::from_nano(u64::MAX));
        ledger.carry(&of("pupils", 2025), PrivacyLoss::from_nano(u64::MAX));
        for year in 0..300 {
            ledger.carry(&of("pupils", 3_000 + year), PrivacyLoss::from_nano(1_000 - year.unsigned_abs()));
        }
        let carried = ledger.carried(|dataset| dataset == "pupils");
        assert_eq!(carried, ledger.owed(|dataset| dataset == "pupils"), "no room for more");
        assert_eq!(carried.accounts().count(), CARRIED_ACCOUNTS_MAX);
        assert_eq!(carried.spent(&of("pupils", 2025)).nano(), (1 << 53) - 1);
        assert_eq!(carried.spent(&of("pupils", 3_254)).nano(), 746);
        assert_eq!(carried.spent(&of("pupils", 3_255)).nano(), 0, "the smallest are left out");
        assert_eq!(ledger.falls_short(&carried), None);
        let mut other = Ledger::default();
        other.carry(&of("gone", 2025), PrivacyLoss::from_nano(3));
        other.carry(&of(&"x".repeat(DATASET_BYTES_MAX + 1), 2025), PrivacyLoss::from_nano(3));
        assert_eq!(other.owed(|_| false), Ledger::default());
        assert_eq!(other.carried(|_| false).accounts().count(), 1, "what may be listed again");
    }

    #[test]
    fn a_sum_that_saturated_is_never_returned() {
        let mut ledger = Ledger::default();
        ledger.book(&ledger.plan(account(), PrivacyLoss::from_nano(500)));
        ledger.book(&ledger.plan(account(), PrivacyLoss::from_nano(u64::MAX)));
        ledger.void(&account(), PrivacyLoss::from_nano(u64::MAX));
        assert!(ledger.spent(&account()).nano() >= 500, "{:?}", ledger.spent(&account()));
    }

    #[test]
    fn a_void_returns_exactly_its_debit() {
        let mut ledger = Ledger::default();
        ledger.book(&ledger.plan(account(), PrivacyLoss::from_nano(10)));
        ledger.book(&ledger.plan(account(), PrivacyLoss::from_nano(3)));
        ledger.void(&account(), PrivacyLoss::from_nano(10));
        assert_eq!(ledger.spent(&account()).nano(), 3);
    }
}
