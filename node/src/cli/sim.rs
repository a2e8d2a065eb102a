//! `datacoop sim`: a co-operative in a box.

use clap::Subcommand;

use super::{Common, Printed, sim_chaos, sim_plan};
use crate::error::CommandError;

#[derive(Subcommand)]
pub(super) enum SimCommand {
    /// Break a co-operative in every way there is, and see that every law holds; for developers
    Chaos(sim_chaos::ChaosArgs),
    /// Forecast what a co-operative would learn, for how much privacy loss; needs no data
    Plan(sim_plan::PlanArgs),
}

pub(super) fn sim(common: &Common, command: &SimCommand) -> Result<Printed, CommandError> {
    match command {
        SimCommand::Chaos(args) => sim_chaos::chaos(common, args),
        SimCommand::Plan(args) => sim_plan::plan(common, args),
    }
}
