//! The first half of a round: verdict, roster, debit, contribution. Each step looks at the logs and
//! writes at most one entry, so a restart simply goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use datacoop_policy::limits::Layer;
use datacoop_policy::query::{Mode, Query, WINDOW_MAX};
use datacoop_policy::refusal::{Refusal, Rule};
use datacoop_policy::verdict::{Layers, in_scope};
use datacoop_policy::{Digest, MemberId, QueryId, Span, Time};
use zeroize::Zeroizing;

use super::port::{Event, Noise, Output, RoundSecret, Tally};
use super::work::{Checked, Computed, Decided, Prove, Proved, Work, noised};
use super::{Member, OPEN_GRACE};
use crate::entry::{Body, Ref};
use crate::log::tree::sha256;
use crate::rounds::codes::{AbortCode, VoidCode};
use crate::rounds::{DEBIT_GRACE, Kind, Plan, ROSTER_GRACE, Round, commitment, vector_bytes};
use crate::seal;
use crate::seed::Seed;
use crate::standing::{Judged, held_delegation, largest_roster};

/// What we are doing about a round and have not written down: lost in a crash and done again.
#[derive(Default)]
pub(super) struct Effort {
    arrived: Option<Time>,
    /// When every seat's close was first here: lost in a restart, and then later.
    pub(super) closed_at: Option<Time>,
    /// Whether we looked at it within `OPEN_GRACE` after `close_by`, and when first after that: who is awake does both
    /// on time.
    pub(super) was_there: bool,
    pub(super) over_at: Option<Time>,
    asked_for_tally: bool,
    tally: Option<Tally>,
    noise: Option<Noise>,
    failed: bool,
    proved: Option<Box<Proved>>,
    /// The point of the answer grid at which the answer leaves, once it is ready.
    leave_at: Option<Time>,
    pub(super) checking: bool,
    pub(super) checked: Option<Box<Checked>>,
    /// The shares we were sent, opened, until they are kept for an auditor.
    pub(super) shares: Vec<Zeroizing<Vec<u8>>>,
    pub(super) deciding: bool,
    pub(super) decided: Option<Box<Decided>>,
    declined: bool,
    /// Whether our person was told that it waits.
    pub(super) told: bool,
}

impl Effort {
    /// The clock was set back: an answer that is ready leaves at the next point of a grid that begins now, at the
    /// latest.
    pub(super) fn step_back(&mut self, now: Time, grid: Span) {
        for at in [&mut self.arrived, &mut self.closed_at] {
            *at = at.map(|at| at.min(now));
        }
        (self.was_there, self.over_at) = (false, None);
        self.leave_at = self.leave_at.map(|at| at.min(now + grid));
    }

    pub(super) fn take_tally(&mut self, tally: Option<Tally>) {
        self.failed |= tally.is_none();
        self.tally = tally;
    }

    pub(super) fn take_noise(&mut self, noise: Option<Noise>) {
        self.failed |= noise.is_none();
        self.noise = noise;
    }
}

impl RoundSecret {
    fn seed(&self) -> Seed {
        Seed::new(*self.seed)
    }

    pub(super) fn nonce(&self) -> [u8; 32] {
        self.seed().bytes("nonce")
    }

    pub(super) fn vk_part(&self) -> [u8; 32] {
        self.seed().bytes("vk_part")
    }

    pub(super) fn salt(&self) -> [u8; 32] {
        self.seed().bytes("salt")
    }

    pub(super) fn round_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.seed().bytes("round_key"))
    }
}

impl Member {
    /// What was computed for a round counts while the round is open.
    pub(super) fn on_effort(&mut self, id: QueryId, take: impl FnOnce(&mut Effort)) {
        if self.open.contains(&id) {
            take(self.effort(id));
            self.stirred.insert(id);
        }
    }

    pub(super) fn effort(&mut self, id: QueryId) -> &mut Effort {
        let now = self.now;
        let effort = self.efforts.entry(id).or_default();
        effort.arrived.get_or_insert(now);
        effort
    }

    /// Whether we said something of this kind in this round.
    pub(super) fn wrote(&self, round: &Round, kind: Kind) -> bool {
        round.said(kind, &self.settings.me).is_some()
    }

