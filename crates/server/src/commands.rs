//! The subcommands and their exit codes: 0 fine, 1 the thing asked for is not so, 2 wrong use (from the parser), 64 bad
//! configuration.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Termination};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use control::{Actor, Operation};
use domain::policy::{InvalidPolicy, UnreadablePolicy};
use tracing_subscriber::EnvFilter;

use crate::config::{self, Config, Named};
pub use crate::running::{Running, start, start_at};
use crate::system::{SystemClock, SystemIds, chain, complain, say};
use crate::{
    acceptable_use_command, backup, break_glass_command, connectors_command, demo, doctor, drill,
    export_command, import_command, keys, ledger_command, lint_command, members_command,
    people_command, policy_command, role_command, running, scim_token_command, service_key_command,
    setup, signals, statement_command, tasks_command, wiring,
};

/// Your company's identity in front of Claude.
#[derive(Debug, Parser)]
#[command(
    name = "doorward",
    version,
    about,
    after_help = "`doorward demo` needs nothing and shows everything; `doorward setup` begins with your own."
)]
pub struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show everything on this machine: an identity provider, a simulated Claude, and the story of a working day
    Demo(demo::Options),
    /// Begin: write the configuration in a walk through a browser, trying everything first, then serve
    Setup(setup::Options),
    /// Serve clients, of one organisation or of several
    Serve(Configurations),
    /// Say everything that is wrong with a configuration or with several beside each other, without starting anything
    CheckConfig(Checked),
    /// Look at everything this stands on, and make the two rollout checks, each with evidence
    Doctor(doctor::Options),
    /// Read, check and change the policy in the store
    #[command(subcommand)]
    Policy(policy_command::PolicyCommand),
    /// Take people's access away, and let them in again
    People(people_command::PeopleCommand),
    /// Review connectors before they are used
    Connectors(connectors_command::ConnectorsCommand),
    /// Draft and publish the acceptable-use policy, and see who has accepted it
    AcceptableUse(acceptable_use_command::AcceptableUseCommand),
    /// See what is to be done for people who come and go, and say what is done
    Tasks(tasks_command::TasksCommand),
    /// Compare a workspace's member list with the directory
    Members(members_command::MembersCommand),
    /// Try out that leaving works here, and measure it
    Drill(drill::DrillCommand),
    /// Make, list and revoke keys for machines that have no OpenID provider
    ServiceKey(service_key_command::ServiceKeyCommand),
    /// Print the description of the admin API, as /openapi.json serves it
    Openapi,
    /// Make, list, rotate and revoke the tokens with which a company's directory provisions (SCIM)
    ScimToken(scim_token_command::ScimTokenCommand),
    /// Give roles to people and groups, take them away, list them
    Role(role_command::RoleCommand),
    /// Seal the account for when the identity provider is away, take it away, say how it stands
    BreakGlass(break_glass_command::BreakGlassCommand),
    /// State what a time cost, split by person, service, group, model, client or upstream, as CSV
    Statement(statement_command::StatementCommand),
    /// Write the files that Claude's clients receive: profiles, policies, managed settings, install notes
    Export(export_command::ExportCommand),
    /// Look through a managed-settings file of Claude Code for what does not hold
    Lint(lint_command::LintCommand),
    /// Turn another gateway's configuration into ours
    #[command(subcommand)]
    Import(import_command::ImportCommand),
    /// List and change the keys that sign and seal
    Keys(keys::KeysCommand),
    /// Keep everything Doorward knows in a folder, beside a running server
    Backup(backup::Backup),
    /// Put a backup back into an empty place, or only check it
    Restore(backup::Restore),
    /// Check the ledger offline, and export it
    #[command(subcommand)]
    Ledger(ledger_command::LedgerCommand),
}

/// Whom to serve.
#[derive(Debug, Args)]
struct Configurations {
    /// The configuration. Named several times, or a folder: each *.toml is one organisation, told from the others by its host
    #[arg(long, default_value = "doorward.toml", value_name = "FILE OR FOLDER")]
    config: Vec<PathBuf>,
}

