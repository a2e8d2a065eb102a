//! Talks to the running node through its private door. Never opens the node's files.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::api::Door;
use crate::error::{CommandError, Exit};
use crate::home::Home;

/// An import of a large file takes a while.
const PATIENCE: Duration = Duration::from_secs(600);

/// A door that was found.
pub struct Client {
    door: Door,
    agent: ureq::Agent,
}

fn exit_of(code: u64) -> Exit {
    let all = [
        Exit::Failed,
        Exit::Usage,
        Exit::Budget,
        Exit::Aborted,
        Exit::Refused,
        Exit::Going,
        Exit::NoNode,
        Exit::NotRunning,
        Exit::Locked,
    ];
    all.into_iter().find(|exit| *exit as u64 == code).unwrap_or(Exit::Failed)
}

/// Straight to the node: a proxy from the environment would be handed the door's token.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .build();
    config.into()
}

impl Client {
    /// Errors: no node in this folder, or none running.
    pub fn new(home: &Home) -> Result<Self, CommandError> {
        let folder = home.path().display();
        if !home.exists() {
            let hint = Some("set one up with `datacoop init`, or name it with --node DIR".to_owned());
            return Err(CommandError {
                exit: Exit::NoNode,
                text: format!("there is no node in {folder}"),
                hint,
            });
        }
        let text = std::fs::read_to_string(home.join("run/api")).unwrap_or_default();
        let Ok(door) = serde_json::from_str(&text) else { return Err(not_running(home)) };
        Ok(Self { door, agent: agent() })
    }

    fn read(
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        home: &Home,
    ) -> Result<Value, CommandError> {
        let mut response = response.map_err(|_| not_running(home))?;
        let status = response.status();
        let text =
            response.body_mut().read_to_string().map_err(|error| CommandError::failed(error.to_string()))?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        if status == 401 {
            return Err(not_running(home));
        }
        let said = value["error"]
            .as_str()
            .map_or_else(|| format!("the node answered {status}: {text}"), str::to_owned);
        let hint = value["hint"].as_str().map(str::to_owned);
        Err(CommandError { exit: exit_of(value["exit"].as_u64().unwrap_or(1)), text: said, hint })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/v1/{path}", self.door.address)
    }

    /// Reads something.
    pub fn get(&self, home: &Home, path: &str) -> Result<Value, CommandError> {
        let bearer = format!("Bearer {}", self.door.token);
        Self::read(self.agent.get(self.url(path)).header("authorization", bearer).call(), home)
    }

    /// Has something done.
    pub fn post(&self, home: &Home, path: &str, body: &impl Serialize) -> Result<Value, CommandError> {
        let bearer = format!("Bearer {}", self.door.token);
        let text = serde_json::to_string(body).map_err(|error| CommandError::failed(error.to_string()))?;
        let request = self
            .agent
            .post(self.url(path))
            .header("authorization", bearer)
            .header("content-type", "application/json");
        Self::read(request.send(text), home)
    }
}

fn not_running(home: &Home) -> CommandError {
    CommandError {
        exit: Exit::NotRunning,
        text: format!("the node in {} is not running", home.path().display()),
        hint: Some("start it with `datacoop run`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_through_no_proxy() {
        assert!(agent().config().proxy().is_none());
    }
}
