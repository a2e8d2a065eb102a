//! Whole `datacoop` processes in temporary folders, from outside: what a member, an auditor or an
//! attacker sees.
//!
//! What this crate does *not* do: look inside a `Member`; `sim` does that.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

pub mod arithmetic;
pub mod certified;
pub mod cheat;
pub mod crash;
pub mod differencing;
pub mod end_to_end;
pub mod foreign;
pub mod full;
pub mod kills;
pub mod matrix;
pub mod noise;
pub mod numbers;
pub mod pages;
pub mod pretending;
pub mod probe;
pub mod renyi;
pub mod report;
pub mod rounds;
pub mod sabotage;
pub mod shape;
pub mod shape_queries;
pub mod statistics;
pub mod timing;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs a node, with its pages at a port that no other node of the tests has.
pub const RUN: [&str; 3] = ["run", "--port", "0"];
/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a node may take to start anew by itself.
const RESTART: Duration = Duration::from_secs(10);

/// A vocabulary of one's own.
pub const VOCABULARY: &str = r#"
id = "exam"
version = 1
title = "Examination results"
dataset = "exam"
unit = "row"
column = [
  { name = "school", type = "text", role = "member" },
  { name = "sex", type = "text", values = ["F", "M"], group = true },
  { name = "score", type = "number", low = -4, high = 4, synonyms = ["result"] },
  { name = "remark", type = "text" },
]
"#;

/// A question over it.
pub const QUESTION: &str = r#"
id = "mean-score"
version = 1
title = "What do they score?"
vocabulary = "exam/1"
figure = { kind = "mean", of = "s", count = "n" }
loss = 5_000_000
matters = "0.1"
measure = [
  { name = "n", sql = "1", clamp = [0, 1], resolution = "1/4" },
  { name = "s", sql = "score", clamp = [-4, 4], resolution = "1/2" },
]
by = [{ column = "sex", cells = ["F", "M"] }]
"#;

/// The program under test, as `cargo test --workspace` built it.
pub fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let folder = own.parent().and_then(Path::parent).expect("target/<profile>/deps");
    let program = folder.join("datacoop");
    assert!(program.exists(), "{} is not built; run `cargo test --workspace`", program.display());
    program
}

/// Nodes in one temporary folder.
pub struct Coop {
    folder: tempfile::TempDir,
    running: Vec<Option<Child>>,
}

impl Coop {
    /// Sets up `members` nodes through cards and a charter file, with data of `rows` rows each; the
    /// first two are meeting points on free ports.
    pub fn found(members: usize, rows: usize) -> Self {
        Self::found_with(members, rows, &[])
    }

    /// As `found`, each node set up with these options too.
    pub fn found_with(members: usize, rows: usize, options: &[&str]) -> Self {
        Self::found_under(members, rows, options, &|text| text)
    }

