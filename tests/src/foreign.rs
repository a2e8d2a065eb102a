//! Programs that nobody here wrote, as judges of what we export: Go's `x/mod/sumdb`, and from PyPI
//! `tlog-scales` and `pymerkle`. Their own code and what calls it lie in `tests/crosscheck`.
//!
//! Source: LOG section 9. A tool that is absent is named and its part is not tested, but not in CI.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::crash::folder_in_memory;

/// Where Debian's `golang-golang-x-mod-dev` puts the source of `x/mod`.
const DEBIAN_GOPATH: &str = "/usr/share/gocode";
/// A program that checks exports: `ok` or `refused` for each folder.
#[derive(Debug, Clone)]
pub struct Tool {
    /// What it is called.
    pub name: &'static str,
    program: PathBuf,
    /// The script that the program runs; none for Go.
    pub script: Option<PathBuf>,
}

fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crosscheck").join(file)
}

fn target() -> PathBuf {
    std::env::current_exe()
        .expect("a test's own files and programs")
        .ancestors()
        .nth(3)
        .expect("a test's own files and programs")
        .to_owned()
}

/// Builds the Go program. Errors: what to install.
fn build_go() -> Result<Tool, String> {
    let gopath = std::env::var_os("DATACOOP_GOPATH").map_or_else(|| DEBIAN_GOPATH.into(), PathBuf::from);
    let install = "Do: apt-get install golang-go golang-golang-x-mod-dev";
    if !gopath.join("src/golang.org/x/mod/sumdb/tlog").is_dir() {
        return Err(format!("{} has no golang.org/x/mod. {install}", gopath.display()));
    }
    let program = target().join("crosscheck-go");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(".").current_dir(source("go"));
    go.env("GO111MODULE", "off").env("GOPATH", gopath).env("GOCACHE", target().join("go-cache"));
    let output = go.output().map_err(|error| format!("no Go: {error}. {install}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Ok(Tool { name: "Go x/mod/sumdb", program, script: None })
}

/// A script with the virtual environment's Python. Errors: what to install.
fn python(name: &'static str, module: &str, script: &str) -> Result<Tool, String> {
    let named = std::env::var_os("DATACOOP_PYTHON").map(PathBuf::from);
    let program = named.unwrap_or_else(|| target().join("python/bin/python3"));
    let found = Command::new(&program).args(["-c", &format!("import {module}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(Tool { name, program, script: Some(source(script)) });
    }
    let (target, requirements) = (target(), source("../oracle/requirements.txt"));
    Err(format!(
        "{} has no {name}. Do: python3 -m venv {1}/python && {1}/python/bin/pip install -r {2}",
        program.display(),
        target.display(),
        requirements.display()
    ))
}

/// Every tool that is here: Go's, tlog-scales, pymerkle. The absent are named, and fail in CI.
pub fn tools() -> &'static [Tool] {
    static TOOLS: OnceLock<Vec<Tool>> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let all = [
            build_go(),
            python("tlog-scales", "tlog_scales", "scales.py"),
            python("pymerkle", "pymerkle", "merkle.py"),
        ];
        let absent: Vec<&String> = all.iter().filter_map(|tool| tool.as_ref().err()).collect();
        assert!(std::env::var("CI").as_deref() != Ok("true") || absent.is_empty(), "{absent:?}");
        // To the terminal, past the test harness, which keeps what a test that passes prints.
        let mut terminal = std::io::stderr().lock();
        absent.iter().for_each(|text| {
            writeln!(terminal, "NOT TESTED: {text}").expect("a test's own files and programs")
        });
        all.into_iter().flatten().collect()
    })
}

/// The tools that read notes: pymerkle sees roots only.
pub fn note_tools() -> impl Iterator<Item = &'static Tool> {
    tools().iter().filter(|tool| tool.name != "pymerkle")
}

impl Tool {
    /// What it says of each folder.
    pub fn check(&self, options: &[&str], folders: &[PathBuf]) -> Vec<Result<String, String>> {
        // tlog-scales syncs each file that it writes.
        let scratch = folder_in_memory();
        let mut command = Command::new(&self.program);
        command.args(&self.script).args(options).args(folders).env("TMPDIR", scratch.path());
        let output = command.output().expect("a test's own files and programs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: Vec<Result<String, String>> = text
            .lines()
            .filter_map(|line| match line.split_once(' ') {
                Some(("ok", rest)) => Some(Ok(rest.to_owned())),
                Some(("refused", rest)) => Some(Err(rest.to_owned())),
                _ => None,
            })
            .collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.len(), folders.len(), "{}: {text}{errors}", self.name);
        assert_eq!(output.status.success(), said.iter().all(Result::is_ok), "{}: {text}{errors}", self.name);
        said
    }

    /// Accepts each folder.
    pub fn accepts(&self, options: &[&str], folders: &[PathBuf]) {
        for said in self.check(options, folders) {
            println!("{} {said:?}", self.name);
            assert!(said.is_ok(), "{} refuses a right export: {said:?}", self.name);
        }
    }

    /// Refuses each folder, for a reason that holds these words.
    pub fn refuses(&self, options: &[&str], folders: &[PathBuf], why: &str) {
        for said in self.check(options, folders) {
            let Err(text) = &said else { panic!("{} accepts a wrong export: {said:?}", self.name) };
            assert!(text.contains(why), "{}: wanted `{why}`: {text}", self.name);
        }
    }
}

/// Writes a file, and the folders that it lies in.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a test's own files and programs"))
        .expect("a test's own files and programs");
    // A new file: the old one may be another folder's too.
    fs::remove_file(&path).ok();
    fs::write(path, bytes).expect("a test's own files and programs");
}

/// Copies a folder; files that are not written anew are shared.
pub fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let path = to.join(&file);
        fs::create_dir_all(path.parent().expect("a test's own files and programs"))
            .expect("a test's own files and programs");
        fs::hard_link(from.join(&file), path).expect("a test's own files and programs");
    }
}

/// Every file below a folder, by its path from there, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a test's own files and programs") {
            let path = entry.expect("a test's own files and programs").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).expect("a test's own files and programs").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Copies of an export, each with one bit of one byte changed: of every `stride`th byte of each file that
/// `wanted` names, the bits in turn.
pub fn changed(export: &Path, into: &Path, stride: usize, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut copies = vec![];
    for file in files(export) {
        let name = file.to_str().expect("a test's own files and programs");
        if !wanted(name) {
            continue;
        }
        let bytes = fs::read(export.join(name)).expect("a test's own files and programs");
        for at in (0..bytes.len()).step_by(stride) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at / stride % 8);
            let folder = into.join(format!("{}-{at}", name.replace('/', "_")));
            copy(export, &folder);
            put(&folder, name, &bytes);
            copies.push(folder);
        }
    }
    copies
}