    /// Judges a Query from our standing and limits.
    pub(super) fn judge(&self, query: &Query, roster: Option<&[MemberId]>) -> Result<(), Refusal> {
        let none = datacoop_policy::limits::Limits {
            purposes: datacoop_policy::limits::Set::none(),
            ..datacoop_policy::limits::Limits::top()
        };
        let own = self.settings.limits.as_ref().unwrap_or(&none);
        let declared = self.settings.declared.contains(&query.account.dataset);
        self.standing.judge(
            &self.fold,
            &self.settings.me,
            query,
            roster,
            Some(own),
            declared,
            Judged::Now,
            Time::from_seconds(self.now.seconds()),
        )
    }

    fn under_way(&self, query: &Query) -> bool {
        // In whole seconds, as `judge` sees it: what waits here must not be refused there.
        let now = Time::from_seconds(self.now.seconds());
        self.standing.is_under_way(&self.fold, &self.settings.me, query, now)
    }

    /// Every step of a round that can be taken now.
    pub(super) fn step(&mut self, id: QueryId) {
        let Some(round) = self.fold.round(&id).cloned() else { return };
        if round.asked().is_none() {
            return;
        }
        // From here on we know of it: the answer grid begins.
        self.effort(id);
        if self.left.contains(&id) {
            self.step_left(&round);
            if self.note_ending(id) {
                self.forget(id);
            }
            return;
        }
        if let Some(plan) = round.plan().filter(|plan| plan.query.mode == Mode::FullNoise) {
            self.step_reveal(&round, plan);
        }
        if self.note_ending(id) {
            self.forget(id);
            return;
        }
        self.step_verdict(&round);
        self.step_roster(&round);
        if self.step_overdue(&round) {
            return;
        }
        let Some(plan) = round.plan().cloned() else { return };
        if plan.members.contains(&self.settings.me) {
            self.step_debit(&round, &plan);
            self.step_contribution(&round);
        }
        self.step_lost_lot(&round, &plan);
        self.step_count(&round, &plan);
        self.step_secret(id, &plan);
    }

    /// A round's secret is erased as soon as we need it no more: recorded shares stay closed even if
    /// this node is stolen later.
    fn step_secret(&mut self, id: QueryId, plan: &Plan) {
        let Some(round) = self.fold.round(&id) else { return };
        let (contributed, opened) = (self.wrote(round, Kind::Contribution), self.wrote(round, Kind::Open));
        let waits = plan.query.mode == Mode::FullNoise || plan.seat(&self.settings.me).is_some();
        if opened || contributed && !waits {
            self.drop_secret(id);
        }
    }

    /// Whether the asker, or we ourselves, are proven to have signed two histories: then we join nothing.
    fn is_split(&self, asker: &MemberId) -> bool {
        [asker, &self.settings.me].iter().any(|member| self.fold.split(member).is_some())
    }

    /// Who may answer a Query that names this charter.
    pub(super) fn answers(&self, charter: &Digest) -> BTreeSet<MemberId> {
        let asked = self.fold.charter_of(charter).members().iter().filter(|member| member.takes_part());
        asked.map(|member| member.id.clone()).collect()
    }

    fn step_verdict(&mut self, round: &Round) {
        let Some(asked) = round.asked() else { return };
        let late = asked.body.join_by < self.now;
        if self.wrote(round, Kind::Verdict)
            || late
            || !self.answers(&asked.body.charter).contains(&self.settings.me)
        {
            return;
        }
        let id = round.id;
        if asked.query.as_ref().is_ok_and(|query| self.under_way(query)) {
            // Not refused: when the other round ends this one is stepped again. Before any debit, or
            // members that hear of two rounds in another order would wait for each other, and pay.
            return;
        }
        let unheard = self.fold.unheard_since(&self.settings.me, self.now).is_some();
        if self.now < asked.body.join_by && unheard && self.clock_off().is_none() {
            // We may have slept, and the others' words be on their way.
            self.waits_to_hear = true;
            return;
        }
        if asked.query.as_ref().is_ok_and(|query| self.fold.acts().awaits_delegation(&self.fold, query)) {
            return; // When it comes this is stepped again; until then it may be lawful.
        }
        let refusal = match &asked.query {
            _ if self.is_split(&asked.asker) => Some((Rule::TwoHistories.code(), Layer::Member.code())),
            Ok(query) => self.verdict(query).err().map(|no| (no.rule.code(), no.layer.code())),
            Err(_) => Some(("questions", "floor")),
        };
        if let Some((rule, layer)) = refusal {
            self.append(Body::Refuse { query: id, rule: rule.to_owned(), layer: layer.to_owned() });
            return;
        }
        if asked.query.as_ref().is_ok_and(|query| self.holds(query).is_some()) {
            // Until our person says so, or what holds it is gone. Silence is never yes: no verdict is none.
            self.tell_waits(id);
            return;
        }
        let secret = RoundSecret { seed: Zeroizing::new(self.draw_seed().bytes("round")), vector: None };
        let accept = Body::Accept {
            query: id,
            nonce_hash: sha256(&[&secret.nonce()]),
            vk_hash: sha256(&[&secret.vk_part()]),
            round_key: seal::round_keypair(&secret.round_key()).1,
        };
        self.outputs.push_back(Output::KeepSecret(id, secret.clone()));
        // Crash here: a secret without a verdict. A restart draws another; the first is overwritten.
        self.secrets.insert(id, secret);
        self.append(accept);
    }

