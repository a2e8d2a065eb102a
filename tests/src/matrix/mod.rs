//! The persist / not-persist matrix: every durable step of a member, ended in each way that a crash or a disk
//! can end it, in a world that goes on; and what must hold then. After Sunlight's tests of its sequencer.
//!
//! What holds, in every cell: one history of each log; no debit lost and none without its noise's order; no
//! second noise or seed for one that was acknowledged; nothing told and lost; nothing kept that is over; at
//! most one seat that shows what it was sent; the round ends as if nothing had happened; every log passes its
//! audit. And the next start finds the step done or not as the table says: a write that is not synced before
//! it is acted upon turns its row red.

mod felled;
mod folders;
mod stage;
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::felled::Shared;
pub use self::felled::{Sabotage, Target};
pub use self::folders::{FOLDER_STEPS, FolderStep, crash};
pub use self::stage::Plot;
use self::stage::{Stage, place};
pub use self::steps::{Fate, Row, Step};
use crate::crash::{Tally, on_two};

/// What became of one cell.
pub struct Cell {
    /// Whether the step happened at all.
    pub happened: bool,
    /// What must not be.
    pub failures: Vec<String>,
}

/// Plays a step's story with the power gone at the target.
pub fn play(target: Target, sabotage: Option<Sabotage>) -> Cell {
    let row = target.step.row();
    let shared = Shared { target: Some(target), sabotage, ..Shared::default() };
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut stage = Stage::new(row.plot, shared);
        stage.play();
        let mut failures = stage.judge();
        let hit = stage.shared().hit.as_ref().map(|hit| (hit.site, hit.found));
        if let Some((site, found)) = hit {
            let column = Fate::ALL.iter().position(|fate| *fate == target.fate);
            let expected = column.map(|column| row.found[column]);
            if found != expected {
                failures.push(format!("member {site}: the start finds it done: {found:?}, not {expected:?}"));
            }
        }
        Cell { happened: hit.is_some(), failures }
    }));
    let mut cell = played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Cell { happened: true, failures: vec![format!("panicked: {}", text.unwrap_or_default())] }
    });
    let at = place(&target);
    cell.failures.iter_mut().for_each(|what| *what = format!("{at}: {what}"));
    cell
}

/// Plays a story to its end: how often each step was taken in it, and what must not be.
pub fn calm(plot: Plot) -> (Vec<(Step, u64)>, Vec<String>) {
    let mut stage = Stage::new(plot, Shared::default());
    stage.play();
    let taken = stage.shared().taken.iter().map(|(step, count)| (*step, *count)).collect();
    (taken, stage.judge())
}

/// The cells of these steps: the first time that each is taken, and so many of the next.
pub fn all(steps: &[Step], times: u64) -> Tally {
    let cells = steps.iter().flat_map(|step| Fate::ALL.map(|fate| (*step, fate)));
    let targets: Vec<Target> =
        cells.flat_map(|(step, fate)| (0..times).map(move |after| Target { step, fate, after })).collect();
    on_two(&targets, |target| {
        let cell = play(*target, None);
        let mut tally = Tally { images: 1, ..Tally::default() };
        match (cell.happened, cell.failures.as_slice()) {
            (true, []) => tally.started = 1,
            // It is taken less often than that.
            (false, []) if target.after > 0 => tally.refused = 1,
            (false, []) => tally.failures.push(format!("{}: it never happened", place(target))),
            (_, failures) => tally.failures.extend(failures.iter().cloned()),
        }
        tally
    })
}
