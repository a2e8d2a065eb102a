//! Entries of exports read a second time, in any order: the newest bundles that were read are held.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use datacoop_protocol::fold::Entries;
use datacoop_protocol::log::tile::{TILE_WIDTH, bundle_path, read_bundle};

use super::{Export, files};

/// Bytes of bundles held for each log: two of 256 usual entries of a kilobyte. A sweep goes along all logs at once,
/// so it wants the one that it is at in each, and the next. Larger ones are read more often.
const HELD_BYTES_A_LOG: usize = 512 * 1024;

/// A log whose bundles are read, and which of them.
type Place = (usize, u64);

/// See the module.
pub(super) struct Bundles {
    folders: BTreeMap<String, (usize, PathBuf, u64)>,
    held: BTreeMap<Place, Held>,
    by_use: BTreeMap<u64, Place>,
    clock: u64,
    bytes: usize,
}

struct Held {
    entries: Vec<Arc<[u8]>>,
    bytes: usize,
    used: u64,
}

impl Bundles {
    /// Of these logs, each by the copy that was folded.
    pub(super) fn new<'a>(copies: impl Iterator<Item = &'a Export>) -> Self {
        let folders = copies
            .enumerate()
            .map(|(n, export)| (export.origin.clone(), (n, export.folder.clone(), export.size)));
        Self {
            folders: folders.collect(),
            held: BTreeMap::new(),
            by_use: BTreeMap::new(),
            clock: 0,
            bytes: 0,
        }
    }

    fn use_again(&mut self, place: Place) {
        self.clock += 1;
        if let Some(held) = self.held.get_mut(&place) {
            self.by_use.remove(&held.used);
            held.used = self.clock;
            self.by_use.insert(self.clock, place);
        }
    }

    fn hold(&mut self, place: Place, entries: Vec<Arc<[u8]>>) {
        // What stands beside an entry's bytes is less than that.
        let bytes = entries.iter().map(|entry| entry.len() + 64).sum();
        while self.bytes + bytes > HELD_BYTES_A_LOG * self.folders.len()
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.bytes -= self.held.remove(&oldest).map_or(0, |held| held.bytes);
        }
        self.bytes += bytes;
        self.held.insert(place, Held { entries, bytes, used: 0 });
        self.use_again(place);
    }
}

impl Entries for Bundles {
    fn entry(&mut self, log: &str, index: u64) -> Option<Arc<[u8]>> {
        let (number, folder, size) = self.folders.get(log)?;
        let (bundle, at) = (index / TILE_WIDTH, usize::try_from(index % TILE_WIDTH).ok()?);
        let place = (*number, bundle);
        if self.held.contains_key(&place) {
            self.use_again(place);
        } else {
            let width = TILE_WIDTH.min(size.checked_sub(bundle * TILE_WIDTH)?);
            let bytes = files::read(folder, &bundle_path(bundle, width), files::BUNDLE_BYTES_MAX).ok()??;
            self.hold(place, read_bundle(&bytes)?);
        }
        self.held.get(&place)?.entries.get(at).cloned()
    }
}
