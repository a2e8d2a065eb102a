//! `datacoop charter invite`: the letter of admission, one page in plain words. Source: CHARTER.md section 2.
//!
//! It is good for one member: it names the keys that its charter admits, and no other node can join by it.

use std::path::PathBuf;

use datacoop_policy::MemberId;
use datacoop_policy::charter::{Charter, LOOSENING_WAITS, Member};
use datacoop_protocol::charter_text::member_fingerprint;
use datacoop_protocol::words;
use serde_json::json;

use super::charter::write;
use super::fingerprint;
use super::node::{home_of, store_error};
use super::show::plain_lines;
use super::{Common, Printed};
use crate::error::CommandError;
use crate::html::{document, list, pairs, paragraphs, text};
use crate::qr;

/// How the letter looks, on paper too.
const STYLE: &str = "\
body{font:1.05rem/1.5 sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#14202b;background:#fff}
h1{font-size:1.6rem}
.words{font:1.2rem/1.8 monospace;columns:2;max-width:28rem}
.qr{width:11rem;height:11rem}
footer{color:#4a5661;font-size:.9rem;overflow-wrap:anywhere}
@media print{\
@page{size:A4;margin:14mm}body{font-size:10.5pt;line-height:1.35;margin:0;padding:0;max-width:none}h1{font-size:16pt;margin:0}\
h2{font-size:12pt;margin:8pt 0 2pt}p,ol,ul,dl{margin:4pt 0}\
.words{font-size:11.5pt;line-height:1.5}.qr{width:32mm;height:32mm}footer{font-size:9pt}}
";

#[derive(clap::Args)]
pub(super) struct InviteArgs {
    /// Register number of the member that is admitted
    #[arg(value_name = "ID")]
    member: MemberId,
    /// Write the letter as a page to print, instead of showing its text
    #[arg(short, long, value_name = "FILE.html")]
    output: Option<PathBuf>,
}

/// What stands in a letter, on a page or in a terminal.
struct Letter<'a> {
    charter: &'a Charter,
    member: &'a Member,
    /// Where meeting points are reached, with whose they are.
    meeting: Vec<String>,
    /// Names of those who vouched.
    sponsors: Vec<&'a str>,
}

pub(super) fn invite(common: &Common, args: &InviteArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let held = home.charter().map_err(store_error)?;
    let (_, charter) = held.ok_or_else(|| CommandError::usage("this node has no charter yet".into()))?;
    let member = charter.member(&args.member).ok_or_else(|| {
        CommandError::usage(format!("no version that this node holds admits `{}`", args.member)).hint(
            "first: datacoop charter propose --add CARD --sponsor ID --sponsor ID -o FILE, and signatures for it",
        )
    })?;
    let letter = Letter::new(&charter, member);
    let print = charter.id();
    let json = json!({
        "schema": "datacoop.letter/1",
        "charter": print.to_string(),
        "words": words::words(&print),
        "member": super::belonging::member_json(member),
        "meeting_points": letter.meeting,
    });
    match &args.output {
        Some(path) => {
            write(path, &letter.html())?;
            let said = format!(
                "Wrote {}. Print it and hand it over, or post it; send the charter itself another way.\n",
                path.display()
            );
            Ok(Printed::new(json, said))
        }
        None => Ok(Printed::new(json, plain_lines(&letter.plain()))),
    }
}

impl<'a> Letter<'a> {
    fn new(charter: &'a Charter, member: &'a Member) -> Self {
        let points =
            charter.members().iter().filter(|point| point.is_meeting_point() && point.id != member.id);
        let meeting = points
            .flat_map(|point| {
                point.addresses.iter().map(move |address| format!("{address} ({})", point.name))
            })
            .collect();
        let named = |id: &MemberId| charter.member(id).map(|sponsor| sponsor.name.as_str());
        Self { charter, member, meeting, sponsors: member.sponsors.iter().filter_map(named).collect() }
    }

    fn name(&self) -> &str {
        &self.charter.fields().name
    }

