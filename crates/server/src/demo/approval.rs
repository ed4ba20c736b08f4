//! The story's part on approvals: what Claude wants to change in the CRM waits for a person, is made once after their yes, and for nothing
//! else; nobody's answer is a no; what is blocked no yes opens. Each step asks the CRM itself what was done. Called by the story.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use control::approvals::{self, Call, Sought};
use control::{Actor as Acting, Control, Role};
use domain::ApprovalId;
use domain::approval::Binding;
use ledger::read::Reader;
use ledger::record::{Change, Record};
use serde_json::{Value, json};
use testkit::client::Page;
use testkit::{Actor, Answer, Browser, FakeClock, Session};

use super::crm;
use super::story::{record_of, step};
use super::world::World;

const VERSION: &str = "2026-07-28";
/// What these steps are about.
const UPDATE: &str = "update_contact";
/// Where the members of the story move to.
const MOVED: &str = "7 Mill Lane";

/// Tells it: ada asks, grace is the owner, alan a colleague.
pub(super) async fn tell(
    world: &World,
    ada: &Session,
    grace: &Actor,
    alan: &Actor,
) -> anyhow::Result<()> {
    let ada = Claude(ada.actor());
    let offered = crm::set_up(world, async || ada.tools().await).await?;
    step("ada's Claude reaches a CRM", &offered);
    let mut person = Person::at(world, "ada");
    let (asked, proved) = asks(world, &ada).await?;
    step("it wants to change an address there", &proved);
    step(
        "ada approves, and it is made once",
        &made_once(world, (&ada, &mut person), &asked).await?,
    );
    step(
        "another member, another person",
        &asks_again(world, (&ada, &mut person), &Claude(grace.clone())).await?,
    );
    step(
        "nobody answers",
        &expires(world, (&ada, &mut person)).await?,
    );
    step(
        "what is blocked stays so",
        &stays_blocked(world, &ada, [grace, alan]).await?,
    );
    Ok(())
}

/// A client that can lead its person to a page, as the newest protocol has it.
struct Claude(Actor);

/// What it was answered.
#[derive(Debug)]
enum Answered {
    /// It is to lead its person to this page.
    Asks(String),
    /// What the connector said.
    Done(Answer),
    /// An error, with its code.
    Refused(i64),
}

impl Claude {
    async fn ask(&self, method: &str, mut params: Value) -> anyhow::Result<Answer> {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}},
        });
        let mut actor = self
            .0
            .clone()
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", VERSION)
            .header("mcp-method", method);
        if let Some(name) = params["name"].as_str() {
            actor = actor.header("mcp-name", name);
        }
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        Ok(actor.post("/mcp/crm", &message).await?)
    }

    /// The names of what it is offered.
    async fn tools(&self) -> anyhow::Result<Vec<String>> {
        let answer = self
            .ask("tools/list", json!({}))
            .await?
            .expect_status(200)?;
        let listed = answer.json();
        let tools = listed["result"]["tools"].as_array().context("no tools")?;
        let name = |tool: &Value| tool["name"].as_str().map(str::to_owned);
        Ok(tools.iter().filter_map(name).collect())
    }

    async fn call(&self, tool: &str, arguments: &Value) -> anyhow::Result<Answered> {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.ask("tools/call", params).await?.expect_status(200)?;
        let said = answer.json();
        if let Some(code) = said["error"]["code"].as_i64() {
            return Ok(Answered::Refused(code));
        }
        let question = &said["result"]["inputRequests"]["doorward_approval"]["params"];
        if let Some(page) = question["url"].as_str() {
            return Ok(Answered::Asks(page.to_owned()));
        }
        ensure!(said["result"]["isError"] == false, "it failed: {said}");
        Ok(Answered::Done(answer))
    }

    /// The page that a call's person is led to; anything else is not what should be.
    async fn waits(&self, tool: &str, arguments: &Value) -> anyhow::Result<String> {
        match self.call(tool, arguments).await? {
            Answered::Asks(page) => Ok(page),
            other => bail!("{tool} {arguments} does not wait: {other:?}"),
        }
    }
}

/// Somebody at their browser, signed in when they first need to be.
struct Person {
    login: &'static str,
    base: String,
    browser: Browser,
}

impl Person {
    fn at(world: &World, login: &'static str) -> Self {
        Self {
            login,
            base: world.base.clone(),
            browser: Browser::new(),
        }
    }

    async fn open(&mut self, page: &str) -> anyhow::Result<Page> {
        let mut shown = self.browser.open(page).await?;
        if shown.url.path() == "/console/sign-in" {
            let provider = self.browser.press(&shown, "northwind", &[]).await?;
            shown = self.browser.press(&provider, self.login, &[]).await?;
        }
        ensure!(
            shown.url.as_str().starts_with(&self.base),
            "{} is at {}",
            self.login,
            shown.url
        );
        Ok(shown)
    }

