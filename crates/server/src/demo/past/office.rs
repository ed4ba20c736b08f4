//! What administrators and the directory did in those weeks: rules and their reasons, people who came and left, keys, limits, the
//! acceptable-use policy. All of it by the functions that the console, the API and SCIM call. Called by its parent, day by day.

use std::collections::BTreeSet;

use anyhow::Context as _;
use control::acceptable_use::{self, NewVersion};
use control::members::{self, Columns, Expected, Given};
use control::scim::{Directory, groups, users};
use control::scim_tokens::{self, NewScimToken};
use control::service_keys::{self, NewKey};
use control::spend_limits::{self, Scope};
use control::tasks::{self, Closed, Wanted};
use control::tokens::{self, NewToken};
use control::{Actor, Right, Role, people, policies, sessions};
use domain::acceptable_use::Way;
use domain::opaque::{hex, sha256};
use domain::task::TaskKind;
use domain::window::Period;
use domain::{Clock as _, Timestamp, limits};
use pipeline::Yes;
use pipeline::identity::config::vouching;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::cast::{CAST, OUTLIER, PUT_OFF, Person, SERVICE};
use super::{ISSUER, Past, reach, rules, stable_id, wishes};
use crate::policy_command::Here;

const MINUTE_MS: i64 = 60_000;

/// What the office holds from one day to the next.
#[derive(Debug, Default)]
pub(super) struct Office {
    /// The directory's token.
    token: Option<SecretString>,
    /// Groups that the directory has, and what it calls them.
    groups: Vec<(&'static str, String)>,
    service_key: Option<SecretString>,
    /// Whether staff must accept the acceptable-use policy by now.
    pub(super) is_acceptance_demanded: bool,
    version: Option<u64>,
}

/// Before the day begins.
pub(super) async fn morning(
    past: &mut Past<'_>,
    days_ago: i64,
    midnight: Timestamp,
) -> anyhow::Result<()> {
    let at = |minute: i64| midnight.plus_ms(minute * MINUTE_MS);
    past.clock.set(at(6 * 60 + 20));
    if days_ago == super::cast::DAYS {
        found(past).await?;
    }
    come(past, days_ago).await?;
    past.clock.set(at(6 * 60 + 40));
    keys(past, days_ago).await?;
    past.clock.set(at(6 * 60 + 50));
    policy(past, days_ago).await?;
    agree(past, days_ago).await?;
    past.clock.set(at(7 * 60));
    errands(past, days_ago).await
}

/// After work.
pub(super) async fn evening(past: &mut Past<'_>, days_ago: i64) -> anyhow::Result<()> {
    match days_ago {
        7 => {
            let rosa = past.of("rosa").id.context("rosa came on the first day")?;
            let why = "Her agents ran all night; until we know why";
            people::revoke(&past.control.operation(&grace(past)?), rosa, why).await?;
        }
        5 => leave(past, "victor").await?,
        _ => {}
    }
    Ok(())
}

/// A limit of one person's own.
pub(super) async fn limit(past: &Past<'_>, login: &str, cents: i64) -> anyhow::Result<()> {
    let scope = Scope::User(stable_id(past.of(login).person));
    let (actor, cents) = (grace(past)?, cents.to_string());
    let operation = past.control.operation(&actor);
    spend_limits::create(&operation, &scope, Period::Monthly, Some(&cents)).await?;
    Ok(())
}

impl Past<'_> {
    pub(super) fn of(&self, login: &str) -> &super::Somebody {
        let found = self.people.iter().find(|one| one.person.login == login);
        found.expect("the cast has them")
    }
}

/// The owner.
pub(super) fn grace(past: &Past<'_>) -> anyhow::Result<Actor> {
    let id = past
        .of("grace")
        .id
        .context("grace signed in on the first day")?;
    Ok(Actor::person(
        id,
        "grace@northwind.example",
        [Role::Owner].into(),
    ))
}

