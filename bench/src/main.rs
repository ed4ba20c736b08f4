//! `bench`: Doorward beside its peers on the same mock provider, in alternation, and what Doorward's own cost grows with.
//!
//! It prints tables in Markdown for `docs/performance.md` and judges nothing; no test depends on its figures. All traffic stays
//! on loopback, and every process it starts ends with it. People call it, as `cargo xtask bench`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks on its terminal"
)]

mod compare;
mod connectors;
mod growth;
mod load;
mod machine;
mod pages;
mod peers;
mod process;
mod provider;
mod provision;
mod sample;
mod scene;
mod search;
mod system;
mod upstream;
mod workload;

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Doorward beside its peers, on one mock provider.
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All peers: requests/s, latency, CPU a request, memory
    Compare(Options),
    /// Latency that each peer adds at a fixed rate
    Latency(Options),
    /// What Doorward's cost a request and memory grow with
    Growth(GrowthOptions),
    /// What provisioning people and groups by SCIM costs
    Provision(ProvisionOptions),
    /// How long a search of a large ledger takes
    Search(SearchOptions),
    /// How fast every page of the console answers, on the demo's sample data
    Pages(PagesOptions),
    /// A call of a connector's tool: directly, through Doorward and through other gateways
    Connectors(ConnectorOptions),
    /// The mock provider, a process of its own
    #[command(hide = true)]
    Provider(provider::Options),
    /// The server of connectors' tools, a process of its own
    #[command(hide = true)]
    Upstream,
}

/// How long and whom to measure.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Seconds a cell
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Rounds; the median of them is shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these peers
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The program of LiteLLM, to measure it as well
    #[arg(long)]
    litellm: Option<std::path::PathBuf>,
}

/// How far to grow.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GrowthOptions {
    /// Seconds a cell
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; the median of them is shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Records that the ledger is grown to
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Rules that the policy is grown to
    #[arg(long, default_value_t = 10_000)]
    rules: usize,
    /// People that are seen
    #[arg(long, default_value_t = 10_000)]
    people: usize,
}

/// How many to provision.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ProvisionOptions {
    /// People
    #[arg(long, default_value_t = 50_000)]
    people: usize,
    /// Groups
    #[arg(long, default_value_t = 500)]
    groups: usize,
    /// People to look for, and to disable
    #[arg(long, default_value_t = 2_000)]
    looks: usize,
    /// Seconds a cell of inference
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

/// How large a ledger to search.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SearchOptions {
    /// Records that real requests leave
    #[arg(long, default_value_t = 500_000)]
    records: u64,
    /// Copies of each that are laid beside it, at earlier times and under other ids
    #[arg(long, default_value_t = 19)]
    copies: u64,
    /// People they are about
    #[arg(long, default_value_t = 10_000)]
    people: usize,
    /// Searches of each kind
    #[arg(long, default_value_t = 300)]
    looks: usize,
}

/// How often to ask for how many pages.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PagesOptions {
    /// Requests for each page
    #[arg(long, default_value_t = 200)]
    looks: usize,
    /// Pages at most
    #[arg(long, default_value_t = 150)]
    pages: usize,
}

/// How long, and whom beside Doorward.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConnectorOptions {
    /// Seconds a cell
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; the median of them is shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A Python that has FastMCP, to measure its proxy
    #[arg(long)]
    fastmcp: Option<std::path::PathBuf>,
    /// The program of ContextForge (`mcpgateway`), to measure it
    #[arg(long)]
    contextforge: Option<std::path::PathBuf>,
}

impl ConnectorOptions {
    fn cell(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 60.0))
    }
}

impl Options {
    fn cell(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 60.0))
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

/// One thread for everything of ours: the load, and the identity provider, which rests while load is made.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Command::parse().what {
        What::Compare(options) => compare::run(&options).await,
        What::Latency(options) => compare::latency(&options).await,
        What::Growth(options) => growth::run(&options).await,
        What::Provision(options) => provision::run(&options).await,
        What::Search(options) => search::run(&options).await,
        What::Pages(options) => pages::run(&options).await,
        What::Connectors(options) => connectors::run(&options).await,
        What::Provider(options) => provider::run(&options),
        What::Upstream => upstream::run(),
    }
}
