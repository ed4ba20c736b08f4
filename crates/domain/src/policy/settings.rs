//! What clients receive: the settings of every entry that concerns a caller, merged in the document's order.
//!
//! A later entry's value replaces an earlier one's, objects merge key by key, and lists that forbid (`deny`, `ask`, `denied…`,
//! `blocked…`) or that run (`hooks`) are joined, so that no entry can loosen what another forbids. With them clients are told of the
//! connectors that the caller may reach; what an entry says of one under the same name stays. Where the servers are the company's alone,
//! they are allowed by what they are, an address or a command, and no other is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{CallerPolicy, Policy, Servers};
use crate::{ActionState, Caller};

impl Policy {
    /// Claude Code's managed settings for a caller; none when no entry concerns them.
    pub fn managed_settings(&self, caller: &Caller) -> Option<Map<String, Value>> {
        let entries = &self.document().managed_settings;
        merge(
            entries
                .iter()
                .filter(|entry| entry.who.selects(caller))
                .map(|entry| &entry.settings),
        )
    }

    /// Which servers Claude Code of a caller may use: what the last entry says that concerns them and says it.
    pub fn servers(&self, caller: &Caller) -> Option<Servers> {
        let entries = self.document().managed_settings.iter();
        let concerning = entries.filter(|entry| entry.who.selects(caller));
        concerning.filter_map(|entry| entry.servers).next_back()
    }

    /// Whether they may use the company's servers alone.
    pub fn is_closed(&self, caller: &Caller) -> bool {
        self.servers(caller) == Some(Servers::Company)
    }

    /// Everything that Claude Code of a caller receives: the managed settings, the connectors that they may reach at this address by
    /// their rules, and, where the servers are the company's alone, that no other is allowed.
    pub fn code_settings(
        &self,
        caller: &Caller,
        rules: &CallerPolicy,
        public_url: &str,
    ) -> Option<Map<String, Value>> {
        let told = rules.with_connectors_for_code(self.managed_settings(caller), public_url);
        match self.servers(caller) {
            Some(Servers::Company) => Some(closed(told.unwrap_or_default(), public_url)),
            Some(Servers::Any) | None => told,
        }
    }

    /// Claude Desktop's settings for a caller; none when no entry concerns them.
    pub fn desktop_settings(&self, caller: &Caller) -> Option<Map<String, Value>> {
        let entries = &self.document().desktop_settings;
        merge(
            entries
                .iter()
                .filter(|entry| entry.who.selects(caller))
                .map(|entry| &entry.settings),
        )
    }
}

/// The key under which both clients read which servers the company names: an object for Claude Code, a list for Claude Desktop.
const SERVERS: &str = "managedMcpServers";

/// The key under which Claude Code reads which servers it may use at all. A value that is no list allows none.
const ALLOWED: &str = "allowedMcpServers";

/// Where actions stand for a caller, by connector and action.
pub type ActionStates = BTreeMap<String, BTreeMap<String, ActionState>>;

impl CallerPolicy {
    /// Claude Code's settings, and in them every connector that the caller may reach at this address.
    pub fn with_connectors_for_code(
        &self,
        own: Option<Map<String, Value>>,
        public_url: &str,
    ) -> Option<Map<String, Value>> {
        let mut servers: Map<String, Value> = self
            .addresses(public_url)
            .map(|(name, url)| (name.to_owned(), json!({"type": "http", "url": url})))
            .collect();
        if servers.is_empty() {
            return own;
        }
        let mut settings = own.unwrap_or_default();
        if let Some(Value::Object(named)) = settings.remove(SERVERS) {
            servers.extend(named);
        }
        settings.insert(SERVERS.to_owned(), Value::Object(servers));
        Some(settings)
    }

    /// Claude Desktop's settings, and in them every connector that the caller may reach at this address, with what is known of where its
    /// actions stand for them. What is blocked stands in no list, and so not here either.
    pub fn with_connectors_for_desktop(
        &self,
        own: Option<Map<String, Value>>,
        public_url: &str,
        known: &ActionStates,
    ) -> Option<Map<String, Value>> {
        let mut servers: Vec<Value> = self
            .addresses(public_url)
            .map(|(name, url)| {
                let mut server =
                    json!({"name": name, "url": url, "transport": "http", "oauth": true});
                let states: Map<String, Value> = known
                    .get(name)
                    .into_iter()
                    .flatten()
                    .filter(|(_, state)| **state != ActionState::Blocked)
                    .map(|(action, state)| (action.clone(), json!(state)))
                    .collect();
                if !states.is_empty() {
                    server["toolPolicy"] = Value::Object(states);
                }
                server
            })
            .collect();
        if servers.is_empty() {
            return own;
        }
        let mut settings = own.unwrap_or_default();
        if let Some(Value::Array(named)) = settings.remove(SERVERS) {
            servers.retain(|server| named.iter().all(|own| own["name"] != server["name"]));
            servers.extend(named);
        }
        settings.insert(SERVERS.to_owned(), Value::Array(servers));
        Some(settings)
    }