/// The first day: the token that the directory provisions with.
async fn found(past: &mut Past<'_>) -> anyhow::Result<()> {
    for login in ["grace", "ada", "alan", "frida"] {
        let index = CAST.iter().position(|person| person.login == login);
        let index = index.context("the cast has them")?;
        past.people[index].id = Some(past.known(index).await?);
    }
    let actor = Actor::command_line("command line");
    let operation = past.control.operation(&actor);
    let vouching = vouching(&past.config.issuers);
    let new = |name: &str, days| NewScimToken {
        issuer: ISSUER.to_owned(),
        tenant: None,
        name: name.to_owned(),
        days,
    };
    let (tried, _) = scim_tokens::create(&operation, &vouching, new("first try", Some(30))).await?;
    scim_tokens::revoke(
        &operation,
        &tried.id.to_string(),
        "made for the wrong application",
    )
    .await?;
    let ends_soon = new("provisioning", Some(26));
    let (_, secret) = scim_tokens::create(&operation, &vouching, ends_soon).await?;
    past.office.token = Some(secret);
    Ok(())
}

/// Runs with the directory as it enters by its token.
macro_rules! by_directory {
    ($past:ident, $directory:ident => $does:expr) => {{
        let token = $past
            .office
            .token
            .as_ref()
            .context("made on the first day")?;
        let entered = $past
            .control
            .enter_by_directory_token(token.expose_secret())
            .await;
        let (actor, source) =
            entered.map_err(|_| anyhow::anyhow!("the directory's token opens nothing"))?;
        let operation = $past.control.operation(&actor);
        let $directory = Directory::new(&operation, &source, "/scim/v2").map_err(scim)?;
        $does
    }};
}

fn scim(error: control::scim::ScimError) -> anyhow::Error {
    anyhow::Error::new(error).context("the directory's request was refused")
}

fn id_of(kept: &control::scim::Kept) -> String {
    kept.resource["id"].as_str().unwrap_or_default().to_owned()
}

/// Provisions whoever is new, and puts them into their group.
async fn come(past: &mut Past<'_>, days_ago: i64) -> anyhow::Result<()> {
    for index in 0..past.people.len() {
        let person = past.people[index].person;
        if person.since != days_ago || !person.is_provisioned {
            continue;
        }
        let user = by_directory!(past, directory => {
            let made = users::create(&directory, user(person)).await.map_err(scim)?;
            id_of(&made)
        });
        join(past, person.group, &user).await?;
        let stable = stable_id(person);
        let known = past
            .wired
            .store
            .person_by_stable(past.wired.org, ISSUER, &stable);
        past.people[index].id = known.await?.map(|known| known.id);
        past.people[index].user = Some(user);
    }
    Ok(())
}

fn user(person: &Person) -> Value {
    let (given, family) = person.name.split_once(' ').unwrap_or((person.name, ""));
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "externalId": stable_id(person),
        "userName": person.email(),
        "displayName": person.name,
        "active": true,
        "emails": [{"primary": true, "type": "work", "value": person.email()}],
        "name": {"formatted": person.name, "givenName": given, "familyName": family},
    })
}

async fn join(past: &mut Past<'_>, group: &'static str, user: &str) -> anyhow::Result<()> {
    let known = past.office.groups.iter().find(|(name, _)| *name == group);
    let id = if let Some((_, id)) = known {
        id.clone()
    } else {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "externalId": group,
            "displayName": group,
        });
        let id = by_directory!(past, directory => {
            id_of(&groups::create(&directory, body).await.map_err(scim)?)
        });
        past.office.groups.push((group, id.clone()));
        id
    };
    let add = patch(&json!([{"op": "Add", "path": "members", "value": [{"value": user}]}]));
    by_directory!(past, directory => {
        groups::patch(&directory, &id, None, add).await.map_err(scim)?;
    });
    Ok(())
}

fn patch(operations: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}

/// The directory makes somebody inactive.
async fn leave(past: &mut Past<'_>, login: &str) -> anyhow::Result<()> {
    let user = past
        .of(login)
        .user
        .clone()
        .context("they were provisioned")?;
    let inactive = patch(&json!([{"op": "Replace", "path": "active", "value": "False"}]));
    by_directory!(past, directory => {
        users::patch(&directory, &user, None, inactive).await.map_err(scim)?;
    });
    past.look().await
}

