//! A made-up co-operative to look round in, for whoever has no records or no charter yet: five schools in this
//! process, a half-term's register each, and a few answers to begin with. They meet over loopback only, and nothing
//! of them is kept.

use std::collections::BTreeMap;

use datacoop_policy::question::QuestionDraft;

use super::{Cast, Progress, Script, everywhere, follow, made, query_body, stop, witnessed};
use crate::driver::{AskReply, Handle, Node, Run};
use crate::error::CommandError;
use crate::pretend::{start_as, stopped};

/// The fewest in which members see nothing of each other's figures.
const MEMBERS: usize = 5;
/// Of the data: always the same schools, so that what is read of them can be looked up.
const SEED: u64 = 1;
/// What is answered when somebody comes in, the newest last: what a head asks first stands first on Home.
const ANSWERED: [&str; 2] = [
    include_str!("../questions/catalogue/persistent-absence.toml"),
    include_str!("../questions/catalogue/attendance-gap.toml"),
];

/// It, until it is stopped.
pub struct Sample {
    nodes: Vec<Node>,
    folder: tempfile::TempDir,
}

impl Sample {
    /// The member whose pages are looked at.
    pub fn handle(&self) -> &Handle {
        self.nodes.last().expect("INVARIANT: a made-up co-operative has members").handle()
    }

    /// Stops every member and forgets all of it.
    ///
    /// Errors: a member's disk failed.
    pub async fn stop(self) -> Result<(), CommandError> {
        let Self { nodes, folder } = self;
        stop(nodes).await?;
        folder.close().map_err(|error| CommandError::failed(format!("made-up data were not erased: {error}")))
    }
}

/// Makes it up and has it answer: an event day, persistent absence and the attendance gap of a half-term.
///
/// Errors: no folder or no loopback port is to be had, or the members did not come to an answer.
pub async fn sample(progress: Progress<'_>) -> Result<Sample, CommandError> {
    let folder =
        tempfile::tempdir().map_err(|error| CommandError::failed(format!("no temporary folder: {error}")))?;
    let scripts = scripts()?;
    progress("writing the registers of five schools");
    let (about, root) = ((scripts[0].vocabulary.clone(), scripts[0].period), folder.path().to_owned());
    let cast =
        tokio::task::spawn_blocking(move || made::whole_cast(&root, (&about.0, about.1), MEMBERS, SEED));
    let Cast { members, .. } = cast.await.map_err(|error| CommandError::failed(error.to_string()))??;
    progress("starting their nodes and letting them meet");
    let run = Run { demo: true, sample: true, ..Run::default() };
    let nodes = start_as(&members, &run).await?;
    if let Err(error) = answer(&scripts, &nodes, progress).await {
        stop(nodes).await?;
        return Err(error);
    }
    Ok(Sample { nodes, folder })
}

/// What is asked, in this order.
fn scripts() -> Result<Vec<Script>, CommandError> {
    let first = made::script(MEMBERS)?;
    let (vocabulary, period) = (first.vocabulary.clone(), first.period);
    let mut scripts = vec![first];
    for text in ANSWERED {
        let question =
            QuestionDraft::from_toml(text).map_err(|error| CommandError::usage(error.to_string()))?;
        scripts.push(Script { vocabulary: vocabulary.clone(), question, params: BTreeMap::new(), period });
    }
    Ok(scripts)
}

async fn answer(scripts: &[Script], nodes: &[Node], progress: Progress<'_>) -> Result<(), CommandError> {
    let asker = nodes.last().ok_or_else(stopped)?.handle();
    let charter = asker.view(|member| member.fold().charter().hash()).await.ok_or_else(stopped)?;
    for (n, script) in scripts.iter().enumerate() {
        progress(&format!("asking question {} of {}", n + 1, scripts.len()));
        let query = query_body(None, script, nodes.len(), charter)?;
        let mut events = asker.events();
        let id = match asker.ask(query).await.ok_or_else(stopped)? {
            AskReply::Asked(id) => id,
            AskReply::Answered(_) => continue,
            AskReply::Denied(rule, text) => return Err(CommandError::refused(rule, text)),
        };
        follow(id, &mut events, &|_| ()).await?;
        everywhere(nodes, id).await?;
    }
    progress("waiting until they have checked each other's logs");
    witnessed(nodes).await
}
