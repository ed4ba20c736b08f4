//! Connectors that are programs of this machine: a real program in its real sandbox behind the door. Where no sandbox can be made these
//! tests fail, and the log says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use connectors::stdio::{ConnectorProgram, pin};
use control::{Actor, people};
use domain::limits;
use ledger::record::{Ended, Outcome};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use server::demo::world::{Stage, World};
use sqlx::Connection as _;
use testkit::Answer;
use testkit::limits::PATIENCE;

use super::approvals::{decide, waits};
use super::client::Client;
use super::grants::{browser_of, must_connect, written_anywhere};
use super::keys::{disconnects, kept};
use super::{apply, records};
use crate::database::{Database, Line};
use crate::hourglass::Hourglass;
use crate::run;
use crate::watch::{metric, readiness, until};

const PYTHON: &str = "/usr/bin/python3";

/// The programs of a test. Each is the same script with a word of its own behind it, which is the connector's name in the policy.
struct Programs {
    folder: tempfile::TempDir,
}

impl Programs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("server/program.py");
        std::fs::create_dir(script.parent().unwrap()).unwrap();
        std::fs::write(&script, include_str!("program.py")).unwrap();
        Self { folder }
    }

    fn script(&self) -> PathBuf {
        self.folder.path().join("server/program.py")
    }

    fn command(&self, word: &str) -> Vec<String> {
        let script = self.script().display().to_string();
        [PYTHON, &script, word].map(str::to_owned).to_vec()
    }

    fn program(&self, word: &str) -> ConnectorProgram {
        let pinned = [Path::new(PYTHON), &self.folder.path().join("server")];
        let pinned = pinned.map(|path| (path.to_owned(), pin::of(path).unwrap()));
        ConnectorProgram {
            command: self.command(word),
            pinned: BTreeMap::from(pinned),
            reads: BTreeSet::new(),
            env: BTreeMap::from([("API_KEY".to_owned(), "the-key".into())]),
            network: false,
            per_person: false,
            variable: None,
            memory_mib: 512,
            processes: 64,
            files: 256,
            idle_s: 600,
        }
    }

    fn policy(&self, words: &[&str]) -> String {
        let connector = |word: &&str| {
            let command = json!(self.command(word));
            format!(
                "[[connector]]\nname = \"{word}\"\ncommand = {command}\ndefinitions = \"warn\"\n"
            )
        };
        let connectors: String = words.iter().map(connector).collect();
        format!(
            "{}\n{connectors}\n[[action]]\nname = \"Reading\"\nconnector = \"*\"\nwho = {{ groups = [\"engineering\", \"contractors\"] }}\nclasses = [\"read\"]\nstate = \"allow\"\n[[action]]\nname = \"Removing\"\nconnector = \"*\"\nwho = {{ groups = [\"engineering\"] }}\nactions = [\"remove_one\"]\nstate = \"ask\"\n",
            include_str!("../../../src/demo/policy.toml")
        )
    }

    /// Doorward with these of the programs, all of which its policy names.
    async fn world(&self, programs: Vec<ConnectorProgram>, words: &[&str]) -> World {
        let mut stage = Stage::set(0).await.unwrap();
        stage.config.connector_programs = programs;
        apply(&stage, &self.policy(words)).await;
        World::on(stage).await.unwrap()
    }

    /// With one program, the same for everybody.
    async fn one(&self) -> World {
        self.world(vec![self.program("one")], &["one"]).await
    }

    /// How many processes of this machine are, or hold, one of them.
    fn running(&self, word: &str) -> usize {
        let marks = self.command(word).join("\0");
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines
            .filter(|line| String::from_utf8_lossy(line).contains(&marks))
            .count()
    }
}

fn text(answer: &Answer) -> String {
    let json = answer.json();
    let text = json["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{json}")).to_owned()
}

async fn nonce_of(client: &Client) -> String {
    text(&client.call("get_nonce", &json!({})).await)
}

