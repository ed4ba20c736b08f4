//! A PostgreSQL database of a test's own, and lines to it that can be cut, silenced and mended.

use domain::Ids as _;
use server::system::SystemIds;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a line between Doorward and PostgreSQL does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Open,
    /// Connections break, new ones are closed.
    Cut,
    /// Connections stand, and nothing passes.
    Silent,
}

/// A way to the database.
#[derive(Debug)]
pub(crate) struct Wire {
    url: String,
    line: watch::Sender<Line>,
}

impl Wire {
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn is(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// A database of its own, and a line to it.
#[derive(Debug)]
pub(crate) struct Database {
    server: String,
    name: String,
    wire: Wire,
}

impl Database {
    pub(crate) async fn make() -> Self {
        sqlx::any::install_default_drivers();
        let server = postgres();
        let mut bytes = [0u8; 8];
        SystemIds.fill(&mut bytes);
        let name = format!("server_{}", pipeline::identity::hex(&bytes));
        run_on(&server, format!("CREATE DATABASE {name}")).await;
        let wire = lay(&server, &name).await;
        Self { server, name, wire }
    }

    pub(crate) fn url(&self) -> String {
        self.wire.url()
    }

    pub(crate) fn is(&self, line: Line) {
        self.wire.is(line);
    }

    /// One more line, for one more replica.
    pub(crate) async fn another_wire(&self) -> Wire {
        lay(&self.server, &self.name).await
    }

    /// Runs a statement past Doorward.
    pub(crate) async fn beside(&self, sql: &str) {
        let (base, _) = self.server.rsplit_once('/').unwrap();
        run_on(&format!("{base}/{}", self.name), sql.to_owned()).await;
    }

    pub(crate) async fn remove(self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        run_on(&self.server, sql).await;
    }
}

async fn lay(server: &str, name: &str) -> Wire {
    let parsed = url::Url::parse(server).unwrap();
    let address = format!(
        "{}:{}",
        parsed.host_str().unwrap(),
        parsed.port().unwrap_or(5432)
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut through = parsed.clone();
    through
        .set_port(Some(listener.local_addr().unwrap().port()))
        .unwrap();
    through.set_host(Some("127.0.0.1")).unwrap();
    through.set_path(name);
    let (line, is) = watch::channel(Line::Open);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, address.clone(), is.clone()));
        }
    });
    Wire {
        url: through.to_string(),
        line,
    }
}

async fn pass(mut client: TcpStream, server: String, mut is: watch::Receiver<Line>) {
    if is.wait_for(|line| *line != Line::Silent).await.is_err() || *is.borrow() == Line::Cut {
        return;
    }
    let mut server = TcpStream::connect(server).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
        _ = is.wait_for(|line| *line != Line::Open) => {}
    }
    // Bytes on the way are lost, as with a machine that dies: a connection that was interrupted is not mended.
    let _ = is.wait_for(|line| *line != Line::Silent).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test run names its PostgreSQL in the environment"
)]
fn postgres() -> String {
    std::env::var("DOORWARD_TEST_POSTGRES").expect(
        "no PostgreSQL to test on: run `cargo xtask test`, which starts one and names it in DOORWARD_TEST_POSTGRES",
    )
}

async fn run_on(server: &str, sql: String) {
    let mut connection = AnyConnection::connect(server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}
