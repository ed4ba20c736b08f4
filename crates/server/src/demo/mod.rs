//! `doorward demo`: an identity provider, two simulated Claude providers and Doorward itself, on loopback with everything it keeps
//! in a temporary folder, three weeks of sample data ([`past`]), and the story of a working day told with real HTTP. None of its people and
//! providers exist elsewhere.

pub mod approval;
mod crm;
mod logins;
pub mod past;
pub mod second;
pub mod story;
pub mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::signals;
use crate::system::{chain, complain, say};
use second::Second;
use world::{Stage, World};

/// How to show it.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Stop after the story; exit code 0 when every step proved what it should
    #[arg(long)]
    once: bool,
    /// The port clients connect to; any free one when left out
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// An empty PostgreSQL database, `postgres://user@host/database`: the demo then shows two replicas on it
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Begin with an empty store, without the three weeks of sample data; so does --once, and a demo on PostgreSQL
    #[arg(long)]
    empty: bool,
    /// Do not walk through the story, only stay up
    #[arg(long, conflicts_with = "once")]
    serve_only: bool,
    /// Write the addresses and people to this file, as JSON, when all is up
    #[arg(long)]
    describe_to: Option<PathBuf>,
}

/// Shows it.
pub async fn run(options: Options) -> ExitCode {
    // The terminal tells the story; the log goes to standard error only when it is asked for.
    if std::env::var_os("DOORWARD_LOG").is_some() {
        crate::commands::log_json();
    }
    match show(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("\n■ the demo failed: {}", chain(error.as_ref())));
            ExitCode::from(1)
        }
    }
}

async fn show(options: &Options) -> anyhow::Result<()> {
    let stage = if options.empty || options.once || options.postgres.is_some() {
        Stage::set_on(options.port, options.postgres.as_deref()).await?
    } else {
        with_past(options.port).await?
    };
    logins::give_roles(&stage.config).await?;
    let world = World::on(stage).await?;
    say(&format!(
        "Doorward {} at {}\n",
        env!("CARGO_PKG_VERSION"),
        world.base
    ));
    let told = if options.serve_only {
        Ok(())
    } else {
        tell(&world, options).await
    };
    if told.is_ok() && !options.once {
        if let Some(file) = &options.describe_to {
            // Whole or not at all: whoever waits for the file reads it as soon as it is there.
            let new = file.with_extension("new");
            ledger::private::write(&new, &serde_json::to_vec_pretty(&describe(&world))?)?;
            std::fs::rename(&new, file)?;
        }
        stay(&world).await;
    }
    world
        .stop(Duration::from_secs(if options.once { 2 } else { 5 }))
        .await?;
    told
}

async fn with_past(port: u16) -> anyhow::Result<Stage> {
    let began = Instant::now();
    say("Making three weeks of sample data, which takes some seconds.");
    let (stage, made) = Stage::set_with_past(port).await?;
    say(&format!(
        "Three weeks of sample data, made in {:.1} s: {} people, {} calls, {} refusals. None of it happened.\n",
        began.elapsed().as_secs_f64(),
        made.people,
        made.calls,
        made.refused
    ));
    Ok(stage)
}

async fn tell(world: &World, options: &Options) -> anyhow::Result<()> {
    if options.postgres.is_none() {
        return story::tell(world, None).await;
    }
    let second = Second::beside(world).await?;
    let told = story::tell(world, Some(&second)).await;
    second.stop().await?;
    told
}

async fn stay(world: &World) {
    say(&format!(
        "\nIt stays up until you press Ctrl-C.\n\n\
         {logins}\n\n\
         Two more use Claude alone: alan, a contractor, Haiku only; edsger, on trial, $0.25 a day.\n\n\
         Look around from another terminal:\n\n  \
         doorward policy export --config {config}\n  \
         doorward ledger verify {ledger} --key \"$(cat {ledger}/ledger.pub)\"\n  \
         doorward drill leaver --config {config} --group engineering --model claude-haiku-5-5 \\\n    \
         --prompt 'A long story. [testkit events=600 pace-ms=20]'\n\n\
         Point a real Claude Code at it, in a fresh home folder:\n\n  \
         export HOME=$(mktemp -d) && mkdir -p $HOME/.claude\n  \
         echo '{{\"forceLoginMethod\":\"gateway\",\"forceLoginGatewayUrl\":\"{base}\"}}' > $HOME/.claude/settings.json\n  \
         claude\n\n\
         Metrics: {ops}/metrics",
        logins = logins::told(&world.base),
        base = world.base,
        ops = world.ops,
        config = world.config_file().display(),
        ledger = world.config.ledger.dir.display()
    ));
    signals::Stop::listen().asked().await;
}

fn describe(world: &World) -> serde_json::Value {
    json!({
        "base_url": world.base,
        "ops_url": world.ops,
        "idp_url": world.idp.url(),
        "provider_url": world.first.url(),
        "second_provider_url": world.second.url(),
        "crm_url": world.crm.url(),
        "data_dir": world.dir.path(),
        "ledger_dir": world.config.ledger.dir,
        "config": world.config_file(),
        "desktop_client_id": world::DESKTOP_CLIENT,
        "admin_key": world.admin_key,
        "logins": logins::described(&world.base),
        "models": {"allowed": "claude-sonnet-5-5", "denied": "claude-fable-5-2", "small": "claude-haiku-5-5"},
        "people": [
            {"name": "ada", "email": "ada@northwind.example", "groups": ["engineering"]},
            {"name": "grace", "email": "grace@northwind.example", "groups": ["engineering", "doorward-admins"]},
            {"name": "alan", "email": "alan@northwind.example", "groups": ["contractors"]},
            {"name": "edsger", "email": "edsger@northwind.example", "groups": ["trial"]},
        ],
    })
}
