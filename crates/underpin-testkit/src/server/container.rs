//! PostgreSQL 16 in a container.

use testcontainers::{
    Container, GenericImage, ImageExt as _,
    core::{IntoContainerPort as _, Mount, WaitFor},
    runners::SyncRunner as _,
};

/// The container; removed when it is dropped.
pub(super) type Postgres = Container<GenericImage>;

/// Starts it, and gives its URL up to the name of the database.
pub(super) fn start() -> Result<(String, Postgres), String> {
    // The image's first start runs a temporary server; only after "init process complete" is the
    // ready line the real server's.
    let container = GenericImage::new("postgres", "16-alpine")
        .with_exposed_port(5432.tcp())
        .with_wait_for(WaitFor::message_on_stdout("PostgreSQL init process complete"))
        .with_wait_for(WaitFor::message_on_stderr("ready to accept connections"))
        .with_env_var("POSTGRES_PASSWORD", "test")
        // What is thrown away need not reach a disk.
        .with_mount(Mount::tmpfs_mount("/var/lib/postgresql/data"))
        .with_cmd(["postgres", "-c", "fsync=off", "-c", "max_connections=300"])
        .start()
        .map_err(|error| error.to_string())?;
    let port = container.get_host_port_ipv4(5432).map_err(|error| error.to_string())?;
    Ok((format!("postgres://postgres:test@127.0.0.1:{port}"), container))
}
