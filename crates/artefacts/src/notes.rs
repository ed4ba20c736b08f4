//! How a ring's files get onto devices, step by step, for each device management: plain text, with the names of this ring's files and their
//! fingerprints. Decides nothing.

use std::fmt::Write as _;

use crate::formats::Artefact;
use crate::ring::{Ring, SignIn};

/// With Microsoft Intune.
pub fn intune(ring: &Ring) -> String {
    let slug = ring.slug();
    let mut out = head(ring, "Microsoft Intune");
    steps(
        &mut out,
        &[
            format!(
                "Windows, both programs. With Graph Explorer or a script, send claude-{slug}.intune.json to POST \
                 https://graph.microsoft.com/v1.0/deviceManagement/deviceConfigurations (DeviceManagementConfiguration.ReadWrite.All). It is one \
                 custom configuration: the template first, then each value. By hand: Devices, Configuration, Create, Windows 10 and later, \
                 Templates, Custom, and one row for each omaSettings entry, type String."
            ),
            format!("Assign it to {} and to nobody else.", whom(ring)),
            format!(
                "macOS. Devices, Configuration, Create, macOS, Templates, Custom: upload claude-desktop-{slug}.mobileconfig, deployment channel \
                 Device; a second one with claude-code-{slug}.mobileconfig. Assign them to the same group."
            ),
            "Look at a device: on Windows the values stand under HKLM\\SOFTWARE\\Policies\\Claude (never HKCU beside it, which is then passed \
             over whole). On macOS: System Settings, General, Device Management."
                .to_owned(),
        ],
    );
    tail(
        &mut out,
        ring,
        &[
            Artefact::Intune,
            Artefact::DesktopMobileconfig,
            Artefact::CodeMobileconfig,
        ],
    );
    out
}

/// With Jamf Pro.
pub fn jamf(ring: &Ring) -> String {
    let slug = ring.slug();
    let mut out = head(ring, "Jamf Pro");
    steps(
        &mut out,
        &[
            format!(
                "Computers, Configuration Profiles, New, Application & Custom Settings, Upload: preference domain \
                 com.anthropic.claudefordesktop, and the content of claude-desktop-{slug}.plist."
            ),
            format!(
                "In the same profile Add: preference domain com.anthropic.claudecode, and the content of claude-code-{slug}.plist."
            ),
            format!("Level Computer, distribution automatic, scope: {} and nobody else.", whom(ring)),
            format!(
                "Or upload claude-desktop-{slug}.mobileconfig and claude-code-{slug}.mobileconfig as they are. Jamf signs them; do not edit \
                 them there, since a change would be lost with the next upload."
            ),
            "Look at a device: sudo defaults read \"/Library/Managed Preferences/com.anthropic.claudefordesktop\". Every value must be a text \
             in quotes."
                .to_owned(),
        ],
    );
    tail(
        &mut out,
        ring,
        &[
            Artefact::DesktopJamf,
            Artefact::CodeJamf,
            Artefact::DesktopMobileconfig,
            Artefact::CodeMobileconfig,
        ],
    );
    out
}

/// With anything else, or by hand.
pub fn other(ring: &Ring) -> String {
    let slug = ring.slug();
    let mut out = head(ring, "any other device management, or by hand");
    steps(
        &mut out,
        &[
            format!(
                "macOS. Any management that takes profiles: claude-desktop-{slug}.mobileconfig and claude-code-{slug}.mobileconfig. By hand: \
                 open the file, then System Settings, General, Device Management, Install."
            ),
            format!(
                "Windows. As administrator: reg import claude-desktop-{slug}.reg, then reg import claude-code-{slug}.reg. With group policy: \
                 claude.admx into PolicyDefinitions and claude.adml into PolicyDefinitions\\en-US of the central store; the policies stand \
                 under Claude Desktop and Claude Code."
            ),
            format!(
                "Linux, Claude Desktop. install -o root -g root -m 0644 -D claude-desktop-{slug}.json \
                 /etc/claude-desktop/managed-settings.json. The app passes over a file or folder that anybody else may write."
            ),
            format!(
                "Linux and WSL, Claude Code. install -o root -g root -m 0644 -D claude-code-{slug}.json /etc/claude-code/managed-settings.json. \
                 Where somebody else writes that file too, use the drop-ins: they are merged in the order of their names."
            ),
            "managed-mcp.json, where there is one, goes beside managed-settings.json. With it people can add no MCP server of their own; leave \
             it out and keep managedMcpServers of the settings where they may."
                .to_owned(),
        ],
    );
    tail(
        &mut out,
        ring,
        &[
            Artefact::DesktopMobileconfig,
            Artefact::CodeMobileconfig,
            Artefact::DesktopRegistry,
            Artefact::CodeRegistry,
            Artefact::DesktopLinux,
            Artefact::CodeFile,
            Artefact::CodeMcp,
        ],
    );
    out
}

fn head(ring: &Ring, with: &str) -> String {
    let described = ring.described();
    let mut out = format!(
        "Claude for {} through {}, with {with}\nPolicy version {}. No file holds a secret.\n\n",
        one_line(ring.name()),
        described.gateway_url,
        described.policy_version
    );
    if let Some(before) = before(ring) {
        let _ = writeln!(out, "Before: {before}\n");
    }
    out
}

/// What must stand at the identity provider.
fn before(ring: &Ring) -> Option<String> {
    let provider = match &ring.described().sign_in {
        SignIn::Gateway => return None,
        SignIn::Current(provider) | SignIn::Compatible(provider) => provider,
    };
    Some(format!(
        "the application {} at {} must have the redirect address http://127.0.0.1/callback as a public client (in Entra: the platform \
         \"Mobile and desktop applications\"; not \"Web\", which ends in AADSTS7000218, and not localhost, which ends in AADSTS50011). \
         Its id must be among the issuer's audiences in doorward.toml.",
        one_line(&provider.client_id),
        one_line(&provider.issuer)
    ))
}

fn steps(out: &mut String, steps: &[String]) {
    for (place, step) in steps.iter().enumerate() {
        let _ = writeln!(out, "{}. {step}", place + 1);
    }
}

/// How to see that it works, and the files' fingerprints.
fn tail(out: &mut String, ring: &Ring, files: &[Artefact]) {
    let _ = writeln!(
        out,
        "\nThen: quit and start Claude Desktop (newer versions look every 10 minutes by themselves), sign in, and ask something. In a \
         terminal: claude, then /login. `doorward doctor --token-file FILE` makes both rollout checks with a person's token; the ledger shows \
         the request with their name.\n\nStart with one small group. A second ring needs no second gateway: only files with its name.\n\n\
         Files of this ring, SHA-256:"
    );
    for artefact in files {
        for file in artefact.write(ring) {
            let _ = writeln!(out, "{}  {}", file.fingerprint(), file.name);
        }
    }
}

fn whom(ring: &Ring) -> String {
    match &ring.described().group {
        Some(group) => format!("the group {}", one_line(group)),
        None => "everyone who is to use Claude".to_owned(),
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