    /// The asker freezes the Roster once everyone answered, or the time to join is over.
    fn step_roster(&mut self, round: &Round) {
        let Some(query) = round.query() else { return };
        if query.asker != self.settings.me
            || self.wrote(round, Kind::Roster)
            || self.wrote(round, Kind::Abort)
        {
            return;
        }
        let answered: BTreeSet<MemberId> = round.all(Kind::Verdict).map(|(by, _)| by.clone()).collect();
        if !answered.is_superset(&self.answers(&query.charter)) && self.now < query.join_by {
            return;
        }
        let accepts = round.all(Kind::Verdict).filter(|(by, logged)| {
            matches!(logged.body, Body::Accept { .. }) && self.fold.split(by).is_none()
        });
        let accepts: Vec<(MemberId, Ref)> =
            accepts.map(|(by, logged)| (by.clone(), logged.at.clone())).collect();
        let willing: Vec<MemberId> = accepts.iter().map(|(by, _)| by.clone()).collect();
        let layers = Layers::new(self.fold.charter_of(&query.charter), &query.purpose, None);
        let held = held_delegation(&self.fold, query, true);
        let step = layers.delegated(held.as_ref()).effective().min_step;
        let members = largest_roster(&self.fold, query, &willing, step, self.now);
        let chosen = accepts.into_iter().filter(|(by, _)| members.contains(by));
        let verdicts: Vec<Ref> = chosen.map(|(_, verdict)| verdict).collect();
        // The asker's own place in the Roster is not a rule: it may have no data. It judges as the
        // first member would.
        let probe = members.first().cloned().unwrap_or_else(|| self.settings.me.clone());
        let lawful =
            self.standing.judge(&self.fold, &probe, query, Some(&members), None, true, Judged::Now, self.now);
        match lawful {
            Ok(()) => self.append(Body::Roster { query: round.id, verdicts }),
            Err(refusal) => {
                self.append(Body::Abort { query: round.id, code: refusal.rule.code().to_owned() })
            }
        }
    }

    /// A round that got no Roster until every deadline passed is over for us; so is one that nobody
    /// ended a whole window after its last deadline.
    fn step_overdue(&mut self, round: &Round) -> bool {
        let Some(asked) = round.asked() else { return false };
        let over = self.now > self.over_at(round, asked.body.close_by);
        if over {
            self.forget(round.id);
        }
        over
    }

    /// When a round is over for us whatever was said: deadlines out of reach do not keep it for ever.
    fn over_at(&self, round: &Round, close_by: Time) -> Time {
        let grace = if round.plan().is_some() { WINDOW_MAX } else { Span(0) };
        let arrived = self.efforts.get(&round.id).and_then(|effort| effort.arrived).unwrap_or(self.now);
        close_by.min(arrived + WINDOW_MAX) + grace
    }

    fn step_debit(&mut self, round: &Round, plan: &Arc<Plan>) {
        let spoken = self.wrote(round, Kind::Debit) || self.now > plan.debit_by();
        if spoken || round.lot_is_spoilt(plan) || self.effort(round.id).declined {
            return;
        }
        let Some(secret) = self.secrets.get(&round.id).cloned() else { return };
        if self.under_way(&plan.query) {
            // Its Roster came so late that we accepted, or debited, another round of its question. That one first:
            // with both debited, two sums could differ by one member.
            return;
        }
        if let Some(member) = plan.members.iter().find(|member| self.fold.split(member).is_some()) {
            self.effort(round.id).declined = true;
            let text = format!("the Roster holds `{member}`, which signed two histories of its log");
            self.tell(Event::Declined(round.id, text));
            return;
        }
        let own_word = self.clock_agrees().and_then(|()| self.own_word(&plan.query));
        let refused = own_word.and_then(|()| self.judge(&plan.query, Some(&plan.members)));
        if let Err(refusal) = refused {
            self.effort(round.id).declined = true;
            self.tell(Event::Declined(round.id, refusal.to_string()));
            return;
        }
        let debit = self.standing.ledger().plan(plan.query.account.clone(), plan.query.loss);
        // The entry that debits the Ledger.
        self.append(Body::Debit {
            query: round.id,
            roster: plan.roster.clone(),
            nonce: secret.nonce(),
            debit,
        });
        // Crash here: the debit is on disk and no noise was drawn. A restart draws under the same debit.
        // Why: the other order could give an answer away for free.
    }

