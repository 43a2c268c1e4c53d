//! High-water marks.

use rstest::rstest;
use underpin_db::{Db, Dialect};
use underpin_models::bot::{ChannelStats, ChannelStatsRepository as _};

use crate::{Bot, NOW, on_head};

async fn marks(db: &Db) -> ChannelStats {
    db.high_water_marks().await.unwrap().unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_new_database_has_marks_of_0(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let new = marks(&db).await;
        assert_eq!((new.id, new.max_users, new.max_users_timestamp), (1, 0, None));
        assert_eq!((new.max_connected, new.max_connected_timestamp), (0, None));

        for (users, connected) in
            [(0, None), (0, Some(0)), (-1, Some(-1)), (i64::MIN, Some(i64::MIN))]
        {
            db.update_high_water_mark(users, connected, NOW).await.unwrap();
            assert_eq!(marks(&db).await, new, "{users} {connected:?}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn only_more_raises_a_mark_and_each_for_itself(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        db.update_high_water_mark(5, Some(7), NOW).await.unwrap();
        let first = ChannelStats {
            id: 1,
            max_users: 5,
            max_users_timestamp: Some(NOW),
            max_connected: 7,
            max_connected_timestamp: Some(NOW),
            last_updated: NOW,
        };
        assert_eq!(marks(&db).await, first);

        for (users, connected) in
            [(5, Some(7)), (4, Some(6)), (0, None), (5, Some(0)), (-1, Some(-9))]
        {
            db.update_high_water_mark(users, connected, NOW + 1).await.unwrap();
            assert_eq!(marks(&db).await, first, "{users} {connected:?}");
        }

        db.update_high_water_mark(6, Some(7), NOW + 2).await.unwrap();
        let second = ChannelStats {
            max_users: 6,
            max_users_timestamp: Some(NOW + 2),
            last_updated: NOW + 2,
            ..first
        };
        assert_eq!(marks(&db).await, second);

        // The clock went back: the newest raise is still the newest.
        db.update_high_water_mark(1, Some(8), NOW - 3).await.unwrap();
        let third = ChannelStats {
            max_connected: 8,
            max_connected_timestamp: Some(NOW - 3),
            last_updated: NOW - 3,
            ..second
        };
        assert_eq!(marks(&db).await, third);

        db.update_high_water_mark(i64::MAX, Some(i64::MAX), NOW).await.unwrap();
        db.update_high_water_mark(i64::MAX, Some(i64::MAX), NOW + 9).await.unwrap();
        let highest = marks(&db).await;
        assert_eq!((highest.max_users, highest.max_users_timestamp), (i64::MAX, Some(NOW)));
        assert_eq!((highest.max_connected, highest.max_connected_timestamp), (i64::MAX, Some(NOW)));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_missing_row_is_made_by_the_first_raise(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        on.batch("DELETE FROM channel_stats");
        assert_eq!(db.high_water_marks().await.unwrap(), None);

        db.update_high_water_mark(0, None, NOW).await.unwrap();
        assert_eq!(db.high_water_marks().await.unwrap(), None);

        db.update_high_water_mark(0, Some(2), NOW).await.unwrap();
        let made = ChannelStats {
            id: 1,
            max_users: 0,
            max_users_timestamp: None,
            max_connected: 2,
            max_connected_timestamp: Some(NOW),
            last_updated: NOW,
        };
        assert_eq!(marks(&db).await, made);
    });
}
