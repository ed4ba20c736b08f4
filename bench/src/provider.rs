//! The mock provider as a process of its own, so that its cost is nobody else's. It says its address on one line and ends when
//! its standard input closes.

use std::io::Read as _;
use std::time::Duration;

use anyhow::Result;
use testkit::BenchProvider;
use testkit::provider::BenchShape;

/// Events of a stream besides its text deltas.
pub(crate) const OTHER_EVENTS: usize = 6;

/// How it answers.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Events of a stream
    #[arg(long, default_value_t = 100)]
    events: usize,
    /// Milliseconds between two events; all at once when left out
    #[arg(long)]
    pace_ms: Option<u64>,
}

/// Runs until standard input closes.
pub(crate) fn run(options: &Options) -> Result<()> {
    let provider = BenchProvider::start(&BenchShape {
        deltas: options.events.saturating_sub(OTHER_EVENTS),
        pace: options.pace_ms.map(Duration::from_millis),
        ..BenchShape::default()
    })?;
    println!("{}", provider.url());
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing)?;
    Ok(())
}
