//! Ctrl-C and `kill`: the first asks the run to stop, the second stops it.

use std::{sync::Arc, thread};

use tokio::signal::unix::{SignalKind, signal};
use underpin::exit;
use underpin_fleet::Stop;

use super::progress::Progress;

/// Listens until the process ends, on a thread of its own, for the run blocks this one. `resume` is the
/// command that goes on.
pub(super) fn listen(
    stop: Arc<Stop>,
    progress: Arc<Progress>,
    resume: String,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(inside);
    thread::spawn(move || {
        let mut next = || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
        };
        next();
        stop.ask();
        progress.say("stopping when what is in flight is done; a second signal stops at once");
        next();
        // As safe as `kill -9`: transactions roll back, and the journal tells which were at work.
        progress.say(&format!("stopped at once\nnext: {resume}"));
        std::process::exit(exit::FAILED.into());
    });
    Ok(())
}
