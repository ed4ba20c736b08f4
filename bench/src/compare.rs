//! All peers side by side: every cell of a round for every peer before the next cell, every other round in reverse order.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::Options;
use crate::load::{Rate, drive};
use crate::machine;
use crate::peers::{self, Peer};
use crate::sample::{Sample, short};
use crate::scene::Scene;
use crate::workload::{self, Workload};

const CONCURRENCIES: [usize; 3] = [1, 16, 64];
const WARM_UP: Duration = Duration::from_millis(500);
const FIXED_RATE: u32 = 500;
const FIXED_RATE_CONNECTIONS: usize = 32;

/// Workload, concurrency, peer: by their places in the tables.
type Cells = BTreeMap<(usize, usize, usize), Vec<Sample>>;

/// Throughput, latency, CPU and memory of all peers.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let scene = Scene::set()?;
    println!("{}\n", machine::describe(&scene.folder)?);
    let peers = peers::start(&scene, options).await?;
    let workloads = workload::all();
    for peer in &peers {
        for workload in &workloads {
            drive(&peer.target, workload, 16, Rate::Closed, WARM_UP).await?;
        }
    }
    let idle = peers
        .iter()
        .map(Peer::account)
        .collect::<Result<Vec<_>>>()?;
    let mut cells = Cells::new();
    for round in 0..options.rounds {
        for (at_workload, workload) in workloads.iter().enumerate() {
            for (at_connections, &connections) in CONCURRENCIES.iter().enumerate() {
                for at_peer in order(peers.len(), round) {
                    let peer = &peers[at_peer];
                    let rate = Rate::Closed;
                    let sample = cell(peer, workload, connections, rate, options.cell()).await?;
                    let key = (at_workload, at_connections, at_peer);
                    cells.entry(key).or_default().push(sample);
                }
            }
        }
        eprintln!("round {} done, load average {}", round + 1, machine::load());
    }
    for (at, workload) in workloads.iter().enumerate() {
        print_throughput(&peers, workload.name, at, &cells);
    }
    println!("\n| memory, MB | after warm-up | most |\n|---|---|---|");
    for (peer, idle) in peers.iter().zip(idle) {
        let most = peer.account()?.peak_mb;
        println!("| {} | {:.0} | {most:.0} |", peer.name, idle.rss_mb);
    }
    println!("\nload average at the end: {}", machine::load());
    Ok(())
}

/// Latency at a fixed rate, and what of it a peer adds to the direct way.
pub(crate) async fn latency(options: &Options) -> Result<()> {
    let scene = Scene::set()?;
    println!("{}\n", machine::describe(&scene.folder)?);
    let peers = peers::start(&scene, options).await?;
    for workload in [workload::small(), workload::stream()] {
        let mut samples = vec![Vec::new(); peers.len()];
        for round in 0..options.rounds {
            for at in order(peers.len(), round) {
                let peer = &peers[at];
                let rate = Rate::Fixed(FIXED_RATE);
                let sample = cell(
                    peer,
                    &workload,
                    FIXED_RATE_CONNECTIONS,
                    rate,
                    options.cell(),
                )
                .await?;
                samples[at].push(sample);
            }
        }
        println!(
            "\n{} at {FIXED_RATE}/s, ms\n\n| peer | whole p50 / p99 | first byte p50 / p99 | added to the whole, p50 / p99 | added to the first byte, p50 / p99 | CPU µs |\n|---|---|---|---|---|---|",
            workload.name
        );
        let samples: Vec<Sample> = samples.iter().map(|all| Sample::median(all)).collect();
        for (peer, sample) in peers.iter().zip(&samples) {
            println!("| {} {}", peer.name, latency_row(sample, &samples[0]));
        }
    }
    println!("\nload average at the end: {}", machine::load());
    Ok(())
}

fn latency_row(sample: &Sample, direct: &Sample) -> String {
    let pair = |p50: f64, p99: f64| format!("{} / {}", short(p50), short(p99));
    format!(
        "| {} | {} | {} | {} | {:.0} |",
        pair(sample.p50_ms, sample.p99_ms),
        pair(sample.first_p50_ms, sample.first_p99_ms),
        pair(sample.p50_ms - direct.p50_ms, sample.p99_ms - direct.p99_ms),
        pair(
            sample.first_p50_ms - direct.first_p50_ms,
            sample.first_p99_ms - direct.first_p99_ms
        ),
        sample.cpu_us
    )
}

/// One measurement, with the peer's account before and after.
pub(crate) async fn cell(
    peer: &Peer,
    workload: &Workload,
    connections: usize,
    rate: Rate,
    time: Duration,
) -> Result<Sample> {
    let before = peer.account()?;
    let outcome = drive(&peer.target, workload, connections, rate, time).await?;
    let after = peer.account()?;
    Ok(Sample::of(outcome, after.cpu.saturating_sub(before.cpu)))
}

/// Forwards in even rounds, backwards in odd ones.
pub(crate) fn order(peers: usize, round: usize) -> Vec<usize> {
    if round.is_multiple_of(2) {
        (0..peers).collect()
    } else {
        (0..peers).rev().collect()
    }
}

fn print_throughput(peers: &[Peer], name: &str, at_workload: usize, cells: &Cells) {
    println!("\n{name}: requests/s / p50 ms / p99 ms / **CPU µs**\n");
    println!("| peer | c=1 | c=16 | c=64 |\n|---|---|---|---|");
    for (at_peer, peer) in peers.iter().enumerate() {
        let row: Vec<String> = (0..CONCURRENCIES.len())
            .filter_map(|at| cells.get(&(at_workload, at, at_peer)))
            .map(|samples| Sample::median(samples).cell())
            .collect();
        println!("| {} | {} |", peer.name, row.join(" | "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_alternate() {
        assert_eq!(order(3, 0), [0, 1, 2]);
        assert_eq!(order(3, 1), [2, 1, 0]);
    }
}
