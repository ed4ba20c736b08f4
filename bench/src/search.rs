//! How long a search of the ledger takes when it is large: records that real requests of many people left, copies of them at earlier
//! times until there are enough, then searches through the admin API as an auditor makes them, one after the other.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::HeaderValue;
use serde_json::Value;
use testkit::Http;

use crate::growth::{crowd, fill, seen_once, start};
use crate::peers::{Peer, doorward};
use crate::sample::{short, thousands};
use crate::scene::Scene;
use crate::{SearchOptions, machine};

const FOLDER: &str = "search";
/// How long the ledger's copy may take to follow.
const FOLLOWS: Duration = Duration::from_mins(30);
const PAGE: usize = 50;

/// Measures it all.
pub(crate) async fn run(options: &SearchOptions) -> Result<()> {
    let scene = Scene::set()?;
    println!("{}\n", machine::describe(&scene.folder)?);
    let crowd = crowd(&scene, options.people)?;
    let bearer = crowd.first().context("somebody")?.clone();
    let peer = start(&scene, FOLDER, 1, crowd).await?;
    seen_once(&peer).await?;
    doorward::make_auditor(&scene.folder_of(FOLDER)?, "person-0@northwind.example")?;
    let auditor = Auditor::new(&peer, &bearer)?;
    let people = auditor.people().await?;
    let (began, first_ms) = (Instant::now(), auditor.newest_ms().await?);
    let records = fill(&peer, options.records).await?;
    auditor.follows().await?;
    multiply(&scene.folder_of(FOLDER)?, options.copies)?;
    println!(
        "{} records of {} people, made in {:.0} s; Doorward holds {:.0} MB\n",
        thousands(f64::from(u32::try_from(records * (options.copies + 1))?)),
        people.len(),
        began.elapsed().as_secs_f64(),
        peer.account()?.rss_mb
    );
    println!("| search of the ledger | p50 / p99 / longest ms | CPU ms a search |\n|---|---|---|");
    let somebody = |number: usize| people[number * 7_919 % people.len()].as_str();
    let some = auditor.look(&format!("subject={}", somebody(1))).await?;
    let newest = |name: &str| some["items"][0][name].as_str().map(str::to_owned);
    let (request, moment) = (
        newest("request").context("a request")?,
        newest("at").context("a time")?,
    );
    let page = some["next"].as_str().context("more than a page")?;
    let middle = i64::midpoint(first_ms, auditor.newest_ms().await?);
    let questions: [(&str, &dyn Fn(usize) -> String); 8] = [
        ("a person", &|number| {
            format!("subject={}", somebody(number))
        }),
        ("a person, one kind", &|number| {
            format!("subject={}&kind=outcome", somebody(number))
        }),
        ("a person, before a moment", &|number| {
            format!("subject={}&until={moment}", somebody(number))
        }),
        ("a person, the next page", &|_| {
            format!("subject={}&after={page}", somebody(1))
        }),
        ("a request", &|_| format!("request={request}")),
        ("changes, whoever made them", &|_| "kind=change".to_owned()),
        ("everything, newest first", &|_| String::new()),
        ("everything, a page far down", &|_| {
            format!("after={middle}.1.gw")
        }),
    ];
    for (label, question) in questions {
        time(&peer, &auditor, label, options.looks, question).await?;
    }
    println!("\nload average at the end: {}", machine::load());
    Ok(())
}

/// Lays copies of all records beside them, each set in the time before the one before it.
const COPY: &str = "
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], timeout=60)
first, last = store.execute('SELECT min(at), max(at) FROM ledger_records').fetchone()
for copy in range(1, int(sys.argv[2]) + 1):
    store.execute(
        'INSERT INTO ledger_records SELECT org, at - ?1, chain || ?2, seq, kind, request_id || ?2, subject, body'
        ' FROM ledger_records WHERE at >= ?3', (copy * (last - first + 1), f'-{copy}', first))
    store.commit()
";

fn multiply(folder: &Path, copies: u64) -> Result<()> {
    let mut python = std::process::Command::new("python3");
    let ran = python
        .args(["-c", COPY])
        .arg(folder.join("doorward.db"))
        .arg(copies.to_string());
    let status = ran.status().context("python3 is needed to copy records")?;
    ensure!(status.success(), "records could not be copied");
    Ok(())
}

async fn time(
    peer: &Peer,
    auditor: &Auditor,
    label: &str,
    looks: usize,
    question: impl Fn(usize) -> String,
) -> Result<()> {
    let before = peer.account()?;
    let mut times_ms = Vec::with_capacity(looks);
    for number in 0..looks.max(1) {
        let began = Instant::now();
        let found = auditor.look(&question(number)).await?;
        times_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
        let found = found["items"].as_array().map_or(0, Vec::len);
        ensure!((1..=PAGE).contains(&found), "{label}: {found} found");
    }
    let cpu = peer.account()?.cpu.saturating_sub(before.cpu);
    times_ms.sort_by(f64::total_cmp);
    let at = |percent: usize| short(times_ms[(times_ms.len() - 1) * percent / 100]);
    println!(
        "| {label} | {} / {} / {} | {:.2} |",
        at(50),
        at(99),
        at(100),
        cpu.as_secs_f64() * 1_000.0 / f64::from(u32::try_from(times_ms.len())?)
    );
    Ok(())
}

/// Somebody who reads everything.
struct Auditor {
    http: Http,
    base: String,
    token: String,
}

impl Auditor {
    fn new(peer: &Peer, bearer: &HeaderValue) -> Result<Self> {
        Ok(Self {
            http: Http::new(),
            base: format!("{}/api/v1", peer.target.base),
            token: bearer.to_str()?.trim_start_matches("Bearer ").to_owned(),
        })
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.base);
        let answer = self.http.get(&url).bearer(&self.token).send().await?;
        ensure!(
            answer.status == 200,
            "{path} is answered with {}: {}",
            answer.status,
            answer.text()
        );
        Ok(answer.json())
    }

    async fn look(&self, question: &str) -> Result<Value> {
        self.get(&format!("/ledger/records?limit={PAGE}&{question}"))
            .await
    }

    /// When the newest record was made, by the place it has in the order of search.
    async fn newest_ms(&self) -> Result<i64> {
        let newest = self.look("").await?;
        let place = newest["items"][0]["place"].as_str().context("a record")?;
        let (at, _) = place.split_once('.').context("a place")?;
        Ok(at.parse()?)
    }

    /// The ids of all people.
    async fn people(&self) -> Result<Vec<String>> {
        let (mut ids, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/people?limit=1000{after}")).await?;
            let items = page["items"].as_array().context("a page")?;
            ids.extend(
                items
                    .iter()
                    .filter_map(|person| person["id"].as_str().map(str::to_owned)),
            );
            let Some(next) = page["next"].as_str() else {
                return Ok(ids);
            };
            after = format!("&after={next}");
        }
    }

    /// Waits until the copy holds what the ledger holds.
    async fn follows(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let head = self.get("/ledger/head").await?;
            let newest = self.look("").await?;
            if newest["items"][0]["seq"].as_u64() >= head["seq"].as_u64() {
                return Ok(());
            }
            ensure!(
                began.elapsed() < FOLLOWS,
                "the ledger's copy does not follow"
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
