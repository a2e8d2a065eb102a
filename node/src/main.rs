//! The `datacoop` program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    datacoop::cli::main()
}
