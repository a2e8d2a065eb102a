//! One round, with every change of each member's disk and everything that was told, in order.

use std::cell::RefCell;
use std::rc::Rc;

use datacoop::disk::{self, Change};
use datacoop_policy::query::Mode;

use super::cast::{Cast, MEMBERS, begin, run_round};
use super::disk::Did;
use super::images::folder_in_memory;
use super::store::{Ack, NodeStore, Tell};

/// One thing that happened, of the disk or to the world.
#[derive(Clone, Debug)]
pub enum Step {
    /// The disk changed.
    Disk(Did),
    /// The world was told.
    Told(Ack),
}

/// What happened at one member, in order.
pub type Trace = Vec<Step>;

/// Runs one round of five members on real storage; what happened at each.
pub fn record(mode: Mode, hasty: bool) -> (Cast, Vec<Trace>) {
    let cast = Cast::new();
    let folder = folder_in_memory();
    let traces: Rc<RefCell<Vec<Trace>>> = Rc::new(RefCell::new(vec![vec![]; MEMBERS]));
    let home = |site: usize| folder.path().join(site.to_string());
    let mut world = cast.world(begin(), 0);
    for site in 0..MEMBERS {
        std::fs::create_dir(home(site)).expect("a folder");
        let told = traces.clone();
        let tell: Tell = Box::new(move |ack| told.borrow_mut()[site].push(Step::Told(ack.clone())));
        let store = NodeStore::new(&home(site), tell);
        world.set_store(site, Box::new(if hasty { store.hasty() } else { store }));
    }
    let (root, changes) = (folder.path().to_owned(), traces.clone());
    disk::watch(Some(Box::new(move |change| {
        let first = match change {
            Change::MakeDir(p) | Change::Create(p) | Change::Write(p, ..) | Change::Cut(p, _) => p,
            Change::Sync(p) | Change::Rename(p, _) | Change::Remove(p) | Change::SyncDir(p) => p,
        };
        let below = first.strip_prefix(&root).expect("below");
        let site = below.components().next().expect("a site").as_os_str().to_str().expect("text");
        let did = Did::of(change, &root.join(site));
        changes.borrow_mut()[site.parse::<usize>().expect("a number")].push(Step::Disk(did));
        Ok(())
    })));
    let ended = run_round(&cast, &mut world, 0, mode);
    drop(world);
    disk::watch(None);
    assert!(ended.is_some(), "the recorded round ends");
    let traces = traces.borrow().clone();
    (cast, traces)
}
