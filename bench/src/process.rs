//! The peers' processes: started so that they end with us, waited for until they listen, and accounted from `/proc`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Ticks a second of `/proc/<pid>/stat`: USER_HZ, which Linux fixes at 100.
const TICKS_PER_S: f64 = 100.0;
const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A program that runs, with all its children. Ends when dropped, and when we die.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

/// A command that is sent TERM when we die.
pub(crate) fn tied(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

impl Running {
    /// Starts it in a process group of its own; what it prints goes to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file =
            File::create(log).with_context(|| format!("{} cannot be made", log.display()))?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{command:?} cannot be started"))?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    /// Waits until its port takes connections.
    pub(crate) async fn listens(&mut self, base: &str) -> Result<()> {
        let address: SocketAddr = base
            .strip_prefix("http://")
            .context("an http address")?
            .parse()?;
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("it ended with {status}: {said}");
            }
            if Instant::now() > deadline {
                bail!("it does not listen; see {}", self.log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let _sent = Command::new("kill").args([signal, "--", &group]).status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal("-TERM");
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.signal("-KILL");
        let _ended = self.child.wait();
    }
}

/// A loopback port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    testkit::net::free_port().context("no free loopback port")
}

/// What a process and all its descendants have cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Account {
    /// User and system time so far.
    pub cpu: Duration,
    /// Resident memory now, MB.
    pub rss_mb: f64,
    /// The most there was, MB; of several processes the sum of each one's most.
    pub peak_mb: f64,
}

/// The account of the tree under `root`. Linux only.
pub(crate) fn account(root: u32) -> Result<Account> {
    let mut stats = BTreeMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // a process may end while we look
        if let Ok(stat) = fs::read_to_string(entry.path().join("stat")) {
            stats.extend(parse_stat(&stat).map(|stat| (pid, stat)));
        }
    }
    let (mut ticks, mut rss_mb, mut peak_mb) = (0, 0.0, 0.0);
    for pid in tree(root, &stats) {
        let Some(stat) = stats.get(&pid) else {
            bail!("process {pid} is gone");
        };
        ticks += stat.ticks + stat.ticks_of_dead_children;
        let report = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        rss_mb += kilobytes(&report, "VmRSS:") / 1024.0;
        peak_mb += kilobytes(&report, "VmHWM:") / 1024.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "ticks of hours at most")]
    let cpu = Duration::from_secs_f64(ticks as f64 / TICKS_PER_S);
    Ok(Account {
        cpu,
        rss_mb,
        peak_mb,
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u64,
    ticks_of_dead_children: u64,
}

/// The fields of proc(5) we need; the program's name may hold blanks and parentheses.
fn parse_stat(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)?,
        ticks_of_dead_children: number(13)? + number(14)?,
    })
}

fn tree(root: u32, stats: &BTreeMap<u32, Stat>) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        let children = stats.iter().filter(|(_, stat)| stat.parent == parent);
        found.extend(children.map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

fn kilobytes(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok())
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_program_is_called() {
        let rest = "S 7 1 1 0 -1 4194304 100 0 0 0 30 12 5 6 20 0 4 0 100 1 1";
        for name in ["nginx", "a b", "x) S 9 (y"] {
            let stat = parse_stat(&format!("42 ({name}) {rest}")).unwrap();
            assert_eq!((stat.parent, stat.ticks), (7, 42), "{name}");
            assert_eq!(stat.ticks_of_dead_children, 11, "{name}");
        }
        assert_eq!(parse_stat("42 (cut"), None);
    }

    #[test]
    fn a_tree_holds_children_of_children_and_nobody_else() {
        let stat = |parent| Stat {
            parent,
            ticks: 0,
            ticks_of_dead_children: 0,
        };
        let stats = BTreeMap::from([(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(0))]);
        assert_eq!(tree(1, &stats), [1, 2, 3]);
        assert_eq!(tree(4, &stats), [4]);
    }

    #[test]
    fn memory_is_read_from_the_status() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert!((kilobytes(status, "VmHWM:") - 2048.0).abs() < 1e-9);
        assert!((kilobytes(status, "VmSwap:")).abs() < 1e-9);
    }

    #[test]
    fn our_own_account_shows_memory() {
        let own = account(std::process::id()).unwrap();
        assert!(own.rss_mb > 0.0 && own.peak_mb >= own.rss_mb);
    }
}
