//! One user who counts aloud: what is lost, done twice or out of order shows.

use serde_json::{Value, json};

use crate::{bus::Bus, replica::eventually, stage::Stage};

/// Who counts.
pub(crate) const USER: &str = "counter";

/// The line that says `number`.
pub(crate) fn line(number: usize) -> Value {
    json!({ "username": USER, "message": number.to_string() })
}

/// Makes the user known, so that the lines are counted.
pub(crate) fn join(stage: &Stage, bus: &Bus) {
    bus.publish("user.joined", &json!({ "username": USER }));
    bus.flush();
    eventually("the user", || stage.count("SELECT count(*) FROM user_stats") == 1);
}

/// Publishes the lines of `numbers` and waits until the server has them.
pub(crate) fn say(bus: &Bus, numbers: std::ops::RangeInclusive<usize>) {
    for number in numbers {
        bus.publish("message.log", &line(number));
    }
    bus.flush();
}

/// How many lines were kept.
pub(crate) fn kept(stage: &Stage) -> usize {
    stage.count("SELECT count(*) FROM recent_chat").try_into().unwrap()
}

/// Waits for the lines 1 to `last`, and makes sure that each is there and counted once.
pub(crate) fn assert_all(stage: &Stage, last: usize) {
    eventually("all lines", || kept(stage) >= last);
    let counted = format!("SELECT total_chat_lines FROM user_stats WHERE username = '{USER}'");
    assert_eq!((kept(stage), stage.count(&counted)), (last, i64::try_from(last).unwrap()));
    let different =
        stage.count("SELECT count(*) FROM (SELECT DISTINCT message FROM recent_chat) AS different");
    assert_eq!(different, i64::try_from(last).unwrap());
}

/// Makes sure that the lines 1 to `last` were kept in this order.
pub(crate) fn assert_in_order(stage: &Stage, last: usize) {
    let lines = stage.db.texts("SELECT message FROM recent_chat ORDER BY id");
    let numbers: Vec<usize> = lines.iter().map(|line| line.parse().unwrap()).collect();
    for pair in numbers.windows(2) {
        assert_eq!(pair[0] + 1, pair[1], "the order");
    }
    assert_eq!((numbers.first(), numbers.last()), (Some(&1), Some(&last)));
}
