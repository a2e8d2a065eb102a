//! Whether time tells what a member holds: SECURITY S22 and S23, on demand.
//!
//! `cargo run --release -p datacoop-tests --bin timing [-- SAMPLES]`; 100,000 samples a class unless said.
//! Nothing else should run beside it. Exits with 1 when a claim fails.

use std::process::ExitCode;

use datacoop_tests::report::{Section, page};
use datacoop_tests::timing::{SAMPLES, measure};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let samples = match std::env::args().nth(1).map(|text| text.replace('_', "").parse::<usize>()) {
        None => SAMPLES,
        Some(Ok(samples)) if samples >= 100 => samples,
        Some(_) => {
            eprintln!("error: samples a class are a number from 100; without one it is {SAMPLES}");
            return ExitCode::from(2);
        }
    };
    let (figures, notes) = measure(samples).await;
    let holds = figures.iter().all(|figure| figure.holds);
    print!("{}", page(&[Section { title: "Time", figures }]));
    for note in notes {
        println!("{note}");
    }
    ExitCode::from(u8::from(!holds))
}
