//! How statements reach the server. Nothing is left prepared there, so that a pooler may stand between:
//! it would give the next client a connection on which the name is taken. An empty statement cache does
//! not do that, because the driver still names what it prepares.

use sqlx::{
    AssertSqlSafe, FromRow, PgConnection, Postgres,
    postgres::{PgArguments, PgRow},
    query::{Query, QueryAs, QueryScalar},
};

/// Runs statements as they are, one or many.
pub(super) async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .map(drop)
}

/// One statement and no more: the server takes no second one.
pub(super) fn query(sql: &str) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false)
}

/// The same, for its rows.
pub(super) fn query_as<O>(sql: &str) -> QueryAs<'static, Postgres, O, PgArguments>
where
    O: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(AssertSqlSafe(sql.to_owned())).persistent(false)
}

/// The same, for the first column of its rows.
pub(super) fn query_scalar<O>(sql: &str) -> QueryScalar<'static, Postgres, O, PgArguments>
where
    (O,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).persistent(false)
}
