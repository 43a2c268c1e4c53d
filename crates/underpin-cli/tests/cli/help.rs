//! Help is an interface: a reviewer reads it like code.

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{assert_said, bare};

#[rstest]
#[case("upgrade")]
#[case("downgrade")]
#[case("redo")]
#[case("current")]
#[case("history")]
#[case("heads")]
#[case("check")]
#[case("stamp")]
#[case("adopt")]
#[case("revision")]
#[case("repair")]
#[case("fleet")]
#[case("fleet status")]
#[case("fleet plan")]
#[case("fleet upgrade")]
#[case("fleet downgrade")]
#[case("fleet adopt")]
#[case("fleet resume")]
#[case("fleet retry-failed")]
#[case("fleet report")]
#[case("")]
fn help(#[case] verb: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    let args: Vec<_> = verb.split_whitespace().chain(["--help"]).collect();

    assert_said(&db, &format!("help_{}", verb.replace([' ', '-'], "_")), bare(&args));
}
