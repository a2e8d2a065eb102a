//! What a node already knows that gives a file's rows their meaning. Must not know where it comes from.

use std::collections::HashMap;
use std::sync::Arc;

/// From the node's other tables. What is `None` is not known, which is not the same as empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Context {
    /// The unit's own table: everybody in it, with the birthday (`12-31`) where it is known.
    pub people: Option<HashMap<String, Option<String>>>,
    /// Activities by number: programme, kind, mode.
    pub activities: Option<HashMap<String, [Option<Arc<str>>; 3]>>,
    /// Key stage 2 averages in halves, by pupil, from results imported before.
    pub ks2_halves: HashMap<String, u16>,
    /// Absence of the year before in hundredths of a percent of own possible sessions, by pupil.
    pub prior_absence: HashMap<String, u16>,
}
