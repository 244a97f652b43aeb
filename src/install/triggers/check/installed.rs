//! What is installed: read back as if it were a file, and compared with what the files say.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, postgres::types::Oid};

use super::{
    Against, Report, file,
    problem::{Code, Problem},
    trial,
    wanted::Wanted,
};
use crate::install::{
    Error, SqlFile,
    query::{query_as, query_scalar},
    triggers::{
        parts::{Part, all_parts},
        script::{Fires, Kind},
        table::Table,
    },
};

/// Triggers of pgbell on tables of applications, as statements; those of partitions are left out where
/// the parent has one of the same name.
const TRIGGERS: &str = "
    select c.oid, n.nspname || '.' || c.relname, t.tgname::text, t.tgenabled::text, pg_get_triggerdef(t.oid),
           fn.nspname = 'pgbell', p.oid, t.tgtype & 1 = 1
      from pg_trigger as t
      join pg_class as c on c.oid = t.tgrelid join pg_namespace as n on n.oid = c.relnamespace
      join pg_proc as p on p.oid = t.tgfoid join pg_namespace as fn on fn.oid = p.pronamespace
     where not t.tgisinternal and t.tgparentid = 0 and n.nspname not in ('pgbell', 'pg_catalog')
       and n.nspname !~ '^pg_temp'
       and (fn.nspname = 'pgbell' or t.tgname like 'pgbell\\_%')
     order by 2, t.tgname";

/// A function as a file would have it, with owner and rights.
const FUNCTION: &str = "
    select pg_get_functiondef(p.oid) || ';' || e'\\n'
           || format('alter function %I.%I() owner to %I;', n.nspname, p.proname, pg_get_userbyid(p.proowner))
           || case when exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
                                 where grantee = 0 and privilege_type = 'EXECUTE') then ''
                   else e'\\n' || format('revoke all on function %I.%I() from public;', n.nspname, p.proname) end
      from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
     where p.oid = $1";

/// A trigger of pgbell.
pub(super) struct Installed {
    pub(super) table: Oid,
    /// As people read it.
    pub(super) table_name: String,
    pub(super) name: String,
    pub(super) fires: Fires,
    /// The statement that makes it.
    definition: String,
    /// Whether its function is one of schema pgbell.
    is_ours: bool,
    function: Oid,
    is_row: bool,
}

pub(super) async fn has_pgbell(connection: &mut PgConnection) -> Result<bool, Error> {
    query_scalar("select to_regclass('pgbell.change') is not null")
        .fetch_one(connection)
        .await
        .map_err(|source| Error::statement("look for pgbell", &source))
}

/// Tables whose TRUNCATE an installed trigger tells, which need not be in the files at hand.
pub(super) async fn truncates(connection: &mut PgConnection) -> Result<BTreeSet<String>, Error> {
    let tables: Vec<String> = query_scalar(
        "select n.nspname || '.' || c.relname
           from pg_trigger as t
           join pg_class as c on c.oid = t.tgrelid join pg_namespace as n on n.oid = c.relnamespace
           join pg_proc as p on p.oid = t.tgfoid join pg_namespace as fn on fn.oid = p.pronamespace
          where t.tgtype & 32 <> 0 and t.tgenabled <> 'D' and fn.nspname = 'pgbell'",
    )
    .fetch_all(connection)
    .await
    .map_err(|source| Error::statement("read the triggers", &source))?;
    Ok(tables.into_iter().collect())
}

