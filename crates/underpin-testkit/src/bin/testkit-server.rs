//! Starts a PostgreSQL server for a run of the tests, prints its URL, and stops it when standard
//! input closes, that is when whoever started it is gone.

use std::io::{Read as _, Write as _};

use underpin_testkit::Server;

fn main() -> std::io::Result<()> {
    let server = Server::start();
    writeln!(std::io::stdout(), "{}", server.url("postgres"))?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
