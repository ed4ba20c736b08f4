//! Ports for those who must name one before they listen on it.
//!
//! A port that the system hands out (port 0) can go to any connection in the moment between asking and listening, and to any
//! other once a listener has closed it for a while. These lie below the range that systems hand out from (32768 and up on Linux, 49152
//! elsewhere), so that only somebody who asks for this very number can take it.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{io, process};

const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port of 127.0.0.1 that nobody listens on, and that this process has not been given before (but for a full round).
///
/// Errors: all of them are taken.
pub fn free_port() -> io::Result<u16> {
    // Processes begin at different places, so that two rarely try the same one.
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let begin = process::id().wrapping_mul(977);
    for _ in 0..COUNT {
        let next = begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + next % COUNT).expect("the range ends below 65536");
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_free) => return Ok(port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(io::ErrorKind::AddrInUse))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_free_and_given_once() {
        let given: BTreeSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(given.len(), 50);
        for port in given {
            assert!((20_000..32_000).contains(&port), "{port}");
        }
    }
}