fn is_refused(answer: &Answer, reason: &str) {
    assert_eq!(
        (answer.status, answer.header("x-doorward-reason")),
        (502, Some(reason)),
        "{}",
        answer.text()
    );
    assert_eq!(answer.json()["id"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_listed_and_called_as_an_address_is() {
    let programs = Programs::new();
    let world = programs.one().await;
    let ada = Client::greeted(&world.base, "ada", "one").await;
    let listed = ada.tools().await;
    assert!(listed.contains(&"get_nonce".to_owned()), "{listed:?}");
    assert!(
        !listed.contains(&"delete_all".to_owned()),
        "what is blocked is not there"
    );
    let list = ada.ask("tools/list", &json!({})).await.text();
    assert!(
        list.contains(r#""vendorField": {"b": 1, "a": [1.0]}"#),
        "{list}"
    );
    let blocked = ada.call("delete_all", &json!({})).await.json();
    assert_eq!(blocked["error"]["code"], -32602);
    let bob = Client::greeted(&world.base, "alan", "one").await;
    assert_eq!(
        nonce_of(&ada).await,
        nonce_of(&bob).await,
        "one process for all"
    );
    let asked = text(&ada.call("get_question", &json!({})).await);
    assert_eq!(asked, "-32601", "nobody of ours is asked");
    world.stop(Duration::from_secs(2)).await.unwrap();
    until(async || programs.running("one") == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_program_takes_the_same_review_the_same_yes_and_leaves_the_same_records() {
    let programs = Programs::new();
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.connector_programs = vec![programs.program("one")];
    let strict = programs
        .policy(&["one"])
        .replace("definitions = \"warn\"\n", "");
    apply(&stage, &strict).await;
    let world = World::on(stage).await.unwrap();
    let ada = Client::greeted(&world.base, "ada", "one").await;
    assert_eq!(
        ada.tools().await,
        Vec::<String>::new(),
        "nobody has reviewed it"
    );
    let unseen = ada.call("get_nonce", &json!({})).await;
    assert_eq!(unseen.json()["error"]["code"], -32602);
    apply(&world.stage, &programs.policy(&["one"])).await;
    until(async || ada.call("get_nonce", &json!({})).await.json()["result"].is_object()).await;
    let note = json!({"note": "walrus"});
    let id = waits(&ada.call("remove_one", &note).await);
    let removed = async || text(&ada.call("get_count", &json!({})).await);
    assert_eq!(removed().await, "0", "nothing is sent before the yes");
    decide(&world, id, true).await;
    assert_eq!(text(&ada.call("remove_one", &note).await), "removed");
    waits(&ada.call("remove_one", &note).await);
    assert_eq!(removed().await, "1");
    is_refused(
        &ada.call("get_crash", &json!({})).await,
        "upstream_unavailable",
    );
    until(async || {
        records::all(&world)
            .1
            .iter()
            .any(|end| end.ended == Ended::Error)
    })
    .await;
    let (decisions, outcomes, text) = records::all(&world);
    assert!(
        decisions
            .iter()
            .any(|known| known.action.as_str() == "one.remove_one"),
        "{text}"
    );
    let upstream = |end: &&Outcome| {
        end.upstream
            .as_ref()
            .is_some_and(|name| name.as_str() == "one")
    };
    let ends: Vec<Ended> = outcomes
        .iter()
        .filter(upstream)
        .map(|end| end.ended)
        .collect();
    assert!(ends.contains(&Ended::Complete), "{text}");
    assert!(!text.contains("walrus"), "nothing of what was said");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_sessions_is_told_which_versions_there_are_and_an_older_one_gets_its_own()
{
    let programs = Programs::new();
    let world = programs.one().await;
    let modern = Client::modern(&world.base, "ada", "one").await;
    let answer = modern.ask("server/discover", &json!({})).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let error = &answer.json()["error"];
    assert_eq!(error["code"], -32022);
    assert_eq!(error["data"]["supported"][0], "2025-11-25");
    assert_eq!(programs.running("one"), 0, "nothing was started for it");
    let older = Client::of(&world.base, "ada", "one").await;
    for (asked, told) in [("2025-06-18", "2025-06-18"), ("3000-01-01", "2025-11-25")] {
        let hello = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = older.ask("initialize", &hello).await;
        assert_eq!(answer.json()["result"]["protocolVersion"], told);
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_with_one_id_get_their_own_answers() {
    let programs = Programs::new();
    let world = programs.one().await;
    let ada = Client::greeted(&world.base, "ada", "one").await;
    let bob = Client::greeted(&world.base, "alan", "one").await;
    let (first, second) = (json!({"whose": "ada"}), json!({"whose": "bob"}));
    let (first, second) = tokio::join!(ada.call("get_pair", &first), bob.call("get_pair", &second));
    assert_eq!(
        (text(&first), text(&second)),
        ("ada".to_owned(), "bob".to_owned())
    );
    assert_eq!(
        (&first.json()["id"], &second.json()["id"]),
        (&json!(7), &json!(7))
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_reaches_whose_call_it_is_and_what_is_meant_for_nobody_reaches_nobody() {
    let programs = Programs::new();
    let world = programs.one().await;
    let ada = Client::greeted(&world.base, "ada", "one").await;
    let params = json!({"name": "get_progress", "_meta": {"progressToken": "mine"}});
    let open = ada.asking("tools/call", &params).open().await.unwrap();
    let mut events = open.events();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await.unwrap() {
        seen.push(event.json());
    }
    let last = seen.pop().unwrap();
    assert_eq!(last["result"]["content"][0]["text"], "done");
    assert!(!seen.is_empty());
    for event in seen {
        assert_eq!(event["params"]["progressToken"], "mine", "{event}");
    }
    let plain = Client {
        accept: "application/json",
        ..ada
    };
    let answer = plain.ask("tools/call", &params).await;
    assert_eq!(text(&answer), "done", "who takes no events gets the answer");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sees_nothing_of_ours_and_reaches_nobody() {
    let programs = Programs::new();
    let secret = programs.folder.path().join("secret");
    std::fs::write(&secret, "of the host").unwrap();
    let world = programs.one().await;
    let ada = Client::greeted(&world.base, "ada", "one").await;
    let port: u16 = world.base.rsplit(':').next().unwrap().parse().unwrap();
    let seen = ada
        .call("get_seen", &json!({"path": secret, "port": port}))
        .await;
    let seen: Value = serde_json::from_str(&text(&seen)).unwrap();
    let env = json!({"API_KEY": "the-key", "HOME": "/tmp", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "PWD": "/tmp"});
    assert_eq!(seen["env"], env);
    assert_eq!(seen["arguments"], json!(["one"]));
    assert_eq!(seen["uid"], 65534);
    assert_eq!(seen["file"], "FileNotFoundError");
    assert_eq!(seen["own"], "\"\"\"", "what is pinned is there");
    assert_eq!(seen["changes_own"], "OSError", "and cannot be written");
    assert_eq!(seen["writes"], "OSError");
    assert_eq!(seen["scratch"], 1);
    assert_eq!(seen["fills"], "OSError", "its own folder is small");
    assert_eq!(seen["memory"], "MemoryError");
    assert_eq!(seen["network"], "ConnectionRefusedError");
    assert_eq!(seen["interfaces"], json!(["lo"]), "a network of its own");
    assert!(seen["processes"].as_u64().unwrap() < 5, "{seen}");
    assert_eq!(
        seen["privileges"],
        json!(["0000000000000000", "0000000000000000"])
    );
    let root = seen["root"].as_array().unwrap();
    for name in ["root", "home", "work", "var", "run", "sys", "opt", "srv"] {
        assert!(!root.contains(&json!(name)), "{root:?}");
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_or_was_changed_is_never_started() {
    let programs = Programs::new();
    let known = programs.program("one");
    let world = programs.world(vec![known], &["one", "other"]).await;
    let other = Client::of(&world.base, "ada", "other").await;
    let answer = other.ask("tools/list", &json!({})).await;
    is_refused(&answer, "upstream_unavailable");
    assert!(
        answer.text().contains("does not allow"),
        "{}",
        answer.text()
    );
    assert!(
        !answer.text().contains("python"),
        "no command is told to people"
    );
    std::fs::write(programs.folder.path().join("server/more.py"), "").unwrap();
    let changed = Client::of(&world.base, "ada", "one").await;
    let answer = changed.ask("tools/list", &json!({})).await;
    is_refused(&answer, "upstream_unavailable");
    assert_eq!(programs.running("one") + programs.running("other"), 0);
    std::fs::remove_file(programs.folder.path().join("server/more.py")).unwrap();
    until(async || changed.ask("tools/list", &json!({})).await.status == 200).await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_which_program_would_not_start_and_why() {
    let programs = Programs::new();
    let stage = Stage::set(0).await.unwrap();
    apply(&stage, &programs.policy(&["sound", "changed", "blind"])).await;
    let pins = programs.program("").pinned;
    let folder = programs.folder.path().join("server");
    let (of_folder, of_python) = (&pins[&folder], &pins[Path::new(PYTHON)]);
    let section = |(word, of_folder, reads): (&str, &String, &str)| {
        let (command, of_folder) = (json!(programs.command(word)), json!(of_folder));
        let (folder, of_python) = (json!(folder), json!(of_python));
        format!(
            "\n[[connector_program]]\ncommand = {command}\npinned = {{ \"{PYTHON}\" = {of_python}, {folder} = {of_folder} }}\nreads = [\"{reads}\"]\n"
        )
    };
    let sections = [
        ("sound", of_folder, "/usr/share"),
        ("changed", of_python, "/usr/share"),
        ("blind", of_folder, "/nowhere/at/all"),
    ]
    .map(section);
    let text = std::fs::read_to_string(stage.config_file()).unwrap();
    std::fs::write(stage.config_file(), text + &sections.concat()).unwrap();
    let output = run::doorward(&stage.config_file(), &["doctor", "--json"]).await;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let line = |word: &str| {
        let mut lines = said["checks"].as_array().unwrap().iter();
        let check = format!("program {}", programs.command(word).join(" "));
        lines.find(|line| line["check"] == check).unwrap().clone()
    };
    assert_eq!(line("sound")["status"], "pass", "{said}");
    let changed = line("changed");
    assert_eq!(changed["status"], "fail");
    let evidence = changed["evidence"].as_str().unwrap();
    assert!(evidence.contains("is pinned as"), "{evidence}");
    let blind = line("blind");
    assert_eq!(blind["status"], "fail");
    let evidence = blind["evidence"].as_str().unwrap();
    assert!(evidence.contains("/nowhere/at/all"), "{evidence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_ends_its_calls_and_the_next_program_is_another() {
    let programs = Programs::new();
    let world = programs.one().await;
    let ada = Client::greeted(&world.base, "ada", "one").await;
    let before = nonce_of(&ada).await;
    let waiting = json!({});
    let (hanging, crash) = tokio::join!(
        ada.call("get_nothing", &waiting),
        ada.call("get_crash", &waiting)
    );
    is_refused(&hanging, "upstream_unavailable");
    is_refused(&crash, "upstream_unavailable");
    let soon = ada.call("get_nonce", &json!({})).await;
    is_refused(&soon, "upstream_unavailable");
    assert!(
        soon.text().contains("started again in a moment"),
        "{}",
        soon.text()
    );
    assert!(soon.header("retry-after").is_some());
    until(async || ada.call("get_nonce", &json!({})).await.status == 200).await;
    assert_ne!(nonce_of(&ada).await, before);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_ends_its_calls_and_the_program() {
    let programs = Programs::new();
    let words = ["get_garbage", "get_long", "get_flood"];
    let known = words.map(|word| programs.program(&word.replace('_', "-")));
    let names = words.map(|word| word.replace('_', "-"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = programs.world(known.to_vec(), &names).await;
    for (tool, name) in words.iter().zip(&names) {
        let ada = Client::greeted(&world.base, "ada", name).await;
        is_refused(&ada.call(tool, &json!({})).await, "upstream_garbled");
        until(async || programs.running(name) == 0).await;
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_is_cancelled() {
    let programs = Programs::new();
    let world = programs.one().await;
    let ada = Client::greeted(&world.base, "ada", "one").await;
    let hanging = ada.clone();
    let waiting = tokio::spawn(async move { hanging.call("get_nothing", &json!({})).await });
    let cancelled = async || text(&ada.call("get_cancelled", &json!({})).await);
    assert_eq!(cancelled().await, "0");
    let tell =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    until(async || {
        let told = ada.post(tell.to_string()).send().await.unwrap();
        told.status == 202 && cancelled().await == "1"
    })
    .await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_person_has_a_process_of_their_own_and_a_leavers_is_gone() {
    let programs = Programs::new();
    let mut own = programs.program("own");
    own.per_person = true;
    let world = programs.world(vec![own], &["own"]).await;
    let ada = Client::greeted(&world.base, "ada", "own").await;
    let bob = Client::greeted(&world.base, "alan", "own").await;
    let (of_ada, of_bob) = (nonce_of(&ada).await, nonce_of(&bob).await);
    assert_ne!(of_ada, of_bob);
    assert_eq!(nonce_of(&ada).await, of_ada);
    let both = programs.running("own");
    let (control, actor) = (world.running.wired.control(), Actor::command_line("a test"));
    let operation = control.operation(&actor);
    let who = people::find(&operation, "ada@northwind.example");
    let who = who.await.unwrap().id;
    people::revoke(&operation, who, "left").await.unwrap();
    until(async || programs.running("own") == both / 2).await;
    assert_eq!(nonce_of(&bob).await, of_bob, "nobody else's");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_the_key_of_its_person_and_of_nobody_else() {
    let programs = Programs::new();
    let mut keyed = programs.program("vaulted");
    keyed.variable = Some("OWN_KEY".to_owned());
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.connector_programs = vec![keyed];
    let own = "credential = \"api-key\"\nvariable = \"OWN_KEY\"\ndefinitions";
    let policy = programs.policy(&["vaulted"]).replace("definitions", own);
    apply(&stage, &policy).await;
    let world = World::on(stage).await.unwrap();
    let ada = Client::of(&world.base, "ada", "vaulted").await;
    must_connect(&ada.call("get_key", &json!({})).await, "Bring one here");
    assert_eq!(programs.running("vaulted"), 0, "nothing runs without a key");
    let mut adas = browser_of(&world.base, "ada").await;
    let mut alans = browser_of(&world.base, "alan").await;
    kept(&mut adas, &world.base, "ada-key-4711").await;
    kept(&mut alans, &world.base, "alan-key-4712").await;
    let [ada, alan] = ["ada", "alan"].map(|who| Client::greeted(&world.base, who, "vaulted"));
    let (ada, alan) = (ada.await, alan.await);
    let key_of = async |client: &Client| text(&client.call("get_key", &json!({})).await);
    assert_eq!(key_of(&ada).await, "ada-key-4711");
    assert_eq!(key_of(&alan).await, "alan-key-4712");
    let (both, of_alan) = (programs.running("vaulted"), nonce_of(&alan).await);
    let of_ada = nonce_of(&ada).await;

    kept(&mut adas, &world.base, "ada-key-4713").await;
    until(async || programs.running("vaulted") == both / 2).await;
    assert_eq!(key_of(&ada).await, "ada-key-4713");
    assert_ne!(nonce_of(&ada).await, of_ada);
    disconnects(&mut adas, &world.base).await;
    until(async || programs.running("vaulted") == both / 2).await;
    must_connect(&ada.call("get_key", &json!({})).await, "Bring one here");

    let (control, actor) = (world.running.wired.control(), Actor::command_line("a test"));
    let operation = control.operation(&actor);
    assert_eq!(nonce_of(&alan).await, of_alan, "nobody else's");
    let who = people::find(&operation, "alan@northwind.example");
    people::revoke(&operation, who.await.unwrap().id, "left")
        .await
        .unwrap();
    until(async || programs.running("vaulted") == 0).await;
    let folder = world.stage.dir.path();
    for secret in ["ada-key-4711", "alan-key-4712", "ada-key-4713"] {
        assert_eq!(written_anywhere(folder, secret), None, "{secret}");
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

/// Doorward at a store of its own, and a program that runs with ada's key.
async fn with_a_key(programs: &Programs, idle_s: u32, store: Option<&Database>) -> World {
    let mut keyed = programs.program("vaulted");
    keyed.variable = Some("OWN_KEY".to_owned());
    keyed.idle_s = idle_s;
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.connector_programs = vec![keyed];
    if let Some(store) = store {
        stage.config.store.url = store.url().into();
        stage.config.store.master_key = Some("5a".repeat(32).into());
        stage.config.ledger.dir = stage.dir.path().join("ledger-of-postgres");
    }
    let own = "credential = \"api-key\"\nvariable = \"OWN_KEY\"\ndefinitions";
    let policy = programs.policy(&["vaulted"]).replace("definitions", own);
    apply(&stage, &policy).await;
    let world = World::on(stage).await.unwrap();
    let mut browser = browser_of(&world.base, "ada").await;
    kept(&mut browser, &world.base, "ada-key-4711").await;
    let ada = Client::greeted(&world.base, "ada", "vaulted").await;
    assert_eq!(text(&ada.call("get_key", &json!({})).await), "ada-key-4711");
    world
}

// On one thread, so that time can stand still.
#[tokio::test]
async fn a_program_ends_when_nobody_can_say_for_too_long_whether_its_key_stands() {
    let programs = Programs::new();
    let world = with_a_key(&programs, 1_000_000, None).await;
    sqlx::any::install_default_drivers();
    let url = world.stage.config.store.url.expose_secret();
    let mut store = sqlx::AnyConnection::connect(url).await.unwrap();
    let away = sqlx::query("ALTER TABLE grants RENAME TO grants_away");
    away.execute(&mut store).await.unwrap();
    let time = Hourglass::stop();
    let mut passed_s = 0;
    while programs.running("vaulted") > 0 {
        time.pass_ms(1_000).await;
        passed_s += 1;
        // What is asked of the store meanwhile is answered meanwhile.
        metric(&world, "doorward_calls_running").await;
        assert!(passed_s < 3_600, "it runs for ever");
    }
    assert!(
        passed_s * 1_000 >= limits::PROGRAM_KEYS_AGE_MAX_MS,
        "{passed_s}"
    );
    drop(time);
    store.close().await.unwrap();
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test]
async fn a_program_that_nobody_needs_ends_while_the_store_says_nothing() {
    let (programs, database) = (Programs::new(), Database::make().await);
    let world = with_a_key(&programs, 3, Some(&database)).await;
    database.is(Line::Silent);
    let time = Hourglass::stop();
    // Less than anybody waits for the store.
    let waits_ms = limits::STORE_WAIT_MS.min(limits::PROGRAM_KEYS_LOOK_MS);
    for _ in 0..waits_ms / limits::PROGRAMS_FOLLOW_MS - 1 {
        time.pass_ms(limits::PROGRAMS_FOLLOW_MS).await;
        metric(&world, "doorward_calls_running").await;
    }
    let ending = std::time::Instant::now();
    while programs.running("vaulted") > 0 {
        metric(&world, "doorward_calls_running").await;
        assert!(ending.elapsed() < PATIENCE, "it waits for the store");
    }
    drop(time);
    database.is(Line::Open);
    while readiness(&world).await.0 != 200 {
        tokio::task::yield_now().await;
    }
    world.stop(Duration::ZERO).await.unwrap();
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_key_goes_to_no_variable_that_the_machine_does_not_allow() {
    let programs = Programs::new();
    let mut keyed = programs.program("vaulted");
    keyed.variable = Some("OTHER".to_owned());
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.connector_programs = vec![keyed];
    let own = "credential = \"api-key\"\nvariable = \"OWN_KEY\"\ndefinitions";
    let policy = programs.policy(&["vaulted"]).replace("definitions", own);
    apply(&stage, &policy).await;
    let world = World::on(stage).await.unwrap();
    let mut adas = browser_of(&world.base, "ada").await;
    kept(&mut adas, &world.base, "ada-key-4711").await;
    let ada = Client::of(&world.base, "ada", "vaulted").await;
    let refused = ada.call("get_key", &json!({})).await;
    is_refused(&refused, "upstream_unavailable");
    assert_eq!(programs.running("vaulted"), 0);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_ends_when_nobody_calls_it_and_when_the_policy_has_it_no_more() {
    let programs = Programs::new();
    let mut brief = programs.program("brief");
    brief.idle_s = 1;
    let known = vec![brief, programs.program("one")];
    let world = programs.world(known, &["brief", "one"]).await;
    let brief = Client::greeted(&world.base, "ada", "brief").await;
    let one = Client::greeted(&world.base, "ada", "one").await;
    let (run, of_one) = (nonce_of(&brief).await, nonce_of(&one).await);
    until(async || programs.running("brief") == 0).await;
    assert_ne!(nonce_of(&brief).await, run, "it is started again at once");
    assert_eq!(nonce_of(&one).await, of_one, "not all are so brief");
    apply(&world.stage, &programs.policy(&["brief"])).await;
    until(async || programs.running("one") == 0).await;
    let gone = one.call("get_nonce", &json!({})).await;
    assert_eq!(gone.status, 404);
    world.stop(Duration::from_secs(2)).await.unwrap();
}
