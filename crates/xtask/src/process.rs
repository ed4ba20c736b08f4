//! Runs one other program: echoes its lines as they come, stops it with all its children at a deadline, and says how it
//! ended. It never gives a program our standard input. Every step and installer goes through here.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs `command` to its end, prints each line of its output and hands it to `on_line`.
/// Past `limit` the program and its children are killed, which is an error.
pub(crate) fn stream(
    command: &mut Command,
    limit: Duration,
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let lines = read_lines(&mut child);
    let deadline = Instant::now() + limit;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                on_line(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                kill_group(&child);
                child.wait()?;
                bail!("{name} was still running after {} s", limit.as_secs());
            }
        }
    }
    Ok(child.wait()?)
}

/// Runs `command` quietly; its output is shown only as part of the error when it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    bail!("{name} ended with {}: {}{}", output.status, said, complaint)
}

/// True when `program --version` can be run.
pub(crate) fn exists(program: impl AsRef<std::ffi::OsStr>) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The lines of both outputs of `child`; the channel closes when both are closed.
fn read_lines(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(output) = child.stdout.take() {
        forward(output, sender.clone());
    }
    if let Some(output) = child.stderr.take() {
        forward(output, sender);
    }
    receiver
}

fn forward(output: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if sender.send(text).is_err() {
                break;
            }
        }
    });
}

/// Ends the process group that `child` leads.
fn kill_group(child: &Child) {
    let group = format!("-{}", child.id());
    if let Err(cause) = quiet(Command::new("kill").args(["-KILL", "--", &group])) {
        eprintln!("could not end {group}: {cause:#}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_outputs_are_seen_and_the_status_is_kept() {
        let mut seen = Vec::new();
        let status = stream(
            &mut shell("echo out; echo err >&2; exit 3"),
            Duration::from_mins(1),
            |line| seen.push(line.to_owned()),
        )
        .unwrap();
        seen.sort();
        assert_eq!(seen, ["err", "out"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_program_past_its_deadline_is_ended_with_its_children() {
        let cause = stream(
            &mut shell("sleep 600 & sleep 600"),
            Duration::from_millis(50),
            |_| {},
        )
        .unwrap_err();
        assert!(cause.to_string().contains("still running"), "{cause}");
    }

    #[test]
    fn a_failing_quiet_program_tells_its_own_words() {
        let cause = quiet(&mut shell("echo because >&2; exit 1")).unwrap_err();
        assert!(cause.to_string().contains("because"), "{cause}");
    }

    #[test]
    fn standard_input_is_never_ours() {
        assert_eq!(quiet(&mut shell("cat")).unwrap(), "");
    }
}
