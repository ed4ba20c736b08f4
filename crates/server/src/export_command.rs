//! `doorward export`: writes the files that Claude's clients receive on devices, for a rollout ring, as the policy in force says. A face of
//! `control::artefacts`. Called by `commands`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use artefacts::{Artefact, File, formats};
use clap::Args;
use control::Operation;
use control::artefacts::{self as rings, Wanted, Way};
use domain::text::shown;

use crate::commands::administer;
use crate::config::Config;
use crate::system::{complain, say};
use crate::wiring;

/// What to write, for whom.
#[derive(Debug, Args)]
#[command(
    after_help = "Names of artefacts: `doorward export list`. Names of rings: `doorward export rings`; everyone is the ring without --group.\n\nNo file holds a secret: a policy that would put one into a file is refused, with its place. What the policy says for the ring's group is in the files; what it says for single people arrives live, after they sign in.\n\nExamples:\n  doorward export list\n  doorward export rings\n  doorward export desktop-mobileconfig --group ring-0 --output .\n  doorward export intune --group ring-0 > ring-0.json\n  doorward export all --group ring-0 --output ring-0/\n  doorward export desktop-registry --sign-in oidc --issuer entra\n\nExit codes: 0 written, 1 not, 2 wrong use, 64 bad configuration."
)]
pub struct ExportCommand {
    /// An artefact's name; all; list, which names them; or rings
    #[arg(value_parser = what)]
    what: What,
    /// The configuration
    #[arg(long, default_value = "doorward.toml")]
    config: PathBuf,
    /// The ring: a group that the policy names. Left out: everyone
    #[arg(long, visible_alias = "ring")]
    group: Option<String>,
    /// How people sign in to Claude Desktop: gateway; oidc, in the app, since 2.7032.0; oidc-compatible, since 1.6889.0
    #[arg(long, default_value = "gateway", value_parser = way)]
    sign_in: Way,
    /// The issuer that vouches for the ring; the first one for people when left out
    #[arg(long)]
    issuer: Option<String>,
    /// With oidc: the application of Claude Desktop, when it is not the gateway's own
    #[arg(long)]
    client_id: Option<String>,
    /// A file, or a folder for its usual name; standard output when left out. A file that is there and differs stays, unless --replace
    #[arg(long, short, value_name = "FILE OR FOLDER")]
    output: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long)]
    replace: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum What {
    List,
    Rings,
    All,
    One(Artefact),
}

fn what(text: &str) -> Result<What, String> {
    match text {
        "list" => Ok(What::List),
        "rings" => Ok(What::Rings),
        "all" => Ok(What::All),
        other => Artefact::of(other).map(What::One).ok_or_else(|| {
            "no artefact is called that; `doorward export list` names them".to_owned()
        }),
    }
}

fn way(text: &str) -> Result<Way, String> {
    text.parse().map_err(|_| {
        let words: Vec<&str> = Way::ALL.iter().map(|way| way.as_str()).collect();
        format!("it is one of {}", words.join(", "))
    })
}

/// Does it.
pub async fn run(command: ExportCommand) -> ExitCode {
    if let What::List = command.what {
        say(&table());
        return ExitCode::SUCCESS;
    }
    let config = command.config.clone();
    administer(&config, async move |operation, config| {
        act(&command, operation, config).await
    })
    .await
}

