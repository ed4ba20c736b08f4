//! Two `doorward serve` processes on one PostgreSQL behind a load balancer that keeps nobody to one of them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::Policy;
use ledger::verify::{Report, Trust, verify_folder};
use server::demo::world::Stage;
use testkit::{Actor, Http, Session};
use tokio::net::{TcpSocket, TcpStream};

use crate::database::{Database, Line, Wire};
use crate::run::{doorward, program, words};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks at something that another process does.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

/// Each pair is two processes and a database beside everything else that is tested: one pair at a time.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Both replicas, what stands before them, and what they share.
pub(crate) struct Pair {
    pub(crate) stage: Stage,
    pub(crate) a: Replica,
    pub(crate) b: Replica,
    pub(crate) balancer: Balancer,
    pub(crate) database: Database,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

/// One process.
pub(crate) struct Replica {
    pub(crate) base: String,
    pub(crate) ops: String,
    pub(crate) ledger_dir: PathBuf,
    config_file: PathBuf,
    child: Option<Child>,
    /// Its way to the database.
    wire: Wire,
}

impl Pair {
    /// Both are told to start at the same moment, on a database that is empty but for the demo's policy.
    pub(crate) async fn start() -> Self {
        Self::start_with(str::to_owned).await
    }

    /// The same with another policy, made of the demo's.
    pub(crate) async fn start_with(change: impl FnOnce(&str) -> String) -> Self {
        let mut pair = Self::set().await;
        let file = pair.stage.dir.path().join("first.toml");
        let policy = change(include_str!("../../../src/demo/policy.toml"));
        std::fs::write(&file, &policy).unwrap();
        let file = file.display().to_string();
        let apply = ["policy", "apply", &file, "--reason", "first"];
        pair.a.command(&apply).await;
        for connector in &Policy::parse(1, &policy).unwrap().document().connector {
            let found = ["--risk", "low", "--vendor", "a test", "--reason", "try"];
            let review = ["connectors", "review", &connector.name];
            pair.a.command(&[&review[..], &found[..]].concat()).await;
        }
        pair.start_both().await;
        pair
    }

    /// Everything but the replicas' processes; the database is empty.
    pub(crate) async fn set() -> Self {
        let turn = TURN.lock().await;
        let stage = Stage::set(0).await.unwrap();
        let database = Database::make().await;
        let a = Replica::on(&stage, "a", database.another_wire().await);
        let b = Replica::on(&stage, "b", database.another_wire().await);
        let balancer = Balancer::start(stage.config.server.listen, [&a, &b]);
        Self {
            stage,
            a,
            b,
            balancer,
            database,
            _turn: turn,
        }
    }

    pub(crate) async fn start_both(&mut self) {
        self.a.spawn();
        self.b.spawn();
        self.a.is_ready().await;
        self.b.is_ready().await;
    }

    /// One more replica, which is not started and gets no connections of the balancer's.
    pub(crate) async fn another(&self, name: &str) -> Replica {
        Replica::on(&self.stage, name, self.database.another_wire().await)
    }

    pub(crate) fn both(&self) -> [&Replica; 2] {
        [&self.a, &self.b]
    }

    /// Ends both in good order; both ledgers must hold.
    pub(crate) async fn stop(mut self) {
        self.end_both().await;
        self.clean_up().await;
    }

    pub(crate) async fn end_both(&mut self) {
        for replica in [&mut self.a, &mut self.b] {
            replica.terminate().await;
            let report = replica.verified();
            assert!(report.is_clean(), "{report}");
        }
    }

    /// Once both have ended.
    pub(crate) async fn clean_up(self) {
        self.stage.first.stop().await;
        self.stage.second.stop().await;
        self.stage.crm.stop().await;
        self.database.remove().await;
    }
}

impl Replica {
    fn on(stage: &Stage, name: &str, wire: Wire) -> Self {
        let folder = stage.dir.path();
        let (listen, ops) = (free(), free());
        let ledger_dir = folder.join(format!("ledger-{name}"));
        let config_file = folder.join(format!("{name}.toml"));
        let text = std::fs::read_to_string(stage.config_file()).unwrap();
        let sqlite = format!("url = \"sqlite:{}/doorward.db\"", folder.display());
        let store_url = folder.join(format!("{name}.store"));
        let postgres = format!(
            "url = \"file:{}\"\nmaster_key = \"file:{}/master.key\"",
            store_url.display(),
            folder.display()
        );
        let server = &stage.config.server;
        let mut replaced = text;
        for (from, to) in [
            (
                format!("listen = \"{}\"", server.listen),
                format!("listen = \"{listen}\""),
            ),
            (
                format!("ops = \"{}\"", server.ops),
                format!("ops = \"{ops}\""),
            ),
            (sqlite, postgres),
            (
                format!("dir = \"{}/ledger\"", folder.display()),
                format!("dir = \"{}\"", ledger_dir.display()),
            ),
        ] {
            assert!(replaced.contains(&from), "{from} is not in {replaced}");
            replaced = replaced.replace(&from, &to);
        }
        ledger::private::write(&store_url, wire.url().as_bytes()).unwrap();
        ledger::private::write(&folder.join("master.key"), "5a".repeat(32).as_bytes()).unwrap();
        std::fs::write(&config_file, replaced).unwrap();
        Self {
            base: format!("http://{listen}"),
            ops: format!("http://{ops}"),
            ledger_dir,
            config_file,
            child: None,
            wire,
        }
    }

