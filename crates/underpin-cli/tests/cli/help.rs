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
#[case("")]
fn help(#[case] verb: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    let args: Vec<_> = [verb, "--help"].into_iter().filter(|arg| !arg.is_empty()).collect();

    assert_said(&db, &format!("help_{verb}"), bare(&args));
}
