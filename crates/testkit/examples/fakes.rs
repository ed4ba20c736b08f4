//! The fakes as a program, for tests in other languages: an identity provider and a Claude provider on loopback.
//!
//! It writes one line of JSON that says where they are, then answers each line of JSON on standard input with one line. It ends
//! when standard input closes, so it never outlives whoever started it. It must never be part of what is shipped.
//! Called by `e2e/`.

#![expect(clippy::print_stdout, reason = "lines are how it talks to its caller")]

use std::io::{BufRead, Write};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use domain::{Clock, Ids, Timestamp};
use serde_json::{Value, json};
use testkit::idp::{App, demo_people};
use testkit::provider::{DEFAULT_KEY, Seen};
use testkit::{Fault, Idp, Person, Provider};

#[derive(Debug)]
struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("the epoch has passed");
        let ms = i64::try_from(since.as_millis()).expect("this millennium");
        Timestamp::from_unix_ms(ms)
    }
}

#[derive(Debug)]
struct RealIds;

impl Ids for RealIds {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the system has randomness");
    }
}

struct Fakes {
    idp: Idp,
    provider: Provider,
}

#[tokio::main]
async fn main() -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let idp = Idp::builder(Arc::clone(&clock), Arc::new(RealIds)).people(everyone());
    let fakes = Fakes {
        idp: idp.start()?,
        provider: Provider::anthropic(clock).start()?,
    };
    say(&json!({
        "idp": fakes.idp.url(),
        "issuer": fakes.idp.issuer(),
        "provider": fakes.provider.url(),
        "provider_key": DEFAULT_KEY,
        "people": people(),
    }))?;
    tokio::task::spawn_blocking(move || serve(&fakes)).await?
}

/// The people of the demo, an intern and somebody in no group.
fn everyone() -> Vec<Person> {
    let mary = Person::new("mary", "Mary Jackson", "mary@northwind.example").group("interns");
    let ken = Person::new("ken", "Ken Sakamura", "ken@northwind.example");
    let mut people = demo_people();
    people.extend([mary, ken]);
    people
}

fn people() -> Vec<Value> {
    everyone()
        .into_iter()
        .map(|person| {
            json!({
                "login": person.login,
                "sub": person.sub,
                "name": person.name,
                "email": person.email,
                "groups": person.groups,
            })
        })
        .collect()
}

fn serve(fakes: &Fakes) -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        let said = match fakes.obey(&serde_json::from_str(&line?)?) {
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

impl Fakes {
    /// Carries out one order: `{"do": "…", …}`.
    fn obey(&self, order: &Value) -> Result<Value> {
        let text = |name: &str| {
            order[name]
                .as_str()
                .with_context(|| format!("{name} is missing"))
        };
        match text("do")? {
            "seen" => return Ok(self.provider.seen().iter().map(seen).collect()),
            "forget" => self.provider.forget(),
            "fault" => {
                let fault = Fault::parse(text("fault")?).context("no such fault")?;
                self.provider.fault(fault);
            }
            "heal" => self.provider.heal(),
            "say" => self.provider.say_next(text("text")?),
            "disable" => self.idp.disable(text("who")?),
            "register" => self.idp.register(App::web(
                text("client_id")?,
                text("secret")?,
                text("redirect")?,
            )),
            "id_token" => return Ok(self.idp.id_token(text("who")?, text("client_id")?).into()),
            other => bail!("nobody knows how to {other}"),
        }
        Ok(Value::Null)
    }
}

fn seen(one: &Seen) -> Value {
    let headers: serde_json::Map<String, Value> = one
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into())
        })
        .collect();
    json!({
        "method": one.method.as_str(),
        "path": one.path,
        "query": one.query,
        "request_id": one.request_id,
        "headers": headers,
        "body_bytes": one.body_bytes,
        "ended": one.ending.map(|ending| format!("{ending:?}")),
    })
}
