//! `cargo xtask`: the repository's own commands (test, tidy, postgres, bench). It is never part of what is shipped, knows nothing
//! of the product's crates, and installs nothing outside `.work/` except PostgreSQL, Chromium and the bench's peers where the machine has none.
//! People and continuous integration call it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks on its terminal"
)]

mod bench;
mod postgres;
mod process;
mod steps;
mod tally;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const USAGE: &str = "\
cargo xtask test [STEP…]           set up what the tests need, then run them all (or only these steps)
cargo xtask tidy                   the rules of the house: layers, sizes, names, leftovers
cargo xtask postgres -- COMMAND…   run COMMAND beside a private PostgreSQL, named in DOORWARD_TEST_POSTGRES
cargo xtask bench COMMAND…         measure Doorward: compare, latency, growth, provision, search or pages (--help says more)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let workspace = match Workspace::find() {
        Ok(workspace) => workspace,
        Err(cause) => return fail(&cause),
    };
    let outcome = match words.as_slice() {
        ["test", chosen @ ..] => steps::run(&workspace, chosen),
        ["tidy"] => tidy::run(&workspace),
        ["postgres", "--", command @ ..] if !command.is_empty() => {
            postgres::beside(&workspace, command)
        }
        ["bench"] | ["bench", "--help" | "-h" | "help", ..] => {
            println!("{}", bench::USAGE);
            return ExitCode::SUCCESS;
        }
        ["bench", arguments @ ..] => bench::run(&workspace, arguments),
        _ => {
            eprintln!("{USAGE}\n\nsteps: {}", steps::names().join(", "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => fail(&cause),
    }
}

fn fail(cause: &anyhow::Error) -> ExitCode {
    eprintln!("error: {cause:#}");
    ExitCode::FAILURE
}
