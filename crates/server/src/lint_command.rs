//! `doorward lint`: looks through somebody's managed settings of Claude Code and says what in them does not hold. A face of
//! `artefacts::lint`; reads the one file and nothing else. Called by `commands`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use artefacts::lint::{Finding, lint};
use clap::Args;
use domain::limits::SETTINGS_FILE_BYTES_MAX;
use domain::text::shown_lines;
use serde_json::{Value, json};

use crate::commands::finish;
use crate::system::say;

/// Which file.
#[derive(Debug, Args)]
#[command(
    after_help = "What it looks for: deny rules without a sandbox below them, a sandbox that opens when it fails or can be left, MCP servers by name, lists that people's own settings widen, secrets, keys that are none and values of the wrong type. `wrong` does not do what it says; `weak` does, and somebody can get round it.\n\nExamples:\n  doorward lint /etc/claude-code/managed-settings.json\n  doorward export code-file --group ring-0 | doorward lint -\n\nExit codes: 0 nothing found, 1 something, 2 wrong use or no file that can be read."
)]
pub struct LintCommand {
    /// The file: managed-settings.json or a drop-in; - reads standard input
    file: PathBuf,
    /// Print JSON: {"findings": [{"rule", "weight", "at", "why", "remedy", "paste"}]}
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn run(command: &LintCommand) -> ExitCode {
    let text = match read(&command.file) {
        Ok(text) => text,
        // Not 1, which a script takes for something that was found in it.
        Err(error) => {
            finish(Err::<(), _>(error));
            return ExitCode::from(2);
        }
    };
    let findings = lint(&text);
    say(&if command.json {
        as_json(&findings)
    } else {
        as_text(&findings)
    });
    ExitCode::from(u8::from(!findings.is_empty()))
}

/// At most a byte more than is looked through, so that a longer one is told.
fn read(file: &Path) -> anyhow::Result<String> {
    let most = SETTINGS_FILE_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(most).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))
}

fn as_text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing found".to_owned();
    }
    let told = findings.iter().map(|finding| {
        let at = if finding.at.is_empty() {
            "the file"
        } else {
            finding.at.as_str()
        };
        let mut lines = format!(
            "{} [{}] {at}\n  {}\n  {}",
            finding.weight.word(),
            finding.rule,
            finding.why,
            finding.remedy
        );
        for line in finding.paste.iter().flat_map(|paste| paste.lines()) {
            lines.push_str("\n      ");
            lines.push_str(line);
        }
        // Names and pasted text are the file's.
        shown_lines(&lines).into_owned()
    });
    told.collect::<Vec<_>>().join("\n\n")
}

fn as_json(findings: &[Finding]) -> String {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "rule": finding.rule,
                "weight": finding.weight.word(),
                "at": finding.at,
                "why": finding.why,
                "remedy": finding.remedy,
                "paste": finding.paste,
            })
        })
        .collect();
    format!("{:#}", json!({"findings": findings}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where_why_and_what_to_paste_and_steers_no_terminal() {
        let findings = lint(
            "{\"sandbox\": {\"enabled\": true, \"x\u{9b}2J\": 1}, \"permissions\": {\"disableBypassPermissionsMode\": \"disable\"}}",
        );
        let text = as_text(&findings);
        assert!(text.contains("wrong [sandbox-fails-open] sandbox.failIfUnavailable"));
        assert!(text.contains("      \"sandbox\": {"), "{text}");
        assert!(!text.contains('\u{9b}'));
        assert_eq!(as_text(&[]), "nothing found");
        let whole: Value = serde_json::from_str(&as_json(&findings)).unwrap();
        assert_eq!(
            whole["findings"].as_array().map(Vec::len),
            Some(findings.len())
        );
    }
}
