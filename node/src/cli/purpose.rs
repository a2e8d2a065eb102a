//! The first purpose of a founding charter, from the command line.

use datacoop_policy::charter::{Licence, Publish, Purpose};
use datacoop_policy::limits::Limits;
use datacoop_policy::{Day, MemberId};

use crate::error::CommandError;

#[derive(clap::Args)]
pub(super) struct PurposeArgs {
    /// Id of the first purpose
    #[arg(long)]
    purpose: String,
    /// Its title, one line
    #[arg(long)]
    title: String,
    /// The purpose in plain words
    #[arg(long)]
    plain: String,
    /// Whom the records describe and the answers touch
    #[arg(long)]
    affected: String,
    /// Who of them was heard, and how
    #[arg(long)]
    heard: String,
    /// A use that is ruled out; repeat for more
    #[arg(long, required = true, value_name = "USE")]
    not_for: Vec<String>,
    /// Who pays for work under it, beside the members; repeat for more [default: nobody]
    #[arg(long, value_name = "NAME")]
    funder: Vec<String>,
    /// Days after which everybody may see the results; without it only members do
    #[arg(long, value_name = "DAYS")]
    public_after_days: Option<u32>,
    /// Register number of a member whose people review the purpose; give two, of different bodies
    #[arg(long, required = true, value_name = "ID")]
    reviewer: Vec<MemberIdArg>,
    /// Last day for the report on what was learned [default: the purpose's last day]
    #[arg(long, value_name = "DAY")]
    report_due: Option<String>,
}

#[derive(Clone)]
struct MemberIdArg(MemberId);

impl std::str::FromStr for MemberIdArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

/// A day such as 2027-08-31.
pub(super) fn day(text: &str) -> Result<Day, CommandError> {
    Day::parse(text).ok_or_else(|| CommandError::usage(format!("`{text}` is no day such as 2027-08-31")))
}

impl PurposeArgs {
    /// The purpose, open from `starts` to `expires`.
    pub(super) fn purpose(&self, limits: Limits, starts: Day, expires: Day) -> Result<Purpose, CommandError> {
        let (publish, licence) = match self.public_after_days {
            Some(days) => (Publish::PublicAfter(days), Licence::Public1),
            None => (Publish::Members, Licence::Members1),
        };
        Ok(Purpose {
            id: self.purpose.clone(),
            title: self.title.clone(),
            plain: self.plain.clone(),
            affected: self.affected.clone(),
            heard: self.heard.clone(),
            not_for: self.not_for.clone(),
            funders: self.funder.clone(),
            publish,
            licence,
            reviewers: self.reviewer.iter().map(|reviewer| reviewer.0.clone()).collect(),
            limits,
            starts,
            expires,
            report_due: self.report_due.as_deref().map(day).transpose()?.unwrap_or(expires),
            report: None,
        })
    }
}
