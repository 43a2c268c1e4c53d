//! Log lines, on standard output.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

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
    // It would be told with a panic when nothing reads standard error any more.
    let lines = lines.log_internal_errors(false);
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().with_target(true).init(),
    }
}

/// How often something is told that may happen any number of times.
const SELDOM: Duration = Duration::from_secs(10);

/// Counts what happens often, so that the log is told seldom.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Counts one more; gives how many there were since this was told last, when it is to be told now.
    pub(crate) fn due(&self) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.1 += 1;
        if told.0.is_some_and(|last| last.elapsed() < SELDOM) {
            return None;
        }
        told.0 = Some(Instant::now());
        Some(std::mem::take(&mut told.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_told_once() {
        let seldom = Seldom::default();

        assert_eq!(seldom.due(), Some(1));
        assert!((0..5).all(|_| seldom.due().is_none()));
        seldom.0.lock().unwrap().0 = Instant::now().checked_sub(SELDOM);
        assert_eq!(seldom.due(), Some(6));
    }
}
