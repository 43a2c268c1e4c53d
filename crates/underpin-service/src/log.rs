//! Log lines, on standard output.

use tracing_subscriber::{EnvFilter, filter::Directive, filter::LevelFilter};

use crate::{Config, LogFormat};

/// Starts to write log lines. What happens to the schema is shown at every level.
pub(crate) fn start(config: &Config) {
    let migrations: Directive = LevelFilter::INFO.into();
    // What the client of NATS tells at `info`, the service tells as well, with what it means.
    let levels = format!("async_nats=warn,{}", config.log_level);
    let filter = EnvFilter::new(levels).add_directive(
        format!("{}={migrations}", underpin::LOG_TARGET).parse().unwrap_or(migrations),
    );
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().with_target(true).init(),
    }
}
