//! What stands before a PostgreSQL server and does not hand on which process works for a connection.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
};

use crate::{TestDb, bouncer::parts};

/// What a client hears of the process that works for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// Nothing: the message is left out.
    Nothing,
    /// The number 0.
    Zero,
}

/// A relay in front of the server of a test's database, alive as long as the process.
pub struct Relay(SocketAddr);

impl Relay {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    #[must_use]
    pub fn start(db: &TestDb, announced: Announced) -> Self {
        let parts = parts(db.url());
        let server = format!("{}:{}", parts.host, parts.port);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || relay(client, &server, announced));
            }
        });
        Self(address)
    }

    /// The URL of `db` through the relay.
    #[must_use]
    pub fn url(&self, db: &TestDb) -> String {
        let parts = parts(db.url());
        let (user, password, name) = (parts.user, parts.password, parts.name);
        format!("postgres://{user}:{password}@{}/{name}?sslmode=disable", self.0)
    }
}

fn relay(client: TcpStream, server: &str, announced: Announced) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let there = thread::spawn(move || {
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(std::net::Shutdown::Write));
    });
    let (mut from, mut to) = (server, client);
    drop(start_up(&mut from, &mut to, announced).and_then(|()| io::copy(&mut from, &mut to)));
    drop(to.shutdown(std::net::Shutdown::Both));
    drop(there.join());
    Ok(())
}

/// Hands on what a server says until it is ready. Each message is a letter, its length with these four
/// bytes, and the rest: <https://www.postgresql.org/docs/16/protocol-message-formats.html>.
fn start_up(from: &mut TcpStream, to: &mut TcpStream, announced: Announced) -> io::Result<()> {
    loop {
        let mut head = [0; 5];
        from.read_exact(&mut head)?;
        let [letter, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or_default();
        let mut rest = vec![0; length.saturating_sub(4)];
        from.read_exact(&mut rest)?;
        match (letter, announced) {
            (b'K', Announced::Nothing) => continue,
            (b'K', Announced::Zero) => rest.iter_mut().for_each(|byte| *byte = 0),
            _ => {}
        }
        to.write_all(&head)?;
        to.write_all(&rest)?;
        if letter == b'Z' {
            return Ok(());
        }
    }
}
