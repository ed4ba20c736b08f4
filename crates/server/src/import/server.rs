//! `listen`, `access_control`'s relatives, `store`, `session`, `login_notice`, `admin`, `pricing` and the small fixed limits.

use ipnet::IpNet;
use toml::{Table, Value};

use super::Written;
use super::notes::Notes;
use super::reader::{Map, Taken};

/// What a `gateway.yaml` says nothing about and we must have.
const LEDGER_DIR: &str = "/var/lib/doorward/ledger";
const NO_ADDRESS: &str = "https://change-me.invalid";

/// Reads everything that becomes `[server]`, `[store]` and `[ledger]`, and what is fixed in Doorward.
pub(super) fn read(root: &mut Map, config: &mut Written, notes: &mut Notes) {
    root.take("$schema");
    let mut server = listen(root, notes);
    if let Some(notice) = root.text("login_notice", notes) {
        if notice.value.chars().count() > domain::limits::LOGIN_NOTICE_CHARS_MAX {
            notes.lost(
                &notice.path,
                notice.line,
                "is longer than 500 characters; shorten it",
            );
        } else {
            server.insert("login_notice".to_owned(), notice.value.into());
        }
    }
    config.table.insert("server".to_owned(), server.into());
    config
        .table
        .insert("store".to_owned(), store(root, notes).into());
    let mut ledger = Table::new();
    ledger.insert("dir".to_owned(), LEDGER_DIR.into());
    config.table.insert("ledger".to_owned(), ledger.into());
    fixed(root, notes);
}

fn listen(root: &mut Map, notes: &mut Notes) -> Table {
    let mut server = Table::new();
    let (mut host, mut port) = ("0.0.0.0".to_owned(), 8080.0);
    let url = root
        .section("listen", notes, |listen, notes| {
            if let Some(found) = listen.text("host", notes) {
                host = address(&found, notes);
            }
            if let Some(found) = listen.number("port", notes) {
                port = found.value;
            }
            if let Some((_, networks)) = networks(listen, "trusted_proxies", notes) {
                server.insert("trusted_proxies".to_owned(), networks.into());
            }
            tls(listen, &mut server, notes);
            public_url(listen, &mut server, notes)
        })
        .flatten();
    let listens = format!("{host}:{port}");
    let listens = if listens.parse::<std::net::SocketAddr>().is_ok() {
        listens
    } else {
        notes.lost("listen.port", root.line, "is not a port; 8080 is written");
        format!("{host}:8080")
    };
    let local = format!(
        "http://127.0.0.1:{}",
        listens.rsplit(':').next().unwrap_or("8080")
    );
    let is_local = listens.starts_with("127.") || listens.starts_with("[::1]");
    let url = url.unwrap_or_else(|| {
        if is_local {
            local
        } else {
            notes.lost("listen.public_url", root.line, "there is none that can be used; write the https address of the gateway into server.public_url");
            NO_ADDRESS.to_owned()
        }
    });
    server.insert("public_url".to_owned(), url.into());
    server.insert("listen".to_owned(), listens.into());
    server
}

fn address(found: &Taken<String>, notes: &mut Notes) -> String {
    match found.value.parse::<std::net::IpAddr>() {
        Ok(ip) if ip.is_ipv6() => format!("[{ip}]"),
        Ok(ip) => ip.to_string(),
        Err(_) if found.value == "localhost" => "127.0.0.1".to_owned(),
        Err(_) => {
            notes.lost(&found.path, found.line, "is a name; Doorward listens on an address, and 127.0.0.1 is written until you choose one");
            "127.0.0.1".to_owned()
        }
    }
}

fn public_url(listen: &mut Map, server: &mut Table, notes: &mut Notes) -> Option<String> {
    let found = listen.text("public_url", notes)?;
    let url = url::Url::parse(&found.value)
        .ok()
        .filter(url::Url::has_host);
    let Some(url) = url else {
        notes.lost(
            &found.path,
            found.line,
            "is not an address; write the gateway's https address into server.public_url",
        );
        return None;
    };
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        notes.lost(
            &found.path,
            found.line,
            "is not https; clients send their sign-in to it, so give the gateway a certificate",
        );
        return None;
    }
    let path = url.path().trim_end_matches('/');
    if !path.is_empty() {
        notes.remark(&found.path, found.line, "has a path: the address is written without it, and the path stands in server.base_paths");
        server.insert("base_paths".to_owned(), Value::Array(vec![path.into()]));
    }
    Some(url.origin().ascii_serialization())
}

