//! Two associations in one process: Birch at 127.0.0.1 and Kiln at localhost, on one socket, each with an identity provider, providers
//! and a ledger of its own; and the identity provider of those who look after both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use control::Control;
use server::config::{self, Named};
use server::demo::world::{At, Stage};
use server::running::{Running, start_all};
use server::system::{SystemClock, SystemIds};
use server::wiring::Wired;
use testkit::idp::App;
use testkit::net::free_port;
use testkit::{Http, Idp, Person};

use crate::database::{Database, Wire};

/// The application of those who look after both.
pub(super) const CARE_CLIENT: &str = "care";

/// Where their rows are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stores {
    /// A SQLite file for each.
    Apart,
    /// One PostgreSQL database for both.
    One,
}

/// One of the two.
pub(super) struct Side {
    pub(super) stage: Stage,
    pub(super) wired: Arc<Wired>,
    /// Its way to the database, where that is PostgreSQL.
    pub(super) wire: Option<Wire>,
}

/// Both, served.
pub(super) struct Two {
    pub(super) birch: Side,
    pub(super) kiln: Side,
    pub(super) ops: String,
    running: Option<Running>,
    database: Option<Database>,
}

impl Two {
    pub(super) async fn set(stores: Stores) -> Self {
        Self::set_with(stores, None).await
    }

    /// Both also believe this identity provider, that of those who look after both.
    pub(super) async fn set_with(stores: Stores, care: Option<&Idp>) -> Self {
        let address = || SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let (listen, ops) = (address(), address());
        let at = |host: &str, org: &str| At {
            base: format!("http://{host}:{}", listen.port()),
            listen,
            ops,
            org: org.to_owned(),
        };
        let database = match stores {
            Stores::Apart => None,
            Stores::One => Some(Database::make().await),
        };
        let birch = stage(at("127.0.0.1", "Birch"), database.as_ref()).await;
        let kiln = stage(at("localhost", "Kiln"), database.as_ref()).await;
        for ((stage, _), care) in [&birch, &kiln].into_iter().zip(care.into_iter().cycle()) {
            let text = std::fs::read_to_string(stage.config_file()).unwrap();
            let issuer = format!(
                "[[issuer]]\nname = \"care\"\nissuer = \"{}\"\naudiences = [\"{CARE_CLIENT}\"]\n\n[[upstream]]",
                care.issuer()
            );
            let text = text.replacen("[[upstream]]", &issuer, 1);
            std::fs::write(stage.config_file(), text).unwrap();
        }
        let named = config::load_all(&[birch.0.config_file(), kiln.0.config_file()]).unwrap();
        let running = start_all(&named).await.unwrap();
        let wired: Vec<Arc<Wired>> = running.orgs().map(Arc::clone).collect();
        let side = |(stage, wire), index: usize| Side {
            stage,
            wired: Arc::clone(&wired[index]),
            wire,
        };
        Self {
            birch: side(birch, 0),
            kiln: side(kiln, 1),
            ops: format!("http://{ops}"),
            running: Some(running),
            database,
        }
    }

    pub(super) fn both(&self) -> [&Side; 2] {
        [&self.birch, &self.kiln]
    }

    /// What operators are told: status and words.
    pub(super) async fn told(&self, path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.ops);
        let answer = Http::new().get(&url).send().await.unwrap();
        (answer.status, answer.text())
    }

    /// Ends the process in good order; its files stay.
    pub(super) async fn halt(&mut self) {
        let running = self.running.take().unwrap();
        running.stop(Duration::from_secs(2)).await.unwrap();
    }

    pub(super) async fn stop(mut self) {
        self.halt().await;
        if let Some(database) = self.database {
            database.remove().await;
        }
    }
}

/// The identity provider of those who look after both, with one of them.
pub(super) fn care() -> Idp {
    Idp::builder(Arc::new(SystemClock), Arc::new(SystemIds))
        .person(Person::new("tess", "Tess Technician", "tess@care.example"))
        .app(App::native(CARE_CLIENT, "http://127.0.0.1/callback"))
        .start()
        .unwrap()
}

async fn stage(at: At, database: Option<&Database>) -> (Stage, Option<Wire>) {
    let Some(database) = database else {
        return (Stage::set_at(at, None).await.unwrap(), None);
    };
    let wire = database.another_wire().await;
    let stage = Stage::set_at(at, Some((&wire.url(), [0x5a; 32]))).await;
    (stage.unwrap(), Some(wire))
}

impl Side {
    pub(super) fn base(&self) -> &str {
        &self.stage.base
    }

    /// As its machine reaches it.
    pub(super) fn control(&self) -> Control {
        self.wired.control()
    }

    /// Its configuration, as the program reads it.
    pub(super) fn named(&self) -> Named {
        let file = self.stage.config_file();
        config::load_all(&[file]).unwrap().remove(0)
    }
}
