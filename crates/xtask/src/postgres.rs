//! A private PostgreSQL for the tests: its own cluster on a free loopback port, in a temporary folder, without fsync,
//! trusting loopback. It stops when its holder drops it, and also when this program dies in any way, because its guard
//! waits on a pipe of ours. It never touches a cluster of the machine. Used by `steps` and `cargo xtask postgres`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process;
use crate::workspace::Workspace;

/// The name under which the tests look for the server's URL.
pub(crate) const VARIABLE: &str = "DOORWARD_TEST_POSTGRES";

const OLDEST_MAJOR: u32 = 14;
const START_LIMIT: Duration = Duration::from_mins(1);
const INSTALL_LIMIT: Duration = Duration::from_mins(10);
const READY: &str = "database system is ready to accept connections";

/// Runs the server named by `$1` with the remaining arguments until our end of standard input closes, then stops it and
/// removes its folder `$0`.
const GUARD: &str = r#"server="$1"; shift
"$server" "$@" & pid=$!
cat >/dev/null
kill -INT $pid
wait $pid
rm -rf "$0""#;

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    guard: Child,
    url: String,
}

impl Cluster {
    /// Makes and starts a cluster; installs the server first where the machine has none.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        let programs = programs_or_install()?;
        let account = Account::choose()?;
        let home = fresh_home(&account)?;
        let data = home.join("data");
        let mut initdb = account.command(&programs.join("initdb"));
        initdb
            .args(["--username=doorward", "--auth=trust", "--no-sync"])
            .args(["--encoding=UTF8", "--no-locale", "--pgdata"])
            .arg(&data);
        process::quiet(&mut initdb).context("a private PostgreSQL cluster cannot be made")?;
        let port = free_port()?;
        let mut server = account.command(Path::new("sh"));
        server
            .args(["-c", GUARD])
            .arg(&home)
            .arg(programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(settings(port, &home))
            .env("LC_ALL", "C")
            // an interrupt at the keyboard is for us; the guard then sees its pipe close
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut cluster = Self {
            guard: server.spawn().context("cannot start PostgreSQL")?,
            url: format!("postgres://doorward@127.0.0.1:{port}/postgres"),
        };
        cluster.wait_until_ready(&workspace.cache("postgres.log"))?;
        Ok(cluster)
    }

    /// `postgres://…` of a superuser, who may create databases.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns once the server says so itself; everything it says goes to `log`.
    fn wait_until_ready(&mut self, log: &Path) -> Result<()> {
        let stderr = self.guard.stderr.take().context("its log was piped")?;
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = fs::File::create(log)?;
        let (ready, told) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains(READY) {
                    // nobody waits any longer when this fails
                    let _unheard = ready.send(());
                }
                let _unwritten = std::io::Write::write_all(&mut file, (line + "\n").as_bytes());
            }
        });
        match told.recv_timeout(START_LIMIT) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                bail!("PostgreSQL is not ready, see {}", log.display())
            }
            Err(RecvTimeoutError::Disconnected) => {
                bail!(
                    "PostgreSQL ended: {}",
                    fs::read_to_string(log).unwrap_or_default()
                )
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if let Err(cause) = self.guard.wait() {
            eprintln!("PostgreSQL may still run: {cause}");
        }
    }
}

/// `cargo xtask postgres -- command…`: true when the command ended well.
pub(crate) fn beside(workspace: &Workspace, command: &[&str]) -> Result<bool> {
    let started = Instant::now();
    let cluster = Cluster::start(workspace)?;
    eprintln!(
        "{VARIABLE}={} ({:.1} s)",
        cluster.url(),
        started.elapsed().as_secs_f64()
    );
    let status = Command::new(command[0])
        .args(&command[1..])
        .env(VARIABLE, cluster.url())
        .status()
        .with_context(|| format!("cannot start {}", command[0]))?;
    Ok(status.success())
}

fn settings(port: u16, home: &Path) -> Vec<String> {
    let home = home.display();
    [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".into(),
        format!("unix_socket_directories={home}"),
        "fsync=off".into(),
        "synchronous_commit=off".into(),
        "full_page_writes=off".into(),
        "max_connections=300".into(),
        "shared_buffers=64MB".into(),
    ]
    .into_iter()
    .flat_map(|setting| ["-c".to_owned(), setting])
    .collect()
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}

