//! HAProxy: checks an RS256 token on every request (signature, issuer, audience, expiry) and swaps the credential. One thread.

use std::fs;

use anyhow::Result;

use super::Peer;
use crate::load::Target;
use crate::process::{Running, free_port, tied};
use crate::scene::{CLIENT_ID, PROVIDER_KEY, Scene};

pub(super) const NAME: &str = "HAProxy, RS256";

pub(super) async fn start(scene: &Scene) -> Result<Peer> {
    let folder = scene.folder_of("haproxy")?;
    let port = free_port()?;
    let key = folder.join("key.pem");
    fs::write(&key, scene.idp.signing_key().public_pem())?;
    let text = format!(
        r"
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    option http-no-delay
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend clients
    bind 127.0.0.1:{port}
    http-request set-var(txn.token) http_auth_bearer
    http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
    http-request set-var(txn.iss) var(txn.token),jwt_payload_query('$.iss')
    http-request set-var(txn.aud) var(txn.token),jwt_payload_query('$.aud')
    http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.iss) -m str {issuer} }}
    http-request deny deny_status 401 unless {{ var(txn.aud) -m str {CLIENT_ID} }}
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,'{key}') 1 }}
    http-request del-header authorization
    http-request set-header x-api-key {PROVIDER_KEY}
    default_backend provider
backend provider
    server provider {upstream}
",
        issuer = scene.idp.issuer(),
        key = key.display(),
        upstream = scene.provider.base.trim_start_matches("http://"),
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, text)?;
    let mut command = tied("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    let mut running = Running::start(&mut command, &folder.join("log"))?;
    let base = format!("http://127.0.0.1:{port}");
    running.listens(&base).await?;
    let callers = vec![scene.usual_bearer()?];
    Ok(Peer::new(NAME, Target::new(base, callers), true, running))
}
