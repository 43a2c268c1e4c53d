//! Repositories: written once, for both dialects.

/// Declares a trait of functions on a database, each body written once.
///
/// The bodies are checked for PostgreSQL and for SQLite and work on either connection, on a
/// [`DbConn`](underpin_db::DbConn) within somebody's transaction, and on a whole
/// [`Db`](underpin_db::Db), where one call is one unit of work. The word before `fn` says which:
/// `read(rows)` for a query of so many [`Rows`](underpin_db::Rows), `write` for one statement,
/// `transaction` for several that belong together.
macro_rules! repository {
    (
        $(#[$about:meta])*
        $vis:vis trait $Trait:ident {
            $(
                $(#[$doc:meta])*
                $mode:ident $(($rows:expr))? fn $name:ident ($conn:ident $(, $arg:ident: $ty:ty)* $(,)?) -> $ret:ty
                $body:block
            )*
        }
    ) => {
        $(#[$about])*
        $vis trait $Trait: Send + Sized {
            $(
                $(#[$doc])*
                fn $name(
                    self $(, $arg: $ty)*
                ) -> impl Future<Output = Result<$ret, underpin_db::DbError>> + Send;
            )*
        }

        impl $Trait for &mut underpin_db::PgConn {
            $(
                async fn $name(self $(, $arg: $ty)*) -> Result<$ret, underpin_db::DbError> {
                    let $conn = self;
                    $body
                }
            )*
        }

        impl $Trait for &mut underpin_db::SqliteConn {
            $(
                async fn $name(self $(, $arg: $ty)*) -> Result<$ret, underpin_db::DbError> {
                    let $conn = self;
                    $body
                }
            )*
        }

        impl $Trait for &mut underpin_db::DbConn {
            $(
                async fn $name(self $(, $arg: $ty)*) -> Result<$ret, underpin_db::DbError> {
                    match self {
                        underpin_db::DbConn::Postgres(conn) => {
                            <&mut underpin_db::PgConn as $Trait>::$name(conn $(, $arg)*).await
                        }
                        underpin_db::DbConn::Sqlite(conn) => {
                            <&mut underpin_db::SqliteConn as $Trait>::$name(conn $(, $arg)*).await
                        }
                    }
                }
            )*
        }

        impl $Trait for &underpin_db::Db {
            $(
                async fn $name(self $(, $arg: $ty)*) -> Result<$ret, underpin_db::DbError> {
                    use futures_util::FutureExt as _;
                    self.$mode($($rows,)? move |conn| conn.$name($($arg),*).boxed()).await
                }
            )*
        }
    };
}

pub(crate) use repository;
