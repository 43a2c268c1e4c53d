//! The password file; see <https://www.postgresql.org/docs/16/libpq-pgpass.html>.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use tokio_postgres::{Config, config::Host};

/// The password of the first line that fits one of the hosts.
///
/// A file that others may read is not used, as with libpq; the log says so.
pub(super) fn find(file: &Path, config: &Config) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mode = fs::metadata(file).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(
            file = %file.display(),
            "the password file may be read by others and is not used: `chmod 600` it"
        );
        return None;
    }
    let ports = config.get_ports();
    config.get_hosts().iter().enumerate().find_map(|(index, host)| {
        let host = match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(_) => "localhost".to_owned(),
        };
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        let user = config.get_user().unwrap_or_default();
        let name = config.get_dbname().unwrap_or(user);
        search(&text, [&host, &port.to_string(), name, user])
    })
}

/// The last field of the first line whose other four fit `wanted`; `*` fits everything.
pub(super) fn search(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let [patterns @ .., password] = fields.as_slice() else { return None };
        let fits = patterns.len() == 4
            && patterns
                .iter()
                .zip(wanted)
                .all(|(pattern, value)| pattern == "*" || pattern == value);
        fits.then(|| password.clone())
    })
}

/// Cuts a line at its first four colons; a backslash takes what follows as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' if fields.len() < 4 => fields.push(std::mem::take(&mut field)),
            '\\' => field.extend(chars.next()),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}
