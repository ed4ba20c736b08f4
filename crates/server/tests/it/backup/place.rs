//! A second place for the same installation, empty, on either engine.

use std::path::{Path, PathBuf};

use server::config;
use server::demo::world::Stage;
use server::system::SystemIds;

use crate::database::Database;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// Where an installation keeps things, and the configuration that says so. The rest is the stage's.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) config: PathBuf,
    pub(crate) ledger: PathBuf,
    pub(crate) folder: PathBuf,
    database: Option<Database>,
}

impl Place {
    pub(crate) async fn make(stage: &Stage, name: &str, on: On) -> Self {
        let folder = stage.dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let text = std::fs::read_to_string(stage.config_file()).unwrap();
        let dir = stage.dir.path().display();
        let (database, store) = match on {
            On::Sqlite => (
                None,
                format!("url = \"sqlite:{}\"", folder.join("doorward.db").display()),
            ),
            On::Postgres => {
                let database = Database::make().await;
                std::fs::write(folder.join("url"), database.url()).unwrap();
                let reference = |name: &str| format!("file:{}", folder.join(name).display());
                let store = format!(
                    "url = \"{}\"\nmaster_key = \"{}\"",
                    reference("url"),
                    reference("doorward.key")
                );
                (Some(database), store)
            }
        };
        let ledger = folder.join("ledger");
        let text = text
            .replace(&format!("url = \"sqlite:{dir}/doorward.db\""), &store)
            .replace(
                &format!("dir = \"{dir}/ledger\""),
                &format!("dir = \"{}\"", ledger.display()),
            );
        let config = folder.join("doorward.toml");
        std::fs::write(&config, text).unwrap();
        Self {
            config,
            ledger,
            folder,
            database,
        }
    }

    /// Brings the sealing key along, which a backup does not hold.
    pub(crate) fn bring_key(&self, from: &Path) {
        std::fs::copy(from, self.folder.join("doorward.key")).unwrap();
    }

    /// The stage with this place in place of its own.
    pub(crate) fn on(&self, mut stage: Stage) -> Stage {
        stage.config = config::load(&self.config)
            .map_err(|mistakes| mistakes.join("\n"))
            .unwrap();
        stage
    }

    pub(crate) async fn remove(self) {
        if let Some(database) = self.database {
            database.remove().await;
        }
    }
}

/// Bytes that make a name of a test's own.
pub(crate) fn random() -> String {
    let mut bytes = [0u8; 4];
    domain::Ids::fill(&SystemIds, &mut bytes);
    pipeline::identity::hex(&bytes)
}
