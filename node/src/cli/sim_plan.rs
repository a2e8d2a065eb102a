//! `datacoop sim plan`: what members that have not begun would learn, and for how much privacy loss.

use clap::Args;
use datacoop_policy::PrivacyLoss;
use datacoop_policy::limits::{FLOOR_RHO_QUERY, FLOOR_RHO_YEAR};
use datacoop_policy::query::{Mode, ROSTER_MAX};
use datacoop_sim::plan::{Exactness, Plan, TooSmall, mode};
use serde_json::{Value, json};

use super::{Common, Printed};
use crate::error::CommandError;

#[derive(Args)]
pub(super) struct PlanArgs {
    /// How many members
    #[arg(long, visible_alias = "members", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=ROSTER_MAX as i64))]
    schools: u32,
    /// People at each, about
    #[arg(long, visible_alias = "people", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pupils: u64,
    /// Privacy loss of one question, zCDP
    #[arg(long, value_name = "RHO", default_value = "0.005", value_parser = rho)]
    rho: u64,
    /// Privacy loss of a year, zCDP
    #[arg(long, value_name = "RHO", default_value = "0.25", value_parser = rho)]
    rho_year: u64,
}

/// `0.005` in billionths.
fn rho(text: &str) -> Result<u64, String> {
    let (whole, parts) = text.split_once('.').unwrap_or((text, "0"));
    let digits = !whole.is_empty() && !parts.is_empty() && parts.len() <= 9;
    let digits = digits && whole.bytes().chain(parts.bytes()).all(|byte| byte.is_ascii_digit());
    let nano = digits.then(|| format!("{whole}{parts:0<9}").parse::<u64>().ok()).flatten();
    nano.filter(|nano| *nano > 0).ok_or_else(|| format!("`{text}` is no loss such as 0.005"))
}

pub(super) fn plan(_: &Common, args: &PlanArgs) -> Result<Printed, CommandError> {
    let (loss, year) = (PrivacyLoss::from_nano(args.rho), PrivacyLoss::from_nano(args.rho_year));
    if loss > FLOOR_RHO_QUERY || year > FLOOR_RHO_YEAR {
        return Err(CommandError::usage(format!(
            "no question may cost more than rho {}, and no year more than {}",
            shown(FLOOR_RHO_QUERY.nano()),
            shown(FLOOR_RHO_YEAR.nano())
        )));
    }
    let plan = Plan::new(args.schools, args.pupils, loss, year).map_err(|error| match error {
        TooSmall::Members => CommandError::usage(format!(
            "{} members are too few: each would see the other; three is the least, and from five on nobody sees a \
             member's figures",
            args.schools
        ))
        .hint("find another member, or join a co-operative that there is"),
        TooSmall::Loss => CommandError::usage(format!("rho {} is too small for any noise to serve", shown(args.rho))),
    })?;
    Ok(Printed::new(json_of(args, &plan), text_of(args, &plan)))
}

/// Billionths as a decimal without trailing zeros.
fn shown(nano: u64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn exact_json(exact: &Exactness) -> Value {
    json!({
        "members": exact.members,
        "honest_shares": exact.honest,
        "committee": exact.seats,
        "half_width": {
            "one_curator": round(exact.curator),
            "datacoop": round(exact.secure_sum),
            "each_its_own": round(exact.each_its_own),
        },
        "own_floor_rho": shown(exact.floor_nano),
    })
}

/// To a tenth of a person.
fn round(width: f64) -> f64 {
    (width * 10.0).round() / 10.0
}

fn json_of(args: &PlanArgs, plan: &Plan) -> Value {
    let prices = plan.prices.iter().map(|(width, price)| {
        json!({
            "half_width": width,
            "rho": price.map(|(nano, _)| shown(nano)),
            "questions_a_year": price.map(|(_, count)| count),
        })
    });
    json!({
        "schema": "datacoop.plan/1",
        "members": args.schools,
        "people": plan.people,
        "rho": shown(plan.loss_nano),
        "rho_year": shown(plan.year_nano),
        "mode": mode(args.schools).code(),
        "exact": exact_json(&plan.exact),
        "questions_a_year": plan.questions,
        "prices": prices.collect::<Vec<_>>(),
        "three_fewer": plan.three_fewer.as_ref().map(exact_json),
    })
}

fn text_of(args: &PlanArgs, plan: &Plan) -> String {
    #[expect(clippy::cast_precision_loss, reason = "at most 200 million people")]
    let percent = |width: f64| 100.0 * width / plan.people as f64;
    let exact = &plan.exact;
    let mut text = format!(
        "{} members with about {} people each: {} in all.\n\n\
         A count of people over all of them, for rho {}, is right to within (19 times in 20):\n",
        args.schools,
        args.pupils,
        plan.people,
        shown(plan.loss_nano)
    );
    let ways = [
        ("with datacoop; rows stay at home", exact.secure_sum),
        ("if one body held everybody's rows", exact.curator),
        ("if each published a noisy count of its own", exact.each_its_own),
    ];
    for (what, width) in ways {
        text += &format!("  +-{width:6.1} people ({:.2} % of all)   {what}\n", percent(width));
    }
    text += &format!(
        "\nIn a year of rho {}: {} questions of that kind, with a fifth kept for rounds that must be asked again.\n\n\
         What another exactness costs:\n",
        shown(plan.year_nano),
        plan.questions
    );
    for (width, price) in &plan.prices {
        text += &match price {
            Some((nano, count)) => {
                format!("  +-{width:4} people   rho {:<12} {count} a year\n", shown(*nano))
            }
            None => format!("  +-{width:4} people   more than one question may cost\n"),
        };
    }
    text += &format!(
        "\nIf everybody else were corrupt and worked together, your own people would lose rho {} by such a question.\n",
        shown(exact.floor_nano)
    );
    text += &match &plan.three_fewer {
        Some(fewer) => format!(
            "If three members leave: +-{:.1} people over the {} that are left{}.\n",
            fewer.secure_sum,
            fewer.members,
            if mode(fewer.members) == Mode::FullNoise {
                ", who then see each other's noisy counts"
            } else {
                ""
            }
        ),
        None => "If three members leave, too few are left.\n".to_owned(),
    };
    if mode(args.schools) == Mode::FullNoise {
        text += "You are three or four: each adds all the noise itself, and the others see its noisy count. From five on \
                 only sums can be read.\n";
    }
    text + "Noise is not all: small groups vary by chance, more than this, and every figure is shown with both."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_read_and_shown() {
        assert_eq!(rho("0.005"), Ok(5_000_000));
        assert_eq!(rho("1"), Ok(1_000_000_000));
        assert!(
            rho("-1").is_err() && rho("0.").is_err() && rho("0.0000000001").is_err() && rho("0").is_err()
        );
        assert_eq!((shown(5_000_000), shown(1_000_000_000)), ("0.005".to_owned(), "1".to_owned()));
    }
}
