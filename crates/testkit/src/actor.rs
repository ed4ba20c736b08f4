//! Somebody who uses Doorward: a person's client with a bearer, or a machine with a key.
//!
//! Written against the contract stock Claude clients keep (gateway protocol 1), so that what works here works with them.

use serde_json::{Value, json};

use crate::client::events::text_of;
use crate::client::{Answer, Asking, ClientError, Event, Events, Http};

/// What an actor proves itself by.
#[derive(Clone)]
enum Credential {
    None,
    Bearer(String),
    ApiKey(String),
}

/// A client of a gateway, with or without a credential.
#[derive(Clone)]
pub struct Actor {
    http: Http,
    base: String,
    credential: Credential,
    headers: Vec<(String, String)>,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Actor")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Actor {
    /// Somebody without a credential. `base` has no slash at the end.
    pub fn anonymous(base: &str) -> Self {
        Self {
            http: Http::new(),
            base: base.to_owned(),
            credential: Credential::None,
            headers: vec![
                (
                    "user-agent".to_owned(),
                    "claude-cli/2.1.329 (external, sdk-cli)".to_owned(),
                ),
                ("anthropic-version".to_owned(), "2023-06-01".to_owned()),
            ],
        }
    }

    /// Somebody with a bearer token.
    pub fn with_bearer(base: &str, token: &str) -> Self {
        Self {
            credential: Credential::Bearer(token.to_owned()),
            ..Self::anonymous(base)
        }
    }

    /// Somebody with a key in `x-api-key`.
    pub fn with_api_key(base: &str, key: &str) -> Self {
        Self {
            credential: Credential::ApiKey(key.to_owned()),
            ..Self::anonymous(base)
        }
    }

    /// Sends this header with every request, instead of one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Begins a request to a path below the base.
    pub fn request(&self, method: http::Method, path: &str) -> Asking {
        let asking = self.http.request(method, &format!("{}{path}", self.base));
        let asking = asking.headers(self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        match &self.credential {
            Credential::None => asking,
            Credential::Bearer(token) => asking.bearer(token),
            Credential::ApiKey(key) => asking.header("x-api-key", key),
        }
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.request(http::Method::GET, path).send().await
    }

    /// POSTs JSON to a path.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.request(http::Method::POST, path)
            .json(body)
            .send()
            .await
    }

    /// Asks a model, and waits for the whole answer.
    pub async fn messages(&self, model: &str, prompt: &str) -> Result<Answer, ClientError> {
        self.post("/v1/messages", &message(model, prompt, false))
            .await
    }

    /// Asks a model; the answer's events come one by one. The status may be an error's: look at [`Events::status`].
    pub async fn stream(&self, model: &str, prompt: &str) -> Result<Events, ClientError> {
        self.stream_body(&message(model, prompt, true)).await
    }

    /// Sends a Messages body; the answer's events come one by one.
    pub async fn stream_body(&self, body: &Value) -> Result<Events, ClientError> {
        Ok(self
            .request(http::Method::POST, "/v1/messages?beta=true")
            .json(body)
            .open()
            .await?
            .events())
    }

    /// Asks a model by stream and returns the answer's text; an error when it does not end with `message_stop`.
    pub async fn streamed_text(&self, model: &str, prompt: &str) -> Result<String, ClientError> {
        let events = self.stream(model, prompt).await?;
        let status = events.status();
        let events = events.rest().await?;
        if events
            .last()
            .is_some_and(|event| event.name == "message_stop")
        {
            return Ok(text_of(&events));
        }
        Err(ClientError::Unexpected {
            expected: "a stream that ends with message_stop".to_owned(),
            status,
            body: events
                .last()
                .map(|event: &Event| event.data.clone())
                .unwrap_or_default(),
        })
    }

    /// Counts a prompt's tokens.
    pub async fn count_tokens(&self, model: &str, prompt: &str) -> Result<Answer, ClientError> {
        let body = json!({"model": model, "messages": [{"role": "user", "content": prompt}]});
        self.post("/v1/messages/count_tokens?beta=true", &body)
            .await
    }

    /// The ids of the models this actor is offered.
    pub async fn models(&self) -> Result<Vec<String>, ClientError> {
        let answer = self
            .get("/v1/models?limit=1000")
            .await?
            .expect_status(200)?;
        let body = answer.json();
        let list = body["data"]
            .as_array()
            .ok_or_else(|| answer.unexpected("a list of models"))?;
        Ok(list
            .iter()
            .filter_map(|one| one["id"].as_str().map(str::to_owned))
            .collect())
    }

    /// The managed settings; `None` when the answer is 304 to `known` (a checksum) or 404.
    pub async fn managed_settings(
        &self,
        known: Option<&str>,
    ) -> Result<Option<Value>, ClientError> {
        let mut asking = self.request(http::Method::GET, "/managed/settings");
        if let Some(checksum) = known {
            asking = asking.header("if-none-match", &format!("\"{checksum}\""));
        }
        let answer = asking.send().await?;
        match answer.status {
            304 | 404 => Ok(None),
            _ => Ok(Some(answer.expect_status(200)?.json())),
        }
    }

    /// The person's own spending, as `/usage` shows it.
    pub async fn usage(&self) -> Result<Value, ClientError> {
        Ok(self
            .get("/api/oauth/usage")
            .await?
            .expect_status(200)?
            .json())
    }
}

/// A small Messages body.
pub fn message(model: &str, prompt: &str, stream: bool) -> Value {
    json!({
        "model": model, "max_tokens": 1_024, "stream": stream,
        "messages": [{"role": "user", "content": prompt}],
    })
}
