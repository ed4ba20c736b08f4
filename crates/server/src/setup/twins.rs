//! The other addresses that the name `localhost` has. A browser that is sent to `localhost` may try them first, so whoever of this machine
//! listens there at the walk's port would be handed the link's secret and everything that is typed. They are taken and not listened on:
//! a browser is refused there at once, and goes to the walk. Called by [`super`].

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, ensure};
use tokio::net::TcpSocket;

/// What `localhost` stands for.
const LOCALHOST: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Keeps everybody else from the walk's port at the other addresses, for as long as it is held.
#[derive(Debug)]
pub struct Twins {
    _held: Vec<TcpSocket>,
}

/// Takes them, or says that somebody is there. An address that this machine does not have is nobody's.
pub fn hold(listen: SocketAddr) -> anyhow::Result<Twins> {
    ensure!(
        LOCALHOST.contains(&listen.ip()),
        "--listen must be 127.0.0.1 or [::1]: a browser finds no other address under the name localhost"
    );
    let mut held = Vec::new();
    for address in LOCALHOST {
        if address == listen.ip() {
            continue;
        }
        let twin = SocketAddr::new(address, listen.port());
        let taken = take(twin).with_context(|| {
            format!(
                "another program is at {twin}, where a browser may look for localhost, and would be told what is meant for the walk; take another port with --listen"
            )
        })?;
        held.extend(taken);
    }
    Ok(Twins { _held: held })
}

fn take(twin: SocketAddr) -> io::Result<Option<TcpSocket>> {
    let socket = match twin {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    // Without the protocol there is nobody there either.
    let Ok(socket) = socket else { return Ok(None) };
    match socket.bind(twin) {
        Ok(()) => Ok(Some(socket)),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A socket of ours at 127.0.0.1, at a port that is free at ::1; none on a machine without that.
    async fn at_home() -> Option<(TcpListener, SocketAddr)> {
        let ours = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let twin = SocketAddr::from((Ipv6Addr::LOCALHOST, ours.local_addr().unwrap().port()));
        let is_there = TcpListener::bind(twin).await.is_ok();
        is_there.then_some((ours, twin))
    }

    #[tokio::test]
    async fn nobody_else_answers_for_localhost_while_the_walk_is_on() {
        let Some((ours, twin)) = at_home().await else {
            return;
        };
        let held = hold(ours.local_addr().unwrap()).unwrap();
        assert!(TcpListener::bind(twin).await.is_err(), "it is taken");
        let refused = TcpStream::connect(twin).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        drop(held);
        assert!(TcpListener::bind(twin).await.is_ok());
    }

    #[tokio::test]
    async fn a_walk_does_not_begin_beside_somebody_who_answers_for_localhost() {
        let Some((ours, twin)) = at_home().await else {
            return;
        };
        let _squatter = TcpListener::bind(twin).await.unwrap();
        let error = hold(ours.local_addr().unwrap()).unwrap_err().to_string();
        assert!(error.contains(&twin.to_string()), "{error}");
    }

    #[test]
    fn an_address_that_localhost_does_not_have_is_none_for_a_walk() {
        assert!(hold("127.0.0.2:8080".parse().unwrap()).is_err());
        assert!(hold("10.0.0.1:8080".parse().unwrap()).is_err());
    }
}
