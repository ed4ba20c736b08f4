//! The program as people run it: the built binary, its words and exit codes, and Doorward as a whole under load, hostile input,
//! failing providers and sudden death.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod acceptable_use;
mod answers;
mod approvals;
mod api;
mod backup;
mod billing;
mod clock;
mod connectors;
mod console;
mod database;
mod doctor;
mod doors;
mod examples;
mod foundry;
mod full_disk;
mod hostile;
mod hourglass;
mod import;
mod idle_detectors;
mod idp_down;
mod keys;
mod kill;
mod last_policy;
mod ledger_export;
mod leavers;
mod money;
mod newcomer;
mod notices;
mod orgs;
mod otlp;
mod pages;
mod past;
mod pins;
mod private_files;
mod program;
mod programs;
mod promise;
mod providers;
mod replicas;
mod run;
mod scim;
mod service_keys;
mod setup;
mod sign_in;
mod spend_limits;
mod stalls;
mod statements;
mod store_gone;
mod strangers;
mod watch;