    async fn press(&mut self, page: &Page, button: &str) -> anyhow::Result<Page> {
        Ok(self.browser.press(page, button, &[]).await?)
    }
}

fn moves(member: u64) -> Value {
    json!({"member": member, "address": MOVED})
}

fn id_of(page: &str) -> anyhow::Result<ApprovalId> {
    let id = page.rsplit('/').next().unwrap_or_default();
    id.parse().with_context(|| format!("{page} is no approval"))
}

/// How often something of a member's was changed, by the CRM's own word.
fn changes(world: &World, member: u64) -> anyhow::Result<u64> {
    let kept = world.crm.member(member).context("the member is gone")?;
    Ok(kept.changes)
}

/// The page it asks its person to open, and what was proved.
async fn asks(world: &World, ada: &Claude) -> anyhow::Result<(String, String)> {
    let read = ada.call("get_member", &json!({"member": 4_411})).await?;
    ensure!(matches!(read, Answered::Done(_)), "reading: {read:?}");
    let before = changes(world, 4_411)?;
    let page = ada.waits(UPDATE, &moves(4_411)).await?;
    let again = ada.waits(UPDATE, &moves(4_411)).await?;
    ensure!(page == again, "the same call waits twice");
    ensure!(changes(world, 4_411)? == before, "it was made");
    let proved = format!(
        "reading member 4411 needs nobody; changing the address does: her client is led to {page}, and the CRM has heard nothing"
    );
    Ok((page, proved))
}

/// The yes, the call, and what the ledger says of both.
async fn made_once(
    world: &World,
    (ada, person): (&Claude, &mut Person),
    asked: &str,
) -> anyhow::Result<String> {
    let shown = person.open(asked).await?;
    for words in ["4411", MOVED, "Membership CRM", UPDATE] {
        ensure!(shown.html.text.contains(words), "the page hides {words}");
    }
    let approved = person.press(&shown, "Approve this call").await?;
    ensure!(
        approved.html.text.contains("It is approved"),
        "the page says {}",
        approved.html.text
    );
    let before = changes(world, 4_411)?;
    let Answered::Done(done) = ada.call(UPDATE, &moves(4_411)).await? else {
        bail!("a call that was approved still waits");
    };
    let once_more = ada.waits(UPDATE, &moves(4_411)).await?;
    ensure!(once_more != asked, "a yes is good for two calls");
    ensure!(changes(world, 4_411)? == before + 1, "it was not made once");
    let request = done.header("x-request-id").context("no request id")?;
    recorded(world, request, id_of(asked)?).await
}

/// What the records of a call hold: the hash of its arguments, who decided what, and how long it took.
async fn recorded(world: &World, request: &str, id: ApprovalId) -> anyhow::Result<String> {
    let decision = record_of(world, request, "decision").await?;
    let outcome = record_of(world, request, "outcome").await?;
    let expected = json!({"address": MOVED, "member": 4_411}).to_string();
    let hash = Binding::hash_of(expected.as_bytes());
    let call = &decision["connector"];
    ensure!(
        call["approval"] == id.to_string() && call["arguments"] == *hash,
        "the record of the call is {decision}"
    );
    let steps = changes_of(world, id)?;
    ensure!(
        !steps.iter().any(|step| told(step).contains(MOVED)),
        "an argument is in the ledger"
    );
    let yes = steps
        .iter()
        .find(|step| told(step).starts_with("approved after "));
    let yes = yes.context("no record of the yes")?;
    ensure!(
        yes.before
            .as_ref()
            .is_some_and(|text| text.as_str() == hash),
        "the yes is for {:?}",
        yes.before
    );
    let used = steps.iter().any(|step| told(step).starts_with("used "));
    ensure!(used, "no record of its use");
    Ok(format!(
        "the CRM changed it once, the next try asks anew; recorded: arguments {}…, by {}, {}, call answered in {} ms",
        hash.get(..12).unwrap_or(&hash),
        yes.by_label.as_str(),
        told(yes).split(':').next().unwrap_or_default(),
        outcome["duration_ms"]
    ))
}

fn told(change: &Change) -> &str {
    change.reason.as_ref().map_or("", |reason| reason.as_str())
}

/// Every step of an approval that this server's ledger holds.
fn changes_of(world: &World, id: ApprovalId) -> anyhow::Result<Vec<Change>> {
    let mut reader = Reader::from(&world.config.ledger.dir, ledger::Position::default());
    let (mut found, name) = (Vec::new(), id.to_string());
    while let Some(entry) = reader.read()? {
        if let Record::Change(change) = entry.decode()?.record()?
            && change.noun.as_str() == "approval"
            && change.name.as_str() == name
        {
            found.push(change);
        }
    }
    Ok(found)
}

