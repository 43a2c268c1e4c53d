//! With a stream nothing is lost, done twice or out of order, whatever is killed at whatever moment:
//! the service, the NATS server or PostgreSQL.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rstest::rstest;
use underpin_testkit::{Dialect, OwnServer, TestDb};

use crate::{
    chat,
    replica::eventually,
    stage::{Mode, Stage},
};

const ROUNDS: usize = 7;

/// A moment that is another one in each run.
fn moment() -> Duration {
    Duration::from_millis(50 + RandomState::new().hash_one(0) % 500)
}

/// Has somebody count aloud while `round` is called again and again, then sees that each number was
/// applied once and in order.
fn count_through(stage: &mut Stage, mut round: impl FnMut(&mut Stage)) {
    chat::join(stage, &stage.bus());
    let (bus, done) = (stage.bus(), AtomicBool::new(false));
    let last = std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                // In bursts, for a group is where a crash hurts, and no faster than they are applied.
                if number % 50 == 0 {
                    std::thread::sleep(Duration::from_millis(150));
                }
                bus.put("message.log", &chat::line(number), &number.to_string());
            }
            number
        });
        let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..ROUNDS {
                let kept = chat::kept(stage);
                std::thread::sleep(moment());
                round(stage);
                eventually("more lines", || chat::kept(stage) > kept);
            }
        }));
        done.store(true, Ordering::Relaxed);
        let last = counting.join().unwrap();
        if let Err(panic) = rounds {
            std::panic::resume_unwind(panic);
        }
        last
    });
    chat::assert_all(stage, last);
    chat::assert_in_order(stage, last);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, 1)]
#[case::postgres(Dialect::Postgres, 1)]
#[case::sqlite_two(Dialect::Sqlite, 2)]
#[case::postgres_two(Dialect::Postgres, 2)]
fn the_service_is_killed(#[case] dialect: Dialect, #[case] number: usize) {
    let mut stage = Stage::new(dialect, Mode::Stream);
    let mut replicas: Vec<_> = (0..number).map(|_| stage.replica()).collect();

    count_through(&mut stage, |stage| {
        // The oldest, which is the one that leads.
        replicas.remove(0).kill();
        replicas.push(stage.replica());
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_nats_server_is_killed(#[case] dialect: Dialect) {
    let mut stage = Stage::new(dialect, Mode::Stream);
    let _replicas = [stage.replica(), stage.replica()];

    count_through(&mut stage, |stage| {
        stage.nats.kill();
        std::thread::sleep(moment() / 4);
        stage.nats.restart();
    });
}

#[test]
fn postgres_is_killed() {
    let mut server = OwnServer::start();
    let mut stage = Stage::on(TestDb::on(&server), Mode::Stream);
    let _replicas = [stage.replica(), stage.replica()];

    count_through(&mut stage, |_| {
        server.kill();
        std::thread::sleep(moment() / 4);
        server.restart();
    });
}
