//! A program that may be a connector, as the boot configuration names it. Who writes the policy chooses among these, word for word, and
//! can neither add an argument nor a right. Pure; called by the configuration's reader and by [`super::Programs`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

/// Folders of the system, which every program sees; see [`super::sandbox`].
const SYSTEM: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];
/// Places that are made anew for each program, so that nothing can be shown there.
const MADE: [&str; 3] = ["/proc", "/dev", "/sys"];
/// Variables that the sandbox sets, or that would change how the program is begun.
const RESERVED: [&str; 5] = ["PATH", "HOME", "LANG", "PWD", "IFS"];

/// `[[connector_program]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorProgram {
    /// The program and its arguments; the policy's `command` must be these, one by one.
    pub command: Vec<String>,
    /// What it is made of: files and folders with their hash ([`super::pin`]), shown to it and looked at before each start.
    pub pinned: BTreeMap<PathBuf, String>,
    /// What it may read besides, whatever that holds.
    #[serde(default)]
    pub reads: BTreeSet<PathBuf>,
    /// Its environment, by reference.
    #[serde(default)]
    pub env: BTreeMap<String, SecretString>,
    /// Whether it has the network that Doorward has; without, it has none.
    #[serde(default)]
    pub network: bool,
    /// Whether each person has a process of their own.
    #[serde(default)]
    pub per_person: bool,
    /// The variable that a person's own API key goes in, where the policy has it so; then each person has a process of their own.
    #[serde(default)]
    pub variable: Option<String>,
    /// Mebibytes of memory.
    #[serde(default = "default_memory")]
    pub memory_mib: u32,
    /// Processes and threads.
    #[serde(default = "default_processes")]
    pub processes: u32,
    /// Open files.
    #[serde(default = "default_files")]
    pub files: u32,
    /// Seconds without a call after which it is ended.
    #[serde(default = "default_idle")]
    pub idle_s: u32,
}

const fn default_memory() -> u32 {
    512
}

const fn default_processes() -> u32 {
    64
}

const fn default_files() -> u32 {
    256
}

const fn default_idle() -> u32 {
    600
}

impl ConnectorProgram {
    /// What is wrong with it: a key and why.
    pub fn mistake(&self) -> Option<String> {
        let Some(program) = self
            .command
            .first()
            .filter(|first| is_place(first.as_ref()))
        else {
            return Some("command: must begin with the whole path of a program".to_owned());
        };
        if self.command.iter().any(|part| part.contains('\0')) {
            return Some("command: has a character that no argument can have".to_owned());
        }
        if !self
            .pinned
            .keys()
            .any(|path| Path::new(program).starts_with(path))
        {
            return Some(format!(
                "pinned: needs {program}, or a folder that holds it"
            ));
        }
        let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(is_small_hex);
        if let Some((path, _)) = self.pinned.iter().find(|(_, hash)| !is_hash(hash)) {
            let path = path.display();
            return Some(format!(
                "pinned: {path} needs a SHA-256, 64 small hexadecimal digits"
            ));
        }
        let mut shown = self.pinned.keys().chain(&self.reads);
        if let Some(path) = shown.find(|path| !is_place(path)) {
            let path = path.display();
            return Some(format!(
                "pinned, reads: {path} must be a whole path without . or .., not / itself, and none below {}",
                MADE.join(", ")
            ));
        }
        if let Some(name) = self.env.keys().find(|name| !is_variable(name)) {
            return Some(format!("env: {name} is no variable that can be set"));
        }
        if let Some(name) = &self.variable
            && (!is_variable(name) || self.env.contains_key(name))
        {
            return Some(format!(
                "variable: {name} is no variable that can be set, or is one of env"
            ));
        }
        let is_counted = |count: u32| (1..=1_000_000).contains(&count);
        let counts = [self.processes, self.files, self.idle_s];
        if !counts.into_iter().all(is_counted) || !(16..=1_048_576).contains(&self.memory_mib) {
            return Some(
                "processes, files and idle_s are 1 to 1,000,000, memory_mib 16 to 1,048,576"
                    .to_owned(),
            );
        }
        None
    }

