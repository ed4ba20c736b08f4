//! `doorward setup`: the first run. From an empty folder to a Doorward that serves, in a walk through a browser on this machine, in which
//! everything is tried before it is written: a real sign-in at the identity provider, a real question to the provider of Claude. Then the same
//! process serves. Called by `commands`.
//!
//! | file | what |
//! |---|---|
//! | [`door`], [`twins`] | who comes in, and under which name |
//! | [`steps`] | the addresses |
//! | [`walk`] | where it stands |
//! | [`organisation`], [`issuer`], [`owner`], [`upstream`], [`policy`], [`write`] | one step each |
//! | [`known`], [`trial`] | what is known of identity providers; the sign-in that tries one |
//! | [`form`], [`pages`] | what is typed and what is shown |
//!
//! It never writes over a file, never writes before the last step, and never shows a secret that was typed.

pub mod door;
pub mod form;
pub mod issuer;
pub mod known;
pub mod organisation;
pub mod owner;
pub mod pages;
pub mod policy;
pub mod steps;
pub mod trial;
pub mod twins;
pub mod upstream;
pub mod walk;
pub mod write;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use domain::limits;
use tokio::net::TcpListener;

use crate::commands;
use crate::config::Config;
use crate::signals;
use crate::system::{complain, say};
use door::{Door, ENTRANCE};
use walk::{At, Walk};

/// How long pages under way may take after the walk is done; then their connections close.
const LEAVE: Duration = Duration::from_secs(3);

