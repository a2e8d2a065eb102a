//! `datacoop sim`: a co-operative in a box.

use clap::Subcommand;

use super::{Common, Printed, sim_chaos, sim_plan, sim_stories};
use crate::error::CommandError;

#[derive(Subcommand)]
pub(super) enum SimCommand {
    /// Break a co-operative in every way there is, and see that every law holds; for developers
    Chaos(sim_chaos::ChaosArgs),
    /// Forecast what a co-operative would learn, for how much privacy loss; needs no data
    Plan(Box<sim_plan::PlanArgs>),
    /// Made-up schools on a day that kept children away: who would see it, the cluster or one school alone
    EventDay(sim_stories::EventDayArgs),
    /// Four ways in which a year could go, told by six people; stories, not forecasts
    Futures(sim_stories::FuturesArgs),
}

pub(super) fn sim(common: &Common, command: &SimCommand) -> Result<Printed, CommandError> {
    match command {
        SimCommand::Chaos(args) => sim_chaos::chaos(common, args),
        SimCommand::Plan(args) => sim_plan::plan(common, args),
        SimCommand::EventDay(args) => sim_stories::event_day(common, args),
        SimCommand::Futures(args) => sim_stories::futures(common, args),
    }
}
