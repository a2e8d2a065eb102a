//! The command line: results on stdout, the rest on stderr. A file a command.

mod acts;
mod amend;
mod ask;
mod belonging;
mod blocked;
mod certificate;
mod charter;
mod delegate;
mod demo;
mod fingerprint;
mod follow;
mod generate;
mod import;
mod inbox;
mod invite;
mod join;
mod limits;
mod log;
mod means;
mod node;
mod not_us;
mod objections;
mod opening;
mod own;
mod papers;
mod proof;
mod proposals;
mod propose;
mod purpose;
mod questions;
mod recipients;
mod register;
mod restore;
mod results;
mod review;
mod reviewed;
mod rotate;
mod show;
mod shown;
mod sim;
mod sim_chaos;
mod sim_clusters;
mod sim_plan;
mod sim_stories;
mod sql;
mod succession;
mod token;
mod try_limits;
mod verify;
mod vocabulary;
mod why;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub(crate) use amend::{may_sign, open as open_text, sign_opened};
pub(crate) use ask::parse_window;
use clap::{Args, Parser, Subcommand};
pub(crate) use join::{join_checked, may_join, notes_in_order};
pub(crate) use limits::limit_rows;
pub(crate) use means::{factor_text, meaning_text, releases_json};
pub(crate) use node::store_error;
use serde_json::{Value, json};
pub(crate) use show::{audit_json, audit_text, figures_json, percent, plain, table_of, wrapped};
use show::{plain_json, plain_lines};
pub(crate) use verify::{goes_on_json, goes_on_text};

use crate::engine::STACK_BYTES;
use crate::error::{CommandError, Exit};
use crate::figure::Terminal;

/// What the program is, in the words of its help.
const ABOUT: &str = "Benchmark together; keep your data at home.

Your organisation runs a node. Records stay on this computer. Any figure that
leaves it carries privacy noise added on purpose; as a rule only sums can be read.";

const AFTER: &str = "First time?  datacoop demo

Exit codes: 0 done, 1 failed, 2 usage or unreadable input, 3 two signed histories of one log,
4 privacy budget would be exceeded, 5 aborted or too few members, 6 refused by another rule,
7 asked and still going, 10 no node here, 11 node busy or not running, 12 locked, 20 a law of the
simulated world was broken, 130 cancelled";

#[derive(Parser)]
#[command(name = "datacoop", version, about = "Benchmark together; keep your data at home", long_about = ABOUT, after_help = AFTER)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone)]
pub(crate) struct Common {
    /// Node folder
    #[arg(
        short,
        long,
        global = true,
        value_name = "DIR",
        env = "DATACOOP_NODE",
        default_value = "datacoop-node"
    )]
    node: PathBuf,
    /// Print machine-readable output
    #[arg(long, global = true)]
    json: bool,
    /// Draw with plain characters
    #[arg(long, global = true)]
    ascii: bool,
    /// Do not ask for confirmation
    #[arg(short, long, global = true)]
    yes: bool,
    /// Print only results and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Print more; repeat for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Common {
    /// How figures are drawn.
    fn terminal(&self) -> Terminal {
        if self.ascii { Terminal::Ascii } else { Terminal::Drawn }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Run a made-up co-operative on this computer: one benchmark, one audit
    Demo(demo::DemoArgs),
    /// Write what made-up schools and charities would export, and what is planted in it
    Generate(generate::GenerateArgs),
    /// Set up a node for your organisation
    Init(node::InitArgs),
    /// Read, write and sign the rules
    #[command(subcommand)]
    Charter(charter::CharterCommand),
    /// Load a data file into your node, or look at what it would be
    Import(Box<import::ImportArgs>),
    /// Set a node up in your browser, step by step, then run it
    Start(node::RunArgs),
    /// Run the node and its pages
    Run(node::RunArgs),
    /// Get an address that opens the running node's pages in a browser
    Open,
    /// Make, list and take back tokens for programs that use the pages' JSON interface
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Make a folder that refuses to start ready to take its log back from the other members
    Restore(restore::RestoreArgs),
    /// Say in a few lines how the node is
    Status,
    /// Ask the members a question, or plan one without spending
    Ask(Box<ask::AskArgs>),
    /// Find, list, show and check questions
    #[command(subcommand)]
    Questions(questions::QuestionsCommand),
    /// List releases you already hold; costs nothing
    Results(results::ResultsArgs),
    /// List, show, draft and check data standards
    #[command(subcommand)]
    Vocabulary(vocabulary::VocabularyCommand),
    /// Look at this node's own exact data with SQL; nothing leaves this computer
    Sql(sql::SqlArgs),
    /// People who object to being counted
    #[command(subcommand)]
    Objections(objections::ObjectionsCommand),
    /// Propose a question, a purpose or a next version of the charter to the members
    #[command(subcommand)]
    Propose(propose::ProposeCommand),
    /// List what is proposed, or show one: who supports it, who objects and why, what comes next
    Proposals(proposals::ProposalsArgs),
    /// Support a proposal
    Support(acts::SupportArgs),
    /// Object to a proposal, or to a question that was asked, with a reason
    Object(acts::ObjectArgs),
    /// Answer an objection to what this member proposed or asked
    Reply(acts::ReplyArgs),
    /// Take a proposal of this member's back
    Withdraw(acts::WithdrawArgs),
    /// Review a proposal, unseen by the other reviewer until both are bound
    Review(review::ReviewArgs),
    /// Report what came of a purpose: without a report it is not renewed
    Report(acts::ReportArgs),
    /// Results handed to somebody outside before they are public: to whom, under which licence, with what receipt
    #[command(subcommand)]
    Recipients(recipients::RecipientsCommand),
    /// Want a member, a purpose or a dataset to stop for 30 days
    #[command(subcommand)]
    Pause(acts::PauseCommand),
    /// Let a member ask in our name: narrower than a coordinator, for 30 days at most
    Delegate(delegate::DelegateArgs),
    /// List who may ask for a coordinator, what and until when
    Delegations,
    /// Take a delegation of this member's back
    Revoke(delegate::RevokeArgs),
    /// List the questions that wait for this node's yes, and those that can still be declined
    #[command(after_help = inbox::RULES_HELP)]
    Inbox,
    /// Answer a question that waits
    Approve(inbox::ApproveArgs),
    /// Do not answer a question, a purpose, or anything: no reason needed, until our contribution is logged
    Decline(inbox::DeclineArgs),
    /// Stay out of a question, a purpose or a dataset; others go on without you
    #[command(subcommand)]
    NotUs(not_us::NotUsCommand),
    /// Replay the logs this node holds, or watch them grow
    Audit(follow::AuditArgs),
    /// Write the certificate of a release: a file that anybody can check alone
    Certificate(certificate::CertificateArgs),
    /// Check exported logs and certificates offline; needs no node
    Verify(verify::VerifyArgs),
    /// Export or serve the logs, prove an entry, or show an auditor what a committee seat was sent
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Write the public register as a small web site
    #[command(subcommand)]
    Register(register::RegisterCommand),
    /// Write the papers a data protection officer and families need, from what is in force here
    Papers(papers::PapersArgs),
    /// Simulate a co-operative in a box
    #[command(subcommand)]
    Sim(sim::SimCommand),
}