/// What to check.
#[derive(Debug, Args)]
struct Checked {
    #[command(flatten)]
    whom: Configurations,
    /// A policy, TOML, to check as well: whether it would do what it says with this configuration
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Exit code for a bad configuration.
const BAD_CONFIG: u8 = 64;

impl Command {
    /// Does it.
    pub async fn run(self) -> ExitCode {
        match self.what {
            What::Demo(options) => demo::run(options).await,
            What::Setup(options) => setup::run(options).await,
            What::Serve(what) => match config::load_all(&what.config) {
                Ok(orgs) => finish(serve(orgs).await),
                Err(mistakes) => bad_config(&mistakes),
            },
            What::CheckConfig(what) => match checked(&what) {
                Ok(orgs) => fine(&orgs),
                Err(mistakes) => bad_config(&mistakes),
            },
            What::Doctor(options) => doctor::run(options).await,
            What::Policy(command) => policy_command::run(command).await,
            What::AcceptableUse(command) => acceptable_use_command::run(command).await,
            What::People(command) => people_command::run(command).await,
            What::Connectors(command) => connectors_command::run(command).await,
            What::Tasks(command) => tasks_command::run(command).await,
            What::Members(command) => members_command::run(command).await,
            What::Drill(command) => drill::run(command).await,
            What::ServiceKey(command) => service_key_command::run(command).await,
            What::Openapi => {
                say(console::api::text().trim_end());
                ExitCode::SUCCESS
            }
            What::ScimToken(command) => scim_token_command::run(command).await,
            What::Role(command) => role_command::run(command).await,
            What::BreakGlass(command) => break_glass_command::run(command).await,
            What::Statement(command) => statement_command::run(command).await,
            What::Export(command) => export_command::run(command).await,
            What::Lint(command) => lint_command::run(&command),
            What::Import(command) => import_command::run(command),
            What::Keys(command) => keys::run(command).await,
            What::Backup(what) => backup::backup(what).await,
            What::Restore(what) => backup::restore(what).await,
            What::Ledger(command) => ledger_command::run(command),
        }
    }
}

/// Prints every mistake of a configuration.
pub fn bad_config(mistakes: &[String]) -> ExitCode {
    for mistake in mistakes {
        complain(mistake);
    }
    ExitCode::from(BAD_CONFIG)
}

/// Does something with a configuration, and says what went wrong: the shell of every command that takes one.
pub async fn configured<T: Termination>(
    path: &Path,
    act: impl AsyncFnOnce(&Config) -> anyhow::Result<T>,
) -> ExitCode {
    match config::load(path) {
        Ok(config) => finish(act(&config).await),
        Err(mistakes) => bad_config(&mistakes),
    }
}

/// Does something as whoever is on the machine itself, on the store beside a running server and with a chain of its own. Of the secrets
/// only the store's are looked up: no provider is asked anything.
pub async fn administer<T: Termination>(
    path: &Path,
    act: impl AsyncFnOnce(&Operation<'_>, &Config) -> anyhow::Result<T>,
) -> ExitCode {
    let config = match config::load_for_store(path) {
        Ok(config) => config,
        Err(mistakes) => return bad_config(&mistakes),
    };
    let control = wiring::admin(&config, Arc::new(SystemClock), Arc::new(SystemIds)).await;
    let control = match control {
        Ok(control) => control,
        Err(error) => return finish::<()>(Err(error)),
    };
    let actor = Actor::command_line("command line");
    finish(act(&control.operation(&actor), &config).await)
}

/// What a command ends with.
pub fn finish<T: Termination>(result: anyhow::Result<T>) -> ExitCode {
    match result {
        Ok(done) => done.report(),
        Err(error) => {
            complain(&format!("doorward: {}", chain(error.as_ref())));
            for mistake in mistakes_of(&error) {
                complain(&format!("  {mistake}"));
            }
            ExitCode::from(1)
        }
    }
}

/// A policy's mistakes, one each.
fn mistakes_of(error: &anyhow::Error) -> &[InvalidPolicy] {
    let mut causes = error.chain();
    match causes.find_map(|cause| cause.downcast_ref()) {
        Some(UnreadablePolicy::Invalid(mistakes)) => mistakes,
        _ => &[],
    }
}

/// JSON lines on standard error. What is logged is ours: codes, ids, names; never content or credentials.
pub fn log_json() {
    let filter = EnvFilter::try_from_env("DOORWARD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, ToString::to_string);
        // Not the panic's text: it may quote what it was working on.
        tracing::error!(place, "a task has panicked; its request fails");
    }));
}

