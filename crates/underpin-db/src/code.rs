//! What a migration does in Rust, where SQL cannot.

use std::{fmt, pin::Pin};

use crate::{Conn, DbError};

/// A function that a migration names, and runs after its script in the same transaction.
///
/// The function leaves the transaction open and the schema as the script made it. It may run more
/// than once, each time on a database that was rolled back to where it was before, so it does
/// nothing outside the database.
#[derive(Clone, Copy)]
pub struct Code {
    /// What `metadata.toml` calls it: `hash_api_tokens/1`.
    pub name: &'static str,
    /// The function. Its errors reach logs and people, so they hold no secrets.
    pub run: for<'c> fn(&'c mut Conn) -> CodeFuture<'c>,
}

/// What a [`Code`] gives back: `Box::pin(async move { … })`.
pub type CodeFuture<'c> = Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 'c>>;

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Code").field(&self.name).finish()
    }
}

/// The name says which function it is; the addresses of functions are not unique.
impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Code {}