pub(super) async fn check(
    connection: &mut PgConnection,
    parts: &[Part<'_>],
    against: Against<'_>,
) -> Result<Report, Error> {
    let installed = read(connection).await?;
    let wanted = Wanted::of(connection, parts).await?;
    let mut report = Report::default();
    let children = children(connection, &installed).await?;
    let is_meant = |one: &&Installed| {
        let parents = children
            .iter()
            .filter(|(_, kids)| kids.iter().any(|kid| kid.oid == one.table));
        against.everything
            || wanted.tables.contains_key(&one.table.0)
            || parents
                .into_iter()
                .any(|(parent, _)| wanted.tables.contains_key(parent))
    };
    let installed: Vec<_> = installed.iter().filter(is_meant).collect();
    for one in &installed {
        report.problems.extend(wanted.state(one));
        report
            .problems
            .extend(unwatched(one, &installed, &children, &wanted));
    }
    report.problems.extend(wanted.missing(&installed));
    let of_parent = |one: &&&Installed| {
        let mut trees = children.iter();
        !trees.any(|(parent, kids)| {
            kids.iter().any(|kid| kid.oid == one.table)
                && installed
                    .iter()
                    .any(|other| other.table.0 == *parent && other.name == one.name)
        })
    };
    let roots: Vec<_> = installed.iter().filter(of_parent).copied().collect();
    judge(connection, &roots, against, &mut report).await?;
    Ok(report)
}

async fn read(connection: &mut PgConnection) -> Result<Vec<Installed>, Error> {
    type Row = (Oid, String, String, String, String, bool, Oid, bool);
    let rows: Vec<Row> = query_as(TRIGGERS)
        .fetch_all(connection)
        .await
        .map_err(|source| Error::statement("read the triggers", &source))?;
    let one = |(table, table_name, name, enabled, definition, is_ours, function, is_row): Row| {
        Installed {
            table,
            table_name,
            name,
            fires: Fires::of(&enabled),
            definition,
            is_ours,
            function,
            is_row,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// The same rules as for files, and the same trial.
async fn judge(
    connection: &mut PgConnection,
    installed: &[&Installed],
    against: Against<'_>,
    report: &mut Report,
) -> Result<(), Error> {
    let mut text = String::new();
    let mut read = BTreeSet::new();
    for one in installed {
        if read.insert(one.function.0) {
            let function: Option<String> = query_scalar(FUNCTION)
                .bind(one.function)
                .fetch_optional(&mut *connection)
                .await
                .map_err(|source| Error::statement("read the functions", &source))?;
            text.push_str(&function.unwrap_or_default());
            text.push('\n');
        }
    }
    for one in installed {
        text.push_str(&format!("{};\n", one.definition));
        if matches!(one.fires, Fires::Replica | Fires::Always) {
            text.push_str(&firing(one));
        }
    }
    let file = [SqlFile::owned("what is installed", text)];
    let parts = all_parts(&file);
    let mut found = Report {
        problems: file::problems(&parts, against.catalogue),
        unchecked: Vec::new(),
    };
    trial::check(connection, &parts, against.catalogue, &mut found).await?;
    for mut problem in found.problems {
        (problem.file, problem.line) = (None, None);
        problem.mend = format!(
            "{}; then apply the file (this is what is installed)",
            problem.mend
        );
        report.problems.push(problem);
    }
    report.unchecked.extend(found.unchecked);
    Ok(())
}

/// `alter table … enable replica trigger …`, for the rules: the table is taken from the trigger.
fn firing(one: &Installed) -> String {
    let file = [SqlFile::owned("", one.definition.clone())];
    let parts = all_parts(&file);
    let table = parts.iter().find_map(|part| match &part.statement.kind {
        Kind::Trigger(trigger) => Some(trigger.table.to_string()),
        _ => None,
    });
    let statement = table.map(|table| one.fires.statement(&table, &one.name) + "\n");
    statement.unwrap_or_default()
}

async fn children(
    connection: &mut PgConnection,
    installed: &[Installed],
) -> Result<BTreeMap<u32, Vec<Table>>, Error> {
    let mut children = BTreeMap::new();
    for one in installed {
        if children.contains_key(&one.table.0) {
            continue;
        }
        let table = Table {
            oid: one.table,
            name: one.table_name.clone(),
            is_partition: false,
        };
        let found = table.children(connection).await;
        let found = found.map_err(|source| Error::statement("look for partitions", &source))?;
        children.insert(one.table.0, found);
    }
    Ok(children)
}

/// Partitions and inheriting tables that lack a trigger of their parent.
fn unwatched(
    one: &Installed,
    installed: &[&Installed],
    children: &BTreeMap<u32, Vec<Table>>,
    wanted: &Wanted<'_>,
) -> Vec<Problem> {
    let kids = children.get(&one.table.0).into_iter().flatten();
    let lacking = kids.filter(|kid| {
        // Postgres itself gives row triggers of a table to its partitions.
        let by_postgres = kid.is_partition && one.is_row;
        let has = installed
            .iter()
            .any(|other| other.table == kid.oid && other.name == one.name);
        one.is_ours && !by_postgres && !has
    });
    let problem = |kid: &Table| {
        let place = wanted.place(one.table, &one.name);
        let file = place.map_or("the file", |part| part.file.name());
        let problem = Problem::new(
            Code::UnwatchedPartition,
            format!(
                "{} has no {}: what is written to it by its own name is told to nobody",
                kid.name, one.name
            ),
            format!("pgbell triggers apply {file}"),
        );
        wanted
            .at(problem, one.table, &one.name)
            .about(&one.table_name)
    };
    lacking.map(problem).collect()
}
