//! `datacoop token`: tokens for programs that use the pages' JSON interface.

use clap::{Args, Subcommand};
use serde_json::json;

use super::node::{confirm, home_of, store_error};
use super::show::plain;
use super::{Common, Printed};
use crate::error::CommandError;
use crate::tokens::{self, Scope};

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token; its secret is shown once
    New(NewArgs),
    /// List the tokens, without their secrets
    List,
    /// Take a token back: from its program's next request on it opens nothing
    Revoke {
        /// Its id, as the list shows it
        id: String,
    },
}

#[derive(Args)]
pub(super) struct NewArgs {
    /// What it lets a program do: read, own (our exact figures), ask (spends the privacy budget), admin (declines)
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', required = true)]
    scope: Vec<Scope>,
    /// What you call it
    #[arg(long, default_value = "")]
    name: String,
}

pub(super) fn token(common: &Common, command: TokenCommand) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    match command {
        TokenCommand::New(NewArgs { scope, name }) => {
            let made = tokens::make(&home, &name, scope.into_iter().collect());
            let (token, secret) = made.map_err(|error| CommandError::usage(error.to_string()))?;
            let text = format!(
                "{secret}\nIt is shown this once. Whoever has it may: {}. Take it back: datacoop token revoke {}\n",
                scopes(&token.scopes),
                token.id
            );
            let json = json!({ "schema": "datacoop.token/1", "id": token.id, "scopes": token.scopes, "token": secret });
            Ok(Printed::new(json, text))
        }
        TokenCommand::List => {
            let all = tokens::list(&home).map_err(store_error)?;
            let line = |token: &tokens::Token| {
                format!(
                    "{}  {}  {}  {}\n",
                    token.id,
                    plain(&token.made),
                    scopes(&token.scopes),
                    plain(&token.name)
                )
            };
            let text = match all.is_empty() {
                true => "No program has a token. Make one: datacoop token new --scope read\n".to_owned(),
                false => all.iter().map(line).collect(),
            };
            let each = all.iter().map(|token| {
                json!({ "id": token.id, "name": token.name, "scopes": token.scopes, "made": token.made })
            });
            Ok(Printed::new(
                json!({ "schema": "datacoop.tokens/1", "tokens": each.collect::<Vec<_>>() }),
                text,
            ))
        }
        TokenCommand::Revoke { id } => {
            confirm(common, "Take this token back")?;
            if !tokens::revoke(&home, &id).map_err(store_error)? {
                return Err(CommandError::usage(format!("there is no token `{}`", plain(&id)))
                    .hint("list them: datacoop token list"));
            }
            let json = json!({ "schema": "datacoop.token-revoked/1", "id": id });
            Ok(Printed::new(json, "Taken back. It opens nothing any more.\n".to_owned()))
        }
    }
}

fn scopes(scopes: &std::collections::BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| scope.code()).collect::<Vec<_>>().join(", ")
}