/// Where to walk.
#[derive(Debug, Args)]
#[command(
    after_help = "It prints one link. Open it in a browser on this machine; on another one, forward the port first:\n\n  ssh -L 8080:localhost:8080 <this machine>\n\nThe link opens once. Nothing is written before the last step, and nothing that is there is overwritten. Without a browser, write the file by hand: examples/doorward.toml has every key, and `doorward check-config` and `doorward doctor` say what is wrong."
)]
pub struct Options {
    /// The configuration to write. With one that is there an issuer of it is tried, and nothing is written
    #[arg(long, default_value = "doorward.toml", value_name = "FILE")]
    config: PathBuf,
    /// Where the walk is shown: an address of this machine alone
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

/// Does it, and serves.
pub async fn run(options: Options) -> ExitCode {
    if options.config.exists() {
        return commands::configured(&options.config, async |config| {
            Box::pin(try_issuer(&options, config)).await
        })
        .await;
    }
    match walk(&options).await {
        Ok(true) => commands::serve_file(&options.config).await,
        Ok(false) => {
            complain("doorward setup: ended before the last step; nothing was written");
            ExitCode::from(1)
        }
        Err(error) => commands::finish::<()>(Err(error)),
    }
}

/// Walks; whether everything was written.
async fn walk(options: &Options) -> anyhow::Result<bool> {
    let (file, folder) = place(&options.config)?;
    let (socket, at) = here(options, (file, folder)).await?;
    let _twins = twins::hold(at.listen)?;
    let door = opened(socket, Walk::new(at)).await?;
    let is_written = door.walk.lock().await.is_written;
    Ok(is_written)
}

/// Tries an issuer of a configuration that is there, by a real sign-in, and shows the lines to change. Writes nothing.
async fn try_issuer(options: &Options, config: &Config) -> anyhow::Result<()> {
    say(
        "This configuration is there already, so nothing of it is written: an issuer can be tried here by a real sign-in before it is changed.\n",
    );
    let folder = options.config.parent().unwrap_or(Path::new("."));
    let place = (options.config.clone(), folder.to_owned());
    let (socket, at) = here(options, place).await?;
    let _twins = twins::hold(at.listen)?;
    opened(socket, Walk::of_issuer(at, config)).await?;
    Ok(())
}

/// A socket on this machine alone.
async fn here(
    options: &Options,
    (file, folder): (PathBuf, PathBuf),
) -> anyhow::Result<(TcpListener, At)> {
    ensure!(
        options.listen.ip().is_loopback(),
        "--listen must be an address of this machine alone, such as 127.0.0.1:8080"
    );
    let socket = TcpListener::bind(options.listen).await.with_context(|| {
        format!(
            "{} cannot be listened on; another place is --listen 127.0.0.1:8090",
            options.listen
        )
    })?;
    let listen = socket.local_addr()?;
    let at = At {
        file,
        folder,
        listen,
        ops: free_for_operators(listen).await?,
        origin: format!("http://localhost:{}", listen.port()),
    };
    Ok((socket, at))
}

/// Prints the link and shows the walk until it is over.
async fn opened(socket: TcpListener, walk: Walk) -> anyhow::Result<Arc<Door>> {
    let port = walk.at.listen.port();
    let (door, secret) = Door::new(walk);
    let door = Arc::new(door);
    say(&format!(
        "Open this link in a browser on this machine. It opens once.\n\n    {}{ENTRANCE}?key={secret}\n\nFrom another machine, forward the port first: ssh -L {port}:localhost:{port} <this machine>",
        door.origin(),
    ));
    serve(socket, &door).await?;
    Ok(door)
}

/// Shows the pages until the walk is done, it took too long, or somebody ends it.
async fn serve(socket: TcpListener, door: &Arc<Door>) -> anyhow::Result<()> {
    let done = door.done.clone();
    let ended = done.clone();
    let mut stop = signals::Stop::listen();
    let server = axum::serve(socket, door::router(Arc::clone(door)))
        .with_graceful_shutdown(async move { ended.cancelled().await });
    let mut server = tokio::spawn(server.into_future());
    let most = Duration::from_millis(limits::SETUP_MS.unsigned_abs());
    tokio::select! {
        () = done.cancelled() => {}
        () = stop.asked() => {}
        () = tokio::time::sleep(most) => {}
        ended = &mut server => return Ok(ended??),
    }
    done.cancel();
    // A browser that keeps a connection open does not keep Doorward from starting.
    if tokio::time::timeout(LEAVE, &mut server).await.is_err() {
        server.abort();
        let _cancelled = server.await;
    }
    Ok(())
}

/// A place for operators that nobody else listens on: the usual one, or another where a Prometheus sits on it.
async fn free_for_operators(listen: SocketAddr) -> anyhow::Result<SocketAddr> {
    for port in [9090, 9091, 9092, 0] {
        let place = SocketAddr::from(([127, 0, 0, 1], port));
        if port == listen.port() {
            continue;
        }
        if let Ok(socket) = TcpListener::bind(place).await {
            return Ok(socket.local_addr()?);
        }
    }
    bail!("no port is free for operators")
}

/// The file's whole path and its folder. The folder must be there, and the file must not.
fn place(config: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let shown = config.display();
    ensure!(
        !config.exists(),
        "{shown} is there already; `doorward serve --config {shown}` serves it. To walk anew, name another file with --config"
    );
    ensure!(
        config
            .extension()
            .is_some_and(|extension| extension == "toml"),
        "{shown}: the configuration's name must end in .toml"
    );
    let folder = config
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let folder = folder
        .canonicalize()
        .with_context(|| format!("the folder of {shown} is not there"))?;
    let name = config.file_name().context("--config names no file")?;
    Ok((folder.join(name), folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_never_the_place_of_a_walk() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("doorward.toml");
        let (found, within) = place(&file).unwrap();
        assert!(found.is_absolute() && found.starts_with(&within));
        std::fs::write(&file, "").unwrap();
        assert!(
            place(&file)
                .unwrap_err()
                .to_string()
                .contains("there already")
        );
        assert!(place(&folder.path().join("x/doorward.toml")).is_err());
        assert!(place(&folder.path().join("doorward.txt")).is_err());
    }

    #[tokio::test]
    async fn the_walk_is_shown_on_this_machine_alone() {
        let options = Options {
            config: PathBuf::from("doorward.toml"),
            listen: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        let error = walk(&options).await.unwrap_err().to_string();
        assert!(error.contains("this machine alone"), "{error}");
    }
}
