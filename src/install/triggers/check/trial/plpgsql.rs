//! What the extension `plpgsql_check` finds, where it is installed.

use sqlx::{PgConnection, postgres::types::Oid};

use super::{Trial, Watched};
use crate::install::{
    Error,
    query::{query_as, query_scalar},
    triggers::{
        check::problem::{Code, Problem},
        parts::Part,
        savepoint::Savepoint,
        script::{Kind, Level, Trigger},
    },
};

impl Trial<'_, '_> {
    /// Its findings, where the extension is installed.
    pub(super) async fn plpgsql_check(&mut self, watched: &Watched<'_>) -> Result<(), Error> {
        for (_, trigger) in &watched.triggers {
            let savepoint = Savepoint::set(self.connection).await?;
            let found = findings(self.connection, watched.shadow.oid, trigger).await;
            savepoint.roll_back(self.connection).await?;
            let Ok(found) = found else {
                continue;
            };
            let of = |part: &&Part<'_>| matches!(&part.statement.kind, Kind::Function(function) if function.name == trigger.function);
            let Some(part) = self.parts.iter().find(of) else {
                continue;
            };
            let Kind::Function(function) = &part.statement.kind else {
                continue;
            };
            let start = part
                .statement
                .line_of(function.body.clone().map_or(0, |body| body.start));
            for (line, message) in found {
                let line = start + usize::try_from(line).unwrap_or(1).saturating_sub(1);
                let known = self
                    .report
                    .problems
                    .iter()
                    .any(|known| known.message.contains(&message));
                if !known {
                    let mend = "mend the statement at this place";
                    let problem = Problem::new(Code::PlpgsqlCheck, message, mend);
                    self.report
                        .problems
                        .push(problem.at(part.file.name(), line).about(&watched.name));
                }
            }
        }
        Ok(())
    }
}

/// Lines of the body and what is wrong there; nothing where the extension is not installed.
async fn findings(
    connection: &mut PgConnection,
    shadow: Oid,
    trigger: &Trigger,
) -> Result<Vec<(i32, String)>, sqlx::Error> {
    let schema: Option<String> = query_scalar(
        "select quote_ident(nspname) from pg_extension join pg_namespace as n on n.oid = extnamespace
          where extname = 'plpgsql_check'",
    )
    .fetch_optional(&mut *connection)
    .await?;
    let (Some(schema), Level::Statement) = (schema, trigger.level) else {
        return Ok(Vec::new());
    };
    let query = format!(
        "select coalesce(lineno, 1), message
           from {schema}.plpgsql_check_function_tb(
                to_regprocedure($1)::regprocedure, relid => $2::regclass, fatal_errors => false,
                other_warnings => false, extra_warnings => false, performance_warnings => false,
                oldtable => $3::name, newtable => $4::name)
          where level = 'error'"
    );
    query_as(&query)
        .bind(format!("{}()", trigger.function))
        .bind(shadow)
        .bind(&trigger.old_table)
        .bind(&trigger.new_table)
        .fetch_all(connection)
        .await
}