    /// Whether nobody shares a process of it.
    pub(super) fn is_per_person(&self) -> bool {
        self.per_person || self.variable.is_some()
    }

    /// What is shown to it besides the system's folders.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Path> {
        let all = self.pinned.keys().chain(&self.reads).map(PathBuf::as_path);
        all.filter(|path| !SYSTEM.iter().any(|system| path.starts_with(system)))
    }
}

fn is_small_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn is_place(path: &Path) -> bool {
    let mut parts = path.components();
    parts.next() == Some(Component::RootDir)
        && path
            .to_str()
            .is_some_and(|text| !text.contains('\0') && !text.contains("/./"))
        && path.components().count() > 1
        && parts.all(|part| matches!(part, Component::Normal(_)))
        && !MADE.iter().any(|made| path.starts_with(made))
}

fn is_variable(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_letter)
        && name
            .bytes()
            .all(|byte| is_letter(byte) || byte.is_ascii_digit())
        && !RESERVED.contains(&name)
        && !name.starts_with("LD_")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn program(text: &str) -> ConnectorProgram {
        toml::from_str(text).unwrap()
    }

    pub(crate) const SOUND: &str = "command = [\"/opt/mcp/server\", \"--x\"]\npinned = { \"/opt/mcp\" = \"0000000000000000000000000000000000000000000000000000000000000000\" }\n";

    #[test]
    fn every_mistake_of_a_program_is_named() {
        let check = |from: &str, to: &str, expected: Option<&str>| {
            let found = program(&SOUND.replace(from, to)).mistake();
            let key = found
                .as_deref()
                .map(|text| text.split([':', ' ']).next().unwrap());
            assert_eq!(key, expected, "{to}: {found:?}");
        };
        check("", "", None);
        check("/opt/mcp/server", "server", Some("command"));
        check("/opt/mcp/server", "/opt/mcp/../x", Some("command"));
        check("--x", "a\\u0000b", Some("command"));
        check("/opt/mcp/server", "/usr/bin/node", Some("pinned"));
        check("\"/opt/mcp\"", "\"/opt/mcp/serv\"", Some("pinned"));
        check("\"0", "\"g", Some("pinned"));
        check("\"00", "\"0", Some("pinned"));
        let with = |rest: &str, expected: Option<&str>| {
            let text = format!("{SOUND}{rest}\n");
            let found = program(&text).mistake();
            let key = found
                .as_deref()
                .map(|text| text.split([':', ',']).next().unwrap());
            assert_eq!(key, expected, "{rest}: {found:?}");
        };
        with("reads = [\"/srv/shared\"]", None);
        for path in ["/", "srv", "/srv/../etc", "/proc/1", "/dev"] {
            with(&format!("reads = [\"{path}\"]"), Some("pinned"));
        }
        with("env = { API_KEY = \"x\" }", None);
        for name in ["PATH", "LD_PRELOAD", "1A", "A-B", "\"A=B\"", "\"\""] {
            with(&format!("env = {{ {name} = \"x\" }}"), Some("env"));
        }
        with("variable = \"API_KEY\"", None);
        with("variable = \"LD_PRELOAD\"", Some("variable"));
        with("variable = \"A=B\"", Some("variable"));
        let twice = "variable = \"API_KEY\"\nenv = { API_KEY = \"x\" }";
        with(twice, Some("variable"));
        with("idle_s = 0", Some("processes"));
        with("memory_mib = 1", Some("processes"));
    }

    #[test]
    fn what_the_system_shows_anyway_is_not_shown_twice() {
        let mut program = program(SOUND);
        program.reads.insert("/usr/share/dict".into());
        let shown: Vec<&Path> = program.shown().collect();
        assert_eq!(shown, [Path::new("/opt/mcp")]);
    }
}
