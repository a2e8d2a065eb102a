//! Texts that a person is reading and has not decided on: for a while, under ids that nobody can guess.
//! Must not know what they are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use datacoop_policy::Digest;

use crate::entropy;

/// How long something waits: a board meeting.
const KEPT_TIME: Duration = Duration::from_secs(4 * 3600);
/// Things at a time; the oldest makes room.
const KEPT_MAX: usize = 16;

/// Things by their ids.
pub(super) struct Kept<T>(Mutex<BTreeMap<String, (Instant, T)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Kept<T> {
    fn inside(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Instant, T)>> {
        // What it holds is whole after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps something. Returns its id.
    pub(super) fn put(&self, thing: T, now: Instant) -> String {
        let id = Digest(entropy::bytes()).to_string();
        let mut inside = self.inside();
        inside.retain(|_, (since, _)| now.duration_since(*since) < KEPT_TIME);
        if inside.len() >= KEPT_MAX {
            let oldest = inside.iter().min_by_key(|(_, (since, _))| *since).map(|(id, _)| id.clone());
            oldest.and_then(|oldest| inside.remove(&oldest));
        }
        inside.insert(id.clone(), (now, thing));
        id
    }

    /// What has this id, unless it is too old.
    pub(super) fn get(&self, id: &str, now: Instant) -> Option<T> {
        let mut inside = self.inside();
        inside.retain(|_, (since, _)| now.duration_since(*since) < KEPT_TIME);
        inside.get(id).map(|(_, thing)| thing.clone())
    }

    /// Puts something in the place of what has this id.
    pub(super) fn replace(&self, id: &str, thing: T) {
        if let Some((_, kept)) = self.inside().get_mut(id) {
            *kept = thing;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_kept_for_a_while_and_never_without_bound() {
        let (kept, now) = (Kept::default(), Instant::now());
        let id = kept.put("a", now);
        assert_eq!(kept.get(&id, now + KEPT_TIME - Duration::from_secs(1)), Some("a"));
        kept.replace(&id, "b");
        assert_eq!((kept.get(&id, now), kept.get("", now)), (Some("b"), None));
        for n in 1..=KEPT_MAX {
            kept.put("c", now + Duration::from_secs(n as u64));
        }
        assert_eq!(kept.get(&id, now), None, "the oldest made room");
        let id = kept.put("d", now);
        assert_eq!(kept.get(&id, now + KEPT_TIME), None);
    }
}
