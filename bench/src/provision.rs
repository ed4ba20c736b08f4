//! What provisioning by SCIM costs: people and groups through HTTP as Entra sends them, one request each, at the pace that Doorward
//! allows; then looks at them, and inference with all of them in place.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use http::Method;
use serde_json::{Value, json};
use testkit::{Answer, Directory};
use tokio::task::JoinSet;

use crate::compare::cell;
use crate::load::Rate;
use crate::peers::{Peer, doorward};
use crate::sample::{Sample, short, thousands};
use crate::scene::Scene;
use crate::{ProvisionOptions, machine, workload};

const AT_ONCE: usize = 8;
const CONNECTIONS: usize = 16;
const FOLDER: &str = "provision";
/// Members of a group that one request adds.
const MEMBERS_A_REQUEST: usize = 100;

/// Measures it all.
pub(crate) async fn run(options: &ProvisionOptions) -> Result<()> {
    let scene = Scene::set()?;
    println!("{}\n", machine::describe(&scene.folder)?);
    let policy = doorward::policy(1, false);
    let callers = vec![scene.usual_bearer()?];
    let provider = &scene.provider.base;
    let peer = doorward::with(&scene, "Doorward", FOLDER, provider, &policy, callers).await?;
    let token = doorward::directory_token(&scene.folder_of(FOLDER)?)?;
    let directory = Directory::new(&peer.target.base, &token);
    let empty = inference(&peer, options).await?;
    println!(
        "| provisioning | requests | seconds | requests/s | p50 / p99 ms | CPU ms a request | memory MB |\n|---|---|---|---|---|---|---|"
    );
    let people: Vec<Call> = (0..options.people).map(person).collect();
    let made = send(&peer, &directory, "people made", people).await?;
    let ids: Vec<String> = made.iter().map(id_of).collect::<Result<_>>()?;
    let groups: Vec<Call> = (0..options.groups).map(group).collect();
    let made = send(&peer, &directory, "groups made", groups).await?;
    let filled = made.iter().enumerate().map(|(number, made)| {
        let members: Vec<Value> = (0..MEMBERS_A_REQUEST)
            .map(|place| &ids[(number * MEMBERS_A_REQUEST + place) % ids.len()])
            .map(|id| json!({"$ref": null, "value": id}))
            .collect();
        let add = json!([{"op": "Add", "path": "members", "value": members}]);
        Ok((
            Method::PATCH,
            format!("/Groups/{}", id_of(made)?),
            Some(json!({"Operations": add})),
        ))
    });
    let filled = filled.collect::<Result<Vec<Call>>>()?;
    let label = format!("{MEMBERS_A_REQUEST} members added to each");
    send(&peer, &directory, &label, filled).await?;
    let looks = (0..options.looks).map(|number| {
        let name = user_name(number * 7_919 % options.people.max(1));
        let path = format!("/Users?filter=userName%20eq%20%22{name}%22");
        (Method::GET, path, None)
    });
    send(
        &peer,
        &directory,
        "people looked for by name",
        looks.collect(),
    )
    .await?;
    let gone = ids.iter().take(options.looks).map(|id| {
        let off = json!({"Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
        (Method::PATCH, format!("/Users/{id}"), Some(off))
    });
    send(&peer, &directory, "people disabled", gone.collect()).await?;
    let whole = json!({"Operations": [{"op": "replace", "path": "members",
        "value": ids.iter().map(|id| json!({"value": id})).collect::<Vec<_>>()}]});
    let first = format!("/Groups/{}", id_of(&made[0])?);
    let all = vec![(Method::PATCH, first, Some(whole))];
    send(
        &peer,
        &directory,
        "everybody set as members of one group",
        all,
    )
    .await?;
    let full = inference(&peer, options).await?;
    println!("\n| inference | requests/s | p50 / p99 ms | CPU µs |\n|---|---|---|---|");
    print_inference("nobody provisioned", &empty);
    let label = format!("{} people, {} groups", options.people, options.groups);
    print_inference(&label, &full);
    println!("\nload average at the end: {}", machine::load());
    Ok(())
}

type Call = (Method, String, Option<Value>);

fn user_name(number: usize) -> String {
    format!("person-{number}@northwind.example")
}

fn person(number: usize) -> Call {
    let name = user_name(number);
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "externalId": format!("{number:08x}-0000-4000-8000-000000000000"),
        "userName": name,
        "active": true,
        "displayName": format!("Person {number}"),
        "title": "Engineer",
        "emails": [{"primary": true, "type": "work", "value": name}],
        "name": {"familyName": "Person", "givenName": format!("{number}")},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Works", "employeeNumber": format!("{number}")},
    });
    (Method::POST, "/Users".to_owned(), Some(body))
}