    /// The connectors and where clients find them. None where the address is not https: clients pass such servers over with a warning.
    fn addresses(&self, public_url: &str) -> impl Iterator<Item = (&str, String)> {
        let url = public_url.trim_end_matches('/');
        let is_taken = url.starts_with("https://");
        let reachable = self.reachable().filter(move |_| is_taken);
        reachable.map(move |connector| {
            let name = connector.name.as_str();
            (name, format!("{url}/mcp/{name}"))
        })
    }
}

/// The settings, and in them that Claude Code uses the company's servers alone: those here, those that the settings name, and those that they
/// allow already. Lists in people's own settings do not count beside this one.
fn closed(mut settings: Map<String, Value>, public_url: &str) -> Map<String, Value> {
    let url = public_url.trim_end_matches('/');
    let mut allowed = match settings.remove(ALLOWED) {
        None => Vec::new(),
        // A name is what whoever adds a server calls it: one that is allowed by it alone is any.
        Some(Value::Array(own)) => {
            let is_bound = |entry: &Value| {
                ["serverUrl", "serverCommand"]
                    .iter()
                    .any(|key| !entry[*key].is_null())
            };
            own.into_iter().filter(is_bound).collect()
        }
        Some(unreadable) => {
            settings.insert(ALLOWED.to_owned(), unreadable);
            return locked(settings);
        }
    };
    let ours =
        [format!("{url}/mcp"), format!("{url}/mcp/*")].map(|ours| json!({"serverUrl": ours}));
    let named = settings.get(SERVERS).and_then(Value::as_object);
    let within = format!("{url}/mcp/");
    let is_ours = |server: &Value| {
        server["url"]
            .as_str()
            .is_some_and(|url| url.starts_with(&within))
    };
    let named = named.into_iter().flat_map(Map::values);
    let named = named.filter(|server| !is_ours(server)).filter_map(as_it_is);
    for entry in ours.into_iter().chain(named) {
        if !allowed.contains(&entry) {
            allowed.push(entry);
        }
    }
    settings.insert(ALLOWED.to_owned(), Value::Array(allowed));
    locked(settings)
}

/// What a named server is, for a list: its address, or its command with every argument; never its name, which is a label.
fn as_it_is(server: &Value) -> Option<Value> {
    if let Some(url) = server["url"].as_str() {
        return Some(json!({"serverUrl": url}));
    }
    let command = server["command"].as_str()?;
    let arguments = server["args"].as_array().into_iter().flatten();
    let words = std::iter::once(command).chain(arguments.filter_map(Value::as_str));
    Some(json!({"serverCommand": words.collect::<Vec<_>>()}))
}

fn locked(mut settings: Map<String, Value>) -> Map<String, Value> {
    settings.insert("allowManagedMcpServersOnly".to_owned(), Value::Bool(true));
    settings
}

fn merge<'a>(
    documents: impl Iterator<Item = &'a Map<String, Value>>,
) -> Option<Map<String, Value>> {
    documents.fold(None, |merged, next| {
        let mut merged = merged.unwrap_or_default();
        lay_over(&mut merged, next, false);
        Some(merged)
    })
}

