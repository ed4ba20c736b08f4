//! The first step: the organisation's name, the address that clients will use, where Doorward listens and keeps things, and a certificate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::form::{Form, Input, name_mistake};
use super::pages::{FormPage, Frame};
use super::walk::{At, Step};
use crate::certificate;
use crate::config::{self, TlsConfig};
use crate::system::chain;

/// What was typed.
#[derive(Debug, Clone)]
pub struct Organisation {
    /// Its name.
    pub name: String,
    /// The origin that clients use.
    pub public_url: String,
    /// Where clients connect.
    pub listen: String,
    /// Where operators connect, a place that was free when the walk began.
    pub ops: SocketAddr,
    /// The folder of store and ledger.
    pub data: String,
    /// Our certificate chain; empty for none.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// Whether nothing is wrong with it.
    pub is_done: bool,
    wrong: Vec<(&'static str, String)>,
}

impl Organisation {
    /// What stands in the fields at the beginning.
    pub fn new(at: &At) -> Self {
        Self {
            name: String::new(),
            public_url: at.origin.clone(),
            listen: at.listen.to_string(),
            ops: at.ops,
            data: at.folder.join("data").display().to_string(),
            certificate: String::new(),
            key: String::new(),
            is_done: false,
            wrong: Vec::new(),
        }
    }

    /// Takes what was typed.
    pub fn take(&mut self, form: &Form) {
        let text = |name: &str| form.field(name).to_owned();
        *self = Self {
            name: text("org"),
            public_url: text("public_url").trim_end_matches('/').to_owned(),
            listen: text("listen"),
            ops: self.ops,
            data: text("data"),
            certificate: text("certificate"),
            key: text("key"),
            is_done: false,
            wrong: Vec::new(),
        };
        self.wrong = self.mistakes();
        self.is_done = self.wrong.is_empty();
    }

    fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Some(mistake) = name_mistake(&self.name) {
            wrong.push(("org", mistake));
        }
        if let Some(mistake) = config::public_url_mistake(&self.public_url) {
            wrong.push(("public_url", mistake.to_owned()));
        }
        match self.listen.parse::<SocketAddr>() {
            Err(_) => wrong.push((
                "listen",
                "must be address:port, such as 0.0.0.0:8443".into(),
            )),
            Ok(listen) if listen.port() == 0 => {
                wrong.push(("listen", "needs a port that clients can know".into()));
            }
            Ok(_) => {}
        }
        if let Some(mistake) = data_mistake(Path::new(&self.data)) {
            wrong.push(("data", mistake));
        }
        match (&*self.certificate, &*self.key) {
            ("", "") => {}
            ("", _) => wrong.push(("certificate", "is needed with a key".into())),
            (_, "") => wrong.push(("key", "is needed with a certificate".into())),
            _ => {
                let files = TlsConfig {
                    certificate: self.certificate.clone().into(),
                    key: self.key.clone().into(),
                };
                if let Err(error) = certificate::read(&files) {
                    wrong.push(("certificate", chain(&error)));
                }
            }
        }
        wrong
    }

    /// The page.
    pub fn page(&self, frame: Frame) -> FormPage {
        let wrong = |name: &str| {
            let found = self.wrong.iter().find(|(field, _)| *field == name);
            found.map(|(_, what)| what.clone())
        };
        let input = |name, label, value: &str, hint: &str| {
            Input::text(name, label, value, hint).wrong(wrong(name))
        };
        FormPage {
            frame,
            lead: "Everything can be changed later in the file that this walk writes.",
            notice: None,
            kinds: Vec::new(),
            kind: "",
            action: Step::Organisation.path(),
            inputs: vec![
                input(
                    "org",
                    "Organisation",
                    &self.name,
                    "As people know it; it stands on every page.",
                ),
                input(
                    "public_url",
                    "Address that clients use",
                    &self.public_url,
                    "https, without a path. To try it on this machine alone, leave localhost. Claude Code only signs in to hosts with private addresses.",
                ),
                input(
                    "listen",
                    "Where Doorward listens",
                    &self.listen,
                    "Behind a proxy that does TLS: loopback. With a certificate of its own: 0.0.0.0:8443, say.",
                ),
                input(
                    "data",
                    "Folder for its data",
                    &self.data,
                    "Store and ledger; only this account may enter it. The store is SQLite: one machine needs no other. A backup moves it to PostgreSQL when a second replica comes.",
                ),
                input(
                    "certificate",
                    "Certificate chain, PEM file",
                    &self.certificate,
                    "Leave both empty where something in front does TLS, and for localhost. Claude Code pins the leaf: each renewal asks people to sign in again, so take one that lasts.",
                ),
                input(
                    "key",
                    "Its key, PEM file",
                    &self.key,
                    "A file that this account can read.",
                ),
            ],
            findings: Vec::new(),
            anyway: None,
            button: "Go on",
            back: None,
        }
    }

    /// The store's file.
    pub fn store(&self) -> PathBuf {
        Path::new(&self.data).join("doorward.db")
    }

    /// The ledger's folder.
    pub fn ledger(&self) -> PathBuf {
        Path::new(&self.data).join("ledger")
    }
}

/// What is wrong with a folder for data: it must be a whole path, and nobody's yet.
fn data_mistake(folder: &Path) -> Option<String> {
    if !folder.is_absolute() {
        return Some("must be a whole path, from the root".to_owned());
    }
    let text = folder.to_string_lossy();
    if text
        .chars()
        .any(|c| domain::text::is_hostile(c) || c == '?')
    {
        return Some("holds signs that no path here may have".to_owned());
    }
    if folder.join("doorward.db").exists() || folder.join("ledger").exists() {
        return Some(
            "holds a store or a ledger already; `doorward serve` goes on with those, or take another folder"
                .to_owned(),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, value: &str, expected: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let mut walk = super::super::walk::tests::walk(folder.path());
        let mut fields = vec![
            ("org", "Northwind".to_owned()),
            ("public_url", "http://localhost:8080".to_owned()),
            ("listen", "127.0.0.1:8080".to_owned()),
            ("data", folder.path().join("data").display().to_string()),
        ];
        fields.retain(|(name, _)| *name != field);
        let value = value.replace("HERE", &folder.path().display().to_string());
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(&fields).append_pair(field, &value);
        std::fs::create_dir(folder.path().join("ledger")).unwrap();
        walk.organisation.take(&Form::sample(&encoded.finish()));
        let found = walk.organisation.wrong.first();
        assert_eq!(found.map(|(name, _)| *name), expected, "{field}={value}");
        assert_eq!(walk.organisation.is_done, expected.is_none());
    }

    #[test]
    fn each_mistake_stands_beside_its_field() {
        check("org", "Northwind", None);
        check("org", "", Some("org"));
        check("org", "two\nlines", Some("org"));
        check("public_url", "https://ai.example.org/", None);
        check("public_url", "http://ai.example.org", Some("public_url"));
        check(
            "public_url",
            "https://ai.example.org/claude",
            Some("public_url"),
        );
        check("listen", "localhost", Some("listen"));
        check("listen", "127.0.0.1:0", Some("listen"));
        check("data", "data", Some("data"));
        check("data", "HERE", Some("data"));
        check("certificate", "/nowhere.pem", Some("key"));
        check("key", "/nowhere.pem", Some("certificate"));
    }
}