/// A folder that only `account` can enter.
fn fresh_home(account: &Account) -> Result<PathBuf> {
    // a root's own temporary folder may be closed to others
    let place = match account {
        Account::Own => std::env::temp_dir(),
        Account::Other { .. } => PathBuf::from("/tmp"),
    };
    let pattern = place.join("doorward-postgres-XXXXXX");
    let made = process::quiet(Command::new("mktemp").arg("-d").arg(pattern))?;
    let home = PathBuf::from(made.trim());
    if let Account::Other { uid, gid } = account {
        process::quiet(Command::new("chown").arg(format!("{uid}:{gid}")).arg(&home))?;
    }
    Ok(home)
}

/// Who runs the server: PostgreSQL refuses to run as root.
#[derive(Debug, PartialEq, Eq)]
enum Account {
    Own,
    Other { uid: String, gid: String },
}

impl Account {
    fn choose() -> Result<Self> {
        let id = |arguments: &[&str]| {
            process::quiet(Command::new("id").args(arguments)).map(|said| said.trim().to_owned())
        };
        if id(&["-u"])? != "0" {
            return Ok(Self::Own);
        }
        for name in ["postgres", "nobody"] {
            if let (Ok(uid), Ok(gid)) = (id(&["-u", name]), id(&["-g", name])) {
                return Ok(Self::Other { uid, gid });
            }
        }
        bail!("PostgreSQL does not run as root, and there is neither `postgres` nor `nobody`")
    }

    /// `program`, run as this account from a folder it may enter.
    fn command(&self, program: &Path) -> Command {
        let mut command = match self {
            Self::Own => Command::new(program),
            Self::Other { uid, gid } => {
                let mut setpriv = Command::new("setpriv");
                setpriv
                    .args([format!("--reuid={uid}"), format!("--regid={gid}")])
                    .arg("--clear-groups")
                    .arg(program);
                setpriv
            }
        };
        command.current_dir("/");
        command
    }
}

fn programs_or_install() -> Result<PathBuf> {
    if let Some(programs) = installed_programs() {
        return Ok(programs);
    }
    println!("installing: apt-get install postgresql");
    for arguments in [
        &["update", "--quiet"][..],
        &[
            "install",
            "--quiet",
            "--yes",
            "--no-install-recommends",
            "postgresql",
        ],
    ] {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        let status = process::stream(&mut apt, INSTALL_LIMIT, |_| {})
            .context("PostgreSQL 14 or newer is needed, and this machine has no apt-get")?;
        ensure!(
            status.success(),
            "apt-get {} ended with {status}",
            arguments[0]
        );
    }
    installed_programs().context("PostgreSQL was installed, yet its programs are not found")
}

/// The folder with `initdb` and `postgres` of the newest server that is new enough.
fn installed_programs() -> Option<PathBuf> {
    let mut folders = debian_folders(Path::new("/usr/lib/postgresql"));
    if let Ok(said) = process::quiet(Command::new("pg_config").arg("--bindir")) {
        folders.push(PathBuf::from(said.trim()));
    }
    folders.into_iter().find(|folder| {
        let version = process::quiet(Command::new(folder.join("postgres")).arg("--version"));
        version.is_ok_and(|said| major(&said).is_some_and(|major| major >= OLDEST_MAJOR))
            && process::exists(folder.join("initdb"))
    })
}

/// `<place>/<major>/bin`, newest first.
fn debian_folders(place: &Path) -> Vec<PathBuf> {
    let mut majors: Vec<u32> = fs::read_dir(place)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable();
    let folder = |major: &u32| place.join(major.to_string()).join("bin");
    majors.iter().rev().map(folder).collect()
}

/// `15` of `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    number
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_server_prints() {
        let check = |said, expected| assert_eq!(major(said), expected, "{said}");
        check(
            "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
            Some(15),
        );
        check("postgres (PostgreSQL) 18beta1", Some(18));
        check("something else", None);
    }

    #[test]
    fn a_program_of_another_account_is_run_through_setpriv_without_groups() {
        let other = Account::Other {
            uid: "101".into(),
            gid: "104".into(),
        };
        let command = other.command(Path::new("/opt/initdb"));
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(command.get_program(), "setpriv");
        assert_eq!(
            arguments,
            [
                "--reuid=101",
                "--regid=104",
                "--clear-groups",
                "/opt/initdb"
            ]
        );
    }

    #[test]
    fn the_guard_stops_its_server_and_removes_its_folder_when_our_end_closes() {
        let home = process::quiet(Command::new("mktemp").arg("-d")).unwrap();
        let home = Path::new(home.trim());
        let server = "import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit())
print('up', file=sys.stderr, flush=True)
signal.pause()";
        let mut guard = Command::new("sh")
            .args(["-c", GUARD])
            .arg(home)
            .args(["python3", "-c", server])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(guard.stderr.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "up");
        drop(guard.stdin.take());
        guard.wait().unwrap();
        assert!(!home.exists());
    }
}