/// Serves one configuration.
pub async fn serve_file(file: &Path) -> ExitCode {
    match config::load_all(&[file.to_owned()]) {
        Ok(orgs) => finish(serve(orgs).await),
        Err(mistakes) => bad_config(&mistakes),
    }
}

async fn serve(orgs: Vec<Named>) -> anyhow::Result<()> {
    log_json();
    let mut stop = signals::Stop::listen();
    let mut running = running::start_all(&orgs).await?;
    for wired in running.orgs() {
        let server = &wired.config.server;
        tracing::info!(
            org = server.org,
            clients = %server.listen,
            operators = %server.ops,
            public_url = server.public_url,
            policy = wired.pipeline.rules.current().version,
            "serving"
        );
    }
    let server = running.wired.config.server.clone();
    let is_asked_to = tokio::select! {
        () = stop.asked() => true,
        (whose, panicked) = running.background_ended() => {
            let org = &whose.config.server.org;
            tracing::error!(panicked, org, "what follows the store and the ledger in the background has ended; the process stops, to be started anew");
            false
        }
    };
    if is_asked_to {
        running.leave(Duration::from_secs(server.leave_s)).await;
    }
    running.stop(Duration::from_secs(server.drain_s)).await?;
    anyhow::ensure!(is_asked_to, "a background task had ended; see the log");
    Ok(())
}

/// Says of every configuration that it is fine.
fn checked(what: &Checked) -> Result<Vec<Named>, Vec<String>> {
    let orgs = config::load_all(&what.whom.config)?;
    let Some(policy) = &what.policy else {
        return Ok(orgs);
    };
    let [only] = &*orgs else {
        return Err(vec![
            "--policy is checked against one configuration; name it with --config".to_owned(),
        ]);
    };
    let mistakes = policy_command::mistakes_in(policy, &only.config);
    if mistakes.is_empty() {
        Ok(orgs)
    } else {
        Err(mistakes)
    }
}

fn fine(orgs: &[Named]) -> ExitCode {
    for Named { file, config } in orgs {
        let of = match orgs {
            [_] => String::new(),
            _ => format!("{}: {}: ", file.display(), config.server.org),
        };
        say(&format!(
            "{of}fine: issuers: {}, upstreams: {}, clients at {}",
            config.issuers.len(),
            config.upstreams.len(),
            config.server.public_url
        ));
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prose is wrapped by whoever prints it, so that none is wrapped twice; an example is copied, so that none may be.
    #[test]
    fn help_reads_well_in_a_terminal_of_eighty_columns() {
        fn look(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let mut before = "";
            for line in help.lines() {
                let is_indented = line.starts_with("  ");
                assert!(!is_indented || line.chars().count() <= 80, "{line}");
                let is_prose = |line: &str| !line.is_empty() && !line.starts_with("  ");
                let is_torn = is_prose(before) && is_prose(line);
                assert!(!is_torn, "{}: {before}\n{line}", command.get_name());
                before = line;
            }
            command.get_subcommands().for_each(look);
        }
        look(&<Command as clap::CommandFactory>::command());
    }
}
