//! Ctrl-C and `kill`: the first asks the run to stop, the second stops it, and so does time.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};
use underpin::exit;
use underpin_fleet::Stop;

use super::progress::Progress;

/// How long the last words may take: whoever should read them may be stuck.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Listens until the process ends, on a thread of its own, for the run blocks this one. What is in flight
/// may take `grace` to its end after the first signal, whatever it hangs in. `resume` is the command that
/// goes on.
pub(super) fn listen(
    stop: Arc<Stop>,
    progress: Arc<Progress>,
    grace: Duration,
    resume: String,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(inside);
    let say = move |text: String| {
        let (progress, (done, is_done)) = (Arc::clone(&progress), mpsc::channel());
        thread::spawn(move || {
            progress.say(&text);
            done.send(())
        });
        is_done
    };
    thread::spawn(move || {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        runtime.block_on(next());
        stop.ask();
        let _nobody_waits = say(format!(
            "stopping when what is in flight is done, or in {} s; a second signal stops at once",
            grace.as_secs()
        ));
        let second = runtime.block_on(async { tokio::time::timeout(grace, next()).await });
        // As safe as `kill -9`: transactions roll back, and the journal tells which were at work.
        let why = if second.is_ok() { "at once" } else { "what was still in flight" };
        // It stops all the same when nobody listens.
        say(format!("stopped {why}\nnext: {resume}")).recv_timeout(LAST_WORDS).unwrap_or_default();
        std::process::exit(exit::FAILED.into());
    });
    Ok(())
}
