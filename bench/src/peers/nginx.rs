//! nginx: swaps the credential and checks nothing. One worker, no log, no buffering of answers.

use std::fs;

use anyhow::Result;

use super::Peer;
use crate::load::Target;
use crate::process::{Running, free_port, tied};
use crate::scene::{PROVIDER_KEY, Scene};

pub(super) const NAME: &str = "nginx";

pub(super) async fn start(scene: &Scene) -> Result<Peer> {
    let folder = scene.folder_of(NAME)?;
    let port = free_port()?;
    let upstream = scene.provider.base.trim_start_matches("http://");
    let text = format!(
        r"
daemon off;
user root;
worker_processes 1;
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    tcp_nodelay on;
    client_max_body_size 40m;
    client_body_buffer_size 256k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    upstream provider {{
        server {upstream};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Connection '';
            proxy_set_header Authorization '';
            proxy_set_header x-api-key '{PROVIDER_KEY}';
        }}
    }}
}}
",
        folder = folder.display()
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text)?;
    let mut command = tied("nginx");
    command.arg("-p").arg(&folder).arg("-c").arg(&file);
    let mut running = Running::start(&mut command, &folder.join("log"))?;
    let base = format!("http://127.0.0.1:{port}");
    running.listens(&base).await?;
    let callers = vec![scene.usual_bearer()?];
    Ok(Peer::new(NAME, Target::new(base, callers), false, running))
}