fn group(number: usize) -> Call {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "externalId": format!("group-{number}"),
        "displayName": format!("Group {number}"),
    });
    (Method::POST, "/Groups".to_owned(), Some(body))
}

fn id_of(made: &Answer) -> Result<String> {
    let id = made.json()["id"].as_str().map(str::to_owned);
    id.context("an answer without an id")
}

/// Sends requests, some at once, and prints what they cost. The answers are in the requests' order.
async fn send(
    peer: &Peer,
    directory: &Directory,
    label: &str,
    calls: Vec<Call>,
) -> Result<Vec<Answer>> {
    let (before, began, count) = (peer.account()?, Instant::now(), calls.len());
    let mut waiting = calls.into_iter().enumerate();
    let mut under_way = JoinSet::new();
    let mut answers: Vec<Option<Answer>> = (0..count).map(|_| None).collect();
    let mut times_ms = Vec::with_capacity(count);
    loop {
        while under_way.len() < AT_ONCE
            && let Some((place, call)) = waiting.next()
        {
            let directory = directory.clone();
            under_way.spawn(async move { (place, patiently(&directory, call).await) });
        }
        let Some(done) = under_way.join_next().await else {
            break;
        };
        let (place, done) = done?;
        let (answer, took) = done?;
        times_ms.push(took.as_secs_f64() * 1_000.0);
        answers[place] = Some(answer);
    }
    let (seconds, after) = (began.elapsed().as_secs_f64(), peer.account()?);
    times_ms.sort_by(f64::total_cmp);
    let at = |percent: usize| times_ms[(count - 1) * percent / 100];
    let requests = f64::from(u32::try_from(count)?);
    let cpu = after.cpu.saturating_sub(before.cpu);
    println!(
        "| {label} | {} | {seconds:.1} | {:.0} | {} / {} | {:.2} | {:.0} |",
        thousands(requests),
        requests / seconds,
        short(at(50)),
        short(at(99)),
        cpu.as_secs_f64() * 1_000.0 / requests,
        after.rss_mb
    );
    Ok(answers.into_iter().flatten().collect())
}

/// One request, again when it is told to wait; and how long the last try took.
async fn patiently(
    directory: &Directory,
    (method, path, body): Call,
) -> Result<(Answer, Duration)> {
    loop {
        let began = Instant::now();
        let answer = directory.send(method.clone(), &path, body.as_ref()).await?;
        match answer.status {
            429 => {
                let wait = answer
                    .header("retry-after")
                    .and_then(|wait| wait.parse().ok());
                tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1))).await;
            }
            200..=299 => return Ok((answer, began.elapsed())),
            status => anyhow::bail!("{path} is answered with {status}: {}", answer.text()),
        }
    }
}

async fn inference(peer: &Peer, options: &ProvisionOptions) -> Result<Sample> {
    let time = Duration::from_secs_f64(options.seconds.clamp(0.1, 60.0));
    let mut samples = Vec::new();
    for _ in 0..3 {
        samples.push(cell(peer, &workload::small(), CONNECTIONS, Rate::Closed, time).await?);
    }
    Ok(Sample::median(&samples))
}

fn print_inference(label: &str, sample: &Sample) {
    println!(
        "| {label} | {} | {} / {} | {:.0} |",
        thousands(sample.per_second),
        short(sample.p50_ms),
        short(sample.p99_ms),
        sample.cpu_us
    );
}
