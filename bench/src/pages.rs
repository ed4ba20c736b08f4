//! How fast the console answers: every page that an owner can reach on the demo's sample data, asked for again and again over loopback.
//! Which pages there are is found by following the product's own links, one address of each kind.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::{Browser, Http};

use crate::peers::doorward::program;
use crate::process::{Running, account, tied};
use crate::sample::short;
use crate::{PagesOptions, machine};

/// How long the demo may take until it is up.
const UP: Duration = Duration::from_mins(5);
const COOKIE: &str = "doorward_console";

/// Measures it all.
pub(crate) async fn run(options: &PagesOptions) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("doorward-bench-pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("{}\n", machine::describe(&folder)?);
    let described = folder.join("demo.json");
    let mut command = tied(program()?);
    command.args(["demo", "--serve-only", "--describe-to"]);
    command.arg(&described);
    let demo = Running::start(&mut command, &folder.join("log"))?;
    let base = is_up(&described).await?;
    let visitor = Visitor::sign_in(&base).await?;
    let pages = visitor.pages(options.pages).await?;
    println!("| page | p50 / p99 / longest ms | CPU ms a page | KB |\n|---|---|---|---|");
    let mut slowest = 0.0f64;
    for page in &pages {
        slowest = slowest.max(time(&demo, &visitor, page, options.looks).await?);
    }
    println!(
        "\n{} pages; the slowest p99 is {} ms",
        pages.len(),
        short(slowest)
    );
    println!("load average at the end: {}", machine::load());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

async fn is_up(described: &std::path::Path) -> Result<String> {
    let began = Instant::now();
    loop {
        if let Ok(text) = std::fs::read(described) {
            let about: Value = serde_json::from_slice(&text)?;
            let base = about["base_url"].as_str().context("an address")?;
            return Ok(base.to_owned());
        }
        ensure!(began.elapsed() < UP, "the demo does not come up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn time(demo: &Running, visitor: &Visitor, page: &str, looks: usize) -> Result<f64> {
    let before = account(demo.pid())?;
    let mut times_ms = Vec::with_capacity(looks);
    let mut bytes = 0;
    for _ in 0..looks.max(1) {
        let began = Instant::now();
        let (status, source) = visitor.get(page).await?;
        times_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
        ensure!(status == 200, "{page} is answered with {status}");
        bytes = source.len();
    }
    let cpu = account(demo.pid())?.cpu.saturating_sub(before.cpu);
    times_ms.sort_by(f64::total_cmp);
    let at = |percent: usize| times_ms[(times_ms.len() - 1) * percent / 100];
    println!(
        "| `{}` | {} / {} / {} | {:.2} | {:.0} |",
        kind(page),
        short(at(50)),
        short(at(99)),
        short(at(100)),
        cpu.as_secs_f64() * 1_000.0 / f64::from(u32::try_from(times_ms.len())?),
        f64::from(u32::try_from(bytes)?) / 1_000.0
    );
    Ok(at(99))
}

/// The owner, signed in to the console.
struct Visitor {
    http: Http,
    base: String,
    cookie: String,
}

impl Visitor {
    async fn sign_in(base: &str) -> Result<Self> {
        let mut browser = Browser::new();
        let page = browser.open(&format!("{base}/console")).await?;
        let page = browser.press(&page, "northwind", &[]).await?;
        let page = browser.press(&page, "grace", &[]).await?;
        ensure!(page.status == 200, "the sign-in ends with {}", page.status);
        let cookie = browser.cookie(COOKIE).context("a session")?;
        Ok(Self {
            http: Http::new(),
            base: base.to_owned(),
            cookie: format!("{COOKIE}={cookie}"),
        })
    }

    async fn get(&self, path: &str) -> Result<(u16, String)> {
        let asking = self.http.get(&format!("{}{path}", self.base));
        let answer = asking.header("cookie", &self.cookie).send().await?;
        Ok((answer.status, answer.text()))
    }

    /// One address of each kind, at most so many.
    async fn pages(&self, most: usize) -> Result<Vec<String>> {
        let mut ahead: VecDeque<String> = ["/console".to_owned(), "/me".to_owned()].into();
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        while let Some(page) = ahead.pop_front().filter(|_| found.len() < most) {
            if !seen.insert(kind(&page)) {
                continue;
            }
            let (status, source) = self.get(&page).await?;
            if status != 200 || !source.starts_with("<!doctype html>") {
                continue;
            }
            let links = testkit::client::html::parse(&source).links.into_iter();
            let ours = |to: &String| to.starts_with("/console") || to.starts_with("/me");
            ahead.extend(links.map(|(_, to)| to).filter(ours));
            found.push(page);
        }
        Ok(found)
    }
}

/// A page without its ids and its questions: what makes two addresses one page.
fn kind(page: &str) -> String {
    let path = page.split(['?', '#']).next().unwrap_or_default();
    let part = |part: &str| {
        let is_id = part.len() > 26 && part.contains('_') && part.split('_').count() == 2;
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        // a record: when, which and of which chain
        let is_record = part.split('.').filter(|one| !one.is_empty()).count() == 4;
        if is_id || is_number || is_record {
            "…".to_owned()
        } else {
            part.to_owned()
        }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_people_are_one_page_and_two_places_are_two() {
        let id = "per_01m7zvzgxw0jtef5cc1v2at9dw";
        assert_eq!(
            kind(&format!("/console/people/{id}?x=1")),
            "/console/people/…"
        );
        assert_eq!(
            kind("/console/policy/versions/12"),
            "/console/policy/versions/…"
        );
        assert_eq!(
            kind("/console/ledger/1795227010868.13345.gw-321007f28322.1/why"),
            "/console/ledger/…/why"
        );
        assert_ne!(kind("/console/sessions"), kind("/console/people"));
    }
}
