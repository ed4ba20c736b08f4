//! A loopback HTTP/1.1 listener with `TCP_NODELAY`, one task per connection, that can refuse connections and take them again on
//! the same port.
//!
//! Runs in the runtime it is started in, or on a thread of its own. Ends when dropped.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::body::Body;
use super::port::free_port;
use super::socket::{ResetSwitch, Socket};

const BACKLOG: u32 = 4_096;

/// The connection ends here, without the rest of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the fake hung up")]
pub struct Hangup;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Refusing,
    Stopped,
}

/// What answers the requests of a [`Server`].
pub trait Answers: Clone + Send + Sync + 'static {
    /// Answers one request, or hangs up. The switch belongs to the connection the request came on.
    fn answer(
        &self,
        request: Request<Incoming>,
        connection: ResetSwitch,
    ) -> impl Future<Output = Result<Response<Body>, Hangup>> + Send;
}

/// A port of 127.0.0.1 that is ours but does not answer yet, so that a fake can know its own address before it speaks.
#[derive(Debug)]
pub struct Bound {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Bound {
    /// Takes `127.0.0.1:port` (0: any free port).
    ///
    /// Errors: the port is taken.
    pub fn to(port: u16) -> io::Result<Self> {
        // Not one that the system would hand out: a fake that is down for a while must find its port again.
        let port = if port == 0 { free_port()? } else { port };
        let socket = socket(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Listens in the present runtime.
    pub fn serve(self, service: impl Answers) -> io::Result<Server> {
        let listener = self.socket.listen(BACKLOG)?;
        let (server, run) = Server::assemble(self.address, listener, service);
        tokio::spawn(run);
        Ok(server)
    }

    /// Listens on a thread and single-threaded runtime of its own, so that the fake keeps to one core.
    ///
    /// Errors: no runtime or thread can be had.
    pub fn serve_on_thread(self, service: impl Answers) -> io::Result<Server> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            self.socket.listen(BACKLOG)?
        };
        let (server, run) = Server::assemble(self.address, listener, service);
        std::thread::Builder::new()
            .name("testkit".to_owned())
            .spawn(move || runtime.block_on(run))?;
        Ok(server)
    }
}

/// A running listener.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    wanted: watch::Sender<Mode>,
    is: watch::Receiver<Mode>,
}

impl Server {
    fn assemble(
        address: SocketAddr,
        listener: TcpListener,
        service: impl Answers,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (wanted, orders) = watch::channel(Mode::Open);
        let (told, is) = watch::channel(Mode::Open);
        let server = Self {
            address,
            wanted,
            is,
        };
        (server, run(listener, address, service, orders, told))
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every open connection and refuses new ones; returns when that is so.
    pub async fn refuse_connections(&self) {
        self.order(Mode::Refusing).await;
    }

    /// Takes connections again, on the same port; returns when that is so.
    pub async fn accept_connections(&self) {
        self.order(Mode::Open).await;
    }

    /// Cuts every open connection and ends; returns when that is so.
    pub async fn stop(self) {
        self.order(Mode::Stopped).await;
    }

    async fn order(&self, mode: Mode) {
        self.wanted.send_replace(mode);
        // an error means that it has ended, which is the end of every wish
        let _ = self
            .is
            .clone()
            .wait_for(|is| *is == mode || *is == Mode::Stopped)
            .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.wanted.send_replace(Mode::Stopped);
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn run(
    first: TcpListener,
    address: SocketAddr,
    service: impl Answers,
    mut orders: watch::Receiver<Mode>,
    told: watch::Sender<Mode>,
) {
    let mut listener = first;
    loop {
        told.send_replace(Mode::Open);
        accept(&listener, &service, &mut orders).await;
        drop(listener);
        if *orders.borrow_and_update() == Mode::Stopped {
            break;
        }
        // bound but not listening, the port stays ours and the kernel refuses for us
        let held = socket(address);
        told.send_replace(Mode::Refusing);
        match orders
            .wait_for(|mode| *mode != Mode::Refusing)
            .await
            .map(|m| *m)
        {
            Ok(Mode::Open) => {}
            _ => break,
        }
        match held.and_then(|socket| socket.listen(BACKLOG)) {
            Ok(again) => listener = again,
            Err(_) => break,
        }
    }
    told.send_replace(Mode::Stopped);
}

/// Serves until another order comes; every connection is cut on return.
async fn accept(
    listener: &TcpListener,
    service: &impl Answers,
    orders: &mut watch::Receiver<Mode>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, service.clone()));
                }
                // out of file descriptors: give the others a moment to close theirs
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next() => {}
            () = other_than_open(orders) => {
                connections.shutdown().await;
                return;
            }
        }
    }
}

async fn other_than_open(orders: &mut watch::Receiver<Mode>) {
    // an error means that the handle is gone, which ends us as well
    let _ = orders.wait_for(|mode| *mode != Mode::Open).await;
}

async fn serve(stream: TcpStream, service: impl Answers) {
    // a peer that is gone already shows at the first read
    let _ = stream.set_nodelay(true);
    let (socket, switch) = Socket::new(stream);
    let service = service_fn(move |request| {
        let (service, switch) = (service.clone(), switch.clone());
        async move { service.answer(request, switch).await }
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(1024 * 1024);
    // how a connection ends is the client's affair; the fake has recorded what it saw
    let _ = builder
        .serve_connection(TokioIo::new(socket), service)
        .await;
}
