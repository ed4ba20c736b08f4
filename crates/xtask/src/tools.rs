//! Installs what the tests need from the ordinary registries into `.work/`, once: Python packages, Node packages,
//! cargo-deny; and from the distribution what the machine lacks: Chromium, bubblewrap, the peers of the bench. Versions are pinned in `e2e/requirements.txt`, `e2e/package-lock.json` and here. It never skips what it
//! cannot install: that is an error with the client's own words. Called by the steps that use a tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::workspace::Workspace;

const CARGO_DENY: &str = "0.20.2";
const INSTALL_LIMIT: Duration = Duration::from_mins(20);

/// The folder of programs of the Python environment that `e2e/requirements.txt` describes.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    let wanted = fs::read_to_string(workspace.root().join("e2e/requirements.txt"))
        .context("e2e/requirements.txt")?;
    let home = workspace.cache("python");
    let programs = home.join("bin");
    once(&home, &wanted, || {
        process::quiet(Command::new("python3").arg("-m").arg("venv").arg(&home))
            .context("Python 3 with its venv module is needed")?;
        let mut pip = Command::new(programs.join("python"));
        pip.args(["-m", "pip", "install", "--no-input", "--quiet"])
            .args(["--disable-pip-version-check", "--requirement"])
            .arg(workspace.root().join("e2e/requirements.txt"));
        install("pip install", &mut pip)
    })?;
    Ok(programs)
}

/// The folder that holds the `node_modules` which `e2e/package-lock.json` describes.
pub(crate) fn node(workspace: &Workspace) -> Result<PathBuf> {
    let home = workspace.cache("node");
    let sources = ["package.json", "package-lock.json"];
    let mut wanted = String::new();
    for name in sources {
        wanted += &fs::read_to_string(workspace.root().join("e2e").join(name)).context(name)?;
    }
    once(&home, &wanted, || {
        fs::create_dir_all(&home)?;
        for name in sources {
            fs::copy(workspace.root().join("e2e").join(name), home.join(name))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&home);
        install("npm ci", &mut npm)
    })?;
    Ok(home)
}

/// The program `cargo-deny`, built from its published source; without optimisation, which takes longer than it saves.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf> {
    let home = workspace.cache("cargo-deny");
    let program = home.join("bin/cargo-deny");
    once(&home, CARGO_DENY, || {
        let mut cargo = Command::new("cargo");
        cargo
            .args([
                "install",
                "cargo-deny",
                "--locked",
                "--debug",
                "--quiet",
                "--version",
                CARGO_DENY,
            ])
            .arg("--root")
            .arg(&home)
            .arg("--target-dir")
            .arg(home.join("build"));
        install("cargo install cargo-deny", &mut cargo)?;
        fs::remove_dir_all(home.join("build")).context("the build folder of cargo-deny")
    })?;
    Ok(program)
}

/// A Chromium of the machine's own, installed where it has none: the shell without a screen opens a window in half the time. Which names it goes by, `e2e/actors/chromium.py` knows too.
pub(crate) fn chromium() -> Result<()> {
    const PROGRAMS: [&str; 4] = [
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
    ];
    if PROGRAMS.iter().any(process::exists) {
        return Ok(());
    }
    debian("chromium-headless-shell")
}

/// What programs that are connectors run in.
pub(crate) fn bubblewrap() -> Result<()> {
    if process::exists("bwrap") {
        return Ok(());
    }
    debian("bubblewrap")
}

/// Installs a package of the distribution.
pub(crate) fn debian(package: &str) -> Result<()> {
    println!("installing: apt-get install {package}");
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--quiet", "--yes", "--no-install-recommends"])
        .arg(package)
        .env("DEBIAN_FRONTEND", "noninteractive");
    process::quiet(&mut apt).with_context(|| format!("{package} is needed"))?;
    Ok(())
}

/// Runs `make` unless `home` already holds what `wanted` describes; a half-made `home` is made anew.
fn once(home: &Path, wanted: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = home.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("cannot renew {}", home.display()))?;
    }
    make()?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn install(name: &str, command: &mut Command) -> Result<()> {
    println!("installing: {name}");
    let status = process::stream(command, INSTALL_LIMIT, |_| {})?;
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn scratch(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    #[test]
    fn what_is_installed_is_not_installed_again_until_the_wish_changes() {
        let scratch = scratch("once");
        let home = scratch.0.join("tool");
        let mut made = 0;
        for wanted in ["1.0", "1.0", "1.1"] {
            once(&home, wanted, || {
                made += 1;
                Ok(fs::create_dir_all(&home)?)
            })
            .unwrap();
        }
        assert_eq!(made, 2);
    }

    #[test]
    fn a_half_made_installation_is_made_anew() {
        let scratch = scratch("half");
        let home = scratch.0.join("tool");
        let leftover = home.join("leftover");
        once(&home, "1.0", || {
            fs::create_dir_all(&home)?;
            fs::write(&leftover, "")?;
            anyhow::bail!("the network went away")
        })
        .unwrap_err();
        once(&home, "1.0", || Ok(fs::create_dir_all(&home)?)).unwrap();
        assert!(!leftover.exists());
    }
}
