//! How many projects are kept open, where, and for how long.

use std::{path::PathBuf, time::Duration};

use underpin_db::PoolOptions;

/// How projects are kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// SQLite: where the files are.
    pub data_dir: PathBuf,
    /// Projects that are kept open at most. On SQLite each takes up to [`Settings::descriptors`].
    /// Default: 100.
    pub max_open: u64,
    /// How long a project stays open that nobody uses. Default: 5 min.
    pub idle: Duration,
    /// SQLite: the pools of each project. Default: two readers.
    pub pool: PoolOptions,
    /// Whether a project that is behind is migrated when it is opened; otherwise it is refused.
    pub migrate: bool,
    /// How it is migrated, and how long a second one who opens it waits for that.
    pub migration: underpin::Options,
}

impl Settings {
    /// The defaults, with the files in `data_dir`.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            max_open: 100,
            idle: Duration::from_mins(5),
            pool: PoolOptions { size: 2, ..PoolOptions::default() },
            migrate: false,
            migration: underpin::Options::default(),
        }
    }

    /// File descriptors that an open project takes at most on SQLite: three files for each of its
    /// readers and for the writer, and the lock of a migration.
    #[must_use]
    pub fn descriptors(&self) -> u64 {
        3 * (u64::from(self.pool.size) + 1) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_follow_the_pool() {
        let of = |size| {
            let pool = PoolOptions { size, ..PoolOptions::default() };
            Settings { pool, ..Settings::new(PathBuf::new()) }.descriptors()
        };

        assert_eq!(Settings::new(PathBuf::new()).descriptors(), 10);
        assert_eq!((of(1), of(5)), (7, 19));
    }
}
