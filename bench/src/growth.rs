//! What Doorward's cost grows with: rules, people, records, open streams. A Doorward that is small in every way stands beside each
//! that is large in one, and they are measured in alternation.

use std::time::Duration;

use anyhow::{Context as _, Result};
use http::HeaderValue;
use testkit::Person;

use crate::compare::cell;
use crate::load::{Rate, drive};
use crate::peers::{Peer, doorward};
use crate::sample::{Sample, short, thousands};
use crate::scene::{Provider, Scene};
use crate::{GrowthOptions, machine, workload};

const CONNECTIONS: usize = 16;
const OPEN_STREAMS: usize = 1_000;
const FILL_CONNECTIONS: usize = 64;
/// Records that one answered request leaves: the decision and its outcome.
const RECORDS_A_REQUEST: u64 = 2;

/// Measures it all.
pub(crate) async fn run(options: &GrowthOptions) -> Result<()> {
    let scene = Scene::set()?;
    println!("{}\n", machine::describe(&scene.folder)?);
    let small = start(&scene, "small", 1, vec![scene.usual_bearer()?]).await?;
    println!(
        "memory of a fresh Doorward: {:.0} MB\n",
        small.account()?.rss_mb
    );
    println!(
        "| Doorward | requests/s | p50 / p99 ms | CPU µs | memory MB |\n|---|---|---|---|---|"
    );

    let ruled = start(&scene, "rules", options.rules, vec![scene.usual_bearer()?]).await?;
    pair(options, &small, &ruled, &format!("{} rules", options.rules)).await?;
    drop(ruled);

    let crowd = crowd(&scene, options.people)?;
    let crowded = start(&scene, "people", 1, crowd).await?;
    seen_once(&crowded).await?;
    let label = format!("{} people", options.people);
    pair(options, &small, &crowded, &label).await?;
    drop(crowded);

    let long = start(&scene, "records", 1, vec![scene.usual_bearer()?]).await?;
    let label = format!("{} records", fill(&long, options.records).await?);
    pair(options, &small, &long, &label).await?;
    drop(long);

    streams(&scene).await?;
    println!("\nload average at the end: {}", machine::load());
    Ok(())
}

pub(crate) async fn start(
    scene: &Scene,
    folder: &str,
    rules: usize,
    callers: Vec<HeaderValue>,
) -> Result<Peer> {
    let policy = doorward::policy(rules, false);
    let provider = &scene.provider.base;
    doorward::with(scene, "Doorward", folder, provider, &policy, callers).await
}

async fn pair(options: &GrowthOptions, small: &Peer, large: &Peer, label: &str) -> Result<()> {
    let workload = workload::small();
    let time = Duration::from_secs_f64(options.seconds.clamp(0.1, 60.0));
    let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        for first in [true, false] {
            let (peer, samples) = if first == round.is_multiple_of(2) {
                (small, &mut of_small)
            } else {
                (large, &mut of_large)
            };
            samples.push(cell(peer, &workload, CONNECTIONS, Rate::Closed, time).await?);
        }
    }
    print_row(&format!("small, beside {label}"), small, &of_small)?;
    print_row(label, large, &of_large)
}

fn print_row(label: &str, peer: &Peer, samples: &[Sample]) -> Result<()> {
    let sample = Sample::median(samples);
    println!(
        "| {label} | {} | {} / {} | **{:.0}** | {:.0} |",
        thousands(sample.per_second),
        short(sample.p50_ms),
        short(sample.p99_ms),
        sample.cpu_us,
        peer.account()?.rss_mb
    );
    Ok(())
}

/// So many people of the usual group, each with a token.
pub(crate) fn crowd(scene: &Scene, people: usize) -> Result<Vec<HeaderValue>> {
    (0..people)
        .map(|number| {
            let login = format!("person-{number}");
            let email = format!("{login}@northwind.example");
            let person = Person::new(&login, &login, &email).group("engineering");
            scene.bearer(&person)
        })
        .collect()
}

/// Every caller once, at the pace that checking new signatures allows.
pub(crate) async fn seen_once(peer: &Peer) -> Result<()> {
    let everyone = Rate::Count(u64::try_from(peer.target.callers.len())?);
    let small = workload::small();
    let outcome = drive(&peer.target, &small, CONNECTIONS, everyone, Duration::ZERO).await?;
    anyhow::ensure!(outcome.failed == 0, "{} were refused", outcome.failed);
    Ok(())
}

/// Answers requests until the ledger holds at least so many records; how many it holds.
pub(crate) async fn fill(peer: &Peer, records: u64) -> Result<u64> {
    let small = workload::small();
    let requests = Rate::Count(records.div_ceil(RECORDS_A_REQUEST));
    let outcome = drive(
        &peer.target,
        &small,
        FILL_CONNECTIONS,
        requests,
        Duration::ZERO,
    )
    .await?;
    Ok(RECORDS_A_REQUEST * u64::try_from(outcome.whole_ns.len())?)
}

/// Memory while many slow streams are open: each lasts longer than the measurement.
async fn streams(scene: &Scene) -> Result<()> {
    let slow = Provider::start(&["--pace-ms", "200"])?;
    let policy = doorward::policy(1, false);
    let callers = vec![scene.usual_bearer()?];
    let peer = doorward::with(scene, "Doorward", "streams", &slow.base, &policy, callers).await?;
    let before = peer.account()?;
    let stream = workload::stream();
    let each_once = Rate::Count(u64::try_from(OPEN_STREAMS)?);
    let load = drive(
        &peer.target,
        &stream,
        OPEN_STREAMS,
        each_once,
        Duration::ZERO,
    );
    let watch = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        peer.account()
    };
    let (outcome, during) = tokio::join!(load, watch);
    let (outcome, during) = (outcome?, during.context("while streams were open")?);
    println!(
        "\n{} open streams ({} failed): {:.0} MB, before them {:.0} MB",
        thousands(f64::from(u32::try_from(outcome.whole_ns.len())?)),
        outcome.failed,
        during.rss_mb,
        before.rss_mb
    );
    Ok(())
}
