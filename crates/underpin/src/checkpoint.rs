//! The numbered places at which a test may kill a run.

/// A place between two actions of a run. Does nothing unless the `fail` crate's `failpoints`
/// feature is on and the fail point `underpin::step` is set: `5*off->panic` dies at the sixth.
pub(crate) fn checkpoint() {
    fail::fail_point!("underpin::step");
}
