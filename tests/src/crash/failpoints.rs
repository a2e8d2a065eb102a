//! A disk that fails at one change and at every one after it, until the node starts again.

use std::cell::RefCell;
use std::rc::Rc;

use datacoop::disk::{self, Change};
use datacoop_policy::query::Mode;

use super::cast::{Cast, begin, blamed, run_round};
use super::images::{Tally, folder_in_memory, on_two};
use super::store::{Ack, NodeStore, Tell};
use super::told::Told;

/// Which changes of one member's disk fail, from when on, and what is seen meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Full {
    /// Whose disk.
    pub site: usize,
    /// The first change that fails, counted from the start.
    pub from: u64,
}

/// What a full disk did to a round.
#[derive(Clone, Debug, Default)]
pub struct Survived {
    /// Changes of the member's disk in all.
    pub changes: u64,
    /// What must not be.
    pub failures: Vec<String>,
}

/// Runs a round in which one member's disk is full from one change on: that write gets half of its
/// bytes down, and everything after it fails until the member starts again, when space was freed. The
/// round must end with a release, and nothing that was told may break.
pub fn full_disk(cast: &Cast, mode: Mode, full: Option<Full>) -> Survived {
    let folder = folder_in_memory();
    let home = folder.path().to_owned();
    let site = full.map_or(0, |full| full.site);
    let told = Rc::new(RefCell::new(Told::default()));
    let (count, blocked) = (Rc::new(RefCell::new(0u64)), Rc::new(RefCell::new(false)));
    let (asks, late) = (told.clone(), Rc::new(RefCell::new(0u64)));
    let (is_full, late_draws) = (blocked.clone(), late.clone());
    let tell: Tell = Box::new(move |ack| {
        asks.borrow_mut().add(ack);
        // Nothing may be told, and no noise drawn, after the first change that failed.
        *late_draws.borrow_mut() += u64::from(*is_full.borrow() && !matches!(ack, Ack::Erased(_)));
    });
    let freed = blocked.clone();
    let store = NodeStore::new(&home, tell).healed_by(Box::new(move || *freed.borrow_mut() = false));
    let mut world = cast.world(begin(), full.map_or(0, |full| full.from));
    world.set_store(site, Box::new(store));
    let (counted, blocks) = (count.clone(), blocked.clone());
    disk::watch(Some(Box::new(move |change| {
        *counted.borrow_mut() += 1;
        let now = full.is_some_and(|full| full.from < u64::MAX && full.from + 1 == *counted.borrow());
        if now && let Change::Write(path, offset, bytes) = change {
            let file = std::fs::OpenOptions::new().write(true).open(path)?;
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes[..bytes.len() / 2], *offset)?;
        }
        *blocks.borrow_mut() |= now;
        if *blocks.borrow() { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    })));
    let ended = run_round(cast, &mut world, 0, mode);
    disk::watch(None);
    let mut failures = blamed(&world);
    let told = told.borrow();
    match ended.and_then(|id| Some((world.member(site)?, id))) {
        None => failures.push("the round does not end".to_owned()),
        Some((member, id)) => {
            failures.extend(told.broken_by(member));
            if member.fold().round(&id).is_none_or(|round| round.released().is_none()) {
                failures.push("the round ends without a release".to_owned());
            }
        }
    }
    if told.early_draws + *late.borrow() > 0 {
        failures.push("noise was drawn, or something told, after a write that failed".to_owned());
    }
    Survived { changes: *count.borrow(), failures }
}

/// `full_disk` at every change of a member's disk.
pub fn full_everywhere(cast: &Cast, mode: Mode, site: usize) -> Tally {
    let changes = full_disk(cast, mode, Some(Full { site, from: u64::MAX - 1 })).changes;
    let all: Vec<u64> = (0..changes).collect();
    on_two(&all, |from| {
        let survived = full_disk(cast, mode, Some(Full { site, from: *from }));
        let mut tally = Tally { images: 1, ..Tally::default() };
        match survived.failures.as_slice() {
            [] => tally.started = 1,
            bad => tally.failures.push(format!("member {site}, full at change {from} of {changes}: {bad:?}")),
        }
        tally
    })
}
