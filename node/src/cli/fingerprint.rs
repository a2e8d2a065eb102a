//! `datacoop charter fingerprint`: twelve words that people compare by voice.

use std::path::PathBuf;

use datacoop_policy::Digest;
use datacoop_protocol::charter_text::{bare_text, member_fingerprint, open_card, parse_charter};
use datacoop_protocol::words;
use serde_json::{Value, json};

use super::demo::read;
use super::node::{home_of, store_error};
use super::show::{plain, plain_lines};
use super::{Common, Printed};
use crate::error::CommandError;

/// Six pairs, two to a line, numbered as they are read aloud.
pub(super) fn lines(digest: &Digest) -> String {
    let pairs: Vec<String> =
        words::pairs(digest).iter().enumerate().map(|(n, pair)| format!("{}. {pair:<18}", n + 1)).collect();
    pairs.chunks(3).map(|row| format!("  {}\n", row.join("").trim_end())).collect()
}

fn said(what: &str, name: &str, digest: &Digest) -> (Value, String) {
    let text = format!("{}\n{}", plain(&format!("{what} {name}")), lines(digest));
    (json!({ "of": what, "name": name, "words": words::words(digest) }), text)
}

/// Of a file; or of the charter and the keys of this node.
pub(super) fn fingerprint(common: &Common, file: Option<&PathBuf>) -> Result<Printed, CommandError> {
    let found = match file {
        Some(file) => vec![of_file(file)?],
        None => {
            let home = home_of(common)?;
            let config = home.config().map_err(store_error)?;
            let keys = home.keys(&config).map_err(store_error)?;
            let own = home.card_member(&config, &keys);
            let charter = home.charter().map_err(store_error)?;
            let charter =
                charter.map(|(_, charter)| said("The charter of", &charter.fields().name, &charter.id()));
            charter
                .into_iter()
                .chain([said(
                    "The register number, name, body and keys of",
                    &own.name,
                    &member_fingerprint(&own),
                )])
                .collect()
        }
    };
    let (json, text): (Vec<Value>, Vec<String>) = found.into_iter().unzip();
    let text = format!(
        "{}\nRead them to each other on the telephone: all twelve must be the same.\n",
        text.join("\n")
    );
    Ok(Printed::new(json!({ "schema": "datacoop.fingerprint/1", "fingerprints": json }), plain_lines(&text)))
}

fn of_file(file: &PathBuf) -> Result<(Value, String), CommandError> {
    let text = read(file)?;
    let wrong = |error: String| CommandError::usage(format!("{}: {error}", file.display()));
    if text.starts_with("# datacoop/card/") {
        let member = open_card(&text).map_err(|error| wrong(error.to_string()))?;
        return Ok(said(
            "The register number, name, body and keys of",
            &member.name,
            &member_fingerprint(&member),
        ));
    }
    let charter = parse_charter(bare_text(&text)).map_err(|error| wrong(error.to_string()))?;
    if charter.version() > 1 {
        // What a later version says of version 1 is only its word; a chain shows it.
        return Err(wrong(format!(
            "this is version {}; a charter's words are those of version 1",
            charter.version()
        ))
        .hint("name version 1, or show the charter held here: datacoop charter fingerprint"));
    }
    Ok(said("The charter of", &charter.fields().name, &charter.id()))
}