fn lay_over(under: &mut Map<String, Value>, over: &Map<String, Value>, in_hooks: bool) {
    for (key, value) in over {
        let joins = in_hooks
            || key == "deny"
            || key == "ask"
            || key.starts_with("denied")
            || key.starts_with("blocked");
        match (under.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => {
                lay_over(below, above, in_hooks || key == "hooks");
            }
            (Some(Value::Array(below)), Value::Array(above)) if joins => {
                below.extend(
                    above
                        .iter()
                        .filter(|item| !below.contains(item))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
            }
            _ => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credential, OrgId, PersonId, Subject};

    fn check(documents: &[Value], merged: &Value) {
        let documents: Vec<_> = documents
            .iter()
            .map(|d| d.as_object().unwrap().clone())
            .collect();
        assert_eq!(
            merge(documents.iter()).map(Value::Object).as_ref(),
            Some(merged)
        );
    }

    #[test]
    fn a_later_entry_replaces_values_and_merges_objects() {
        check(
            &[
                json!({"model": "a", "env": {"A": "1", "B": "1"}}),
                json!({"model": "b", "env": {"B": "2"}}),
            ],
            &json!({"model": "b", "env": {"A": "1", "B": "2"}}),
        );
    }

    #[test]
    fn lists_that_forbid_are_joined_and_lists_that_allow_are_replaced() {
        check(
            &[
                json!({"permissions": {"deny": ["Read(.env)"], "allow": ["Bash(ls)"]}, "deniedMcpServers": [1]}),
                json!({"permissions": {"deny": ["Bash(curl)", "Read(.env)"], "allow": []}, "deniedMcpServers": [2]}),
            ],
            &json!({"permissions": {"deny": ["Read(.env)", "Bash(curl)"], "allow": []}, "deniedMcpServers": [1, 2]}),
        );
    }

    fn someone() -> Caller {
        Caller {
            org: OrgId::from_parts(0, 0),
            subject: Subject::Person(PersonId::from_parts(1, 7)),
            stable_id: "ada".into(),
            issuer: "company".into(),
            email: None,
            name: None,
            groups: ["staff".to_owned()].into(),
            session: None,
            credential: Credential::IdToken,
        }
    }

    fn reach(text: &str) -> CallerPolicy {
        Policy::parse(1, text).unwrap().for_caller(&someone())
    }

    fn received(text: &str) -> Option<Value> {
        let policy = Policy::parse(1, text).unwrap();
        let rules = policy.for_caller(&someone());
        let received = policy.code_settings(&someone(), &rules, "https://claude.example/");
        received.map(Value::Object)
    }

    fn entry(name: &str, rest: &str) -> String {
        format!("[[managed_settings]]\nname = \"{name}\"\n{rest}\n")
    }

    const CONNECTORS: &str = r#"
        [[connector]]
        name = "tasks"
        url = "https://tasks.example/mcp"

        [[connector]]
        name = "crm"
        url = "https://crm.example/mcp"

        [[action]]
        name = "reading tasks"
        who = { groups = ["staff"] }
        connector = "tasks"
        classes = ["read"]
        state = "allow"
    "#;

    #[test]
    fn clients_are_told_of_the_connectors_that_somebody_may_reach_and_of_no_other() {
        let reach = reach(CONNECTORS);
        let url = "https://claude.example/";
        let tasks = "https://claude.example/mcp/tasks";
        let code = reach.with_connectors_for_code(None, url);
        assert_eq!(
            code.map(Value::Object),
            Some(json!({"managedMcpServers": {"tasks": {"type": "http", "url": tasks}}}))
        );
        let tasks = json!({"name": "tasks", "url": tasks, "transport": "http", "oauth": true});
        let desktop = reach.with_connectors_for_desktop(None, url, &ActionStates::new());
        assert_eq!(
            desktop.map(Value::Object),
            Some(json!({"managedMcpServers": [tasks]}))
        );
        assert_eq!(
            reach.with_connectors_for_code(None, "http://127.0.0.1"),
            None
        );
        assert_eq!(
            reach.with_connectors_for_desktop(None, "http://127.0.0.1", &ActionStates::new()),
            None
        );
    }

    #[test]
    fn claude_desktop_is_told_where_actions_stand_and_of_none_that_is_blocked() {
        let states = |states: &[(&str, ActionState)]| {
            let of = |&(action, state): &(&str, ActionState)| (action.to_owned(), state);
            states.iter().map(of).collect()
        };
        let known = ActionStates::from([
            (
                "tasks".to_owned(),
                states(&[
                    ("get", ActionState::Allow),
                    ("put", ActionState::Ask),
                    ("drop", ActionState::Blocked),
                ]),
            ),
            (
                "unreachable".to_owned(),
                states(&[("get", ActionState::Allow)]),
            ),
        ]);
        let desktop =
            reach(CONNECTORS).with_connectors_for_desktop(None, "https://claude.example", &known);
        assert_eq!(
            desktop.unwrap()[SERVERS][0]["toolPolicy"],
            json!({"get": "allow", "put": "ask"})
        );
    }

    #[test]
    fn what_an_entry_says_of_a_server_of_the_same_name_stays() {
        let reach = reach(CONNECTORS);
        let url = "https://claude.example";
        let own = |settings: Value| settings.as_object().cloned();
        let code = reach.with_connectors_for_code(
            own(json!({"model": "a", "managedMcpServers": {"tasks": {"url": "x"}, "wiki": {"url": "y"}}})),
            url,
        );
        assert_eq!(
            code.map(Value::Object),
            Some(
                json!({"model": "a", "managedMcpServers": {"tasks": {"url": "x"}, "wiki": {"url": "y"}}})
            )
        );
        let desktop = reach.with_connectors_for_desktop(
            own(json!({"managedMcpServers": [{"name": "tasks", "url": "x"}, {"name": "wiki", "url": "y"}]})),
            url,
            &ActionStates::new(),
        );
        assert_eq!(
            desktop.map(Value::Object),
            Some(
                json!({"managedMcpServers": [{"name": "tasks", "url": "x"}, {"name": "wiki", "url": "y"}]})
            )
        );
    }

    #[test]
    fn the_companys_servers_alone_are_allowed_by_what_they_are_where_an_entry_says_so() {
        let text = entry("all", "servers = \"company\"\nsettings = {}");
        assert_eq!(
            received(&text),
            Some(json!({
                "allowedMcpServers": [
                    {"serverUrl": "https://claude.example/mcp"},
                    {"serverUrl": "https://claude.example/mcp/*"},
                ],
                "allowManagedMcpServersOnly": true,
            }))
        );
        let named = r#"
            servers = "company"
            [managed_settings.settings]
            allowManagedMcpServersOnly = false
            allowedMcpServers = [{ serverUrl = "https://wiki.example/*" }, { serverUrl = "https://claude.example/mcp" }]
            [managed_settings.settings.managedMcpServers]
            tickets = { type = "http", url = "https://tickets.example/mcp" }
            tools = { command = "/opt/corp/mcp", args = ["--read-only", "/srv"] }
        "#;
        let received = received(&(CONNECTORS.to_owned() + &entry("all", named))).unwrap();
        assert_eq!(
            received["allowedMcpServers"],
            json!([
                {"serverUrl": "https://wiki.example/*"},
                {"serverUrl": "https://claude.example/mcp"},
                {"serverUrl": "https://claude.example/mcp/*"},
                {"serverUrl": "https://tickets.example/mcp"},
                {"serverCommand": ["/opt/corp/mcp", "--read-only", "/srv"]},
            ])
        );
        assert_eq!(
            received["allowManagedMcpServersOnly"], true,
            "the option says so"
        );
        assert!(received["managedMcpServers"]["tasks"].is_object());
    }

    #[test]
    fn nothing_is_said_of_servers_unless_the_last_entry_that_says_it_says_company() {
        let company = "servers = \"company\"\nsettings = {}";
        let any = "who = { groups = [\"staff\"] }\nservers = \"any\"\nsettings = {}";
        let silent = "settings = { model = \"a\" }";
        let others = "who = { groups = [\"others\"] }\nservers = \"any\"\nsettings = {}";
        for (entries, is_closed) in [
            (&[silent][..], false),
            (&[company, silent], true),
            (&[company, any], false),
            (&[any, company], true),
            (&[company, others], true),
        ] {
            let text: String = entries
                .iter()
                .enumerate()
                .map(|(number, rest)| entry(&number.to_string(), rest))
                .collect();
            let received = received(&text).unwrap();
            for key in ["allowedMcpServers", "allowManagedMcpServersOnly"] {
                assert_eq!(received.get(key).is_some(), is_closed, "{key}: {text}");
            }
        }
        assert_eq!(received(""), None);
    }

    #[test]
    fn an_allow_list_that_cannot_be_read_stays_and_allows_none() {
        let text = "servers = \"company\"\nsettings = { allowedMcpServers = \"all\" }";
        let received = received(&entry("all", text)).unwrap();
        assert_eq!(received["allowedMcpServers"], "all");
        assert_eq!(received["allowManagedMcpServersOnly"], true);
    }

    #[test]
    fn nobody_concerned_means_no_policy_rather_than_an_empty_one() {
        assert_eq!(merge(std::iter::empty()), None);
    }
}
