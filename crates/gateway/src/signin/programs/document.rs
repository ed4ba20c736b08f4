//! Client ID Metadata Documents: a program whose id is an `https` address describes itself in a document there
//! (draft-ietf-oauth-client-id-metadata-document). Whoever asks for an authorization makes us fetch it, so the fetch goes to public
//! addresses alone, follows nothing, is small, short and seldom; the document counts only for the very address it was had from.

use domain::{Timestamp, limits};
use http::StatusCode;
use pipeline::fetch::{Ask, Fetch, FetchError};
use quick_cache::sync::Cache;
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::Url;

use super::{Known, Program, name_of};

/// Fetches documents and remembers them for a while.
#[derive(Debug)]
pub struct Documents {
    fetch: Fetch,
    kept: Cache<String, (Timestamp, Program)>,
    places: Semaphore,
}

/// Why a document is not used.
#[derive(Debug, thiserror::Error)]
pub enum Undescribed {
    /// Too many are fetched, from here or by everybody.
    #[error("too many documents are fetched at the moment")]
    Busy,
    /// It cannot be had.
    #[error("the document cannot be fetched")]
    Fetch(#[from] FetchError),
    /// It says something that cannot be.
    #[error("the document {0}")]
    Wrong(&'static str),
}

/// What is read of a document; the rest is nothing to us.
#[derive(Debug, Deserialize)]
struct Document {
    client_id: String,
    client_name: String,
    redirect_uris: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
}

/// Whether an id is the address of a document: `https`, with a path, nothing else, written as URLs are.
pub(super) fn is_id(id: &str) -> bool {
    let Ok(url) = Url::parse(id) else {
        return false;
    };
    url.scheme() == "https"
        && id.len() <= limits::OAUTH_URI_BYTES_MAX
        && url.as_str() == id
        && url.path() != "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

impl Documents {
    /// Documents fetched by this client, which must reach public addresses alone.
    pub fn new(fetch: Fetch) -> Self {
        Self {
            fetch,
            kept: Cache::new(limits::CLIENT_DOCUMENTS_MAX),
            places: Semaphore::new(limits::CLIENT_DOCUMENT_FETCHES_MAX),
        }
    }

    /// The program of an id, from memory or from its document. `admits` is asked before anything is fetched.
    pub(super) async fn get(
        &self,
        id: &str,
        (ours, now): (&str, Timestamp),
        admits: impl FnOnce() -> bool,
    ) -> Result<Program, Undescribed> {
        if let Some((fetched, program)) = self.kept.get(id)
            && now.ms_since(fetched) < limits::CLIENT_DOCUMENT_MS
        {
            return Ok(program);
        }
        if !admits() {
            return Err(Undescribed::Busy);
        }
        let program = self.fetched(id, ours).await?;
        self.kept.insert(id.to_owned(), (now, program.clone()));
        Ok(program)
    }

    async fn fetched(&self, id: &str, ours: &str) -> Result<Program, Undescribed> {
        let _place = self.places.try_acquire().map_err(|_| Undescribed::Busy)?;
        let url = Url::parse(id).map_err(|_| FetchError::BadUrl)?;
        let answer = self.fetch.send(Ask::get(&url)).await?;
        // A redirect is no document: it would let whoever may write one address speak for another.
        if answer.status != StatusCode::OK {
            return Err(Undescribed::Wrong("was not answered with status 200"));
        }
        read(id, &answer.body, ours).map_err(Undescribed::Wrong)
    }
}

/// Reads the document of an id.
fn read(id: &str, body: &[u8], ours: &str) -> Result<Program, &'static str> {
    if body.len() > limits::CLIENT_DOCUMENT_BYTES_MAX {
        return Err("is too large");
    }
    // A list of the same values would be read as well, member by member.
    let document: Document = Some(body)
        .filter(|body| body.trim_ascii_start().starts_with(b"{"))
        .and_then(|body| serde_json::from_slice(body).ok())
        .ok_or("is no JSON with client_id, client_name and redirect_uris")?;
    if document.client_id != id {
        return Err("is about another client_id than its own address");
    }
    let method = document.token_endpoint_auth_method.as_deref();
    if !matches!(method, None | Some("none")) {
        return Err("wants to authenticate at the token endpoint, which is not supported");
    }
    let lists = |list: &Option<Vec<String>>, wanted: &str| {
        list.as_ref()
            .is_none_or(|list| list.iter().any(|one| one == wanted))
    };
    if !lists(&document.response_types, "code")
        || !lists(&document.grant_types, "authorization_code")
    {
        return Err("does not list authorization by code");
    }
    let uris = &document.redirect_uris;
    if uris.is_empty() || uris.len() > limits::OAUTH_REDIRECTS_MAX {
        return Err("names no redirect address, or too many");
    }
    // Addresses that answers never go to do not spoil the others: a document is for all authorization servers.
    let redirects = super::read_all(uris, ours);
    if redirects.is_empty() {
        return Err("names no redirect address that is https or on this computer");
    }
    let name = name_of(&document.client_name).ok_or("has no client_name")?;
    let host = Url::parse(id)
        .ok()
        .and_then(|url| Some(url.host_str()?.to_owned()));
    Ok(Program {
        id: id.to_owned(),
        name,
        redirects,
        known: Known::Document(host.ok_or("has no host")?),
        secret: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "https://claude.ai/oauth/claude-code-client-metadata";

    fn check(change: &serde_json::Value, expected: Option<&str>) {
        let mut document = json!({
            "client_id": ID,
            "client_name": "Claude Code",
            "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "contacts": [{"anything": 1}],
        });
        for (name, value) in change.as_object().unwrap() {
            document[name] = value.clone();
        }
        let found = read(ID, document.to_string().as_bytes(), "https://ai.example");
        assert_eq!(found.as_ref().err().copied(), expected, "{change}");
    }

    #[test]
    fn a_document_speaks_for_its_own_address_alone() {
        check(&json!({}), None);
        let other = "is about another client_id than its own address";
        check(&json!({"client_id": "https://evil.example/x"}), Some(other));
        check(&json!({"client_id": format!("{ID}/")}), Some(other));
    }

    #[test]
    fn what_a_document_cannot_say_is_refused() {
        let incomplete = "is no JSON with client_id, client_name and redirect_uris";
        check(&json!({"client_name": 5}), Some(incomplete));
        check(&json!({"client_name": ""}), Some("has no client_name"));
        let uris = "names no redirect address, or too many";
        check(&json!({"redirect_uris": []}), Some(uris));
        check(
            &json!({"redirect_uris": vec!["https://a.example/"; 11]}),
            Some(uris),
        );
        let usable = "names no redirect address that is https or on this computer";
        check(
            &json!({"redirect_uris": ["javascript:alert(1)", "http://a.example/"]}),
            Some(usable),
        );
        check(
            &json!({"redirect_uris": ["cursor://x", "https://a.example/cb"]}),
            None,
        );
        let method = "wants to authenticate at the token endpoint, which is not supported";
        check(
            &json!({"token_endpoint_auth_method": "client_secret_post"}),
            Some(method),
        );
        check(
            &json!({"grant_types": ["client_credentials"]}),
            Some("does not list authorization by code"),
        );
        let list = json!([
            ID,
            "Claude Code",
            ["http://localhost/callback"],
            "none",
            null,
            null
        ]);
        let found = read(ID, list.to_string().as_bytes(), "https://ai.example");
        assert_eq!(found.err(), Some(incomplete), "a list of the same");
        let large = vec![b' '; limits::CLIENT_DOCUMENT_BYTES_MAX + 1];
        assert_eq!(
            read(ID, &large, "https://ai.example").err(),
            Some("is too large")
        );
    }

    /// Answers every request on a loopback port by its path, and returns the origin.
    async fn served(answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let own = origin.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = vec![0; 4_096];
                let count = stream.read(&mut asked).await.unwrap_or_default();
                let text = String::from_utf8_lossy(&asked[..count]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let _left = stream.write_all(answer(&own, &path).as_bytes()).await;
            }
        });
        origin
    }

    fn answer(status: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\nlocation: /good\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn a_document_is_had_without_redirects_small_and_not_for_each_request() {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&asked);
        let origin = served(move |own, path| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let body = json!({
                "client_id": format!("{own}{path}"),
                "client_name": "Claude Code",
                "redirect_uris": ["http://localhost/callback"],
                "filler": "x".repeat(if path == "/huge" { limits::CLIENT_DOCUMENT_BYTES_MAX } else { 0 }),
            });
            match path {
                "/moved" => answer("302 Found", ""),
                "/gone" => answer("404 Not Found", "{}"),
                _ => answer("200 OK", &body.to_string()),
            }
        })
        .await;
        let documents = Documents::new(Fetch::new(pipeline::fetch::Reach::Operator, None).unwrap());
        let get = async |path: &str, at: i64, admits: bool| {
            let id = format!("{origin}{path}");
            let at = ("https://ai.example", Timestamp::from_unix_ms(at));
            let found = documents.get(&id, at, || admits).await;
            found
                .map(|program| program.name)
                .map_err(|why| why.to_string())
        };
        for (path, expected) in [
            ("/moved", "the document was not answered with status 200"),
            ("/gone", "the document was not answered with status 200"),
            ("/huge", "the document is too large"),
        ] {
            assert_eq!(get(path, 0, true).await.unwrap_err(), expected);
        }
        assert!(
            get("/good", 0, false).await.is_err(),
            "too often from there"
        );
        let before = asked.load(std::sync::atomic::Ordering::Relaxed);
        for admits in [true, false, false] {
            assert_eq!(get("/good", 1, admits).await.unwrap(), "Claude Code");
        }
        get("/good", limits::CLIENT_DOCUMENT_MS + 1, true)
            .await
            .unwrap();
        let after = asked.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(after - before, 2, "from memory, until it is old");
    }

    #[test]
    fn an_id_is_an_https_address_with_a_path_written_in_one_way() {
        assert!(is_id(ID) && is_id("https://a.example:8443/c"));
        for id in [
            "",
            "dwc_1",
            "http://a.example/c",
            "https://a.example",
            "https://a.example/",
            "https://A.example/c",
            "https://a.example/x/../c",
            "https://a.example/c?x=1",
            "https://a.example/c#x",
            "https://me@a.example/c",
            "https://a.example:443/c",
            "file:///etc/passwd",
        ] {
            assert!(!is_id(id), "{id}");
        }
    }
}
