//! Reviews of this member's that are bound and not shown yet: each lies in a file that only its owner reads,
//! written before the entry that binds it. Whoever lost what it found could never show it.

use std::time::Duration;

use datacoop_policy::charter::REVIEWERS;
use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::acts::{Act, Findings, Grade, findings_hash};
use datacoop_protocol::entry::Ref;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::member::Member;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Sought, find, salted, write};
use crate::api::stopped;
use crate::driver::Handle;
use crate::entropy;
use crate::error::CommandError;
use crate::folder::{StoreError, list, make_dir, read_optional, sync_dir, write_durably};
use crate::home::Home;

/// The folder, in a node's.
const FOLDER: &str = "reviews";
/// How often a running node looks whether it may show a review.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What to bind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewRequest {
    /// The proposal.
    pub id: String,
    /// What was found; left out to show what was bound.
    pub found: Option<Found>,
}

/// What a reviewer found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    /// `good`, `doubtful` or `bad`.
    pub benefit: String,
    /// As above.
    pub harm: String,
    /// As above.
    pub least_data: String,
    /// Why.
    pub because: String,
}

/// A review as it lies in its file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Opens the hash, as hex.
    salt: String,
    /// Before the text in its blob, as hex.
    text_salt: String,
    found: Found,
}

/// How many reviews are bound, and whether ours is, and is shown.
struct Stand {
    me: MemberId,
    proposal: Ref,
    bound: usize,
    ours: Option<Digest>,
    shown: bool,
}

fn failed(error: StoreError) -> CommandError {
    CommandError::failed(error.to_string())
}

fn grade(code: &str, about: &str) -> Result<Grade, CommandError> {
    let known = Grade::ALL.into_iter().find(|grade| grade.code() == code);
    known.ok_or_else(|| CommandError::usage(format!("{about}: `{code}` is none of good, doubtful, bad")))
}

impl Kept {
    /// The salt that opens it, its findings, and the blob of its reasons.
    fn open(&self) -> Result<([u8; 32], Findings, Vec<u8>), CommandError> {
        let salt = |hex: &str| {
            let read = hex.parse::<Digest>();
            read.map(|salt| salt.0).map_err(|_| CommandError::failed("a kept review is damaged".into()))
        };
        let (text, blob) = salted(&self.found.because, &salt(&self.text_salt)?)?;
        let findings = Findings {
            benefit: grade(&self.found.benefit, "benefit")?,
            harm: grade(&self.found.harm, "harm")?,
            least_data: grade(&self.found.least_data, "least data")?,
            text,
        };
        Ok((salt(&self.salt)?, findings, blob))
    }
}

fn path(home: &Home, proposal: &Digest) -> std::path::PathBuf {
    home.join(FOLDER).join(proposal.to_string())
}

fn read(home: &Home, proposal: &Digest) -> Result<Option<Kept>, CommandError> {
    let path = path(home, proposal);
    let Some(bytes) = read_optional(&path).map_err(failed)? else { return Ok(None) };
    let kept = serde_json::from_slice(&bytes).map_err(|_| {
        CommandError::failed(format!("{} is damaged: take it from a backup of this folder", path.display()))
    });
    kept.map(Some)
}

fn keep(home: &Home, proposal: &Digest, kept: &Kept) -> Result<(), CommandError> {
    let text = serde_json::to_vec(kept).map_err(|error| CommandError::failed(error.to_string()))?;
    make_dir(&home.join(FOLDER)).and_then(|()| sync_dir(home.path())).map_err(failed)?;
    write_durably(&path(home, proposal), &text).map_err(failed)
}

fn remove(home: &Home, proposal: &Digest) -> Result<(), CommandError> {
    let path = path(home, proposal);
    crate::disk::remove(&path)
        .map_err(crate::folder::at(&path))
        .and_then(|()| sync_dir(&home.join(FOLDER)))
        .map_err(failed)
}

