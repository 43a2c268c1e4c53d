//! Who runs a migration, for the history and for those who wait.

/// Who runs a migration.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) actor: String,
    pub(crate) host: String,
}

impl Identity {
    /// The user and the machine of this process.
    pub(crate) fn of_this_process() -> Self {
        let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        Self {
            actor: user.unwrap_or_else(|| "unknown".to_owned()),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
        }
    }
}
