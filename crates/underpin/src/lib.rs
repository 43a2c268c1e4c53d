//! One migration engine for SQLite and PostgreSQL.
//!
//! An [`Engine`] brings one database to where a [`Catalog`] wants it: it plans from the catalog
//! and the database's history ([`plan()`]), locks out every other runner, runs each script together
//! with its history row, and recognises a schema that was there before it.

mod adopt;
mod checkpoint;
mod code;
mod dangling;
mod diesel;
mod engine;
mod error;
pub mod exit;
mod frame;
mod history;
mod identity;
mod instance;
mod lock;
mod mark;
mod options;
mod plan;
mod probe;
mod proof;
mod rebuild;
mod report;
mod schema;
mod script;
mod session;
mod sql;
mod stepwise;
pub mod terminal;
mod transaction;

pub use underpin_catalog::{
    Catalog, CatalogError, Checksum, Dialect, FindError, Metadata, Migration, Version,
};
pub use underpin_db::{
    Access, Code, CodeFuture, Conn, ConnectError, DatabaseUrl, DbError, UrlError,
};

pub use crate::{
    adopt::AdoptRefused,
    diesel::DieselSource,
    engine::{Engine, Standing},
    error::{Error, Left, Place, Refusal, Refused, StepCause, StepError, TriggerFailed},
    history::{Begun, History, Interrupted, Log, Note, Record},
    instance::Instance,
    lock::{DatabaseLock, RunLock},
    mark::Marks,
    options::Options,
    plan::{Direction, Goal, Grouping, Plan, Policy, Step, disagreements, pending, plan},
    probe::{probe_schemas, schemas_like},
    proof::Proof,
    report::{Adopted, Named, Report, Status, StepReport},
    schema::{Column, Difference, DifferenceKind, Schema, Table},
};

/// The target of the log lines that say what happened to a schema. A service shows them whatever
/// its log level is.
pub const LOG_TARGET: &str = "underpin::migration";

/// The target, below [`LOG_TARGET`], of the lines that say what a run waits for.
pub const LOCK_LOG_TARGET: &str = "underpin::migration::lock";
