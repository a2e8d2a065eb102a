//! Many clusters that never meet: in each a round in which nothing goes wrong, and all their Releases added up, as a
//! federation does (NETWORK.md section 5). Must not know threads: whoever plays them plays as many at a time as there
//! is room for.

use datacoop_policy::Span;

use crate::chaos::{Chaos, seed};
use crate::scenario::Scenario;

/// What one cluster, or several together, came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Added {
    /// How many clusters.
    pub clusters: u64,
    /// How many members.
    pub members: u64,
    /// Events in their worlds.
    pub events: u64,
    /// The sums that were released, cell by cell, added up.
    pub sums: Vec<i64>,
    /// What the members' exact figures add up to: nobody in those worlds knows it.
    pub exact: Vec<i64>,
    /// Variance of the noise in a sum, in 65,536ths of a squared unit: variances of independent noise add up.
    pub variance: u64,
}

impl Added {
    /// With another's: sums, exact figures and variances add.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        let cells = self.sums.len().max(other.sums.len());
        for (own, more) in [(&mut self.sums, &other.sums), (&mut self.exact, &other.exact)] {
            own.resize(cells, 0);
            own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
        }
        self.clusters += other.clusters;
        self.members += other.members;
        self.events += other.events;
        self.variance += other.variance;
        self
    }

    /// The largest distance of a released sum from the exact one.
    pub fn off_by(&self) -> u64 {
        let apart = self.sums.iter().zip(&self.exact).map(|(sum, exact)| sum.abs_diff(*exact));
        apart.max().unwrap_or(0)
    }
}

/// How long a cluster's round may take: before an hour is over members write nothing beside it.
pub const ROUND_MAX: Span = Span(55 * 60_000);

/// The round of one cluster, under the laws. Errors: a law that was broken, or a round that gave no sums.
pub fn one_round(number: u64, members: usize, cells: usize) -> Result<Added, String> {
    let scenario = Scenario::cluster(members, cells);
    let outcome = Chaos::new(&scenario, &seed(number), 0).until_released(ROUND_MAX);
    if let Some(broken) = &outcome.broken {
        return Err(format!("cluster {number}: {}: {}", broken.law, broken.text));
    }
    let [released] = outcome.released.as_slice() else {
        return Err(format!("cluster {number}: {} rounds gave sums, not one", outcome.released.len()));
    };
    Ok(Added {
        clusters: 1,
        members: members as u64,
        events: outcome.events,
        sums: released.sums.clone(),
        exact: released.exact.clone(),
        variance: released.variance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_add_up_to_what_their_members_put_in_but_for_noise() {
        let all = (1..=3).map(|number| one_round(number, 8, 6).unwrap());
        let all = all.fold(Added::default(), |all, one| all.plus(&one));
        assert_eq!((all.clusters, all.members, all.sums.len()), (3, 24, 6));
        // Six standard errors.
        assert!(all.off_by() > 0 && all.off_by().pow(2) * 65_536 < 36 * all.variance, "{all:?}");
    }
}
