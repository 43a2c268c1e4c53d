//! Statements that a connection keeps prepared.

use diesel::{
    QueryResult,
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
};

/// What can be kept prepared.
pub(crate) trait Prepare: Sized {
    /// Declares that the text of this statement is the same whatever its values, so that a
    /// connection prepares it once.
    ///
    /// Diesel prepares an update or an upsert each time it runs: a changeset may leave columns out,
    /// and all the texts that come of it would fill the cache. That costs PostgreSQL a round trip, and
    /// SQLite the compiling of the statement.
    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}

impl<S> Prepare for S {}

/// A statement whose text is always the same.
pub(crate) struct Prepared<S>(S);

impl<DB: Backend, S: QueryFragment<DB>> QueryFragment<DB> for Prepared<S> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<S> QueryId for Prepared<S> {
    // The connection compares texts.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S: Query> Query for Prepared<S> {
    type SqlType = S::SqlType;
}
