//! Faults that are put into the production path on purpose, and whether a test sees each. The list is
//! `tests/privacy/sabotage.toml`.
//!
//! A test that stays green with its fault in place proves nothing. What this file does *not* know: the faults.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The list, from the root of the repository.
pub const LIST: &str = "tests/privacy/sabotage.toml";
/// How long building or running one test may take: a whole node in the dev profile on a busy machine.
const STEP_MAX: Duration = Duration::from_secs(1_800);
/// What `cargo test` ends with when a test failed. A build error ends with the same code: so it is built first.
const TEST_FAILED: i32 = 101;

/// One fault.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// Its name on the command line.
    pub name: String,
    /// What stops being true.
    pub claim: String,
    /// The file it is in.
    pub file: String,
    /// The text it replaces, which stands there once.
    pub find: String,
    /// What stands there instead.
    pub replace: String,
    /// What follows `cargo test`; its last word is a test's name, or how several begin.
    pub test: String,
    /// Whether its test builds no node.
    pub quick: bool,
}

/// What came of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The test built, ran and failed.
    Seen,
    /// The test passed.
    Survived,
    /// It does not compile: it says nothing about the test.
    Unbuilt,
    /// The test fails, or runs nothing, without any fault.
    BadTest,
}

/// The repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("tests/ lies in the repository").to_owned()
}

/// The list of faults.
pub fn list() -> Vec<Mutant> {
    let text = fs::read_to_string(root().join(LIST)).expect("the list is there");
    let table: toml::Table = text.parse().expect("the list is TOML");
    let all = table["mutant"].as_array().expect("[[mutant]]");
    let read = |mutant: &toml::Value| {
        let field = |name: &str| {
            let text = mutant.get(name).and_then(toml::Value::as_str);
            text.unwrap_or_else(|| panic!("every mutant has `{name}`: {mutant}")).to_owned()
        };
        Mutant {
            name: field("name"),
            claim: field("claim"),
            file: field("file"),
            find: field("find"),
            replace: field("replace"),
            test: field("test"),
            quick: mutant.get("quick").and_then(toml::Value::as_bool).unwrap_or(false),
        }
    };
    all.iter().map(read).collect()
}

impl Mutant {
    /// Its file with the fault in it.
    ///
    /// Errors: the text stands there never or more than once.
    pub fn applied(&self, root: &Path) -> Result<String, String> {
        let text = fs::read_to_string(root.join(&self.file))
            .map_err(|error| format!("`{}`: {}: {error}; correct `file` in {LIST}", self.name, self.file))?;
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            count => Err(format!(
                "`{}`: its text stands {count} times in {}, not once; the code moved: correct `find` in {LIST}",
                self.name, self.file
            )),
        }
    }

    /// The name of its test, or how the names of several begin.
    pub fn test_name(&self) -> &str {
        self.test.split_whitespace().next_back().expect("`test` names a test")
    }
}

/// A copy of the tree, with a target folder of its own, kept between runs.
pub struct Scratch {
    tree: PathBuf,
    target: PathBuf,
}

impl Scratch {
    /// Brings the copy in a folder up to date.
    pub fn new(folder: &Path) -> Self {
        let scratch = Self { tree: folder.join("tree"), target: folder.join("target") };
        copy(&root(), &scratch.tree);
        scratch
    }

    /// Whether a test runs and passes without a fault.
    pub fn is_sound(&self, mutant: &Mutant) -> bool {
        self.cargo(mutant, false) == Some(0) && self.output().contains(" 0 failed") && self.ran()
    }

    /// Puts one fault in, runs its test and takes the fault out.
    ///
    /// Errors: see [`Mutant::applied`].
    pub fn try_out(&self, mutant: &Mutant) -> Result<Outcome, String> {
        let changed = mutant.applied(&self.tree)?;
        let file = self.tree.join(&mutant.file);
        let original = fs::read(&file).expect("the copy is ours");
        fs::write(&file, changed).expect("the copy is ours");
        let outcome = match self.cargo(mutant, true) {
            Some(0) => match self.cargo(mutant, false) {
                Some(TEST_FAILED) if self.output().contains("test result: FAILED") => Outcome::Seen,
                // A test that hangs or kills its process is not green either.
                None => Outcome::Seen,
                Some(_) => Outcome::Survived,
            },
            _ => Outcome::Unbuilt,
        };
        fs::write(&file, original).expect("the copy is ours");
        Ok(outcome)
    }

    fn log(&self) -> PathBuf {
        self.tree.with_file_name("output.txt")
    }

    /// What the last `cargo` printed.
    pub fn output(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn ran(&self) -> bool {
        let text = self.output();
        let passed = text.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
        passed.filter_map(|line| line.split(' ').next()?.parse::<u32>().ok()).sum::<u32>() > 0
    }

    /// Exit code of `cargo test`, `None` when it took too long or a signal ended it.
    fn cargo(&self, mutant: &Mutant, build_only: bool) -> Option<i32> {
        let log = fs::File::create(self.log()).expect("the folder is ours");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.arg("test").args(mutant.test.split_whitespace()).arg("--locked");
        command.args(build_only.then_some("--no-run"));
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target);
        command.stdin(Stdio::null()).stderr(log.try_clone().expect("a second handle")).stdout(log);
        let mut child = command.spawn().expect("cargo runs");
        let deadline = Instant::now() + STEP_MAX;
        loop {
            if let Some(status) = child.try_wait().expect("our own child") {
                return status.code();
            }
            if Instant::now() > deadline {
                child.kill().expect("our own child");
                child.wait().expect("our own child");
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Makes `to` what `from` is. Files that are the same stay untouched, so that nothing is built anew; folders of
/// builds, and whatever begins with a dot, stay away.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is ours");
    let names = |folder: &Path| -> Vec<std::ffi::OsString> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name()).collect()
    };
    let wanted: Vec<_> = names(from)
        .into_iter()
        .filter(|name| name != "target" && !name.to_string_lossy().starts_with('.'))
        .collect();
    for name in names(to).into_iter().filter(|name| !wanted.contains(name)) {
        let path = to.join(name);
        let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        gone.expect("the copy is ours");
    }
    for name in wanted {
        let (source, copied) = (from.join(&name), to.join(&name));
        if source.is_dir() {
            copy(&source, &copied);
        } else if fs::read(&copied).ok() != Some(fs::read(&source).expect("a file")) {
            fs::copy(&source, &copied).expect("the copy is ours");
        }
    }
}
