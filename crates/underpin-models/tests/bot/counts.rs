//! How many were there, over time.

use rstest::rstest;
use underpin_db::{Db, Dialect};
use underpin_models::bot::UserCountRepository as _;

use crate::{Bot, NOW, on_head};

async fn history(db: &Db, since: i64) -> Vec<(i64, i64, i64)> {
    let counts = db.user_count_history(since).await.unwrap();
    counts
        .into_iter()
        .map(|count| (count.timestamp, count.chat_users, count.connected_users))
        .collect()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn any_count_is_kept(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        // More in the chat than connected is what the bot sends; the rest is what it should not.
        let counts = [(3, 0), (0, 0), (-1, -7), (i64::MAX, i64::MIN), (2, 5)];
        for (chat, connected) in counts {
            db.log_user_count(chat, connected, NOW).await.unwrap();
        }

        let read: Vec<_> = history(&db, NOW).await;
        assert_eq!(read, counts.map(|(chat, connected)| (NOW, chat, connected)));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_history_starts_with_its_first_second_and_ascends(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        assert_eq!(history(&db, i64::MIN).await, []);
        for (now, chat) in [(NOW, 3), (NOW + 1, 5), (NOW - 1, 1), (NOW, 4), (-1, 0), (NOW - 1, 2)] {
            db.log_user_count(chat, 9, now).await.unwrap();
        }
        let all = [(-1, 0), (NOW - 1, 1), (NOW - 1, 2), (NOW, 3), (NOW, 4), (NOW + 1, 5)]
            .map(|(at, n)| (at, n, 9));

        assert_eq!(history(&db, i64::MIN).await, all);
        assert_eq!(history(&db, NOW - 1).await, all[1..]);
        assert_eq!(history(&db, NOW).await, all[3..]);
        assert_eq!(history(&db, NOW + 1).await, all[5..]);
        assert_eq!(history(&db, NOW + 2).await, []);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn only_older_counts_are_deleted(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for now in [NOW - 2, NOW - 1, NOW, NOW + 1] {
            db.log_user_count(1, 1, now).await.unwrap();
        }

        assert_eq!(db.delete_user_counts_before(NOW).await.unwrap(), 2);
        assert_eq!(history(&db, i64::MIN).await, [(NOW, 1, 1), (NOW + 1, 1, 1)]);
        assert_eq!(db.delete_user_counts_before(NOW).await.unwrap(), 0);
        assert_eq!(db.delete_user_counts_before(i64::MIN).await.unwrap(), 0);
        assert_eq!(db.delete_user_counts_before(i64::MAX).await.unwrap(), 2);
    });
}
