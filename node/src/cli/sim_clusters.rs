//! `datacoop sim chaos --clusters`: thousands of members as clusters that never meet, played side by side, and what a
//! small part of them said about all.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use datacoop_sim::clusters::{Added, one_round};
use serde_json::json;

use super::{Common, Printed, Progress};
use crate::error::{CommandError, Exit};

/// Of the clusters one in so many is played first: from those time and noise of all are foretold.
const FORETOLD_BY: u64 = 5;
/// By how much what was foretold may be off, in percent, before that is said.
const FORETOLD_WITHIN: f64 = 25.0;
/// Noise is further off than so many standard errors less than once in 10^8 cells.
const ERRORS_MAX: u64 = 6;

pub(super) fn clusters(
    common: &Common,
    first: u64,
    count: u64,
    members: usize,
    cells: usize,
) -> Result<Printed, CommandError> {
    let progress = Progress::new(common);
    let began = Instant::now();
    let sample = count.div_ceil(FORETOLD_BY);
    let part = play(first, sample, members, cells, &progress)?;
    let after_part = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred clusters")]
    let times = count as f64 / sample as f64;
    let foretold = (after_part * times, part.variance * count / sample);
    let all = part.plus(&play(first.wrapping_add(sample), count - sample, members, cells, &progress)?);
    progress.done();
    let seconds = began.elapsed().as_secs_f64();
    let off = (seconds / foretold.0 - 1.0) * 100.0;
    // In 65,536ths: noise of independent clusters adds by its variance.
    let bound = ERRORS_MAX * (all.variance / 65_536).isqrt();
    let memory = memory_peak();
    let mut text = format!(
        "{} members in {} clusters of {members}, {cells} cells: every law kept; {} events; {seconds:.1} s",
        all.members, all.clusters, all.events
    );
    text += &format!("\nmemory at its most {}", memory.as_deref().unwrap_or("not known on this system"));
    text += &format!(
        "\nadded up, the answers are at most {} off; standard error {}",
        all.off_by(),
        (all.variance / 65_536).isqrt()
    );
    if sample < count {
        text += &format!(
            "\nforetold from {sample} clusters: {:.1} s ({off:+.0} %), standard error {}",
            foretold.0,
            (foretold.1 / 65_536).isqrt()
        );
    }
    let mut code = 0;
    if all.off_by() > bound {
        text += &format!("\nexpected otherwise: at most {bound} off");
        code = Exit::Law as u8;
    } else if off.abs() > FORETOLD_WITHIN {
        text += "\nother programs ran beside it, or time does not grow with the number of clusters";
    }
    let value = json!({
        "schema": "datacoop.sim/1",
        "clusters": all.clusters,
        "members": all.members,
        "cells": cells,
        "events": all.events,
        "seconds": seconds,
        "memory": memory,
        "off_by": all.off_by(),
        "standard_error": (all.variance / 65_536).isqrt(),
        "foretold": { "clusters": sample, "seconds": foretold.0 },
        "laws": "kept",
    });
    let mut printed = Printed::new(value, text);
    printed.code = code;
    Ok(printed)
}

/// Plays clusters on every core, and adds up.
fn play(
    first: u64,
    count: u64,
    members: usize,
    cells: usize,
    progress: &Progress,
) -> Result<Added, CommandError> {
    let next = AtomicU64::new(0);
    let all: Mutex<Result<Added, String>> = Mutex::new(Ok(Added::default()));
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores.min(usize::try_from(count).unwrap_or(cores)) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let one = one_round(first.wrapping_add(n), members, cells);
                    let Ok(mut all) = all.lock() else { return };
                    let so_far = std::mem::replace(&mut *all, Ok(Added::default()));
                    *all = so_far.and_then(|so_far| Ok(so_far.plus(&one?)));
                    let Ok(added) = &*all else { return };
                    progress.say(&format!("{} of {count} clusters", added.clusters));
                }
            });
        }
    });
    let all = all.into_inner().map_err(|_| CommandError::failed("a cluster ended in a panic".to_owned()))?;
    all.map_err(CommandError::failed)
}

/// What the process had in memory at its most, as Linux counts it.
fn memory_peak() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(format!("{} MiB", kilobytes / 1024))
}