/// Keys of services, a token of the owner's own, limits.
async fn keys(past: &mut Past<'_>, days_ago: i64) -> anyhow::Result<()> {
    let actor = grace(past)?;
    let operation = past.control.operation(&actor);
    let new = |name: &str, days| NewKey {
        name: name.to_owned(),
        groups: BTreeSet::new(),
        days,
    };
    match days_ago {
        21 => {
            service_keys::create(&operation, new("website-search", Some(30))).await?;
            service_keys::create(&operation, new("old-crawler", None)).await?;
        }
        20 => {
            let (_, secret) = service_keys::create(&operation, new(SERVICE, Some(90))).await?;
            past.office.service_key = Some(secret);
        }
        19 => limit(past, OUTLIER, 40_000).await?,
        12 => {
            let new = NewToken {
                name: "monthly ledger export".to_owned(),
                scopes: [Right::LedgerRead].into(),
                days: 60,
            };
            tokens::create(&operation, new).await?;
        }
        11 => {
            let why = "The crawler was switched off";
            service_keys::revoke(&operation, "old-crawler", why).await?;
        }
        _ => {}
    }
    if let Some(secret) = &past.office.service_key {
        past.service = past.identify(secret.expose_secret()).await.ok();
    }
    Ok(())
}

/// The version of the rules that begins today.
async fn policy(past: &mut Past<'_>, days_ago: i64) -> anyhow::Result<()> {
    if days_ago == 15 {
        let text = acceptable_use::template(&domain::acceptable_use::Variables::new());
        publish(
            past,
            &text,
            "First version, agreed with the works council",
            false,
        )
        .await?;
    }
    if days_ago == 4 {
        let text = acceptable_use::template(&domain::acceptable_use::Variables::new());
        let text = format!("{text}\nThe help desk answers within a working day.\n");
        publish(
            past,
            &text,
            "Says when the help desk answers; nothing else changes",
            true,
        )
        .await?;
    }
    let number = rules::LATER
        .iter()
        .position(|later| later.days_ago == days_ago);
    let Some(number) = number else { return Ok(()) };
    let (actor, reason) = (grace(past)?, rules::LATER[number].reason);
    let operation = past.control.operation(&actor);
    let text = rules::text(number + 1, &past.crm);
    policies::apply(&operation, &text, reason, None, &Here::of(past.config)).await?;
    past.office.is_acceptance_demanded |= rules::LATER[number].adds.contains("[acceptable_use]");
    past.look().await
}

async fn publish(past: &mut Past<'_>, text: &str, reason: &str, keeps: bool) -> anyhow::Result<()> {
    let value = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let actor = grace(past)?;
    let operation = past.control.operation(&actor);
    let new = NewVersion {
        text,
        values: [
            value("organisation", "Northwind Association"),
            value("contact", "the help desk"),
            value("reach", "help@northwind.example"),
        ]
        .into(),
        language: "en",
        reason,
        expected: None,
        keeps_acceptances: keeps,
    };
    let done = acceptable_use::publish(&operation, new, &past.config.as_recorded()).await?;
    if let acceptable_use::Published::Version { version, .. } = done {
        past.office.version = Some(version);
    }
    past.look().await
}

/// Whoever has not accepted yet thinks of it, or does not.
async fn agree(past: &mut Past<'_>, days_ago: i64) -> anyhow::Result<()> {
    let Some(version) = past.office.version.filter(|_| days_ago <= 14) else {
        return Ok(());
    };
    for index in 0..past.people.len() {
        let somebody = &past.people[index];
        let person = somebody.person;
        let puts_it_off = PUT_OFF.contains(&person.login) || past.dice.happens(350);
        let Some(id) = somebody.id else { continue };
        if somebody.accepted || puts_it_off || !person.is_here(days_ago) {
            continue;
        }
        past.clock.set(past.clock.now().plus_ms(7_000));
        let email = person.email();
        let yes = Yes {
            person: id,
            version,
            way: Way::Link,
            label: &email,
            address: Some([192, 0, 2, 10].into()),
        };
        let accepted = past.wired.pipeline.acceptable_use.accept(yes).await;
        accepted.map_err(|refusal| anyhow::anyhow!("not accepted: {refusal}"))?;
        past.people[index].accepted = true;
    }
    Ok(())
}