/// Another argument and another person ask anew, and nobody reads or decides what is somebody else's.
async fn asks_again(
    world: &World,
    (ada, person): (&Claude, &mut Person),
    grace: &Claude,
) -> anyhow::Result<String> {
    let asked = ada.waits(UPDATE, &moves(4_411)).await?;
    let shown = person.open(&asked).await?;
    person.press(&shown, "Approve this call").await?;
    let other = ada.waits(UPDATE, &moves(4_412)).await?;
    let theirs = grace.waits(UPDATE, &moves(4_411)).await?;
    ensure!(other != asked && theirs != asked, "a yes is shared");
    let alan = Person::at(world, "alan").open(&asked).await?;
    ensure!(
        alan.status == 404 && !alan.html.text.contains(MOVED),
        "a colleague reads it: {}",
        alan.html.text
    );
    let shown = person.open(&asked).await?;
    let denied = person
        .browser
        .press(&shown, "deny", &[("reason", "Not now")])
        .await?;
    ensure!(
        denied.html.text.contains("It is denied"),
        "the page says {}",
        denied.html.text
    );
    ensure!(changes(world, 4_412)? == 0, "it was made");
    Ok(
        "with ada's yes for member 4411 in hand, member 4412 asks anew, and so does grace's Claude with the same arguments; \
         alan, who was sent the link, is told that there is no such page; ada takes the yes back"
            .to_owned(),
    )
}

/// Nobody waits a quarter of an hour for a demo: the same call is asked about by a clock that shows it.
async fn expires(world: &World, (ada, person): (&Claude, &mut Person)) -> anyhow::Result<String> {
    let asked = ada.waits(UPDATE, &moves(4_413)).await?;
    let (id, kept_open) = (id_of(&asked)?, person.open(&asked).await?);
    again_when_over(world.running.wired.control(), id).await?;
    let late = person.press(&kept_open, "Approve this call").await?;
    ensure!(
        late.status == 412 && late.html.text.contains("nobody decided"),
        "a late yes is answered {}: {}",
        late.status,
        late.html.text
    );
    let steps = changes_of(world, id)?;
    let last = steps.last().context("no record")?;
    ensure!(
        told(last).starts_with("denied by nobody: no answer in "),
        "the record says {}",
        told(last)
    );
    let next = ada.waits(UPDATE, &moves(4_413)).await?;
    ensure!(next != asked, "an approval that is over waits on");
    ensure!(changes(world, 4_413)? == 0, "it was made");
    Ok(format!(
        "a quarter of an hour on the record says \"{}\"; ada's late yes is refused, and the CRM has heard nothing",
        told(last).split(": crm").next().unwrap_or_default()
    ))
}

/// The same call once more, when the time of its approval is over by a clock that is set so. It is noted as over, and another asked for.
pub async fn again_when_over(mut control: Control, id: ApprovalId) -> anyhow::Result<ApprovalId> {
    let kept = control.store.approval(control.org, id).await?;
    let kept = kept.context("there is no such approval")?;
    control.clock = Arc::new(FakeClock::at(kept.expires.plus_ms(1)));
    let binding = &kept.binding;
    let actor = Acting::person(binding.person, &kept.label, [Role::Member].into());
    let operation = control.operation(&actor);
    let arguments = approvals::read(&operation, id).await?.arguments;
    let call = Call {
        connector: &binding.connector,
        action: &binding.action,
        arguments: &arguments.context("its arguments were taken away")?,
        definition: &binding.definition,
        policy_version: binding.policy_version,
        approver: &binding.approver,
        about: &kept.about,
    };
    match approvals::seek(&operation, call).await? {
        Sought::Waits(next) if next.id != id => Ok(next.id),
        other => bail!("it goes on: {other:?}"),
    }
}

/// Nobody deletes: neither ada, nor grace, who may approve what others ask for, nor alan; and nobody can be asked for a yes.
async fn stays_blocked(world: &World, ada: &Claude, others: [&Actor; 2]) -> anyhow::Result<String> {
    let arguments = json!({"member": 4_411});
    let others = others.map(|one| Claude(one.clone()));
    for claude in [ada].into_iter().chain(&others) {
        for tool in ["delete_contact", "no_such_tool"] {
            let answered = claude.call(tool, &arguments).await?;
            ensure!(
                matches!(answered, Answered::Refused(-32602)),
                "{tool} is answered {answered:?}"
            );
        }
    }
    ensure!(world.crm.member(4_411).is_some(), "the member is gone");
    let called = world.crm.called();
    ensure!(
        !called.iter().any(|tool| tool == "delete_contact"),
        "it was called"
    );
    Ok("deleting member 4411 is answered as what there is not, to ada, to grace, who approves for others, and to alan; there is nothing to approve".to_owned())
}
