//! `underpin-bench`: load for the service and its repositories, measured beside what could be had
//! without them. `scripts/bench` runs it, and starts the servers that it needs.
//!
//! Both sides of a comparison take turns in one run, so that what else the machine does meets both,
//! and each turn ends with a look at the database: figures of work that was not done are none.

mod applier;
mod database;
mod echo;
mod events;
mod fleet;
mod load;
mod projects;
mod replies;
mod report;
mod repositories;
mod requests;
mod service;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use underpin_testkit::Dialect;

/// Measures the service and its repositories
#[derive(Parser)]
#[command(name = "underpin-bench", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Calls through the pools, against the plain drivers doing the same statements
    Repositories {
        dialect: Dialect,
        /// Turns of each side
        #[arg(long, default_value_t = 9)]
        rounds: usize,
    },
    /// Events per second, from the first that is published to the last that is visible
    Events {
        #[command(flatten)]
        with: With,
        /// Events of one round [default: 40000 on SQLite, 4000 on PostgreSQL]
        #[arg(long)]
        events: Option<usize>,
    },
    /// The time of a reply, beside a bare echo, at rest and while events are written
    Replies {
        #[command(flatten)]
        with: With,
        /// Requests of one turn
        #[arg(long, default_value_t = 2_000)]
        requests: usize,
    },
    /// Making projects, against the plain client running the same statements, and opening one of many
    Projects {
        dialect: Dialect,
        /// How many
        #[arg(long, default_value_t = 1_000)]
        projects: usize,
    },
    /// Requests per second about one project, and about one of many
    Requests {
        dialect: Dialect,
        /// The program
        #[arg(long)]
        service: PathBuf,
        /// How many
        #[arg(long, default_value_t = 1_000)]
        projects: usize,
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Requests of one turn
        #[arg(long, default_value_t = 4_000)]
        requests: usize,
    },
    /// Runs over many databases, against a bare loop of the same statements
    Fleet {
        dialect: Dialect,
        #[command(flatten)]
        sizes: fleet::Sizes,
    },
    /// A run over a fleet that has nothing to do
    #[command(hide = true)]
    FleetOnce { dialect: Dialect, url: String, dir: PathBuf, journal: PathBuf, jobs: usize },
    /// Answers requests with so many bytes
    #[command(hide = true)]
    Echo { nats: String, subject: String, bytes: usize },
    /// Applies chat lines to an SQLite file with nothing but the driver
    #[command(hide = true)]
    Applier { nats: String, subject: String, file: PathBuf },
}

/// What the service is measured with.
#[derive(Clone, clap::Args)]
struct With {
    dialect: Dialect,
    /// The program
    #[arg(long)]
    service: PathBuf,
    /// A server with JetStream
    #[arg(long)]
    nats: String,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Repositories { dialect, rounds } => repositories::run(dialect, rounds).await,
        Command::Events { with, events } => {
            let usual = match with.dialect {
                Dialect::Sqlite => 40_000,
                Dialect::Postgres => 4_000,
            };
            events::run(&with, events.unwrap_or(usual)).await
        }
        Command::Replies { with, requests } => replies::run(&with, requests).await,
        Command::Projects { dialect, projects } => projects::run(dialect, projects).await,
        Command::Requests { dialect, service, projects, rounds, requests } => {
            requests::run(dialect, &service, projects, rounds, requests).await
        }
        // The fleet blocks, and brings its own threads.
        Command::Fleet { dialect, sizes } => {
            tokio::task::spawn_blocking(move || fleet::run(dialect, &sizes)).await?
        }
        Command::FleetOnce { dialect, url, dir, journal, jobs } => {
            let run = move || fleet::once(dialect, &url, &dir, &journal, jobs);
            tokio::task::spawn_blocking(run).await?
        }
        Command::Echo { nats, subject, bytes } => echo::run(&nats, subject, bytes).await,
        Command::Applier { nats, subject, file } => applier::run(&nats, subject, &file).await,
    }
}