/// The exit code of what was ended from the keyboard.
const CANCELLED: u8 = 130;

/// What a command prints on success.
pub(crate) struct Printed {
    /// For programs.
    json: Value,
    /// For people.
    text: String,
    /// 0, or a code that is no error.
    code: u8,
}

impl Printed {
    fn new(json: Value, text: String) -> Self {
        Self { json, text, code: 0 }
    }

    /// Onto stdout, as was asked for: nothing, if there is nothing to say.
    fn write(&self, common: &Common) -> std::io::Result<()> {
        let text = match common.json {
            true if self.json.is_null() => return Ok(()),
            true => plain_json(format!("{:#}", self.json)),
            false => plain_lines(self.text.trim_end()).to_string(),
        };
        let written = if text.is_empty() { Ok(()) } else { writeln!(std::io::stdout(), "{text}") };
        // A reader such as `head` goes away when it has enough; that is no failure of ours.
        written.or_else(|error| match error.kind() == std::io::ErrorKind::BrokenPipe {
            true => Ok(()),
            false => Err(error),
        })
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_tracing(&cli.common);
    // The engine walks a Question's longest expression on its stack: see `engine::STACK_BYTES`.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.thread_stack_size(STACK_BYTES).worker_threads(workers()).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let common = cli.common.clone();
            // `run` ends by itself on a signal, once its last frame is on disk; so do a demo's members.
            let runs = matches!(&cli.command, Command::Run(_) | Command::Start(_))
                || matches!(&cli.command, Command::Demo(args) if args.stays(&cli.common));
            let outcome = runtime.block_on(async {
                tokio::select! {
                    outcome = dispatch(cli.common, cli.command) => Some(outcome),
                    Ok(()) = tokio::signal::ctrl_c(), if !runs => None,
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(5));
            let Some(outcome) = outcome else { return ExitCode::from(CANCELLED) };
            return finish(&common, outcome);
        }
        Err(error) => Err(CommandError::failed(format!("no threads: {error}"))),
    };
    finish(&cli.common, outcome)
}

/// Nodes sync files on their own threads: a few more than cores, so that waiting disks overlap.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(4, |cores| cores.get() * 4)
}