    /// As `found_with`, under a charter whose text was changed before anybody signed it.
    pub fn found_under(
        members: usize,
        rows: usize,
        options: &[&str],
        change: &dyn Fn(String) -> String,
    ) -> Self {
        let coop = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            running: (0..members).map(|_| None).collect(),
        };
        std::fs::write(coop.path("exam.toml"), VOCABULARY).expect("written");
        std::fs::write(coop.path("mean.toml"), QUESTION).expect("written");
        let mut cards = vec![];
        for n in 0..members {
            let (id, host) = (format!("GB-EDU-{n:06}"), format!("s{n}.example"));
            let name = format!("School {n}");
            let mut args = vec!["init", "--id", &id, "--name", &name, "--host", &host, "--people-max", "500"];
            args.extend(options);
            let address = format!("/ip4/127.0.0.1/tcp/{}", free_port());
            if n < 2 {
                args.extend(["--listen", &address, "--address", &address]);
            }
            coop.ok(n, &args);
            coop.ok(n, &["charter", "card", "-o", &format!("{n}.card")]);
            cards.push(format!("{n}.card"));
        }
        let mut args = vec!["charter", "new"];
        args.extend(cards.iter().map(String::as_str));
        args.extend(["--name", "Hill and Vale", "--vocabulary", "exam.toml", "--purpose", "exams"]);
        args.extend(["--title", "Who does well?", "--affected", "Pupils; their families."]);
        args.extend(["--heard", "The student council.", "--not-for", "ranking schools"]);
        args.extend([
            "--public-after-days",
            "0",
            "--reviewer",
            "GB-EDU-000000",
            "--reviewer",
            "GB-EDU-000001",
        ]);
        args.extend(["--plain", "Who does well?", "--successor", "GB-CHC-1", "-o", "charter.txt"]);
        coop.ok(0, &args);
        let text = std::fs::read_to_string(coop.path("charter.txt")).expect("a charter");
        std::fs::write(coop.path("charter.txt"), change(text)).expect("written");
        for round in 0..2 {
            for n in 0..members {
                let signed = coop.ok(n, &["charter", "sign", "charter.txt", "--yes", "--json"]);
                assert!(round == 0 || json(&signed)["in_force"] == true);
            }
        }
        for n in 0..members {
            let rows: String =
                (0..rows).map(|i| format!("S,{},{}\n", ["F", "M"][i % 2], (i % 5) as i64 - 2)).collect();
            let file = format!("{n}.csv");
            std::fs::write(coop.path(&file), format!("school,sex,result\n{rows}")).expect("written");
            coop.ok(n, &["import", &file, "--vocabulary", "exam.toml"]);
        }
        coop
    }

    /// A path in the temporary folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A node's folder.
    pub fn node(&self, n: usize) -> PathBuf {
        self.path(&format!("node{n}"))
    }

    fn command(&self, n: usize, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).arg("--node").arg(self.node(n)).args(args);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command of a node to its end.
    pub fn run(&self, n: usize, args: &[&str]) -> Output {
        self.command(n, args).output().expect("the program runs")
    }

    /// Runs a command that must succeed, again while the node starts anew with a version that it has just heard
    /// of (exit code 11).
    pub fn ok(&self, n: usize, args: &[&str]) -> Output {
        let mut output = self.run(n, args);
        let deadline = Instant::now() + RESTART;
        while output.status.code() == Some(11) && self.is_running(n) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
            output = self.run(n, args);
        }
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Runs a command that must fail with this exit code and say this.
    pub fn fails(&self, n: usize, args: &[&str], exit: i32, said: &str) {
        let output = self.run(n, args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }

    /// Starts a node's process and waits until its door is open.
    pub fn start(&mut self, n: usize) {
        self.start_with(n, &[]);
    }

    /// The same, with more to be said of how it runs.
    pub fn start_with(&mut self, n: usize, more: &[&str]) {
        // A killed node leaves its door's file: the new one writes its own.
        std::fs::remove_file(self.node(n).join("run/api")).ok();
        let log = std::fs::File::create(self.path(&format!("{n}.{}.log", rand_suffix()))).expect("a log");
        let child = self
            .command(n, &RUN)
            .args(more)
            .arg("-v")
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        if self.running.len() <= n {
            self.running.resize_with(n + 1, || None);
        }
        self.running[n] = Some(child);
        let door = self.node(n).join("run/api");
        wait_for("the node's door", || door.exists());
    }

    fn is_running(&self, n: usize) -> bool {
        self.running.get(n).is_some_and(Option::is_some)
    }

    /// The process of a running node.
    pub fn process(&self, n: usize) -> u32 {
        self.running[n].as_ref().expect("it runs").id()
    }

    /// Kills a node's process as a power cut would.
    pub fn kill(&mut self, n: usize) {
        if let Some(mut child) = self.running.get_mut(n).and_then(Option::take) {
            child.kill().expect("it dies");
            child.wait().expect("it is dead");
        }
    }

    /// Asks a running node to end, and waits.
    pub fn terminate(&mut self, n: usize) {
        if let Some(mut child) = self.running.get_mut(n).and_then(Option::take) {
            let id = child.id().to_string();
            Command::new("kill").arg(&id).status().expect("a signal");
            let status = child.wait().expect("it ends");
            assert!(status.success(), "a node that is asked to end ends well: {status}");
        }
    }

    /// Status of a running node.
    pub fn status(&self, n: usize) -> Value {
        json(&self.ok(n, &["status", "--json"]))
    }

    /// Waits until a node is connected to every meeting point but itself, and heard of enough members.
    pub fn wait_connected(&self, n: usize) {
        let points = if n < 2 { 1 } else { 2 };
        wait_for("connections", || {
            self.status(n)["connected"].as_array().is_some_and(|list| list.len() >= points)
        });
        // Until enough others began their logs here it neither asks nor answers (C9).
        wait_for("word of enough members", || self.status(n)["charter"]["unheard_since"].is_null());
    }

    /// Exports every running node's log and verifies all together.
    pub fn verify_all(&self) -> Value {
        let folders: Vec<String> =
            (0..self.running.len()).map(|n| format!("export{n}-{}", rand_suffix())).collect();
        for (n, folder) in folders.iter().enumerate() {
            self.ok(n, &["log", "export", folder]);
        }
        let mut args = vec!["verify", "--json"];
        args.extend(folders.iter().map(String::as_str));
        json(&self.ok(0, &args))
    }
}

impl Drop for Coop {
    fn drop(&mut self) {
        for n in 0..self.running.len() {
            self.kill(n);
        }
    }
}

/// A different number each time in this process.
fn rand_suffix() -> u32 {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// What a command printed, as JSON.
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object on stdout")
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    socket.local_addr().expect("an address").port()
}

/// Waits for something that other processes do.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
