//! Which PostgreSQL database a connection leads to, whatever it is called there.
//!
//! A name proves nothing: staging and production have the same ones, and a schema that was dropped and
//! made again is another one. What does not lie is the number of the cluster, which a standby keeps when
//! it takes over, with the numbers of the database and of the schema in it.

use std::collections::BTreeMap;

use underpin_catalog::Dialect;
use underpin_db::Conn;

use crate::{Error, error::Doing};

const DOING: &str = "find out which database this is";

/// Which PostgreSQL database a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The number of the cluster; `None` where the role may not ask for it.
    pub system: Option<String>,
    /// The number of the database in it.
    pub database: String,
    /// The schema that unqualified names are made in.
    pub current_schema: Option<String>,
    /// The numbers of all schemas, by their names.
    pub schemas: BTreeMap<String, String>,
}

impl Instance {
    /// Asks the server. SQLite has none: [`Error::NoSchema`].
    pub async fn of(conn: &mut Conn) -> Result<Self, Error> {
        if conn.dialect() == Dialect::Sqlite {
            return Err(Error::NoSchema);
        }
        conn.own().await.doing(DOING)?;
        let answers = ask(conn).await?;
        let mut system = None;
        if answers.one(MAY) == Some("t") {
            let query = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
            system = conn.text(query).await.doing(DOING)?;
        }
        let schemas = answers.all(SCHEMAS).filter_map(|line| line.split_once(' '));
        Ok(Self {
            system,
            database: answers.one(DATABASE).unwrap_or_default().to_owned(),
            current_schema: conn.schema().map(str::to_owned),
            schemas: schemas.map(|(oid, name)| (name.to_owned(), oid.to_owned())).collect(),
        })
    }
}

/// The statements of the first message, by their place in it.
const MAY: usize = 0;
const DATABASE: usize = 1;
const SCHEMAS: usize = 2;

struct Answers(Vec<(usize, Option<String>)>);

impl Answers {
    fn all(&self, statement: usize) -> impl Iterator<Item = &str> {
        let of = move |(number, _): &&(usize, Option<String>)| *number == statement;
        self.0.iter().filter(of).filter_map(|(_, text)| text.as_deref())
    }

    fn one(&self, statement: usize) -> Option<&str> {
        self.all(statement).next()
    }
}

async fn ask(conn: &mut Conn) -> Result<Answers, Error> {
    let query = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE');\n\
                 SELECT oid FROM pg_catalog.pg_database \
                 WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database();\n\
                 SELECT pg_catalog.concat(oid, ' ', nspname) FROM pg_catalog.pg_namespace";
    let wanted = [MAY, DATABASE, SCHEMAS];
    Ok(Answers(conn.answers(query, &wanted).await.doing(DOING)?))
}