async fn dispatch(common: Common, command: Command) -> Result<Printed, CommandError> {
    match command {
        Command::Demo(args) => demo::demo(&common, args).await,
        Command::Generate(args) => generate::generate_command(&common, &args),
        Command::Init(args) => node::init(&common, args),
        Command::Charter(command) => charter::charter(&common, command),
        Command::Import(args) => import::import(&common, *args).await,
        Command::Run(args) => node::run(&common, &args).await,
        Command::Start(args) => node::start(&common, &args).await,
        Command::Open => node::open(&common),
        Command::Token(command) => token::token(&common, command),
        Command::Restore(args) => restore::restore(&common, &args),
        Command::Status => node::status(&common),
        Command::Ask(args) => ask::ask(&common, &args),
        Command::Results(args) => results::results(&common, &args).await,
        Command::Questions(command) => questions::questions(&common, command),
        Command::Vocabulary(command) => vocabulary::vocabulary(&common, command),
        Command::Sql(args) => sql::sql(&common, args).await,
        Command::Objections(command) => objections::objections(&common, command),
        Command::Propose(command) => propose::propose(&common, command),
        Command::Proposals(args) => proposals::proposals(&common, &args),
        Command::Support(args) => acts::support(&common, &args),
        Command::Object(args) => acts::object(&common, &args),
        Command::Reply(args) => acts::reply(&common, &args),
        Command::Withdraw(args) => acts::withdraw(&common, &args),
        Command::Review(args) => review::review(&common, &args),
        Command::Report(args) => acts::report(&common, &args),
        Command::Recipients(command) => recipients::recipients(&common, command),
        Command::Pause(command) => acts::pause(&common, command),
        Command::Delegate(args) => delegate::delegate(&common, &args),
        Command::Delegations => delegate::delegations(&common),
        Command::Revoke(args) => delegate::revoke(&common, &args),
        Command::Inbox => inbox::inbox(&common),
        Command::Approve(args) => inbox::approve(&common, &args),
        Command::Decline(args) => inbox::decline(&common, &args),
        Command::NotUs(command) => not_us::not_us(&common, command),
        Command::Audit(args) if args.follow => follow::follow(&common, &args).await,
        Command::Audit(args) => node::audit(&common, args.state.as_deref()),
        Command::Certificate(args) => certificate::certificate(&common, &args),
        Command::Verify(args) => verify::verify(&common, args),
        Command::Register(command) => register::register(&common, command),
        Command::Papers(args) => papers::papers(&common, &args),
        Command::Log(command) => log::log(&common, command),
        Command::Sim(command) => sim::sim(&common, &command),
    }
}

fn finish(common: &Common, outcome: Result<Printed, CommandError>) -> ExitCode {
    match outcome {
        Ok(printed) => match printed.write(common) {
            Ok(()) => ExitCode::from(printed.code),
            Err(error) => {
                eprintln!("error: the result was not written: {error}");
                ExitCode::from(Exit::Failed as u8)
            }
        },
        Err(error) => {
            let exit = error.exit as u8;
            if common.json {
                let said = json!({ "schema": "datacoop.error/1", "error": error.text, "hint": error.hint, "exit": exit });
                eprintln!("{}", plain_json(said.to_string()));
            } else {
                eprintln!("{}", plain_lines(&error.to_string()));
            }
            ExitCode::from(exit)
        }
    }
}

fn start_tracing(common: &Common) {
    let level = match (common.quiet, common.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "datacoop=info,warn",
        (false, 2) => "datacoop=debug,info",
        (false, _) => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// Where there is no terminal, progress is one line in this time.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A line that says what is going on: a spinner on a terminal, elsewhere a line now and then, and
/// nothing at all when told to be quiet.
pub(crate) struct Progress {
    bar: indicatif::ProgressBar,
    lines: Option<mpsc::Sender<String>>,
}

impl Progress {
    fn new(common: &Common) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = match terminal && !common.quiet {
            true => indicatif::ProgressBar::new_spinner(),
            false => indicatif::ProgressBar::hidden(),
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        let lines = (!terminal && !common.quiet).then(|| {
            let (say, said) = mpsc::channel();
            std::thread::spawn(move || print_lines(&said, LINE_EVERY, &mut |line| eprintln!("{line}")));
            say
        });
        Self { bar, lines }
    }

    fn say(&self, what: &str) {
        let what = plain(what);
        if let Some(lines) = &self.lines {
            let _ended = lines.send(what.clone());
        }
        self.bar.set_message(what);
    }

    fn done(&self) {
        self.bar.finish_and_clear();
    }
}

/// Prints the newest of what was said once in `every`, until nobody can say more.
fn print_lines(said: &mpsc::Receiver<String>, every: Duration, print: &mut dyn FnMut(&str)) {
    let mut newest = String::new();
    let mut due = Instant::now() + every;
    loop {
        match said.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(what) => newest = what,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if !newest.is_empty() {
                    print(&format!("{newest} ..."));
                }
                due = Instant::now() + every;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_a_terminal_progress_is_a_line_now_and_then() {
        let (say, said) = mpsc::channel();
        for step in 0..100 {
            say.send(format!("step {step}")).unwrap();
        }
        let mut lines = vec![];
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(250));
            drop(say);
        });
        print_lines(&said, Duration::from_millis(100), &mut |line| lines.push(line.to_owned()));
        ends.join().unwrap();
        assert!((1..=3).contains(&lines.len()), "{lines:?}");
        assert!(lines.iter().all(|line| line == "step 99 ..."), "{lines:?}");
    }
}
