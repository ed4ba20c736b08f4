//! Several configurations for one process, one organisation each: finds their files, reads all of them, and names every mistake of
//! each and every place where two would meet. What two of them share is shared by decision: the sockets, and no more.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use domain::limits;
use ipnet::IpNet;
use secrecy::ExposeSecret as _;

use super::{Config, load};

/// One organisation's configuration, and the file it stands in.
#[derive(Debug, Clone)]
pub struct Named {
    /// As it was named, for messages.
    pub file: PathBuf,
    /// What it says.
    pub config: Config,
}

/// Reads these files, and every `*.toml` that lies in those of them that are folders. On failure every mistake, one line each.
pub fn load_all(paths: &[PathBuf]) -> Result<Vec<Named>, Vec<String>> {
    let mut mistakes = Vec::new();
    let mut orgs = Vec::new();
    for file in files(paths, &mut mistakes) {
        match load(&file) {
            Ok(config) => orgs.push(Named { file, config }),
            Err(more) => mistakes.extend(more),
        }
    }
    mistakes.extend(meetings(&orgs));
    if mistakes.is_empty() {
        Ok(orgs)
    } else {
        Err(mistakes)
    }
}

fn files(paths: &[PathBuf], mistakes: &mut Vec<String>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        match in_folder(path) {
            Ok(found) if found.is_empty() => mistakes.push(format!(
                "{}: holds no *.toml; each is one organisation",
                path.display()
            )),
            Ok(found) => files.extend(found),
            Err(error) => mistakes.push(format!("{}: {error}", path.display())),
        }
    }
    if files.len() > limits::ORGS_MAX {
        mistakes.push(format!(
            "{} configurations are named; one process serves at most {}",
            files.len(),
            limits::ORGS_MAX
        ));
        files.clear();
    }
    files
}

