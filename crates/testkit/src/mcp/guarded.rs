//! A server of the Model Context Protocol behind an authorization server of its own, both on one port: the specification's authorization,
//! and every check that a real one makes. Codes are good once, for the redirect address, the verifier, the resource and the client that they
//! were made for; refresh tokens rotate, and one that comes twice ends all of its grant; clients prove who they are. People are who the
//! address of the authorization page says: `as=ada` is the whole sign-in.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{McpSeen, State};
use crate::limits::{BODY_BYTES_MAX, SEEN_MAX};
use crate::net::ask::Fields;
use crate::net::{Answers, Ask, Body, Bound, Hangup, ResetSwitch, Server, reply};
use crate::token::b64;

/// What one does otherwise than the specification says, or lets be.
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ways {
    /// Registers nobody, and knows only the client `doorward` with the secret `s3cret: &`.
    pub by_hand: bool,
    /// Says that it is another resource.
    pub other_resource: bool,
    /// Says that it is another issuer.
    pub other_issuer: bool,
    /// Says nothing of PKCE.
    pub no_pkce: bool,
    /// Answers where it describes itself with a redirect.
    pub redirects: bool,
    /// Names a token endpoint of the cloud's own metadata service.
    pub metadata_token: bool,
    /// Answers an access token that ends at once.
    pub short: bool,
    /// Names the issuer of somebody else when a browser comes back.
    pub mixed_up: bool,
    /// Wants [`MORE`] for each call, and says so when it is called without.
    pub steps_up: bool,
    /// Gives nobody more than `items`, whatever they ask for, and does not say so.
    pub gives_little: bool,
    /// Accepts no token that it gave to a client itself.
    pub refuses_own: bool,
}

/// What calls of one that steps up need.
pub const MORE: &str = "items.use";

/// The client that is known where clients are registered by hand.
pub const HAND: (&str, &str) = ("doorward", "s3cret: &");

/// A running one. Ends when dropped.
#[derive(Debug)]
pub struct GuardedMcp {
    server: Server,
    state: Guarded,
}

#[derive(Debug, Clone)]
struct Guarded {
    origin: Arc<str>,
    ways: Ways,
    behind: State,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    /// Secrets of clients by id; none for public ones.
    clients: BTreeMap<String, (Option<String>, String)>,
    codes: BTreeMap<String, Code>,
    /// Grants by number.
    grants: Vec<Granted>,
    /// How often tokens were renewed, well or badly.
    renewals: u64,
    /// How many requests of a code or a refresh token were refused, and why.
    refused: Vec<String>,
    /// Who called which tool.
    called: Vec<(String, String)>,
    /// Whether refresh tokens are refused for now, as by an outage.
    is_out: bool,
    next: u64,
}

#[derive(Debug, Clone)]
struct Code {
    client: String,
    redirect: String,
    challenge: String,
    resource: String,
    scope: String,
    subject: String,
}

#[derive(Debug, Clone)]
struct Granted {
    client: String,
    subject: String,
    resource: String,
    scope: String,
    access: String,
    refresh: String,
    spent: Vec<String>,
    is_over: bool,
    access_is_over: bool,
}

impl GuardedMcp {
    /// Starts one on a free port of this machine.
    ///
    /// Errors: no port can be had.
    pub fn start(ways: Ways) -> io::Result<Self> {
        let bound = Bound::to(0)?;
        let state = Guarded {
            origin: bound.url().into(),
            ways,
            behind: State::default(),
            books: Arc::default(),
        };
        if ways.by_hand {
            let secret = Some(HAND.1.to_owned());
            let client = (secret, String::new());
            state.books().clients.insert(HAND.0.to_owned(), client);
        }
        let server = bound.serve(state.clone())?;
        Ok(Self { server, state })
    }

    /// Its address as a connector's.
    pub fn url(&self) -> String {
        format!("{}/mcp", self.state.origin)
    }

    /// Who called which tool, in order.
    pub fn called(&self) -> Vec<(String, String)> {
        self.state.books().called.clone()
    }

