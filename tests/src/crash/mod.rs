//! Crashes: members of the simulated world on the node's real storage, every change of the disk and
//! every acknowledgement in the order in which they happened, and the disks that a crash at any of
//! them could leave. What this folder does *not* do: kill a process; `bin/crash-victim` is for that.

mod cast;
mod disk;
mod failpoints;
mod images;
mod record;
mod store;
mod told;

use datacoop_policy::query::Mode;

pub use self::cast::{Cast, DISK_FAILED, LOSS, MEMBERS, begin, blamed, question, run_round};
pub use self::disk::{Did, DiskModel, Left};
pub use self::failpoints::{Full, Survived, full_disk, full_everywhere};
pub(crate) use self::images::on_two;
pub use self::images::{
    Image, Tally, crash_all, crash_everywhere, damage_tail, folder_in_memory, own_leaves, start_from,
    write_image,
};
pub use self::record::{Step, Trace, record};
pub use self::store::{Ack, NodeStore, Tell, line, lock, read_line};
pub use self::told::Told;
use crate::report::Figure;

/// Measures for the report: images, failpoints and kills.
pub fn figures() -> Vec<Figure> {
    let (mut images, mut full) = (Tally::default(), Tally::default());
    for mode in [Mode::Secure, Mode::FullNoise] {
        let (cast, traces) = record(mode, false);
        images = images.join(crash_all(&cast, &traces, 2));
        for site in [0, MEMBERS - 1] {
            full = full.join(full_everywhere(&cast, mode, site));
        }
    }
    let kills = crate::kills::kill_on_two(crate::kills::wanted());
    let count = |tally: &Tally| tally.failures.len() as u64;
    vec![
        Figure::never(
            "a crash or power cut at any change of the disk breaks what was told",
            images.images,
            count(&images),
        ),
        Figure::never(
            "a disk that fails at any change lets noise or a message out",
            full.images,
            count(&full),
        ),
        kills.figure(),
    ]
}
