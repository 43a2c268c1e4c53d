//! `bot_recovered_values`.

use diesel::prelude::*;

use super::schema::bot_recovered_values;

/// A value that an older database held and that the typed schema cannot, as it was.
///
/// Written by migrations alone; a migration that is taken back puts the values back.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = bot_recovered_values, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct RecoveredValue {
    /// Of the row.
    pub id: i64,
    /// The table that the value comes from.
    pub table_name: String,
    /// The primary key of its row, as text.
    pub row_key: String,
    /// The column that it comes from.
    pub column_name: String,
    /// The value, as text.
    pub value: Option<String>,
    /// Why it could not stay.
    pub reason: String,
}
