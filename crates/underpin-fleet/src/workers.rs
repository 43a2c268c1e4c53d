//! Threads that take one piece of work after the other.

use std::{
    panic,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::FleetError;

/// Runs `work` on up to `jobs` threads as long as `next` gives something, each with a state of its own.
/// After an error no thread takes more; the first one is given back.
///
/// SQLite works where it is polled, so every thread has a runtime of its own.
pub(crate) fn each<S: Default, I>(
    jobs: usize,
    next: impl Fn() -> Option<I> + Sync,
    work: impl AsyncFn(&mut S, I) -> Result<(), FleetError> + Sync,
) -> Result<(), FleetError> {
    let failed = Mutex::new(None);
    let has_failed = || failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    let fail = |error: FleetError| {
        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    let one = || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let reason = error.to_string();
                return fail(FleetError::System { doing: "start a worker", reason });
            }
        };
        runtime.block_on(async {
            let mut state = S::default();
            while !has_failed()
                && let Some(item) = next()
            {
                if let Err(error) = work(&mut state, item).await {
                    fail(error);
                }
            }
        });
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(one)).collect();
        for thread in threads {
            if let Err(panicked) = thread.join() {
                panic::resume_unwind(panicked);
            }
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// What `work` makes of each of `items`, in their order.
pub(crate) fn map<I, R: Send>(
    jobs: usize,
    items: impl Iterator<Item = I> + Send,
    work: impl AsyncFn(I) -> R + Sync,
) -> Result<Vec<R>, FleetError> {
    let items = Mutex::new(items.enumerate());
    let results = Mutex::new(Vec::new());
    each(
        jobs,
        || items.lock().unwrap_or_else(PoisonError::into_inner).next(),
        async |(): &mut (), (index, item)| {
            let result = work(item).await;
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
            Ok(())
        },
    )?;
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
