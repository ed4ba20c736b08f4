//! A server of the Model Context Protocol behind an authorization server of its own, as a program, for tests in other languages. Its calls need
//! more than it asks for at first.
//!
//! It writes one line of JSON that says where it is, then answers each line of JSON on standard input with one line. It ends when standard
//! input closes, so it never outlives whoever started it. It must never be part of what is shipped. Called by `e2e/`.

#![expect(clippy::print_stdout, reason = "lines are how it talks to its caller")]

use std::io::{BufRead, Write};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use testkit::GuardedMcp;
use testkit::mcp::Ways;

#[tokio::main]
async fn main() -> Result<()> {
    let behind = GuardedMcp::start(Ways {
        steps_up: true,
        ..Ways::default()
    })?;
    say(&json!({"url": behind.url()}))?;
    tokio::task::spawn_blocking(move || serve(&behind)).await?
}

fn serve(behind: &GuardedMcp) -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        let said = match obey(behind, &serde_json::from_str(&line?)?) {
            Ok(answer) => json!({ "answer": answer }),
            Err(cause) => json!({ "mistake": format!("{cause:#}") }),
        };
        say(&said)?;
    }
    Ok(())
}

fn say(line: &Value) -> Result<()> {
    println!("{line}");
    Ok(std::io::stdout().flush()?)
}

/// Carries out one order: `{"do": "…", …}`.
fn obey(behind: &GuardedMcp, order: &Value) -> Result<Value> {
    let text = |name: &str| {
        order[name]
            .as_str()
            .with_context(|| format!("{name} is missing"))
    };
    match text("do")? {
        "called" => Ok(json!(behind.called())),
        "granted" => Ok(json!(behind.granted())),
        "forget" => {
            behind.forget(text("who")?);
            Ok(Value::Null)
        }
        other => bail!("nobody knows how to {other}"),
    }
}
