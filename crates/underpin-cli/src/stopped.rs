//! Ctrl-C and `kill` while a database is changed.

use std::{io::Write as _, thread};

use tokio::signal::unix::{SignalKind, signal};

/// Ends the process at the first signal, as safely as `kill -9` would, and says what that leaves. It listens
/// on a thread of its own, for work on SQLite blocks this one.
pub(crate) fn listen() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(inside);
    thread::spawn(move || {
        let code = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            }
        });
        drop(writeln!(
            std::io::stderr(),
            "stopped: a migration that is done stays, one that was under way in its transaction is rolled \
             back, one outside a transaction may be half done: see `underpin history`"
        ));
        std::process::exit(code);
    });
    Ok(())
}
