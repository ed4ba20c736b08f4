//! The program: configuration, wiring, lifecycle and subcommands, one file each. This crate alone reads the environment, the clock
//! and the system's randomness; everything below is given them.

pub mod acceptable_use_command;
pub mod asking;
pub mod backup;
pub mod break_glass_command;
pub mod certificate;
pub mod commands;
pub mod config;
pub mod connectors_command;
pub mod demo;
pub mod doctor;
pub mod drill;
pub mod export_command;
pub mod heard;
pub mod import;
pub mod import_command;
pub mod keys;
pub mod ledger_command;
pub mod lint_command;
pub mod listen;
pub mod members_command;
pub mod ops;
pub mod patient;
pub mod people_command;
pub mod places;
pub mod policy_command;
pub mod role_command;
pub mod running;
pub mod scim_token_command;
pub mod scrape;
pub mod service_key_command;
pub mod setup;
pub mod signals;
pub mod sink;
pub mod sites;
pub mod statement_command;
pub mod system;
pub mod tasks_command;
pub mod unread;
pub mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

/// Runs the program to its end.
pub fn main() -> ExitCode {
    let command = commands::Command::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            system::complain(&format!("the runtime cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    let code = runtime.block_on(command.run());
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    code
}
