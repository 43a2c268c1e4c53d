//! PostgreSQL 16 in a container.

use std::process::Command;

use testcontainers::{
    Container, ContainerRequest, GenericImage, ImageExt as _,
    core::{IntoContainerPort as _, Mount, WaitFor},
    runners::SyncRunner as _,
};

use crate::port;

/// The container; removed when it is dropped.
pub(super) type Postgres = Container<GenericImage>;

/// Starts it, and gives its URL up to the name of the database.
pub(super) fn start() -> Result<(String, Postgres), String> {
    let container = image()
        // What is thrown away need not reach a disk.
        .with_mount(Mount::tmpfs_mount("/var/lib/postgresql/data"))
        .start()
        .map_err(|error| error.to_string())?;
    let port = container.get_host_port_ipv4(5432).map_err(|error| error.to_string())?;
    Ok((base(port), container))
}

/// Like [`start`], with data and a port that outlive a crash.
pub(super) fn start_lasting() -> Result<(String, Postgres), String> {
    let port = port::free();
    let image = image().with_mapped_port(port, 5432.tcp());
    Ok((base(port), image.start().map_err(|error| error.to_string())?))
}

/// Runs `docker <verb> <container>`.
pub(super) fn docker(verb: &str, container: &Postgres) -> Result<(), String> {
    let output = Command::new("docker").args([verb, container.id()]).output();
    let output = output.map_err(|error| format!("cannot run `docker`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn image() -> ContainerRequest<GenericImage> {
    // The image's first start runs a temporary server; only after "init process complete" is the
    // ready line the real server's.
    GenericImage::new("postgres", "16-alpine")
        .with_exposed_port(5432.tcp())
        .with_wait_for(WaitFor::message_on_stdout("PostgreSQL init process complete"))
        .with_wait_for(WaitFor::message_on_stderr("ready to accept connections"))
        .with_env_var("POSTGRES_PASSWORD", "test")
        .with_cmd(["postgres", "-c", "fsync=off", "-c", "max_connections=300"])
}

fn base(port: u16) -> String {
    format!("postgres://postgres:test@127.0.0.1:{port}")
}
