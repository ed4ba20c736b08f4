//! What a program runs in: the command line of bubblewrap, which puts it into namespaces of its own. It sees the system's programs and
//! libraries, what is named for it, an empty folder to write in, and nothing else; secrets stand in its environment and never in an
//! argument. Nothing is started here.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use domain::limits;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::process::Command;

use super::program::ConnectorProgram;

/// Where distributions put bubblewrap.
const BUBBLEWRAP: [&str; 2] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap"];
/// Sets limits of one process; of util-linux, so that every distribution has it.
const PRLIMIT: &str = "/usr/bin/prlimit";
/// nobody: who it is in its own namespace.
const NOBODY: &str = "65534";

/// Where bubblewrap is, if it is installed.
pub fn bubblewrap() -> Option<PathBuf> {
    let found = BUBBLEWRAP.iter().map(Path::new).find(|path| path.exists());
    found.map(Path::to_owned)
}

/// The command that starts a program, with its environment and, where it is one person's own, the key of theirs.
pub(super) fn command(
    bubblewrap: &Path,
    program: &ConnectorProgram,
    key: Option<&SecretString>,
) -> Command {
    let mut command = Command::new(bubblewrap);
    command.args(arguments(program));
    // bubblewrap hands on what it has itself, which others of this machine cannot read, as they could an argument.
    command.env_clear();
    command.envs([
        ("PATH", "/usr/bin:/bin"),
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
    ]);
    for (name, value) in &program.env {
        command.env(name, value.expose_secret());
    }
    if let (Some(name), Some(key)) = (&program.variable, key) {
        command.env(name, key.expose_secret());
    }
    command
}

/// What bubblewrap is told, up to and with the program and its arguments.
fn arguments(program: &ConnectorProgram) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    let mut say = |words: &[&str]| all.extend(words.iter().map(OsString::from));
    let scratch = limits::PROGRAM_SCRATCH_BYTES.to_string();
    say(&["--unshare-user", "--unshare-all", "--disable-userns"]);
    if program.network {
        say(&["--share-net"]);
    }
    say(&["--uid", NOBODY, "--gid", NOBODY, "--hostname", "connector"]);
    say(&["--die-with-parent", "--new-session", "--cap-drop", "ALL"]);
    say(&["--ro-bind", "/usr", "/usr"]);
    for path in ["/bin", "/sbin", "/lib", "/lib32", "/lib64"] {
        say(&["--ro-bind-try", path, path]);
    }
    for path in ["/etc/ld.so.cache", "/etc/alternatives"] {
        say(&["--ro-bind-try", path, path]);
    }
    if program.network {
        for path in [
            "/etc/resolv.conf",
            "/etc/hosts",
            "/etc/nsswitch.conf",
            "/etc/ssl/certs",
            "/etc/pki/tls/certs",
            "/etc/pki/ca-trust",
        ] {
            say(&["--ro-bind-try", path, path]);
        }
    }
    say(&["--proc", "/proc", "--dev", "/dev"]);
    say(&["--size", &scratch, "--tmpfs", "/dev/shm"]);
    // What the kernel lets the machine's own account write there it goes by that account, whatever else was taken away.
    say(&["--remount-ro", "/proc", "--remount-ro", "/dev"]);
    say(&["--size", &scratch, "--tmpfs", "/tmp"]);
    for path in program.shown() {
        let path = path.as_os_str();
        all.extend([OsStr::new("--ro-bind"), path, path].map(OsString::from));
    }
    let mut say = |words: &[&str]| all.extend(words.iter().map(OsString::from));
    say(&["--remount-ro", "/", "--chdir", "/tmp", "--", PRLIMIT]);
    let memory = u64::from(program.memory_mib) * 1024 * 1024;
    say(&[&format!("--data={memory}"), "--core=0"]);
    say(&[&format!("--nproc={}", program.processes)]);
    say(&[&format!("--nofile={}", program.files), "--"]);
    all.extend(program.command.iter().map(OsString::from));
    all
}

#[cfg(test)]
mod tests {
    use super::super::program::tests::{SOUND, program};
    use super::*;

    fn words(rest: &str) -> String {
        let all = arguments(&program(&format!("{SOUND}{rest}")));
        let words: Vec<&str> = all.iter().map(|word| word.to_str().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn a_program_sees_the_system_what_is_named_for_it_and_nothing_else() {
        let said = words("reads = [\"/srv/shared\"]\nmemory_mib = 16\nprocesses = 3\nfiles = 9\n");
        let system = "--ro-bind /usr /usr --ro-bind-try /bin /bin --ro-bind-try /sbin /sbin --ro-bind-try /lib /lib --ro-bind-try /lib32 /lib32 --ro-bind-try /lib64 /lib64 --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache --ro-bind-try /etc/alternatives /etc/alternatives";
        assert_eq!(
            said,
            format!(
                "--unshare-user --unshare-all --disable-userns --uid 65534 --gid 65534 --hostname connector --die-with-parent --new-session --cap-drop ALL {system} --proc /proc --dev /dev --size 67108864 --tmpfs /dev/shm --remount-ro /proc --remount-ro /dev --size 67108864 --tmpfs /tmp --ro-bind /opt/mcp /opt/mcp --ro-bind /srv/shared /srv/shared --remount-ro / --chdir /tmp -- /usr/bin/prlimit --data=16777216 --core=0 --nproc=3 --nofile=9 -- /opt/mcp/server --x"
            )
        );
    }

    #[test]
    fn a_network_is_there_only_where_it_is_named() {
        assert!(!words("").contains("net") && !words("").contains("resolv"));
        let said = words("network = true\n");
        assert!(said.contains(" --share-net ") && said.contains("/etc/resolv.conf"));
    }

    #[test]
    fn a_secret_stands_in_the_environment_and_in_no_argument() {
        let rest = "env = { API_KEY = \"very-secret\" }\nvariable = \"OWN_KEY\"\n";
        let program = program(&format!("{SOUND}{rest}"));
        let key = SecretString::from("very-secret, too");
        let command = command(Path::new("/usr/bin/bwrap"), &program, Some(&key));
        let command = command.as_std();
        assert!(
            !command
                .get_args()
                .any(|word| word.to_string_lossy().contains("very-secret"))
        );
        let mut names: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, ["API_KEY", "HOME", "LANG", "OWN_KEY", "PATH"]);
    }
}
