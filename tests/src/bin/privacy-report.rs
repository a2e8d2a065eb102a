//! One page: each claim of privacy, what it was tried on, what was seen, and what would have been too
//! much. Exits with 1 when a claim fails.
//!
//! `cargo run --release -p datacoop-tests --bin privacy-report [-- [--json] [--long] [SECTION..]]`; the
//! dev profile gives the same figures, slower. `--long` adds what takes minutes.

use std::process::ExitCode;
use std::time::Instant;

use datacoop_tests::report::{Figure, Section, json, page};
use datacoop_tests::{arithmetic, crash, differencing, end_to_end, noise, renyi, shape};

/// What measures the claims of one kind.
type Measure = fn() -> Vec<Figure>;

/// Every kind of claim: its name as an argument, its title on the page, its figures.
const SECTIONS: &[(&str, &str, Measure)] = &[
    ("noise", "The noise of one share", noise::figures),
    ("renyi", "What a share and a sum cost", renyi::figures),
    ("differencing", "What a guess gains", differencing::figures),
    ("end-to-end", "A Release, end to end", end_to_end::figures),
    ("arithmetic", "What a loss means", arithmetic::figures),
    ("shape", "What a listener without a key sees", shape::figures),
    ("crash", "Crashes, full disks and kills", crash::figures),
];

/// What takes minutes: measured with `--long`, or when named.
const LONG: &[(&str, &str, Measure)] =
    &[("two-hundred", "A Release of 200 members, logs and all", end_to_end::two_hundred)];

/// Every argument that is no option names a section; none means all.
struct Arguments {
    json: bool,
    long: bool,
    names: Vec<String>,
}

fn arguments() -> Result<Arguments, String> {
    let mut read = Arguments { json: false, long: false, names: vec![] };
    let known: Vec<&str> = SECTIONS.iter().chain(LONG).map(|(name, ..)| *name).collect();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => read.json = true,
            "--long" => read.long = true,
            name if known.contains(&name) => read.names.push(argument),
            other => {
                return Err(format!(
                    "`{other}` is no section; name one of {}, or none for all of them",
                    known.join(", ")
                ));
            }
        }
    }
    Ok(read)
}

fn main() -> ExitCode {
    let Arguments { json: as_json, long, names } = match arguments() {
        Ok(read) => read,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let named = |name: &str| names.iter().any(|n| n == name);
    let short = SECTIONS.iter().filter(|(name, ..)| names.is_empty() || named(name));
    let long = LONG.iter().filter(|(name, ..)| long || named(name));
    let mut sections = vec![];
    for (name, title, measure) in short.chain(long) {
        eprint!("{name} ...");
        let began = Instant::now();
        let figures = measure();
        eprintln!(" {:.1} s", began.elapsed().as_secs_f64());
        sections.push(Section { title, figures });
    }
    if as_json {
        println!("{:#}", json(&sections));
    } else {
        print!("{}", page(&sections));
    }
    let holds = sections.iter().all(|section| section.figures.iter().all(|figure| figure.holds));
    ExitCode::from(u8::from(!holds))
}