/// Proposals of which a review lies here.
fn waiting(home: &Home) -> Result<Vec<Digest>, StoreError> {
    let folder = home.join(FOLDER);
    let names = if folder.exists() { list(&folder)? } else { vec![] };
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

fn stand(member: &Member, proposal: Ref) -> Stand {
    let acts = member.fold().acts();
    let own = || acts.on(&proposal).filter(|said| said.by == *member.me());
    let first = own().filter(|said| matches!(said.act, Act::Review { .. })).min_by_key(|said| said.at.index);
    let ours = first.and_then(|said| if let Act::Review { hash, .. } = said.act { Some(hash) } else { None });
    let shown = own().any(|said| matches!(said.act, Act::Opened { .. }));
    let found = acts.get(&proposal.leaf);
    let bound = found.map_or(0, |found| acts.reviews(member.fold(), found).len());
    Stand { me: member.me().clone(), bound, ours, shown, proposal }
}

async fn stand_of(
    handle: &Handle,
    of: impl FnOnce(&Fold) -> Result<Ref, CommandError> + Send + 'static,
) -> Result<Stand, CommandError> {
    let seen = handle.view(move |member| Ok(stand(member, of(member.fold())?)));
    seen.await.ok_or_else(stopped)?
}

/// Binds a review, or shows the one that was bound. One at a time: the caller holds a lock.
pub async fn review(handle: &Handle, request: ReviewRequest) -> Result<Value, CommandError> {
    let ReviewRequest { id, found } = request;
    let now = stand_of(handle, move |fold| find(fold, &id, Sought::Proposal)).await?;
    if let Some(found) = found {
        bind(handle, &now, found).await?;
    }
    let proposal = now.proposal.clone();
    let now = stand_of(handle, move |_| Ok(proposal)).await?;
    let shown = show(handle, &now).await?;
    Ok(json!({ "schema": "datacoop.review/1", "proposal": now.proposal.leaf.to_string(), "bound": now.bound,
               "needed": REVIEWERS, "shown": shown || now.shown }))
}

async fn bind(handle: &Handle, now: &Stand, found: Found) -> Result<(), CommandError> {
    // What is bound already must not be written over: without it, it could never be shown.
    if now.ours.is_some() {
        return Err(CommandError::refused("act", "we reviewed it already, and are bound by it".into())
            .hint("datacoop review ID --show shows it once another reviewer is bound too"));
    }
    let salt = || Digest(entropy::bytes()).to_string();
    let kept = Kept { salt: salt(), text_salt: salt(), found };
    let (salt, findings, _) = kept.open()?;
    let leaf = now.proposal.leaf;
    keep(handle.home(), &leaf, &kept)?;
    // Crash here: findings that nothing is bound by. The next review of the same proposal takes their place.
    let hash = findings_hash(&now.me, &now.proposal, &salt, &findings);
    let act = Act::Review { proposal: now.proposal.clone(), hash };
    if let Err(error) = write(handle, act, None).await {
        // Refused, so nothing was bound. A node that stopped meanwhile may have written it: then they stay.
        if error.exit == crate::error::Exit::Refused {
            remove(handle.home(), &leaf)?;
        }
        return Err(error);
    }
    Ok(())
}

/// Shows a review once both are bound; whether it did.
async fn show(handle: &Handle, now: &Stand) -> Result<bool, CommandError> {
    let leaf = now.proposal.leaf;
    let kept = read(handle.home(), &leaf)?;
    let (Some(bound), Some(kept)) = (now.ours, &kept) else {
        return match (now.ours, now.shown) {
            (_, true) => Ok(false),
            (None, false) => Err(CommandError::usage(format!("we have not reviewed {} yet", leaf.short()))
                .hint("say what you found: --benefit, --harm, --least-data and --because")),
            (Some(_), false) => Err(CommandError::failed(
                "what we found is no longer in this node's folder: take the folder `reviews` from a backup"
                    .into(),
            )),
        };
    };
    if now.shown {
        remove(handle.home(), &leaf)?;
        return Ok(false);
    }
    if now.bound < REVIEWERS {
        return Ok(false);
    }
    let (salt, findings, blob) = kept.open()?;
    if findings_hash(&now.me, &now.proposal, &salt, &findings) != bound {
        return Err(CommandError::failed(
            "what is kept in the folder `reviews` is not what we are bound by: take it from a backup".into(),
        ));
    }
    let act = Act::Opened { proposal: now.proposal.clone(), salt, findings };
    write(handle, act, Some(blob)).await?;
    // Crash here: the file of a review that is shown. The next look removes it.
    remove(handle.home(), &leaf)?;
    Ok(true)
}

/// Shows reviews as soon as they may be, as long as the node runs.
pub async fn show_when_due(handle: Handle, one_at_a_time: std::sync::Arc<tokio::sync::Mutex<()>>) {
    let mut told = std::collections::BTreeSet::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let _turn = one_at_a_time.lock().await;
        let waiting = waiting(handle.home()).unwrap_or_default();
        for leaf in waiting {
            let seen = handle.view(move |member| {
                let found = member.fold().acts().get(&leaf).map(|done| done.at.clone());
                found.map(|proposal| stand(member, proposal))
            });
            let Some(found) = seen.await else { return };
            let Some(now) = found.filter(|now| now.ours.is_some()) else { continue };
            match show(&handle, &now).await {
                Ok(true) => tracing::info!(proposal = %leaf.short(), "showed our review"),
                Ok(false) => {}
                Err(error) if told.insert(leaf) => {
                    tracing::warn!(proposal = %leaf.short(), %error, "our review cannot be shown");
                }
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let salt = |n: u8| Digest([n; 32]).to_string();
        let found = Found {
            benefit: "good".into(),
            harm: "doubtful".into(),
            least_data: "bad".into(),
            because: "it asks for more than it needs".into(),
        };
        Kept { salt: salt(1), text_salt: salt(2), found }
    }

    #[test]
    fn what_is_kept_opens_as_it_was_bound_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (home, proposal) = (Home::new(dir.path()), Digest([7; 32]));
        assert!(read(&home, &proposal).unwrap().is_none() && waiting(&home).unwrap().is_empty());
        keep(&home, &proposal, &kept()).unwrap();
        let read_back = read(&home, &proposal).unwrap().unwrap().open().unwrap();
        assert!(read_back == kept().open().unwrap() && read_back.1.harm == Grade::Doubtful);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path(&home, &proposal)), mode(home.join(FOLDER))), (0o600, 0o700));
        assert_eq!(waiting(&home).unwrap(), [proposal]);
        remove(&home, &proposal).unwrap();
        assert!(read(&home, &proposal).unwrap().is_none());
    }

    #[test]
    fn a_damaged_file_is_an_error_and_quotes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (home, proposal) = (Home::new(dir.path()), Digest([7; 32]));
        keep(&home, &proposal, &kept()).unwrap();
        std::fs::write(path(&home, &proposal), b"{\"salt\":\"secret").unwrap();
        let error = read(&home, &proposal).err().unwrap();
        assert!(error.text.contains("backup") && !error.text.contains("secret"), "{error}");
        let mut bad = kept();
        bad.found.harm = "awful".into();
        assert!(bad.open().err().unwrap().text.contains("harm: `awful`"));
        (bad.found.harm, bad.found.because) = ("bad".into(), " \n".into());
        assert!(bad.open().err().unwrap().text.contains("says nothing"));
    }
}
