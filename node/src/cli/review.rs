//! `datacoop review`: binds what this member found of a proposal, unseen by others until another reviewer is
//! bound too.

use clap::Args;

use super::acts::proposal_path;
use super::node::{confirm, home_of};
use super::show::{plain, plain_lines};
use super::{Common, Printed};
use crate::acts::reviews::{Found, ReviewRequest};
use crate::client::Client;
use crate::error::CommandError;

#[derive(Args)]
pub(super) struct ReviewArgs {
    /// The proposal's id, or the beginning of it
    id: String,
    /// Whether it does good to the people whom the records describe
    #[arg(long, value_parser = GRADES, required_unless_present = "show", conflicts_with = "show")]
    benefit: Option<String>,
    /// Whether harm is kept away from them
    #[arg(long, value_parser = GRADES, required_unless_present = "show", conflicts_with = "show")]
    harm: Option<String>,
    /// Whether it takes the least data that serves
    #[arg(long, value_parser = GRADES, required_unless_present = "show", conflicts_with = "show")]
    least_data: Option<String>,
    /// Your reasons, for all members to read once it is shown
    #[arg(long, value_name = "TEXT", required_unless_present = "show", conflicts_with = "show")]
    because: Option<String>,
    /// Show what we are bound by, if another reviewer is bound too; a running node does so by itself
    #[arg(long)]
    show: bool,
}

/// As it should be; it is if what the text says is done; it is not.
const GRADES: [&str; 3] = ["good", "doubtful", "bad"];

pub(super) fn review(common: &Common, args: &ReviewArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let found = match (&args.benefit, &args.harm, &args.least_data, &args.because) {
        (Some(benefit), Some(harm), Some(least_data), Some(because)) => Some(Found {
            benefit: benefit.clone(),
            harm: harm.clone(),
            least_data: least_data.clone(),
            because: because.clone(),
        }),
        _ => None,
    };
    tokio::task::block_in_place(|| {
        let client = Client::new(&home)?;
        let seen = client.get(&home, &proposal_path(&args.id)?)?;
        if found.is_some() {
            if !common.quiet && !common.json && !common.yes {
                eprint!("{}", plain_lines(&super::proposals::detail_text(&seen)));
            }
            confirm(common, "Bind us to this review: it cannot be changed, nor read by others yet")?;
        }
        let json = client.post(&home, "reviews", &ReviewRequest { id: args.id.clone(), found })?;
        let id = plain(&args.id);
        let text = match (json["shown"] == true, json["bound"].as_u64().unwrap_or(0)) {
            (true, _) => format!("Our review is shown. Read all: datacoop proposals {id}\n"),
            (false, bound) => format!(
                "We are bound by our review; what we found lies in {} alone. {bound} of {} reviewers are bound: it is shown\nonce another is, by this node while it runs. Back up that folder: without it the review can never be shown.\n",
                home.join("reviews").display(),
                json["needed"]
            ),
        };
        Ok(Printed::new(json, text))
    })
}