    fn step_contribution(&mut self, before: &Round) {
        let id = before.id;
        let me = self.settings.me.clone();
        // As it stands now: our own debit may have been the last that the lot waited for.
        let Some(round) = self.fold.round(&id).cloned() else { return };
        let Some(plan) = round.plan() else { return };
        let Some(debit) = round.debit(plan, &me) else { return };
        if self.wrote(&round, Kind::Contribution) || self.wrote(&round, Kind::Void) {
            return;
        }
        let code = match () {
            () if self.effort(id).failed => Some(VoidCode::Local),
            () if self.is_lot_lost(&round, plan) => Some(VoidCode::Lot),
            () if self.now > plan.query.contribute_by => Some(VoidCode::Window),
            () if self.vetoes(&plan.query) => Some(VoidCode::Veto),
            () => None,
        };
        if let Some(code) = code {
            self.append(Body::Void { query: id, debit: debit.at.clone(), code: code.code().to_owned() });
            return;
        }
        if plan.awaits_lot() {
            return;
        }
        if !self.effort(id).asked_for_tally {
            self.effort(id).asked_for_tally = true;
            let cells = plan.query.question.cells();
            self.after.push(Output::Tabulate(id, Box::new(plan.query.question.clone())));
            self.after.push(Output::Draw { query: id, noise_std: plan.noise.noise_std, cells });
            return;
        }
        let ready = self.effort(id).tally.is_some() && self.effort(id).noise.is_some();
        match plan.query.mode {
            Mode::Secure if self.effort(id).proved.is_some() && self.may_leave(id) => self.contribute(plan),
            Mode::Secure if ready => self.start_proof(plan, debit.at.leaf),
            Mode::FullNoise if ready && self.may_leave(id) => self.commit(plan, debit.at.clone()),
            Mode::Secure | Mode::FullNoise => {}
        }
    }

    /// Whether a round ends for want of a lot: a debit is wrong, or one is missing although the time for
    /// debits, and for hearing of them, is over, and no contribution shows that the lot was drawn
    /// elsewhere. Nothing was contributed by us, so our loss returns.
    fn is_lot_lost(&self, round: &Round, plan: &Plan) -> bool {
        let over = self.now > plan.lot_by() && round.all(Kind::Contribution).next().is_none();
        plan.awaits_lot() && (over || round.lot_is_spoilt(plan))
    }

    /// The asker ends a round whose lot is lost, so that nobody waits for its last deadline.
    fn step_lost_lot(&mut self, round: &Round, plan: &Plan) {
        let asks = plan.query.asker == self.settings.me && !self.wrote(round, Kind::Abort);
        // Not of what it slept through: it may hold old logs, and the round may be near its sum.
        if asks && self.now <= plan.query.contribute_by && self.is_lot_lost(round, plan) {
            self.append(Body::Abort { query: round.id, code: AbortCode::Lot.code().to_owned() });
        }
    }

    fn start_proof(&mut self, plan: &Arc<Plan>, debit: datacoop_policy::Digest) {
        let entropy = self.draw_seed();
        let me = self.settings.me.clone();
        let effort = self.effort(plan.query.id);
        let (Some(tally), Some(noise)) = (effort.tally.take(), effort.noise.take()) else { return };
        let job = Prove { plan: plan.clone(), me, debit, tally, noise, entropy };
        self.after.push(Output::Compute(Work::Prove(Box::new(job))));
    }

