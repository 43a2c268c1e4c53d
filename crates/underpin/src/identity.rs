//! Who runs a migration, for the history and for those who wait.

use std::sync::OnceLock;

/// Who runs a migration.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) actor: String,
    pub(crate) host: String,
}

impl Identity {
    /// This process, for people who wait for it.
    pub(crate) fn process() -> String {
        let Self { actor, host } = Self::of_this_process();
        format!("process {} (user {actor}, on {host})", std::process::id())
    }

    /// The user and the machine of this process.
    pub(crate) fn of_this_process() -> &'static Self {
        static IDENTITY: OnceLock<Identity> = OnceLock::new();
        IDENTITY.get_or_init(|| {
            let unknown = || "unknown".to_owned();
            Self {
                actor: whoami::username().unwrap_or_else(|_| unknown()),
                host: whoami::hostname().unwrap_or_else(|_| unknown()),
            }
        })
    }
}