    /// Every request to the server itself that came with a token that is good.
    pub fn seen(&self) -> Vec<McpSeen> {
        let seen = self.state.behind.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often somebody asked for tokens to be renewed.
    pub fn renewals(&self) -> u64 {
        self.state.books().renewals
    }

    /// Why codes and refresh tokens were refused.
    pub fn refused(&self) -> Vec<String> {
        self.state.books().refused.clone()
    }

    /// What every grant there ever was covers, in order.
    pub fn scopes(&self) -> Vec<String> {
        let books = self.state.books();
        books
            .grants
            .iter()
            .map(|grant| grant.scope.clone())
            .collect()
    }

    /// Whose grants are good.
    pub fn granted(&self) -> Vec<String> {
        let books = self.state.books();
        let good = books.grants.iter().filter(|grant| !grant.is_over);
        good.map(|grant| grant.subject.clone()).collect()
    }

    /// How many clients registered.
    pub fn clients(&self) -> usize {
        self.state.books().clients.len()
    }

    /// Lets everybody's access tokens end, and their refresh tokens be.
    pub fn end_access(&self) {
        for grant in &mut self.state.books().grants {
            grant.access_is_over = true;
        }
    }

    /// Ends everything that somebody gave, as they would at the server itself.
    pub fn forget(&self, subject: &str) {
        let mut books = self.state.books();
        let theirs = books.grants.iter_mut();
        for grant in theirs.filter(|grant| grant.subject == subject) {
            grant.is_over = true;
        }
    }

    /// Whether tokens can be renewed for now.
    pub fn set_out(&self, is_out: bool) {
        self.state.books().is_out = is_out;
    }

    /// Ends it.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Answers for Guarded {
    async fn answer(
        &self,
        request: Request<Incoming>,
        _connection: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let ask = Ask::read(request, BODY_BYTES_MAX).await?;
        Ok(match &*ask.path {
            "/.well-known/oauth-protected-resource/mcp" => self.resource(),
            "/.well-known/oauth-authorization-server" => self.metadata(),
            "/register" if !self.ways.by_hand => self.register(&ask),
            "/authorize" => self.authorize(&ask),
            "/token" => self.token(&ask),
            "/revoke" => self.revoke(&ask),
            "/mcp" => self.serve(&ask),
            _ => reply::text(404, "not found"),
        })
    }
}

impl Guarded {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    fn resource(&self) -> Response<Body> {
        if self.ways.redirects {
            return reply::redirect(&format!("{}/elsewhere", self.origin));
        }
        let resource = if self.ways.other_resource {
            "https://other.example/mcp".to_owned()
        } else {
            self.url()
        };
        let servers = [&*self.origin];
        reply::json(
            200,
            &json!({"resource": resource, "authorization_servers": servers, "scopes_supported": ["items"]}),
        )
    }

    fn metadata(&self) -> Response<Body> {
        let origin = &self.origin;
        let mut metadata = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "response_types_supported": ["code"],
            "scopes_supported": ["items", "offline_access"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
            "authorization_response_iss_parameter_supported": true,
        });
        if !self.ways.by_hand {
            metadata["registration_endpoint"] = format!("{origin}/register").into();
        }
        if self.ways.other_issuer {
            metadata["issuer"] = "https://other.example".into();
        }
        if self.ways.no_pkce {
            metadata["code_challenge_methods_supported"] = Value::Null;
            metadata
                .as_object_mut()
                .map(|all| all.remove("code_challenge_methods_supported"));
        }
        if self.ways.metadata_token {
            metadata["token_endpoint"] = "http://169.254.169.254/token".into();
        }
        reply::json(200, &metadata)
    }

    fn register(&self, ask: &Ask) -> Response<Body> {
        let asked: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
        let Some(redirect) = asked["redirect_uris"][0].as_str() else {
            return reply::json(400, &json!({"error": "invalid_redirect_uri"}));
        };
        let mut books = self.books();
        let number = books.number();
        let (id, secret) = (format!("client-{number}"), format!("secret-{number}"));
        let kept = (Some(secret.clone()), redirect.to_owned());
        books.clients.insert(id.clone(), kept);
        let given = json!({
            "client_id": id, "client_secret": secret, "token_endpoint_auth_method": "client_secret_basic",
            "redirect_uris": [redirect],
        });
        reply::json(201, &given)
    }