/// Every artefact: its name, its system, what it is and where it goes.
fn table() -> String {
    let lines = Artefact::ALL.iter().map(|artefact| {
        format!(
            "{:<21} {:<8} {}\n{:<30} {}",
            artefact.word(),
            artefact.system().name(),
            artefact.what(),
            "",
            artefact.place()
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn act(
    command: &ExportCommand,
    operation: &Operation<'_>,
    config: &Config,
) -> anyhow::Result<()> {
    if let What::Rings = command.what {
        return tell_rings(operation).await;
    }
    let wanted = Wanted {
        group: command.group.clone(),
        way: command.sign_in,
        issuer: command.issuer.clone(),
        client_id: command.client_id.clone(),
    };
    let installation = wiring::installation(config);
    let ring = rings::ring(operation, &installation, &wanted).await;
    if let Err(control::ControlError::NoSuch(_)) = ring {
        complain(
            "the policy in force names no such group; `doorward export rings` lists those it names",
        );
    }
    let ring = match ring {
        Err(control::ControlError::Unwritable(why)) => {
            for line in &why {
                complain(&format!("  {}", shown(line)));
            }
            anyhow::bail!("nothing was written: the policy must change first");
        }
        other => other?,
    };
    for remark in ring.remarks() {
        complain(&format!("note: {}", shown(&remark)));
    }
    let files = match command.what {
        What::One(artefact) => artefact.write(&ring),
        _ => formats::all(&ring),
    };
    ensure!(
        !files.is_empty(),
        "there is nothing to write: the policy names no MCP servers (managedMcpServers) for this ring, and an empty file would switch MCP off"
    );
    deliver(&files, command.output.as_deref(), command.replace)
}

async fn tell_rings(operation: &Operation<'_>) -> anyhow::Result<()> {
    let found = rings::rings(operation).await?;
    for ring in &found.rings {
        let entries = match ring.entries.len() {
            0 => "no rule is for everyone".to_owned(),
            _ => ring.entries.join(", "),
        };
        let name = match &ring.group {
            Some(group) => format!("--group {group}"),
            None => "(everyone)".to_owned(),
        };
        say(&shown(&format!("{name:<32} {entries}")));
    }
    complain(&format!("by policy version {}", found.version));
    Ok(())
}

/// Writes the files where they are wanted. Nothing is written when one of them may not be.
fn deliver(files: &[File], output: Option<&Path>, replace: bool) -> anyhow::Result<()> {
    let Some(output) = output else {
        let [file] = files else {
            anyhow::bail!(
                "there are {} files; name a folder with --output",
                files.len()
            );
        };
        return std::io::stdout()
            .lock()
            .write_all(&file.bytes)
            .context("standard output cannot be written");
    };
    let names_folder = output.is_dir()
        || output
            .as_os_str()
            .to_string_lossy()
            .ends_with(std::path::is_separator);
    let paths: Vec<PathBuf> = match files {
        [_] if !names_folder => vec![output.to_owned()],
        _ => files.iter().map(|file| output.join(&file.name)).collect(),
    };
    if !replace {
        for (file, path) in files.iter().zip(&paths) {
            let differs = std::fs::read(path).is_ok_and(|there| there != file.bytes);
            ensure!(
                !differs,
                "{} is there and differs; nothing was written. Look at it, then use --replace",
                path.display()
            );
        }
    }
    for (file, path) in files.iter().zip(&paths) {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        std::fs::write(path, &file.bytes)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        say(&format!("{}  {}", file.fingerprint(), path.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_artefact_stands_in_the_list_by_its_name() {
        let table = table();
        for artefact in Artefact::ALL {
            assert!(table.contains(artefact.word()), "{}", artefact.word());
        }
    }

    fn file(name: &str, text: &str) -> File {
        File {
            artefact: Artefact::CodeFile,
            name: name.to_owned(),
            media_type: "application/json",
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_file_that_differs_stays_and_nothing_else_is_written_either() {
        let folder = tempfile::tempdir().unwrap();
        let files = [file("a.json", "1"), file("managed-settings.d/b.json", "2")];
        deliver(&files, Some(folder.path()), false).unwrap();
        deliver(&files, Some(folder.path()), false).unwrap();
        let newer = [file("new.json", "0"), file("a.json", "3")];
        let refused = deliver(&newer, Some(folder.path()), false).unwrap_err();
        assert!(refused.to_string().contains("a.json is there and differs"));
        assert!(!folder.path().join("new.json").exists());
        deliver(&newer, Some(folder.path()), true).unwrap();
        let there = std::fs::read_to_string(folder.path().join("a.json")).unwrap();
        assert_eq!(there, "3");
    }

    #[test]
    fn several_files_need_a_folder() {
        let files = [file("a.json", "1"), file("b.json", "2")];
        assert!(deliver(&files, None, false).is_err());
    }
}