/// Tasks, a lost laptop, somebody let in again, a member list compared.
async fn errands(past: &mut Past<'_>, days_ago: i64) -> anyhow::Result<()> {
    // whoever was there from the first day has been taken in long ago
    if days_ago <= 12 {
        let follows = Actor::doorward();
        tasks::follow(&past.control.operation(&follows)).await?;
    }
    match days_ago {
        8 => {
            let done = [TaskKind::AddToWorkspace];
            close(past, "elif", &done, "Added this morning").await?;
        }
        6 => {
            let rosa = past.of("rosa").id.context("rosa came on the first day")?;
            let actor = grace(past)?;
            let operation = past.control.operation(&actor);
            people::restore(&operation, rosa, "A loop in a script; it is mended").await?;
            end_session(past, "marco").await?;
        }
        4 => {
            let done = [TaskKind::DisableAccount, TaskKind::RemoveSecondFactors];
            close(past, "victor", &done, "Done in the directory").await?;
        }
        2 => compare(past).await?,
        _ => {}
    }
    wishes::of_day(past, days_ago).await?;
    reach::of_day(past, days_ago).await?;
    past.look().await
}

async fn close(past: &Past<'_>, login: &str, kinds: &[TaskKind], said: &str) -> anyhow::Result<()> {
    let about = past.of(login).id.context("they came")?;
    let actor = grace(past)?;
    let operation = past.control.operation(&actor);
    let wanted = Wanted {
        open: true,
        about: Some(about.to_string()),
        ..Wanted::default()
    };
    let open = tasks::list(&operation, &wanted, None, limits::STORE_PAGE_MAX).await?;
    for task in open.into_iter().filter(|task| kinds.contains(&task.kind)) {
        tasks::close(&operation, task.id, (Closed::Done, said), None).await?;
    }
    Ok(())
}

async fn end_session(past: &Past<'_>, login: &str) -> anyhow::Result<()> {
    let actor = grace(past)?;
    let operation = past.control.operation(&actor);
    let (open, _) = sessions::list(&operation, (past.of(login).id, true), None, 1).await?;
    if let Some(session) = open.first() {
        sessions::end(&operation, session.id, "His laptop was left on a train").await?;
    }
    Ok(())
}

/// The list of Claude's workspace against the directory: the leaver is in it still, and somebody nobody knows.
async fn compare(past: &Past<'_>) -> anyhow::Result<()> {
    let rows = CAST
        .iter()
        .filter(|person| person.since > 3 && person.login != "katya");
    let rows = rows.map(|person| format!("{},{},Member\n", person.email(), person.name));
    let stranger = "intern@northwind.example,Summer Intern,Member\n".to_owned();
    let csv: String = std::iter::once("Email,Name,Role\n".to_owned())
        .chain(rows)
        .chain([stranger])
        .collect();
    let columns = [("email", "Email"), ("name", "Name"), ("role", "Role")];
    let columns = columns.map(|(word, column)| (word.to_owned(), column.to_owned()));
    let listed = members::read::read(csv.as_bytes(), &Columns::from_pairs(&columns)?)?;
    let actor = grace(past)?;
    let operation = past.control.operation(&actor);
    let everyone = members::everyone(&operation).await?;
    let compared = members::compare(&listed, &everyone, &Expected::default());
    let hash = hex(&sha256(csv.as_bytes()));
    let given = Given {
        source: "claude.ai member list",
        hash: &hash,
        look_only: false,
    };
    members::check(&operation, &listed, &compared, given).await?;
    Ok(())
}