    /// The page on which somebody says yes: who they are stands in the address, and they always do.
    fn authorize(&self, ask: &Ask) -> Response<Body> {
        let asked = ask.query_fields();
        let client = asked.text("client_id").to_owned();
        let mut books = self.books();
        let Some((_, registered)) = books.clients.get(&client) else {
            return reply::text(400, "unknown client");
        };
        let redirect = asked.text("redirect_uri").to_owned();
        if !registered.is_empty() && *registered != redirect {
            return reply::text(400, "other redirect address");
        }
        let is_whole = asked.text("response_type") == "code"
            && asked.text("code_challenge_method") == "S256"
            && asked.text("code_challenge").len() == 43
            && asked.text("resource") == self.url()
            && !asked.text("state").is_empty();
        if !is_whole {
            return reply::text(400, "something is missing");
        }
        let code = format!("code-{}", books.number());
        let kept = Code {
            client,
            redirect: redirect.clone(),
            challenge: asked.text("code_challenge").to_owned(),
            resource: asked.text("resource").to_owned(),
            scope: asked.text("scope").to_owned(),
            subject: asked.text("as").to_owned(),
        };
        books.codes.insert(code.clone(), kept);
        let issuer = if self.ways.mixed_up {
            "https://other.example"
        } else {
            &self.origin
        };
        let fields = [
            ("code", &*code),
            ("state", asked.text("state")),
            ("iss", issuer),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields);
        reply::redirect(&format!("{redirect}?{}", query.finish()))
    }

    fn token(&self, ask: &Ask) -> Response<Body> {
        let form = ask.form();
        let given = match form.text("grant_type") {
            _ if ask.method != Method::POST => Err("invalid_request"),
            "authorization_code" => self.redeemed(ask, &form),
            "refresh_token" => self.renewed(ask, &form),
            "client_credentials" => self.itself(ask, &form),
            _ => Err("unsupported_grant_type"),
        };
        match given {
            Ok(tokens) => reply::json(200, &tokens),
            Err("temporarily_unavailable") => reply::text(503, ""),
            Err(error) => {
                self.books().refused.push(error.to_owned());
                let status = if error == "invalid_client" { 401 } else { 400 };
                reply::json(status, &json!({"error": error}))
            }
        }
    }

