//! A member that leaves a co-operative without a quorum for the one that follows it (CHARTER.md C15): how its log ended
//! there is written down, and what this node held of it is put aside, before the charter of the other is taken.
//!
//! The charter goes first: without one nothing here runs, and so never with a journal of two co-operatives or with half
//! of one. A move that was cut off goes on when it is asked for again.

use std::path::{Path, PathBuf};

use datacoop_policy::Digest;
use datacoop_policy::ledger::Ledger;
use datacoop_protocol::log::note::Checkpoint;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::folder::{StoreError, at, list, make_dir, make_folders, read_optional, sync_dir, write_durably};
use crate::home::Home;

/// Where it is written down.
const FILE: &str = "goes_on.toml";
/// What is one co-operative's: all but who this node is, its tables, and what its person decided.
const PUT_ASIDE: [&str; 6] = ["charter", "journal", "signed", "blobs", "index", "keys/openings"];

/// How this member's log ended in the co-operative that it left, and where it went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoneOn {
    /// The co-operative that it left: its charter's id.
    pub predecessor: Digest,
    /// The one that follows it.
    pub charter: Digest,
    /// The head that its log ended with.
    pub head: Checkpoint,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoneOnText {
    predecessor: String,
    charter: String,
    origin: String,
    size: u64,
    root: String,
}

impl Home {
    /// Where this member came from, if it left another co-operative.
    pub fn gone_on(&self) -> Result<Option<GoneOn>, StoreError> {
        let path = self.join(FILE);
        let Some(bytes) = read_optional(&path)? else { return Ok(None) };
        let wrong = |what: String| StoreError::Wrong(format!("{}: {what}", path.display()));
        let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let read: GoneOnText = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let digest = |hex: &str| hex.parse::<Digest>().map_err(&wrong);
        Ok(Some(GoneOn {
            predecessor: digest(&read.predecessor)?,
            charter: digest(&read.charter)?,
            head: Checkpoint { origin: read.origin, size: read.size, root: digest(&read.root)? },
        }))
    }

    /// Where what was held of a co-operative that this member left lies.
    pub fn put_aside(&self, predecessor: &Digest) -> PathBuf {
        self.join(&format!("before/{predecessor}"))
    }

    /// Leaves a co-operative: writes down how our log ended and what it had spent, and puts aside what is that
    /// co-operative's. What was begun before is finished. The folder is locked.
    pub fn go_on(&self, gone: &GoneOn, spent: &Ledger) -> Result<(), StoreError> {
        let mut carried = self.carried()?;
        spent.accounts().for_each(|(account, spent)| carried.carry(account, spent));
        self.write_carried(&carried)?;
        let text = GoneOnText {
            predecessor: gone.predecessor.to_string(),
            charter: gone.charter.to_string(),
            origin: gone.head.origin.clone(),
            size: gone.head.size,
            root: gone.head.root.to_string(),
        };
        let text = toml::to_string(&text).map_err(|error| StoreError::Wrong(error.to_string()))?;
        let head =
            "# How this member's log ended in the co-operative that it left, whose files lie in `before`.\n";
        write_durably(&self.join(FILE), (head.to_owned() + &text).as_bytes())?;
        self.finish_going_on(gone)
    }

    /// As far as it is not done yet: puts aside what is the co-operative's that was left.
    pub fn finish_going_on(&self, gone: &GoneOn) -> Result<(), StoreError> {
        let aside = self.put_aside(&gone.predecessor);
        make_dir(&self.join("before"))?;
        make_dir(&aside)?;
        for name in PUT_ASIDE {
            let (from, to) = (self.join(name), aside.join(name.rsplit('/').next().unwrap_or(name)));
            // What a command made anew since it was moved is empty.
            if from.exists() && !to.exists() {
                disk::rename(&from, &to).map_err(at(&from))?;
                sync_dir(from.parent().unwrap_or(Path::new(".")))?;
                sync_dir(&aside)?;
            }
        }
        // Of rounds that were open nothing more is said, and their keys open what others sent us.
        let secrets = self.join("keys/rounds");
        for name in list(&secrets)? {
            let path = secrets.join(name);
            disk::remove(&path).map_err(at(&path))?;
        }
        make_folders(self.path())?;
        sync_dir(self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacoop_policy::ledger::Account;
    use datacoop_policy::{AcademicYear, PrivacyLoss};

    fn held(home: &Home) -> Vec<String> {
        PUT_ASIDE.iter().filter(|name| home.join(name).join("x").exists()).map(ToString::to_string).collect()
    }

    /// Cut off after each step, and asked for again.
    #[test]
    fn a_move_that_was_cut_off_goes_on() {
        let gone = GoneOn {
            predecessor: Digest([1; 32]),
            charter: Digest([2; 32]),
            head: Checkpoint { origin: "a.example/datacoop/1".into(), size: 7, root: Digest([3; 32]) },
        };
        let mut spent = Ledger::default();
        spent.carry(
            &Account { dataset: "pupils".into(), year: AcademicYear(2025) },
            PrivacyLoss::from_nano(5),
        );
        for done in 0..=PUT_ASIDE.len() {
            let dir = tempfile::tempdir().unwrap();
            let home = Home::new(dir.path());
            make_folders(home.path()).unwrap();
            make_dir(&home.join("index")).unwrap();
            for name in PUT_ASIDE.iter().chain(&["keys/rounds", "tables"]) {
                std::fs::write(home.join(name).join("x"), name).unwrap();
            }
            // As a crash leaves it, and the next command, which makes the folders anew.
            let aside = home.put_aside(&gone.predecessor);
            std::fs::create_dir_all(&aside).unwrap();
            for name in &PUT_ASIDE[..done] {
                std::fs::rename(home.join(name), aside.join(name.rsplit('/').next().unwrap())).unwrap();
            }
            make_folders(home.path()).unwrap();
            home.go_on(&gone, &spent).unwrap();
            home.finish_going_on(&gone).unwrap();
            assert_eq!(held(&home), Vec::<String>::new(), "{done}");
            for name in PUT_ASIDE {
                let text = std::fs::read_to_string(aside.join(name.rsplit('/').next().unwrap()).join("x"));
                assert_eq!(text.unwrap(), name, "{done}");
            }
            assert!(!home.join("keys/rounds/x").exists() && home.join("tables/x").exists());
            assert_eq!(
                (home.gone_on().unwrap(), home.carried().unwrap()),
                (Some(gone.clone()), spent.clone())
            );
        }
    }
}
