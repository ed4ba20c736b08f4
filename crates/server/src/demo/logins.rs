//! Three people whom the demo lets look around: an owner, an auditor and one of the staff, with where each begins. Their roles hang on
//! groups that the demo's identity provider states, so that they hold at the first sign-in. Called by the demo.

use std::sync::Arc;

use control::roles::{self, Holder};
use control::{Actor, Role};
use serde_json::{Value, json};

use crate::config::Config;
use crate::system::{SystemClock, SystemIds};
use crate::wiring;

/// One of them.
struct Login {
    role: &'static str,
    name: &'static str,
    what: &'static str,
    path: &'static str,
}

const LOGINS: [Login; 3] = [
    Login {
        role: "owner",
        name: "grace",
        what: "may do everything in the console",
        path: "/console",
    },
    Login {
        role: "auditor",
        name: "frida",
        what: "sees everything and changes nothing",
        path: "/console/ledger",
    },
    Login {
        role: "staff",
        name: "ada",
        what: "an engineer, with a page of her own",
        path: "/me",
    },
];

/// Gives the owner's and the auditor's role to their groups, beside whatever is running.
pub(super) async fn give_roles(config: &Config) -> anyhow::Result<()> {
    let control = wiring::admin(config, Arc::new(SystemClock), Arc::new(SystemIds)).await?;
    let actor = Actor::command_line("the demo");
    let operation = control.operation(&actor);
    for (role, group) in [
        (Role::Owner, "doorward-admins"),
        (Role::Auditor, "auditors"),
    ] {
        let holder = Holder::Group {
            issuer: "northwind".to_owned(),
            group: group.to_owned(),
        };
        roles::grant(&operation, role, holder, "to look around in the demo").await?;
    }
    control.store.close().await;
    Ok(())
}

/// For the terminal.
pub(super) fn told(base: &str) -> String {
    let line = |login: &Login| {
        let Login {
            role, name, what, ..
        } = login;
        let address = format!("{base}{}", login.path);
        format!("  {role:8} {name:6} {address}   {what}")
    };
    let lines: Vec<String> = LOGINS.iter().map(line).collect();
    format!(
        "Three logins (no passwords here; pick the name at the identity provider's page):\n\n{}",
        lines.join("\n")
    )
}

/// For programs.
pub(super) fn described(base: &str) -> Value {
    let one = |login: &Login| {
        json!({
            "role": login.role,
            "name": login.name,
            "open": format!("{base}{}", login.path),
        })
    };
    LOGINS.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_login_says_who_and_where() {
        let told = told("http://127.0.0.1:1");
        for words in [
            "owner    grace  http://127.0.0.1:1/console ",
            "http://127.0.0.1:1/me",
        ] {
            assert!(told.contains(words), "{told}");
        }
        assert_eq!(described("b")[1]["role"], "auditor");
    }
}