    /// Whether a ready answer may leave: at the next point of the grid that began when the Query
    /// arrived, so that the time it took to compute does not speak.
    fn may_leave(&mut self, id: QueryId) -> bool {
        let (now, grid) = (self.now, self.settings.answer_grid.0);
        let effort = self.effort(id);
        let arrived = effort.arrived.unwrap_or(now);
        let next = || arrived + Span((now - arrived).0.div_ceil(grid.max(1)) * grid);
        *effort.leave_at.get_or_insert_with(next) <= now
    }

    /// Whether our person, or our own limits, no longer allow what we debited: a veto wins until a contribution is
    /// logged.
    fn vetoes(&self, query: &Query) -> bool {
        let allows = self.settings.limits.as_ref().is_some_and(|limits| in_scope(limits, query, self.now));
        !allows || self.decided.get(&query.id) == Some(&false)
    }

    fn contribute(&mut self, plan: &Arc<Plan>) {
        let id = plan.query.id;
        let me = self.settings.me.clone();
        let Some(debit) = self.fold.round(&id).and_then(|round| round.debit(plan, &me)).map(|l| l.at.clone())
        else {
            return;
        };
        let Some(proved) = self.effort(id).proved.take() else { return };
        for (share, blob) in proved.shares.iter().zip(&proved.blobs) {
            self.keep_blob(share.blob, blob.clone(), Some(id));
        }
        // Crash here: blobs that no entry names, deleted at the next start. Noise is drawn afresh.
        self.append(Body::Contribution {
            query: id,
            debit,
            nonce: proved.nonce,
            public_share: proved.public_share,
            shares: proved.shares,
        });
    }

    /// Full noise: commit to the noised vector; it is on disk before the commitment is.
    fn commit(&mut self, plan: &Arc<Plan>, debit: Ref) {
        let id = plan.query.id;
        let me = self.settings.me.clone();
        let effort = self.effort(id);
        let (Some(tally), Some(noise)) = (effort.tally.take(), effort.noise.take()) else { return };
        let (Some(vector), Some(mut secret)) =
            (noised(plan, &me, &tally, &noise), self.secrets.get(&id).cloned())
        else {
            self.effort(id).failed = true;
            return;
        };
        let commit = commitment("vector", &secret.salt(), &vector_bytes(&vector));
        secret.vector = Some(vector);
        self.secrets.insert(id, secret.clone());
        self.outputs.push_back(Output::KeepSecret(id, secret));
        // Crash here: a vector nobody saw. A restart draws afresh under the same debit.
        self.append(Body::Commit { query: id, debit, commit });
    }

    pub(super) fn on_computed(&mut self, computed: Computed) {
        match computed {
            Computed::Proved(id, proved) => self.on_effort(id, |effort| {
                effort.failed |= proved.is_none();
                effort.proved = proved;
            }),
            Computed::Checked(id, mut checked) => self.on_effort(id, |effort| {
                effort.checking = false;
                effort.shares = std::mem::take(&mut checked.shares);
                effort.checked = Some(checked);
            }),
            Computed::Decided(id, decided) => self.on_effort(id, |effort| {
                effort.deciding = false;
                effort.decided = Some(decided);
            }),
        }
    }

    /// Every deadline of every open round, by name.
    pub(super) fn round_timeouts(&self) -> impl Iterator<Item = (QueryId, Time, &'static str)> {
        let open = self.open.iter().filter_map(|id| self.fold.round(id));
        open.filter_map(|round| Some((round, &round.asked()?.body))).flat_map(|(round, body)| {
            let id = round.id;
            // One moment later: a deadline's own second still counts.
            let after = |at: Time| at + Span(1);
            let leave_at = self.efforts.get(&id).and_then(|effort| effort.leave_at);
            let grid = leave_at.map(|at| (at, "answer grid"));
            let lot_by = round.plan().map(|plan| (after(plan.lot_by()), "lot"));
            [
                (body.join_by, "join"),
                (after(body.join_by), "join"),
                (body.contribute_by, "contribute"),
                (after(body.contribute_by), "contribute"),
                (body.join_by + ROSTER_GRACE + Span::from_seconds(1), "another round"),
                (body.contribute_by + Span::from_seconds(1), "another round"),
                (body.contribute_by + DEBIT_GRACE + Span::from_seconds(1), "another round"),
                (after(body.close_by), "close"),
                (body.close_by + Span::from_seconds(1), "release"),
                (body.close_by + OPEN_GRACE, "open"),
                (after(self.over_at(round, body.close_by)), "overdue"),
            ]
            .into_iter()
            .chain(grid)
            .chain(lot_by)
            .map(move |(at, what)| (id, at, what))
        })
    }
}
