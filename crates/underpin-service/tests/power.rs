//! Power failures: a sample of what `scripts/prove --only power` tries for hours.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The programs: this one's service and, where the whole workspace is built, the command beside it.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_underpin-service")).parent().unwrap().to_owned()
}

#[test]
fn whatever_was_answered_is_there_after_a_power_failure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let state = tempfile::tempdir().unwrap();
    let mut prove = Command::new("python3");
    prove.arg(root.join("scripts/prove")).args(["--only", "power", "--minutes", "0.5"]);
    prove.arg("--build").arg(programs()).arg("--state").arg(state.path());

    let output = prove.output().unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    let row = said.lines().find(|line| line.starts_with("| power failures replayed")).unwrap();
    let tried: u32 = row.split('|').nth(3).unwrap().trim().replace(',', "").parse().unwrap();
    assert!(tried > 20, "{row}");
}
