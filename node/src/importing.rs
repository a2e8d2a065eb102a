//! Imports into a running node: one at a time, and the Member is told which datasets lie here. The command
//! line and the pages both come through here.

use std::collections::BTreeSet;

use datacoop_policy::Digest;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::driver::Handle;
use crate::error::CommandError;
use crate::load::{self, Loaded, Wish};

/// What imports of a running node share.
pub struct Importing {
    /// Vocabularies that the Member was started with: it answers questions on no others.
    known: BTreeSet<Digest>,
    /// Held by whoever imports or takes back: each snapshot's number follows from the one before.
    one: Mutex<()>,
}

impl Importing {
    /// Of a Member that was started with these vocabularies.
    pub fn new(known: BTreeSet<Digest>) -> Self {
        Self { known, one: Mutex::default() }
    }
}

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::failed(error.to_string())
}

/// Imports a data file, to its end, whoever still waits for it: what a browser that hangs up leaves half done would
/// be trampled by the next. Errors: as an import into a folder.
pub async fn import(handle: &Handle, wish: Wish) -> Result<Value, CommandError> {
    let handle = handle.clone();
    tokio::spawn(async move { import_one(&handle, wish).await }).await.map_err(failed)?
}

async fn import_one(handle: &Handle, wish: Wish) -> Result<Value, CommandError> {
    let _one_at_a_time = handle.importing().one.lock().await;
    let home = handle.home().clone();
    let loaded = tokio::task::spawn_blocking(move || load::import(&home, &wish, &mut |_| {}));
    let loaded: Loaded = loaded.await.map_err(failed)??;
    let known = handle.importing().known.contains(&loaded.hash);
    if known {
        handle.declare(loaded.dataset.clone());
    }
    let mut json = loaded.json();
    json["restart_needed"] = Value::Bool(!known);
    Ok(json)
}

/// Takes a vocabulary's import back, which must be its newest; to its end, whoever still waits for it.
///
/// Errors: it is not, any more; the disk says no.
pub async fn undo(handle: &Handle, vocabulary: String, snapshot: u64) -> Result<Value, CommandError> {
    let handle = handle.clone();
    tokio::spawn(async move { undo_one(&handle, vocabulary, snapshot).await }).await.map_err(failed)?
}

async fn undo_one(handle: &Handle, vocabulary: String, snapshot: u64) -> Result<Value, CommandError> {
    let _one_at_a_time = handle.importing().one.lock().await;
    let charters = handle.view(|member| member.fold().charters().to_vec()).await.unwrap_or_default();
    let home = handle.home().clone();
    let taken = tokio::task::spawn_blocking(move || {
        let (json, dataset) = load::undo_only(&home, &vocabulary, snapshot)?;
        let gone = !home.declared(&charters).map_err(failed)?.contains(&dataset);
        Ok((json, gone.then_some(dataset)))
    });
    let (json, gone) = taken.await.map_err(failed)??;
    if let Some(dataset) = gone {
        handle.take_back(dataset);
    }
    Ok(json)
}
