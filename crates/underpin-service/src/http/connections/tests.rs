//! Who is let in, who makes way and who is cut off.

use std::{net::SocketAddr, thread::sleep};

use super::*;

/// Three connections, two of them of one address.
fn connections() -> Connections {
    let limits = Limits { connections: 3, connections_of_address: 2, ..Limits::default() };
    let [head, idle, answer] = [1, 2, 3].map(|tenths| Duration::from_millis(tenths * 100));
    Connections::new(limits, Patience { head, idle, answer })
}

fn peer(address: &str) -> Peer {
    Peer::new(SocketAddr::new(address.parse().unwrap(), 1))
}

/// One that the service is at work for.
fn busy(connections: &Connections, address: &str) -> Entry {
    let entry = connections.enter(peer(address)).unwrap();
    entry.connection().works();
    entry
}

fn is_cut(entry: &Entry) -> bool {
    !entry.inner.table().all.contains_key(&entry.id)
}

#[test]
fn who_owes_most_makes_way_and_nobody_who_has_only_just_come() {
    let connections = connections();
    let first = busy(&connections, "10.0.0.1");
    let second = connections.enter(peer("10.0.0.2")).unwrap();
    sleep(Duration::from_millis(5));
    let third = connections.enter(peer("10.0.0.3")).unwrap();
    assert!(connections.enter(peer("10.0.0.4")).is_none());
    sleep(GRACE);
    first.connection().answered();

    let fourth = connections.enter(peer("10.0.0.4")).unwrap();

    assert!(is_cut(&second) && !is_cut(&first) && !is_cut(&third) && !is_cut(&fourth));
    let fifth = connections.enter(peer("10.0.0.5")).unwrap();
    assert!(is_cut(&third) && !is_cut(&first));
    drop((second, third));
    assert_eq!(fifth.inner.table().all.len(), 3);
}

#[test]
fn one_address_takes_no_place_from_others() {
    let connections = connections();
    let other = connections.enter(peer("10.0.0.2")).unwrap();
    let held = [busy(&connections, "10.0.0.1"), busy(&connections, "10.0.0.1")];

    assert!(connections.enter(peer("10.0.0.1")).is_none());
    held[1].connection().wants_body();
    sleep(GRACE);
    let third = connections.enter(peer("10.0.0.1")).unwrap();

    assert!(is_cut(&held[1]) && !is_cut(&held[0]) && !is_cut(&third) && !is_cut(&other));
}

#[test]
fn this_machine_is_let_in_when_all_others_are_at_work() {
    let connections = connections();
    let held = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|one| busy(&connections, one));

    assert!(connections.enter(peer("10.0.0.4")).is_none());
    let loopback: Vec<_> =
        (0..KEPT_FOR_LOOPBACK).map_while(|_| connections.enter(peer("127.0.0.1"))).collect();

    assert_eq!(loopback.len(), KEPT_FOR_LOOPBACK);
    assert!(held.iter().all(|one| !is_cut(one)));
    drop((held, loopback));
    assert!(connections.enter(peer("10.0.0.4")).is_some());
}

#[test]
fn what_trickles_is_waited_for_and_what_flows_is_not() {
    let connections = connections();
    let (trickle, flow) = (busy(&connections, "10.0.0.1"), busy(&connections, "10.0.0.2"));
    for _ in 0..6 {
        for (one, bytes) in [(&trickle, 1), (&flow, 4_096)] {
            one.connection().wants_body();
            sleep(Duration::from_millis(25));
            one.connection().got_body(bytes);
        }
    }
    for one in [&trickle, &flow] {
        one.connection().wants_body();
    }
    sleep(Duration::from_millis(60));
    let owed = |one: &Entry| one.connection().owes(Instant::now()).unwrap().1;

    assert!(owed(&trickle) >= GRACE && owed(&flow) < GRACE, "{:?}", owed(&flow));
}

#[test]
fn who_keeps_the_service_waiting_is_cut_off_in_time() {
    let connections = connections();
    let enter = |address: &str| connections.enter(peer(address)).unwrap();
    let (head, work) = (enter("10.0.0.1"), busy(&connections, "10.0.0.2"));
    sleep(Duration::from_millis(150));
    connections.cut_overdue();
    assert!(is_cut(&head) && !is_cut(&work));

    work.connection().answered();
    sleep(Duration::from_millis(150));
    connections.cut_overdue();
    assert!(!is_cut(&work));
    // The next head begins, and is not whole in time.
    work.connection().heard();
    sleep(Duration::from_millis(150));
    connections.cut_overdue();
    assert!(is_cut(&work));
}

#[test]
fn who_does_not_take_an_answer_is_cut_off_and_a_websocket_is_not() {
    let connections = connections();
    let (slow, socket) = (busy(&connections, "10.0.0.1"), busy(&connections, "10.0.0.2"));
    socket.connection().upgraded();
    socket.connection().answered();
    for one in [&slow, &socket] {
        one.connection().blocked();
    }
    sleep(Duration::from_millis(200));
    slow.connection().took(1);
    slow.connection().blocked();
    connections.cut_overdue();
    assert!(!is_cut(&slow));
    // It took something, and yet was waited for too long for so little.
    sleep(Duration::from_millis(200));
    connections.cut_overdue();
    assert!(is_cut(&slow) && !is_cut(&socket));
}