    /// Starts the process; it need not be ready when this returns.
    pub(crate) fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let child = program(&["serve", "--config"])
            .arg(&self.config_file)
            .env("DOORWARD_LOG", "error")
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Starts the process, which must end by itself; what it said last.
    pub(crate) async fn fails_to_start(&mut self) -> String {
        let child = program(&["serve", "--config"])
            .arg(&self.config_file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let ended = async {
            let child = self.child.insert(child);
            loop {
                match child.try_wait().unwrap() {
                    Some(status) => return status,
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        };
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        let status = ended.expect("the process ends by itself");
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        said
    }

    pub(crate) async fn is_ready(&mut self) {
        let url = format!("{}/readyz", self.ops);
        let http = Http::new();
        let ready = async {
            loop {
                let ended = self.child.as_mut().unwrap().try_wait().unwrap();
                assert!(ended.is_none(), "the process ended at its start: {ended:?}");
                if http.get(&url).send().await.is_ok_and(|it| it.status == 200) {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let ready = tokio::time::timeout(PATIENCE, ready).await;
        ready.expect("the process gets ready");
    }

    /// SIGTERM, and its end.
    pub(crate) async fn terminate(&mut self) {
        let child = self.child.take().unwrap();
        let ended = tokio::task::spawn_blocking(move || ended_by_term(child));
        let status = tokio::time::timeout(PATIENCE, ended).await;
        let status = status.expect("the process ends").unwrap();
        assert!(status.success(), "it ended with {status}");
    }

    /// What its way to the database does from now on.
    pub(crate) fn line(&self, line: Line) {
        self.wire.is(line);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A person's client that talks to this replica alone.
    pub(crate) fn actor(&self, session: &Session) -> Actor {
        Actor::with_bearer(&self.base, &session.access_token)
    }

    /// Runs the program on this replica's machine.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        let output = doorward(&self.config_file, arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", words(&output));
        output
    }

    /// A sample of `/metrics`, with its labels as they stand there; none when it is not there.
    pub(crate) async fn metric(&self, name: &str) -> Option<i64> {
        let url = format!("{}/metrics", self.ops);
        let text = Http::new().get(&url).send().await.unwrap().text();
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value)
    }

    pub(crate) fn verified(&self) -> Report {
        verify_folder(&self.ledger_dir, Trust::none()).unwrap()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The test has failed; its process must not stay behind.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn ended_by_term(mut child: Child) -> std::process::ExitStatus {
    let term = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(term.success());
    child.wait().unwrap()
}

/// A loopback address that is free now, and that no outgoing connection is given: those have ports from 32768 on.
fn free() -> SocketAddr {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    loop {
        let number = std::process::id() as usize * 37 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(11_000 + number % 20_000).unwrap();
        if let Ok(socket) = TcpListener::bind(("127.0.0.1", port)) {
            return socket.local_addr().unwrap();
        }
    }
}

/// Passes each new connection on to one replica, in turn or to the one that is chosen, and to the other when it does not answer.
pub(crate) struct Balancer {
    fixed: Arc<AtomicUsize>,
}

/// No replica is chosen.
const IN_TURN: usize = usize::MAX;

/// Each client comes from an address of its own, as they do where they are.
async fn connect(from: Ipv4Addr, to: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to.parse().unwrap()).await
}

impl Balancer {
    fn start(listen: SocketAddr, replicas: [&Replica; 2]) -> Self {
        let addresses = replicas.map(|one| one.base["http://".len()..].to_owned());
        let fixed = Arc::new(AtomicUsize::new(IN_TURN));
        let balancer = Self {
            fixed: Arc::clone(&fixed),
        };
        tokio::spawn(async move {
            let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
            let (mut turn, mut clients) = (0, 1u32);
            while let Ok((mut client, _)) = listener.accept().await {
                let first = match fixed.load(Ordering::SeqCst) {
                    IN_TURN => {
                        turn += 1;
                        turn
                    }
                    chosen => chosen,
                };
                let order = [&addresses[first % 2], &addresses[(first + 1) % 2]].map(Clone::clone);
                clients += 1;
                let from = Ipv4Addr::from(0x7f01_0000 + clients);
                tokio::spawn(async move {
                    for address in order {
                        if let Ok(mut replica) = connect(from, &address).await {
                            let _ = replica.set_nodelay(true);
                            let _ = client.set_nodelay(true);
                            let _ = tokio::io::copy_bidirectional(&mut client, &mut replica).await;
                            return;
                        }
                    }
                });
            }
        });
        balancer
    }

    /// New connections go to the first (0) or second (1) replica.
    pub(crate) fn only(&self, replica: usize) {
        self.fixed.store(replica, Ordering::SeqCst);
    }

    /// New connections go to each in turn.
    pub(crate) fn in_turn(&self) {
        self.fixed.store(IN_TURN, Ordering::SeqCst);
    }
}
