//! A disk that is really full: five members on a tmpfs of 8 MiB, of which less is free than their rounds
//! need. What this file does *not* do: choose the write that fails; `crash::full_everywhere` tries each.

use std::path::Path;
use std::process::{Command, Output};

use crate::crash::{Cast, DISK_FAILED, MEMBERS, Told, folder_in_memory};
use crate::kills::{ROUNDS, hear, judge, look, one_life, victim};

/// Size of the small disk.
const DISK: u64 = 8 * 1024 * 1024;
/// What a tmpfs gives files at a time, at the least.
const PAGE: u64 = 4096;
/// How much of what the rounds need is free, in eighths.
const EIGHTHS: std::ops::Range<u64> = 1..8;

/// What came of small disks.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// Disks that were filled.
    pub disks: u64,
    /// Those that were full only when somebody had told of a debit.
    pub amid_rounds: u64,
    /// What must not be.
    pub failures: Vec<String>,
}

/// Mounts a disk of `$2` bytes at `$1` for this process and its children only, leaves `$3` bytes free, and
/// runs the victim `$4` twice; keeps what both said in `$5`, and copies the folder to `$5`, outside.
const SCRIPT: &str = r#"
    mount -t tmpfs -o "size=$2" none "$1" || exit 90
    head -c "$(($2 - $3))" /dev/zero > "$1/ballast" || exit 91
    for life in 0 1; do
        "$4" "$1/coop" "$life" "$6" > "$5/told-$life" 2> "$5/said-$life"
        echo "$?" > "$5/code-$life"
    done
    mkdir -p "$1/coop" 2>> "$5/said-1"
    cp -R "$1/coop" "$5/coop""#;

/// Runs a script in a mount namespace of its own, which ends with it: as a user, or, where the kernel lets
/// no user make one, as root. The first argument is the folder to mount at.
fn in_namespace(script: &str, args: &[&str]) -> Result<Output, String> {
    let mut why = vec![];
    for flags in ["-Urm", "-m"] {
        let run =
            |script| Command::new("unshare").args([flags, "sh", "-c", script, "sh"]).args(args).output();
        match run(r#"mount -t tmpfs -o size=64k none "$1""#) {
            Ok(done) if done.status.success() => return run(script).map_err(|error| error.to_string()),
            Ok(done) => why.push(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
            Err(error) => why.push(format!("unshare: {error}")),
        }
    }
    Err(why.join("; "))
}

/// Bytes of a disk that the files below a folder take, folders counted as a page.
fn taken(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let sizes = entries.map(|path| {
        if path.is_dir() {
            taken(&path)
        } else {
            path.metadata().expect("a file").len().div_ceil(PAGE) * PAGE
        }
    });
    sizes.sum()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Fills one small disk with so many bytes free. Errors: why no disk can be mounted here.
fn fill_one(cast: &Cast, free: u64, all: &mut Filled) -> Result<(), String> {
    let (mount, outside) = (folder_in_memory(), folder_in_memory());
    let text = |path: &Path| path.to_str().expect("a path of text").to_owned();
    let (at, out, program) = (text(mount.path()), text(outside.path()), text(&victim()));
    let (size, free, rounds) = (DISK.to_string(), free.to_string(), ROUNDS.to_string());
    let done = in_namespace(SCRIPT, &[&at, &size, &free, &program, &out, &rounds])?;
    if !done.status.success() {
        return Err(format!("{}: {}", done.status, String::from_utf8_lossy(&done.stderr)));
    }
    let (mut told, failures) = (vec![Told::default(); MEMBERS], &mut all.failures);
    for life in 0..2 {
        hear(&read(outside.path(), &format!("told-{life}")), &mut told);
        let said = read(outside.path(), &format!("said-{life}"));
        let code = read(outside.path(), &format!("code-{life}"));
        let clear = said.contains("the disk is full") && said.contains("free some space");
        if code.trim() != DISK_FAILED.to_string() || !clear || said.contains("panicked") {
            failures.push(format!("{free} bytes free, life {life} ended with {}: {said}", code.trim()));
        }
    }
    all.disks += 1;
    all.amid_rounds += u64::from(told.iter().any(|told| told.spent() > 0));
    let folder = outside.path().join("coop");
    failures.extend(look(&folder, &told));
    // On the larger disk it goes on from there, and to the end.
    failures.extend(one_life(&folder, 2, None, &mut told).1);
    failures.extend(judge(cast, &folder, &told));
    Ok(())
}

/// Fills a small disk at several moments of two rounds.
///
/// Errors: why no disk can be mounted here.
pub fn fill() -> Result<Filled, String> {
    let cast = Cast::new();
    let calm = folder_in_memory();
    let (_, failed) = one_life(calm.path(), 0, None, &mut vec![Told::default(); MEMBERS]);
    let needed = taken(calm.path());
    let mut all = Filled { failures: failed.into_iter().collect(), ..Filled::default() };
    for eighths in EIGHTHS {
        fill_one(&cast, needed * eighths / 8 / PAGE * PAGE, &mut all)?;
    }
    Ok(all)
}
