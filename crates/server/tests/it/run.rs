//! The program as somebody at a terminal runs it: the one place that knows where it is.

use std::path::Path;
use std::process::{Command, Output};

/// Where it is.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_doorward");

/// The program, to be given its words.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    command
}

/// Runs a command to its end.
pub(crate) async fn output(mut command: Command) -> Output {
    let run = move || command.output().unwrap();
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Runs the program with a configuration to its end.
pub(crate) async fn doorward(config: &Path, arguments: &[&str]) -> Output {
    let mut command = program(arguments);
    command.arg("--config").arg(config);
    output(command).await
}

/// What it said, all of it.
pub(crate) fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs it; its exit code, and all it said.
pub(crate) async fn said(config: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = doorward(config, arguments).await;
    (output.status.code(), words(&output))
}

/// Runs it and expects it to have done what it should.
pub(crate) async fn done(config: &Path, arguments: &[&str]) -> String {
    let (code, words) = said(config, arguments).await;
    assert_eq!(code, Some(0), "{arguments:?}: {words}");
    words
}

/// Runs it and expects it to refuse, with 1.
pub(crate) async fn refused(config: &Path, arguments: &[&str]) -> String {
    let (code, words) = said(config, arguments).await;
    assert_eq!(code, Some(1), "{arguments:?}: {words}");
    words
}
