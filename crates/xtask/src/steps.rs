//! The steps of `cargo xtask test`, in order, each timed and counted, and the one closing line. A step that cannot be set
//! up has failed, with its reason; nothing is ever skipped silently. Called by `main`.

use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::postgres::{self, Cluster};
use crate::process;
use crate::tally::Tally;
use crate::tidy;
use crate::tools;
use crate::workspace::Workspace;

/// Longest time of one step; a hanging test is ended and counts as a failure.
const STEP_LIMIT: Duration = Duration::from_hours(1);

/// What the steps share: made by the first that needs it.
struct Run<'a> {
    workspace: &'a Workspace,
    postgres: Option<Cluster>,
}

type Step = fn(&mut Run<'_>) -> Result<Tally>;

/// Cheap first, so that a slip is told within seconds.
const STEPS: &[(&str, Step)] = &[
    ("tidy", check_tidy),
    ("fmt", check_format),
    ("typos", check_spelling),
    ("taplo", check_toml),
    ("clippy", check_lints),
    ("deny", check_dependencies),
    ("build", build),
    ("rust", test_rust),
    ("e2e", test_clients),
];

/// The steps' names, in order.
pub(crate) fn names() -> Vec<&'static str> {
    STEPS.iter().map(|(name, _)| *name).collect()
}

/// Runs all steps, or only the `chosen` ones, and prints the total as the last line. True when nothing failed.
pub(crate) fn run(workspace: &Workspace, chosen: &[&str]) -> Result<bool> {
    for name in chosen {
        ensure!(
            names().contains(name),
            "no step `{name}`; there are: {}",
            names().join(", ")
        );
    }
    let mut run = Run {
        workspace,
        postgres: None,
    };
    let mut total = Tally::default();
    let mut report = Vec::new();
    for (name, step) in STEPS {
        if !chosen.is_empty() && !chosen.contains(name) {
            continue;
        }
        println!("\n=== {name}");
        let started = Instant::now();
        let tally = step(&mut run).unwrap_or_else(|cause| {
            println!("{name}: {cause:#}");
            Tally::FAIL
        });
        let line = format!(
            "{name:8} {:4} passed {:3} failed {:7.1} s",
            tally.passed,
            tally.failed,
            started.elapsed().as_secs_f64()
        );
        println!("=== {line}");
        report.push(line);
        total.add(tally);
    }
    drop(run);
    println!("\n{}", report.join("\n"));
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(total.failed == 0)
}

impl Run<'_> {
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo
            .args(arguments)
            .current_dir(self.workspace.root())
            .env("CARGO_TERM_COLOR", "never");
        cargo
    }

    fn holds(&self, command: &mut Command) -> Result<Tally> {
        command.current_dir(self.workspace.root());
        let status = process::stream(command, STEP_LIMIT, |_| {})?;
        tell_bad_end(status);
        Ok(Tally::of(status.success()))
    }

    fn postgres_url(&mut self) -> Result<String> {
        if self.postgres.is_none() {
            self.postgres = Some(Cluster::start(self.workspace)?);
        }
        let cluster = self.postgres.as_ref().context("it was just started")?;
        Ok(cluster.url().to_owned())
    }
}

/// Sums what `count` reads from the lines of `command`.
fn counted(command: &mut Command, count: impl Fn(&str) -> Option<Tally>) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = process::stream(command, STEP_LIMIT, |line| {
        tally.add(count(line).unwrap_or_default());
    })?;
    tell_bad_end(status);
    Ok(tally.ended(status.success()))
}

/// So that a program that was killed does not look like one that found something.
fn tell_bad_end(status: ExitStatus) {
    if !status.success() {
        println!("ended with {status}");
    }
}

fn check_tidy(run: &mut Run<'_>) -> Result<Tally> {
    Ok(Tally::of(tidy::run(run.workspace)?))
}

fn check_format(run: &mut Run<'_>) -> Result<Tally> {
    run.holds(&mut run.cargo(&["fmt", "--all", "--check"]))
}

fn check_spelling(run: &mut Run<'_>) -> Result<Tally> {
    let typos = tools::python(run.workspace)?.join("typos");
    run.holds(Command::new(typos).args(["--format", "brief"]))
}

fn check_toml(run: &mut Run<'_>) -> Result<Tally> {
    let taplo = tools::python(run.workspace)?.join("taplo");
    run.holds(Command::new(taplo).args(["fmt", "--check", "--colors", "never"]))
}

fn check_lints(run: &mut Run<'_>) -> Result<Tally> {
    run.holds(&mut run.cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn check_dependencies(run: &mut Run<'_>) -> Result<Tally> {
    let deny = tools::cargo_deny(run.workspace)?;
    run.holds(
        Command::new(deny)
            .args(["--locked", "--all-features", "--log-level", "error"])
            .args([
                "check",
                "--hide-inclusion-graph",
                "bans",
                "licenses",
                "sources",
            ]),
    )
}

/// All targets at once, so that every later step finds the same artefacts, `doorward` among them.
fn build(run: &mut Run<'_>) -> Result<Tally> {
    run.holds(&mut run.cargo(&["build", "--workspace", "--all-targets"]))
}

fn test_rust(run: &mut Run<'_>) -> Result<Tally> {
    tools::bubblewrap()?;
    let url = run.postgres_url()?;
    let mut cargo = run.cargo(&["test", "--workspace", "--no-fail-fast"]);
    counted(cargo.env(postgres::VARIABLE, url), Tally::from_cargo)
}

/// The longest of the end-to-end tests.
const TASKS: &str = "e2e/console/test_tasks.py";

fn test_clients(run: &mut Run<'_>) -> Result<Tally> {
    let programs = tools::python(run.workspace)?;
    let packages = tools::node(run.workspace)?;
    tools::chromium()?;
    tools::bubblewrap()?;
    let url = run.postgres_url()?;
    let pytest = |which: &[&str]| {
        let mut pytest = Command::new(programs.join("python"));
        pytest
            .args(["-m", "pytest"])
            .args(which)
            .current_dir(run.workspace.root())
            .env("DOORWARD_PROGRAMS", run.workspace.target().join("debug"))
            .env("DOORWARD_NODE", &packages)
            .env(postgres::VARIABLE, &url);
        counted(&mut pytest, Tally::from_pytest)
    };
    // Side by side, because each waits much of its time: the tasks at the console take about as long as everything else.
    thread::scope(|scope| {
        let others = scope.spawn(|| pytest(&["e2e", "--ignore", TASKS]));
        let mut tally = pytest(&[TASKS])?;
        let others = others.join();
        tally.add(others.unwrap_or_else(|_| Ok(Tally::FAIL))?);
        Ok(tally)
    })
}