    fn opening(&self) -> Vec<String> {
        let (member, fields) = (self.member, self.charter.fields());
        let by = match self.sponsors.as_slice() {
            [] => String::new(),
            sponsors => format!(" {} vouched for you.", sponsors.join(" and ")),
        };
        let mut lines = vec![format!(
            "The members of {} have admitted {} ({}), register number {}.{by}",
            self.name(),
            member.name,
            member.body,
            member.id
        )];
        if fields.demo {
            lines.push("This is a demo: its members and its data are made up.".to_owned());
        }
        lines
    }

    fn about_words(&self) -> String {
        "These twelve words stand for the charter that all founders signed. Your node asks for them when it joins. Whoever sends you the charter may be anybody: if its words are these, it is the right one; if not, do not join by it.".to_owned()
    }

    fn steps(&self) -> Vec<String> {
        let days = LOOSENING_WAITS.0 / 86_400_000;
        vec![
            "Ask any member for the charter: its versions 1.note, 2.note and so on. Any way will do.".to_owned(),
            "On the computer with your node run: datacoop charter join 1.note 2.note, with every version. Type the twelve words of this letter.".to_owned(),
            "Write in limits.toml which purposes you answer, import your data, and start your node: datacoop run.".to_owned(),
            format!("The version that admits you acts {days} days after the others hold it, and not before {}. Until then your node waits.", self.charter.fields().effective),
        ]
    }

    fn about_keys(&self) -> String {
        "These are the words of your own node, which your sponsors heard from you. If `datacoop charter fingerprint` shows others there, ring them: this letter is for that node alone, and no other can join by it.".to_owned()
    }

    fn plain(&self) -> String {
        let print = self.charter.id();
        let numbered = |lines: Vec<String>| -> String {
            lines.iter().enumerate().map(|(n, line)| format!("  {}. {line}\n", n + 1)).collect()
        };
        let mut out = format!("Letter of admission to {}\n\n{}\n\n", self.name(), self.opening().join("\n"));
        out += &format!("{}\n\n{}\n", self.about_words(), fingerprint::lines(&print));
        out += &qr::blocks(&words::words(&print).join(" "));
        out += &format!("\nWhat to do\n{}\n", numbered(self.steps()));
        out +=
            &format!("{}\n\n{}\n", self.about_keys(), fingerprint::lines(&member_fingerprint(self.member)));
        out += "Where the members meet\n";
        match self.meeting.is_empty() {
            true => out += "  nowhere yet: the charter names no meeting point\n",
            false => self.meeting.iter().for_each(|point| out += &format!("  {point}\n")),
        }
        out
    }

    fn html(&self) -> String {
        let print = self.charter.id();
        let words_of = |digest| {
            let pairs: String =
                words::pairs(digest).iter().map(|pair| format!("<li>{}</li>\n", text(pair))).collect();
            format!("<ol class=\"words\">\n{pairs}</ol>\n")
        };
        let steps: String = self.steps().iter().map(|step| format!("<li>{}</li>\n", text(step))).collect();
        let code = qr::svg(&words::words(&print).join(" "), "The twelve words as a QR code");
        let mut main = paragraphs(&self.opening().join("\n"));
        main +=
            &format!("<h2>Twelve words</h2>\n{}{}{code}", paragraphs(&self.about_words()), words_of(&print));
        main += &format!("<h2>What to do</h2>\n<ol>\n{steps}</ol>\n");
        main += &format!(
            "<h2>Your own node</h2>\n{}{}",
            paragraphs(&self.about_keys()),
            words_of(&member_fingerprint(self.member))
        );
        main += "<h2>Where the members meet</h2>\n";
        main += &match self.meeting.is_empty() {
            true => "<p>Nowhere yet: the charter names no meeting point.</p>\n".to_owned(),
            false => list(self.meeting.iter().map(String::as_str)),
        };
        let details =
            pairs([("Charter", print.to_string()), ("Newest version", self.charter.version().to_string())]);
        let footer =
            format!("{details}<p>Drawn up by datacoop {} from the charter.</p>\n", env!("CARGO_PKG_VERSION"));
        let head = format!("<style>\n{STYLE}</style>\n");
        document(["Letter of admission", self.name()], &head, "", &main, &footer)
    }
}
