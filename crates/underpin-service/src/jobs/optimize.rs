//! Lets the database look at its tables again, so that it plans queries by what is in them.

use underpin_db::{Db, DbError};

pub(super) async fn run(db: &Db) -> Result<String, DbError> {
    db.optimize().await?;
    Ok("the statistics of the tables are up to date".to_owned())
}
