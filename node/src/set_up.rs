//! A node's beginning: who it is, checked; then its folder, its identity and its configuration. The command line and
//! the pages both come through here.

use datacoop_policy::MemberId;
use datacoop_policy::charter::PEOPLE_MAX;
use datacoop_protocol::log::note::is_key_name;

use crate::error::{CommandError, Exit};
use crate::folder::{Folder, StoreError};
use crate::home::{Config, Home, MemberIdText};
use crate::{entropy, net};

/// Who a new node is, as somebody typed it.
#[derive(Clone, Debug, Default)]
pub struct Organisation {
    /// Public register number, such as GB-EDU-100200.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who controls it in law; itself, if left out.
    pub body: Option<String>,
    /// A host name it controls.
    pub host: String,
    /// Fewest people it has records of.
    pub people_min: u64,
    /// Most: the public roll bound.
    pub people_max: u64,
    /// Where to listen.
    pub listen: Vec<String>,
    /// Where others reach it.
    pub addresses: Vec<String>,
}

/// Sets up a node in a folder.
///
/// Errors: what is wrong with who it is; a node is there already; the disk says no.
pub fn set_up(home: &Home, who: Organisation) -> Result<Config, CommandError> {
    let id: MemberId = who.id.parse().map_err(CommandError::usage)?;
    if !is_key_name(&who.host) || who.host.contains('/') {
        return Err(CommandError::usage(format!("`{}` is no host name", who.host)));
    }
    if who.people_max == 0 || who.people_max > PEOPLE_MAX || who.people_min > who.people_max {
        return Err(CommandError::usage(format!("write --people-min <= --people-max, at most {PEOPLE_MAX}")));
    }
    if let Some(bad) = who.listen.iter().chain(&who.addresses).find(|text| !net::is_address(text)) {
        return Err(CommandError::usage(format!(
            "`{bad}` is no address; write one such as /ip4/127.0.0.1/tcp/4100"
        )));
    }
    if home.exists() {
        return Err(CommandError::usage(format!("{} holds a node already", home.path().display()))
            .hint("name another folder: --node DIR"));
    }
    let config = Config {
        id: MemberIdText(id),
        body: who.body.unwrap_or_else(|| who.name.clone()),
        name: who.name,
        host: who.host,
        people_min: who.people_min,
        people_max: who.people_max,
        listen: who.listen,
        addresses: who.addresses,
        answer_grid: 250,
    };
    let failed = |error: StoreError| match error {
        StoreError::Locked(_) => CommandError {
            exit: Exit::NotRunning,
            text: error.to_string(),
            hint: Some("stop it there (Ctrl-C, or wait until the command ends), then try again".into()),
        },
        StoreError::Io(..) | StoreError::Wrong(_) => CommandError::failed(error.to_string()),
    };
    let _lock = Folder::open(home.path()).map_err(failed)?;
    home.create(&config, &entropy::bytes()).map_err(failed)?;
    Ok(config)
}
