//! The numbered places at which a test may kill a run.

/// A place between two actions of a run. Does nothing unless the feature `failpoints` is on and the
/// fail point `underpin::step` is set: `5*off->panic` dies at the sixth.
pub(crate) fn checkpoint() {
    #[cfg(feature = "failpoints")]
    fail::fail_point!("underpin::step");
}
