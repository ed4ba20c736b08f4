//! A call that waits for approval is made again when its time is over, at an installation that runs: what the connectors' door does then, by
//! a clock that is set so. For tests in other languages that cannot wait a quarter of an hour; must never be part of what is shipped.
//! Called by `e2e/`: `expires <doorward.toml> <approval>`, prints the id of the approval that is asked for in its place.

#![expect(clippy::print_stdout, reason = "its answer is a line")]

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use server::demo::approval::again_when_over;
use server::system::{SystemClock, SystemIds};
use server::{config, wiring};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, approval] = arguments.as_slice() else {
        bail!("expires <doorward.toml> <approval>");
    };
    let config = config::load(Path::new(file));
    let config = config.map_err(|mistakes| anyhow::anyhow!(mistakes.join("\n")))?;
    let control = wiring::admin(&config, Arc::new(SystemClock), Arc::new(SystemIds)).await?;
    println!("{}", again_when_over(control, approval.parse()?).await?);
    Ok(())
}
