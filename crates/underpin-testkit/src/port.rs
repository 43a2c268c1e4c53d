//! Ports for servers.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener},
};

/// A port of this machine that is free now.
///
/// Not one that the system gives to clients: a server that is started again on it might find it
/// taken, even by a client that looks for this very server.
pub(crate) fn free() -> u16 {
    loop {
        let random = RandomState::new().hash_one(std::process::id());
        let port = 10_000 + u16::try_from(random % 20_000).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
