//! A plan for programs. Fields are only ever added.

use datacoop_policy::PrivacyLoss;
use datacoop_policy::derive::Expected;
use datacoop_sim::plan::upkeep::Upkeep;
use datacoop_sim::plan::windows::Tried;
use datacoop_sim::plan::{Exactness, loss_for, mode};
use serde_json::{Value, json};

use super::told::{charter_paragraph, hours_on, rho};
use super::{Planned, Priced, Timing};
use crate::loss::points_of;

impl Planned {
    /// `datacoop.plan/1`.
    pub fn json(&self) -> Value {
        let (wish, plan) = (&self.wish, &self.plan);
        let prices = plan.prices.iter().map(|(width, price)| {
            json!({
                "half_width": width,
                "rho": price.map(|(nano, _)| rho(nano)),
                "questions_a_year": price.map(|(_, count)| count),
            })
        });
        let within = wish.within.as_ref().map(|width| {
            let count = width.people().and_then(|people| loss_for(wish.members, people));
            json!({ "unit": width.unit, "width": Expected::text(width.amount.billionths), "count_rho": count.map(rho) })
        });
        let hours =
            hours_on(self).into_iter().map(|(name, on)| json!({ "day": name, "on_by_hour": on.map(tenth) }));
        json!({
            "schema": "datacoop.plan/1",
            "members": wish.members,
            "people": plan.people,
            "rho": rho(plan.loss_nano),
            "points": points_of(wish.loss),
            "rho_year": rho(plan.year_nano),
            "mode": mode(wish.members).code(),
            "exact": exact_json(&plan.exact),
            "draws": self.draws,
            "questions_a_year": plan.questions,
            "prices": prices.collect::<Vec<_>>(),
            "within": within,
            "three_fewer": plan.three_fewer.as_ref().map(exact_json),
            "questions": self.questions.iter().map(question_json).collect::<Vec<_>>(),
            "machines": {
                "meeting_points": wish.meeting_points,
                "others": wish.kinds.iter().map(|(hours, count)| json!({ "template": hours.name(), "count": count })).collect::<Vec<_>>(),
                "calendar": self.holidays.name(),
                "on": hours.collect::<Vec<_>>(),
            },
            "runs": self.timing.as_ref().map(|timing| self.timing_json(timing)),
            "charter_paragraph": charter_paragraph(self),
        })
    }

    fn timing_json(&self, timing: &Timing) -> Value {
        let presence = timing.presence.as_ref().map(|presence| {
            json!({
                "enough": (presence.enough * 10_000.0).round() / 10_000.0,
                "join": presence.join.iter().map(|chance| round(*chance)).collect::<Vec<_>>(),
                "contribute": presence.contribute.iter().map(|chance| round(*chance)).collect::<Vec<_>>(),
            })
        });
        let what_if = timing.what_if.iter().map(|(code, words, tried)| {
            let mut json = tried_json(tried);
            (json["change"], json["words"]) = (json!(code), json!(words));
            json
        });
        let upkeep = timing.upkeep.map(|all| {
            let of = |upkeep: Upkeep| upkeep_json(&upkeep, self.plan.questions);
            json!({ "meeting_point": all.meeting_point.map(of), "other": all.other.map(of) })
        });
        json!({
            "seed": self.wish.seed,
            "starts": self.wish.starts,
            "min_roster": self.min_roster(),
            "windows": timing.chosen.as_ref().map(tried_json),
            "too_short": timing.before.iter().map(tried_json).collect::<Vec<_>>(),
            "presence": presence,
            "what_if": what_if.collect::<Vec<_>>(),
            "a_year": upkeep,
        })
    }
}

fn exact_json(exact: &Exactness) -> Value {
    json!({
        "members": exact.members,
        "honest_shares": exact.honest,
        "committee": exact.seats,
        "half_width": {
            "one_curator": tenth(exact.curator),
            "datacoop": tenth(exact.secure_sum),
            "each_its_own": tenth(exact.each_its_own),
        },
        "own_floor_rho": rho(exact.floor_nano),
    })
}

/// Half-widths as the question's figures have them: shares of one, or its own unit.
fn question_json(priced: &Priced) -> Value {
    let loss = |loss: PrivacyLoss| rho(loss.nano());
    json!({
        "id": priced.id, "title": priced.title, "dataset": priced.dataset,
        "rho": loss(priced.loss), "points": points_of(priced.loss), "matters": priced.matters,
        "clear": priced.counts[0], "rough": priced.counts[1], "not_answerable": priced.counts[2],
        "too_few_people": priced.hidden,
        "error_surest": priced.errors.map(|(least, _)| Expected::text(least)),
        "error_least_sure": priced.errors.map(|(_, most)| Expected::text(most)),
        "cures": priced.cures.iter().map(|cure| json!({ "lever": cure.lever, "text": cure.plain })).collect::<Vec<_>>(),
        "within": priced.within.map(|within| json!({
            "rho_surest": within.surest.map(loss), "rho_every": within.every.map(loss),
        })),
    })
}

fn tried_json(tried: &Tried) -> Value {
    let hours = |of_hundred| tried.wait(of_hundred).map(|wait| tenth(wait.0 as f64 / 3_600_000.0));
    json!({
        "join_days": tried.windows.join,
        "contribute_days": tried.windows.contribute,
        "close_days": tried.windows.close,
        "starts": tried.starts,
        "released": tried.released,
        "hours_half": hours(50),
        "hours_95": hours(95),
        "joined": tried.rosters,
        "counted": tried.counted,
        "ended_at": tried.why,
    })
}

fn upkeep_json(upkeep: &Upkeep, questions: u64) -> Value {
    json!({
        "questions": questions,
        "traffic_bytes": upkeep.traffic(questions).round(),
        "traffic_bytes_idle": upkeep.idle_traffic.round(),
        "traffic_bytes_a_question": upkeep.traffic_each.round(),
        "disk_bytes": upkeep.disk(questions).round(),
        "disk_bytes_idle": upkeep.idle_disk.round(),
        "disk_bytes_a_question": upkeep.disk_each.round(),
        "hours_on": upkeep.hours.round(),
    })
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// A chance to a millionth.
fn round(chance: f64) -> f64 {
    (chance * 1e6).round() / 1e6
}