fn tls(listen: &mut Map, server: &mut Table, notes: &mut Notes) {
    let found = listen.section("tls", notes, |tls, notes| {
        (tls.line, tls.text("cert", notes), tls.text("key", notes))
    });
    match found {
        None => {}
        Some((_, Some(cert), Some(key))) => {
            let mut table = Table::new();
            table.insert("certificate".to_owned(), cert.value.into());
            table.insert("key".to_owned(), key.value.into());
            server.insert("tls".to_owned(), table.into());
        }
        Some((line, _, _)) => notes.lost(
            "listen.tls",
            line,
            "needs `cert` and `key`, as paths of files; write both into server.tls",
        ),
    }
}

/// How many networks a list has, and those that are some, as we write them; the others are named.
pub(super) fn networks(map: &mut Map, key: &str, notes: &mut Notes) -> Option<(usize, Vec<Value>)> {
    let found = map.texts(key, notes)?;
    let mut networks = Vec::new();
    for (index, text) in found.value.iter().enumerate() {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        match network {
            Ok(network) => networks.push(Value::from(network.to_string())),
            Err(_) => notes.lost(
                &format!("{}[{index}]", found.path),
                found.line,
                "is not a network such as 10.0.0.0/8; mend it",
            ),
        }
    }
    Some((found.value.len(), networks))
}

fn store(root: &mut Map, notes: &mut Notes) -> Table {
    let url = root
        .section("store", notes, |store, notes| {
            store.secret("postgres_url", "DOORWARD_STORE_URL", notes)
        })
        .flatten();
    let mut table = Table::new();
    if let Some(url) = url {
        notes.remark(&url.path, url.line, "give Doorward a database of its own; people, spend limits and sessions of the reference gateway are not read. Set DOORWARD_MASTER_KEY to 64 random hex digits");
        table.insert("url".to_owned(), url.value.into());
        table.insert("master_key".to_owned(), "${DOORWARD_MASTER_KEY}".into());
    } else {
        table.insert(
            "url".to_owned(),
            "sqlite:/var/lib/doorward/doorward.db".into(),
        );
    }
    table
}

/// `admin.read_keys` and `admin.write_keys`.
pub(super) fn admin_keys(root: &mut Map, config: &mut Written, notes: &mut Notes) {
    let mut keys = Vec::new();
    root.section("admin", notes, |admin, notes| {
        if let Some(mode) = admin.text("group_limit_mode", notes)
            && mode.value != "min"
        {
            notes.lost(
                &mode.path,
                mode.line,
                super::keys::not_carried(&mode.path).unwrap_or_default(),
            );
        }
        for (list, writes) in [("read_keys", false), ("write_keys", true)] {
            keys.extend(admin.each(list, notes, |key, index, notes| {
                let variable = format!(
                    "DOORWARD_ADMIN_{}_{index}",
                    if writes { "WRITE" } else { "READ" }
                );
                let id = key
                    .text("id", notes)
                    .map_or_else(|| format!("{list}-{index}"), |id| id.value);
                let secret = key.secret("key", &variable, notes)?;
                let mut table = Table::new();
                table.insert("id".to_owned(), id.into());
                table.insert("key".to_owned(), secret.value.into());
                table.insert("writes".to_owned(), writes.into());
                Some(table)
            }));
        }
    });
    for key in keys.into_iter().flatten() {
        config.add("admin_key", key);
    }
}

/// What has one value in Doorward: carried where the file says the same, named where it says something else.
fn fixed(root: &mut Map, notes: &mut Notes) {
    let session = root.section("session", notes, |session, _| {
        session
            .take("jwt_secret")
            .map(|node| (session.at("jwt_secret"), node.line))
    });
    if let Some((path, line)) = session.flatten() {
        notes.remark(&path, line, "is not needed: Doorward makes and keeps its own signing keys. Everyone signs in once more");
    }
    for (section, key, value) in [
        ("limits", "max_request_bytes", 33_554_432.0),
        ("timeouts", "upstream_ttfb_ms", 120_000.0),
        ("pricing", "multiplier", 1.0),
    ] {
        root_key(root, notes, section, |map, notes| {
            if let Some(found) = map.number(key, notes)
                && (found.value - value).abs() > f64::EPSILON
            {
                notes.lost(
                    &found.path,
                    found.line,
                    super::keys::not_carried(&found.path).unwrap_or_default(),
                );
            }
        });
    }
    for (section, key, value) in [
        ("enforcement", "fail_closed_on_error", true),
        ("cri", "enabled", false),
    ] {
        root_key(root, notes, section, |map, notes| {
            if let Some(found) = map.flag(key, notes)
                && found.value != value
            {
                notes.lost(
                    &found.path,
                    found.line,
                    super::keys::not_carried(&found.path).unwrap_or_default(),
                );
            }
        });
    }
}

fn root_key(
    root: &mut Map,
    notes: &mut Notes,
    section: &str,
    read: impl FnOnce(&mut Map, &mut Notes),
) {
    root.section(section, notes, read);
}