    fn redeemed(&self, ask: &Ask, form: &Fields) -> Result<Value, &'static str> {
        let mut books = self.books();
        let client = books.client_of(ask, form).ok_or("invalid_client")?;
        let code = books
            .codes
            .remove(form.text("code"))
            .ok_or("invalid_grant")?;
        let challenge = b64(digest(&SHA256, form.text("code_verifier").as_bytes()));
        if code.client != client
            || code.redirect != form.text("redirect_uri")
            || code.challenge != challenge
        {
            return Err("invalid_grant");
        }
        if code.resource != form.text("resource") {
            return Err("invalid_target");
        }
        let number = books.number();
        books.grants.push(Granted {
            client,
            subject: code.subject,
            resource: code.resource,
            scope: code.scope,
            access: format!("access-{number}"),
            refresh: format!("refresh-{number}"),
            spent: Vec::new(),
            is_over: false,
            access_is_over: self.ways.short,
        });
        let granted = books.grants.last().ok_or("server_error")?;
        Ok(self.tokens(granted))
    }

    fn renewed(&self, ask: &Ask, form: &Fields) -> Result<Value, &'static str> {
        let mut books = self.books();
        books.renewals += 1;
        if books.is_out {
            return Err("temporarily_unavailable");
        }
        let client = books.client_of(ask, form).ok_or("invalid_client")?;
        let number = books.number();
        let token = form.text("refresh_token");
        let mut all = books.grants.iter_mut();
        let is_of = |grant: &&mut Granted| {
            grant.refresh == token || grant.spent.iter().any(|spent| spent == token)
        };
        let grant = all.find(is_of).ok_or("invalid_grant")?;
        // One that was used already is in two hands: all of it ends.
        if grant.refresh != token {
            grant.is_over = true;
            return Err("invalid_grant");
        }
        if grant.is_over || grant.client != client {
            return Err("invalid_grant");
        }
        if grant.resource != form.text("resource") {
            return Err("invalid_target");
        }
        grant.spent.push(std::mem::take(&mut grant.refresh));
        grant.access = format!("access-{number}");
        grant.refresh = format!("refresh-{number}");
        grant.access_is_over = false;
        Ok(self.tokens(grant))
    }

    /// A token of a client's own, which has no refresh token: it proves who it is each time.
    fn itself(&self, ask: &Ask, form: &Fields) -> Result<Value, &'static str> {
        let mut books = self.books();
        if books.is_out {
            return Err("temporarily_unavailable");
        }
        let client = books.client_of(ask, form).ok_or("invalid_client")?;
        if ask.basic().is_none() {
            return Err("unauthorized_client");
        }
        if form.text("resource") != self.url() {
            return Err("invalid_target");
        }
        if form.text("scope").is_empty() {
            return Err("invalid_scope");
        }
        let number = books.number();
        books.grants.push(Granted {
            subject: format!("client:{client}"),
            client,
            resource: form.text("resource").to_owned(),
            scope: form.text("scope").to_owned(),
            access: format!("access-{number}"),
            refresh: String::new(),
            spent: Vec::new(),
            is_over: false,
            access_is_over: self.ways.refuses_own,
        });
        let granted = books.grants.last().ok_or("server_error")?;
        let mut tokens = self.tokens(granted);
        tokens
            .as_object_mut()
            .map(|all| all.remove("refresh_token"));
        Ok(tokens)
    }

    fn tokens(&self, grant: &Granted) -> Value {
        json!({
            "access_token": grant.access, "refresh_token": grant.refresh, "token_type": "Bearer",
            "expires_in": if self.ways.short { 1 } else { 3_600 }, "scope": grant.scope,
        })
    }

    fn revoke(&self, ask: &Ask) -> Response<Body> {
        let form = ask.form();
        let mut books = self.books();
        let Some(client) = books.client_of(ask, &form) else {
            return reply::json(401, &json!({"error": "invalid_client"}));
        };
        let token = form.text("token");
        for grant in &mut books.grants {
            if grant.client == client && (grant.access == token || grant.refresh == token) {
                grant.is_over = true;
            }
        }
        reply::text(200, "")
    }

    /// The server itself, for whoever has a token that was made for it.
    fn serve(&self, ask: &Ask) -> Response<Body> {
        let message: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
        let found = {
            let books = self.books();
            let token = ask.bearer().unwrap_or_default();
            let mut good = books.grants.iter().filter(|grant| {
                !grant.is_over && !grant.access_is_over && grant.resource == self.url()
            });
            good.find(|grant| grant.access == token)
                .map(|grant| (grant.subject.clone(), grant.scope.clone()))
        };
        let Some((subject, scope)) = found else {
            let origin = &self.origin;
            let challenge = format!(
                "Bearer error=\"invalid_token\", resource_metadata=\"{origin}/.well-known/oauth-protected-resource/mcp\", scope=\"items\""
            );
            return reply::with(reply::text(401, ""), "www-authenticate", &challenge);
        };
        let is_call = message["method"] == "tools/call";
        let is_enough = scope.split(' ').any(|word| word == MORE) && !self.ways.gives_little;
        if is_call && self.ways.steps_up && !is_enough {
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{MORE}\"");
            return reply::with(reply::text(403, ""), "www-authenticate", &challenge);
        }
        if is_call {
            let tool = message["params"]["name"].as_str().unwrap_or_default();
            let called = (subject, tool.to_owned());
            self.books().called.push(called);
        }
        self.behind.heard(ask, &message, SEEN_MAX)
    }
}

impl Books {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Which client asks, if it proves that it is the one.
    fn client_of(&self, ask: &Ask, form: &Fields) -> Option<String> {
        let (id, secret) = match ask.basic() {
            Some((id, secret)) => (id, Some(secret)),
            None => (form.text("client_id").to_owned(), None),
        };
        let (known, _) = self.clients.get(&id)?;
        (*known == secret).then_some(id)
    }
}
