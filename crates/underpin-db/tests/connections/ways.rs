//! The ways to a server, as libpq documents them:
//! <https://www.postgresql.org/docs/16/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS>.

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{
    ask,
    proxy::{Authority, Proxy, socket},
    said,
};

/// `user:password`, `host:port` and the database of a test's URL.
pub(crate) fn parts(db: &TestDb) -> (String, String, String) {
    let (user, rest) = db.url()["postgres://".len()..].split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    (user.to_owned(), server.to_owned(), name.to_owned())
}

/// What stands behind a host.
#[derive(Clone, Copy)]
enum Server {
    /// It knows no TLS.
    Plain,
    /// Its certificate is for the name that was asked for.
    Right,
    /// Its certificate is for another name.
    OtherName,
    /// Its certificate is of an authority that nobody told us of.
    Stranger,
}

/// What comes of it.
#[derive(Clone, Copy)]
enum Outcome {
    Plain,
    Encrypted,
    /// With an error that says this.
    Refused(&'static str),
}
use Outcome::{Encrypted, Refused};

#[rstest]
#[case("disable", false, Server::Plain, Outcome::Plain)]
#[case("disable", false, Server::Right, Outcome::Plain)]
#[case("prefer", false, Server::Plain, Outcome::Plain)]
#[case("prefer", false, Server::Stranger, Encrypted)]
#[case("prefer", false, Server::OtherName, Encrypted)]
#[case("require", false, Server::Plain, Refused("TLS"))]
#[case("require", false, Server::Stranger, Encrypted)]
#[case("require", true, Server::OtherName, Encrypted)]
#[case("require", true, Server::Stranger, Refused("certificate"))]
#[case("verify-ca", true, Server::Right, Encrypted)]
#[case("verify-ca", true, Server::OtherName, Encrypted)]
#[case("verify-ca", true, Server::Stranger, Refused("certificate"))]
#[case("verify-ca", true, Server::Plain, Refused("TLS"))]
#[case("verify-full", true, Server::Right, Encrypted)]
#[case("verify-full", true, Server::OtherName, Refused("certificate"))]
#[case("verify-full", true, Server::Stranger, Refused("certificate"))]
#[case("verify-full", true, Server::Plain, Refused("TLS"))]
fn sslmode_means_what_libpq_says(
    #[case] mode: &str,
    #[case] root: bool,
    #[case] server: Server,
    #[case] outcome: Outcome,
) {
    let db = TestDb::new(Dialect::Postgres);
    let (user, upstream, name) = parts(&db);
    let (known, stranger) = (Authority::new(), Authority::new());
    let proxy = Proxy::start(
        &upstream,
        match server {
            Server::Plain => None,
            Server::Right => Some((&known, "localhost")),
            Server::OtherName => Some((&known, "elsewhere.example")),
            Server::Stranger => Some((&stranger, "localhost")),
        },
    );
    let root =
        if root { format!("&sslrootcert={}", known.root().display()) } else { String::new() };
    let url = format!("postgres://{user}@localhost:{}/{name}?sslmode={mode}{root}", proxy.port);

    let answer = ask(&url, "SELECT current_database()");

    match outcome {
        Refused(text) => {
            let error = said(&answer.unwrap_err());
            assert!(error.contains(text), "{error}");
            return;
        }
        Outcome::Plain => assert_eq!(proxy.encrypted(), 0),
        Encrypted => assert_eq!(proxy.encrypted(), 1),
    }
    assert_eq!(answer.unwrap(), Some(name));
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let db = TestDb::new(Dialect::Postgres);
    let url = format!("{}?sslmode=verify-ca&sslrootcert=/no/such/root.crt", db.url());

    let error = ask(&url, "SELECT 1").unwrap_err();

    assert!(error.is_configuration());
    assert!(said(&error).contains("/no/such/root.crt"), "{}", said(&error));
}

#[test]
fn the_next_host_is_tried_when_one_is_down() {
    let db = TestDb::new(Dialect::Postgres);
    let (user, server, name) = parts(&db);

    let answer = ask(&format!("postgres://{user}@127.0.0.1:1,{server}/{name}"), "SELECT 1");

    assert_eq!(answer.unwrap().as_deref(), Some("1"));
}

#[test]
fn a_socket_is_a_way() {
    let db = TestDb::new(Dialect::Postgres);
    let (user, server, name) = parts(&db);
    socket(db.dir(), &server);
    let dir = db.dir().display().to_string().replace('/', "%2F");

    let answer = ask(&format!("postgres://{user}@{dir}/{name}"), "SELECT current_database()");

    assert_eq!(answer.unwrap(), Some(name));
}

#[test]
fn the_server_sees_who_is_there() {
    let db = TestDb::new(Dialect::Postgres);
    let name = "SELECT current_setting('application_name')";

    assert_eq!(ask(db.url(), name).unwrap().as_deref(), Some("underpin"));
    let own = format!("{}?application_name=mine", db.url());
    assert_eq!(ask(&own, name).unwrap().as_deref(), Some("mine"));
}
