//! A client of a connector, as the specification describes one.

use serde_json::{Value, json};
use testkit::client::request::Asking;
use testkit::{Answer, Http, device_sign_in};

use crate::watch::until;

/// The address of a meta member that says the version.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Somebody's client at one connector.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) session: Option<String>,
    /// What it takes.
    pub(crate) accept: &'static str,
    /// What it says it can do.
    pub(crate) capabilities: Value,
    pub(crate) modern: bool,
}

impl Client {
    /// A client that has said nothing yet.
    pub(crate) async fn of(base: &str, person: &str, connector: &str) -> Self {
        let token = device_sign_in(base, person).await.unwrap().access_token;
        Self {
            url: format!("{base}/mcp/{connector}"),
            token,
            session: None,
            accept: "application/json, text/event-stream",
            capabilities: json!({}),
            modern: false,
        }
    }

    /// One with a session.
    pub(crate) async fn greeted(base: &str, person: &str, connector: &str) -> Self {
        Self::of(base, person, connector)
            .await
            .able(json!({}))
            .await
    }

    /// The same, able to do so much: it greets anew where there are greetings.
    pub(crate) async fn able(self, capabilities: Value) -> Self {
        let mut client = Self {
            capabilities,
            session: None,
            ..self
        };
        if client.modern {
            return client;
        }
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": &client.capabilities, "clientInfo": {"name": "t", "version": "1"}});
        let answer = client.ask("initialize", &hello).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            answer.json()["result"]["capabilities"]["futureThing"]["x"],
            1
        );
        client.session = answer.header("mcp-session-id").map(str::to_owned);
        assert!(client.session.is_some());
        client
    }

    /// One of 2026-07-28, which needs no greeting.
    pub(crate) async fn modern(base: &str, person: &str, connector: &str) -> Self {
        Self {
            modern: true,
            ..Self::of(base, person, connector).await
        }
    }

    /// A request of this method, with a session and a credential.
    pub(crate) fn request(&self, method: http::Method) -> Asking {
        let asking = Http::new()
            .request(method, &self.url)
            .bearer(&self.token)
            .header("accept", self.accept);
        match &self.session {
            Some(session) => asking.header("mcp-session-id", session),
            None => asking,
        }
    }

    /// A message as it is written.
    pub(crate) fn post(&self, body: impl Into<Vec<u8>>) -> Asking {
        self.request(http::Method::POST)
            .header("content-type", "application/json")
            .body(body.into())
    }

    /// A request put together.
    pub(crate) fn asking(&self, method: &str, params: &Value) -> Asking {
        let mut params = params.clone();
        let mut headers = vec![("mcp-protocol-version", "2025-11-25".to_owned())];
        if self.modern {
            params["_meta"][VERSION] = "2026-07-28".into();
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
                self.capabilities.clone();
            headers = vec![
                ("mcp-protocol-version", "2026-07-28".to_owned()),
                ("mcp-method", method.to_owned()),
            ];
            let named = params["name"].as_str().or(params["taskId"].as_str());
            if let Some(name) = named {
                headers.push(("mcp-name", name.to_owned()));
            }
        }
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let asking = self.post(message.to_string());
        headers
            .iter()
            .fold(asking, |asking, (name, value)| asking.header(name, value))
    }

    /// Asks and reads the whole answer.
    pub(crate) async fn ask(&self, method: &str, params: &Value) -> Answer {
        self.asking(method, params).send().await.unwrap()
    }

    /// Calls a tool.
    pub(crate) async fn call(&self, name: &str, arguments: &Value) -> Answer {
        let params = json!({"name": name, "arguments": arguments});
        self.ask("tools/call", &params).await
    }

    /// The names of the tools that are listed.
    pub(crate) async fn tools(&self) -> Vec<String> {
        let answer = self.ask("tools/list", &json!({})).await.json();
        let tools = answer["result"]["tools"].as_array().unwrap();
        let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
        tools.iter().map(name).collect()
    }

    /// Lists, and waits until what was listed is noted: what there is not is then known.
    pub(crate) async fn listed(&self) {
        self.tools().await;
        until(async || {
            let answer = self.call("get_nothing_of_the_kind", &json!({})).await;
            answer.json()["error"]["message"] == "This tool is not available."
        })
        .await;
    }
}