/// By name, so that the first is the first each time. What an editor leaves behind has another ending or begins with a dot.
fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension().is_some_and(|end| end == "toml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Every place where two of them meet that must not.
pub fn meetings(orgs: &[Named]) -> Vec<String> {
    let mut mistakes = Vec::new();
    for (index, org) in orgs.iter().enumerate() {
        for other in &orgs[..index] {
            let mut say = |key: &str, what: String| {
                mistakes.push(format!("{}: {key}: {what}", org.file.display()));
            };
            apart(&org.config, other, &mut say);
        }
        if let Some(first) = orgs[..index].first() {
            let mut say = |key: &str, what: String| {
                mistakes.push(format!("{}: {key}: {what}", org.file.display()));
            };
            together(&org.config, first, &mut say);
        }
        if orgs.len() > 1 && org.config.server.tls.is_some() && !has_name(&org.config) {
            mistakes.push(format!(
                "{}: server.public_url: must have a name for its host; clients do not say in TLS which address they mean",
                org.file.display()
            ));
        }
    }
    mistakes
}

/// What is each organisation's own.
fn apart(config: &Config, other: &Named, say: &mut dyn FnMut(&str, String)) {
    let theirs = &other.config;
    let file = other.file.display();
    let host = host(config);
    if host.is_some() && host == self::host(theirs) {
        let host = host.unwrap_or_default();
        say(
            "server.public_url",
            format!(
                "the host {host} is that of {file} as well; each organisation needs one of its own, and a port does not tell two apart for cookies"
            ),
        );
    }
    if config.server.org == theirs.server.org {
        say(
            "server.org",
            format!(
                "`{}` is the name of {file} as well; each organisation needs one of its own",
                config.server.org
            ),
        );
    }
    // The key file's name is the database's with another ending, so two databases could have one.
    let key_file = |config: &Config| {
        let database = store::sqlite_file(config.store.url.expose_secret())?;
        Some(place(&database.with_extension("key")))
    };
    if key_file(config).is_some_and(|ours| Some(ours) == key_file(theirs)) {
        say(
            "store.url",
            format!(
                "is the SQLite file of {file} as well, or its key file would be; give each organisation a file and a name of its own"
            ),
        );
    }
    let (ours, kept) = (place(&config.ledger.dir), place(&theirs.ledger.dir));
    if ours.starts_with(&kept) || kept.starts_with(&ours) {
        say(
            "ledger.dir",
            format!(
                "is the folder of {file} or lies in the same; give each organisation a folder of its own"
            ),
        );
    }
    if is_one_database(config, theirs) && !is_one_key(config, theirs) {
        say(
            "store.master_key",
            format!("{file} names the same database with another key; one database has one"),
        );
    }
    for key in &config.admin_keys {
        let same =
            |their: &&super::AdminKeyConfig| their.key.expose_secret() == key.key.expose_secret();
        if theirs.admin_keys.iter().any(|their| same(&their)) {
            say(
                "admin_key",
                format!(
                    "the key `{}` opens {file} as well; draw one for each",
                    key.id
                ),
            );
        }
    }
}

/// What the process has once, and every file must say alike.
fn together(config: &Config, first: &Named, say: &mut dyn FnMut(&str, String)) {
    let (ours, theirs) = (&config.server, &first.config.server);
    let file = first.file.display();
    let mut once = |key: &str, ours: String, theirs: String| {
        if ours != theirs {
            say(
                key,
                format!(
                    "is {ours} here and {theirs} in {file}; the process has one, so write the same in each"
                ),
            );
        }
    };
    let address = |address: SocketAddr| address.to_string();
    once(
        "server.listen",
        address(ours.listen),
        address(theirs.listen),
    );
    once("server.ops", address(ours.ops), address(theirs.ops));
    once(
        "server.trusted_proxies",
        nets(&ours.trusted_proxies),
        nets(&theirs.trusted_proxies),
    );
    let seconds = |seconds: u64| format!("{seconds} seconds");
    once(
        "server.leave_s",
        seconds(ours.leave_s),
        seconds(theirs.leave_s),
    );
    once(
        "server.drain_s",
        seconds(ours.drain_s),
        seconds(theirs.drain_s),
    );
    let tls = |is: bool| if is { "configured" } else { "absent" }.to_owned();
    once(
        "server.tls",
        tls(ours.tls.is_some()),
        tls(theirs.tls.is_some()),
    );
}

fn nets(nets: &[IpNet]) -> String {
    let mut nets: Vec<String> = nets.iter().map(ToString::to_string).collect();
    nets.sort();
    format!("[{}]", nets.join(", "))
}

/// The host of `public_url`, in small letters.
fn host(config: &Config) -> Option<String> {
    let url = url::Url::parse(&config.server.public_url).ok()?;
    url.host_str().map(str::to_ascii_lowercase)
}

fn has_name(config: &Config) -> bool {
    let url = url::Url::parse(&config.server.public_url).ok();
    matches!(
        url.as_ref().and_then(url::Url::host),
        Some(url::Host::Domain(_))
    )
}

fn is_one_database(one: &Config, other: &Config) -> bool {
    let (one, other) = (
        one.store.url.expose_secret(),
        other.store.url.expose_secret(),
    );
    store::sqlite_file(one).is_none() && one == other
}

fn is_one_key(one: &Config, other: &Config) -> bool {
    let key = |config: &Config| {
        let key = config.store.master_key.as_ref();
        key.map(|key| key.expose_secret().to_ascii_lowercase())
    };
    key(one) == key(other)
}

/// Where a path leads, through links, also when its end is not there yet.
fn place(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in path.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return real.join(rest);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    fn named(file: &str, host: &str, more: &[(&str, &str)]) -> Named {
        let mut text = format!(
            "[server]\npublic_url = \"https://{host}\"\norg = \"{file}\"\n#server\n[store]\nurl = \"sqlite:/nowhere/{file}.db\"\n\
             [ledger]\ndir = \"/nowhere/{file}\"\n[[upstream]]\nname = \"a\"\nprovider = \"anthropic\"\nauth = {{ api_key = \"${{PATH}}\" }}\n#end\n"
        );
        for (from, to) in more {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        Named {
            file: format!("{file}.toml").into(),
            config: read(&text).unwrap(),
        }
    }

    fn check(more: &[(&str, &str)], expected: &[&str]) {
        let orgs = [named("a", "a.example", &[]), named("b", "b.example", more)];
        let found = meetings(&orgs);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            let whole = found.starts_with("b.toml: ") && found.contains(expected);
            assert!(whole, "{expected} is not in {found}");
        }
    }

    #[test]
    fn two_that_meet_nowhere_are_fine() {
        check(&[], &[]);
    }

    #[test]
    fn what_is_each_organisations_own_may_not_be_shared() {
        check(
            &[("b.example", "a.example")],
            &["server.public_url: the host a.example is that of a.toml"],
        );
        check(
            &[("b.example", "a.example:8443")],
            &["server.public_url: the host a.example"],
        );
        check(
            &[("\"b\"", "\"a\"")],
            &["server.org: `a` is the name of a.toml"],
        );
        check(
            &[("nowhere/b.db", "nowhere/a.db")],
            &["store.url: is the SQLite file of a.toml"],
        );
        check(
            &[("sqlite:/nowhere/b.db", "sqlite:///nowhere/a.db")],
            &["store.url: is the SQLite file"],
        );
        check(
            &[("nowhere/b.db", "nowhere/a.sqlite")],
            &["store.url: is the SQLite file"],
        );
        check(
            &[("\"/nowhere/b\"", "\"/nowhere/a\"")],
            &["ledger.dir: is the folder of a.toml"],
        );
        check(
            &[("\"/nowhere/b\"", "\"/nowhere/a/cli\"")],
            &["ledger.dir: is the folder of a.toml or lies in the same"],
        );
        check(&[("\"/nowhere/b\"", "\"/nowhere\"")], &["ledger.dir: "]);
    }

    #[test]
    fn what_the_process_has_once_is_said_alike_in_each() {
        check(
            &[("#server", "listen = \"0.0.0.0:8080\"")],
            &["server.listen: is 0.0.0.0:8080 here and 127.0.0.1:8080 in a.toml"],
        );
        check(
            &[("#server", "ops = \"127.0.0.1:1\"")],
            &["server.ops: is 127.0.0.1:1 here"],
        );
        check(
            &[("#server", "trusted_proxies = [\"10.0.0.0/8\"]")],
            &["server.trusted_proxies: is [10.0.0.0/8] here and [] in a.toml"],
        );
        check(
            &[("#server", "drain_s = 5\nleave_s = 1")],
            &[
                "server.leave_s: is 1 seconds",
                "server.drain_s: is 5 seconds",
            ],
        );
        check(
            &[("#server", "tls = { certificate = \"/c\", key = \"/k\" }")],
            &["server.tls: is configured here and absent in a.toml"],
        );
    }

    #[test]
    fn all_meetings_are_named_at_once() {
        check(
            &[
                ("b.example", "a.example"),
                ("\"b\"", "\"a\""),
                ("nowhere/b.db", "nowhere/a.db"),
                ("#server", "drain_s = 5"),
            ],
            &[
                "server.public_url",
                "server.org",
                "store.url",
                "server.drain_s",
            ],
        );
    }

    #[test]
    fn one_database_may_hold_several_organisations_under_one_key() {
        let on = |file: &str, key: &str| {
            let mut org = named(file, &format!("{file}.example"), &[]);
            org.config.store.url = "postgres://db/x".into();
            org.config.store.master_key = Some(key.into());
            org
        };
        let found = |key: &str| meetings(&[on("a", "5a"), on("b", key)]);
        assert_eq!(found("5A"), Vec::<String>::new());
        let other = found("6b");
        let expected = "b.toml: store.master_key: a.toml names the same database";
        assert!(
            other.len() == 1 && other[0].starts_with(expected),
            "{other:?}"
        );
    }

    #[test]
    fn a_key_of_one_opens_no_other() {
        let with_key = |file: &str, key: &str| {
            let mut org = named(file, &format!("{file}.example"), &[]);
            let key = crate::config::AdminKeyConfig {
                id: "ops".to_owned(),
                key: key.into(),
                writes: false,
            };
            org.config.admin_keys.push(key);
            org
        };
        let found = meetings(&[with_key("a", "k1"), with_key("b", "k1")]);
        assert_eq!(
            found,
            ["b.toml: admin_key: the key `ops` opens a.toml as well; draw one for each"]
        );
        assert!(meetings(&[with_key("a", "k1"), with_key("b", "k2")]).is_empty());
    }

    #[test]
    fn clients_must_be_able_to_say_in_tls_whom_they_mean() {
        let tls = ("#server", "tls = { certificate = \"/c\", key = \"/k\" }");
        let orgs = [
            named("a", "a.example", &[tls]),
            named("b", "192.0.2.1", &[tls]),
        ];
        let found = meetings(&orgs);
        assert!(
            found.len() == 1 && found[0].starts_with("b.toml: server.public_url: must have a name"),
            "{found:?}"
        );
        assert!(meetings(&orgs[1..]).is_empty(), "alone it needs none");
    }

    #[test]
    fn a_folder_is_read_by_name_and_what_is_no_organisation_is_left() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.toml", "a.toml~", ".c.toml", "d.toml.off"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let mut mistakes = Vec::new();
        let found = files(&[folder.path().to_owned(), "x.toml".into()], &mut mistakes);
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.toml", "b.toml", "x.toml"]);
        assert_eq!(mistakes, Vec::<String>::new());
        let empty = tempfile::tempdir().unwrap();
        assert!(files(&[empty.path().to_owned()], &mut mistakes).is_empty());
        assert!(mistakes[0].contains("holds no *.toml"), "{mistakes:?}");
    }

    #[test]
    fn a_link_leads_where_it_leads() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(
            place(&link.join("not/there")),
            place(&real.join("not/there"))
        );
    }
}
