//! What is installed: read back as if it were a file, and compared with what the files say.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, postgres::types::Oid};

use super::{
    Against, Report, all_parts, file,
    file::plain,
    problem::{Code, Problem},
    trial,
};
use crate::install::{
    Error, SqlFile,
    triggers::{
        parts::Part,
        script::{Fires, Kind, Level, Trigger},
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

struct Installed {
    table: Oid,
    table_name: String,
    name: String,
    enabled: String,
    definition: String,
    is_ours: bool,
    function: Oid,
    is_row: bool,
}

pub(super) async fn has_pgbell(connection: &mut PgConnection) -> Result<bool, Error> {
    sqlx::query_scalar("select to_regclass('pgbell.change') is not null")
        .fetch_one(connection)
        .await
        .map_err(|source| Error::statement("look for pgbell", &source))
}

/// Tables whose TRUNCATE an installed trigger tells, which need not be in the files at hand.
pub(super) async fn truncates(connection: &mut PgConnection) -> Result<BTreeSet<String>, Error> {
    let tables: Vec<String> = sqlx::query_scalar(
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
    let rows: Vec<Row> = sqlx::query_as(TRIGGERS)
        .fetch_all(connection)
        .await
        .map_err(|source| Error::statement("read the triggers", &source))?;
    let one =
        |(table, table_name, name, enabled, definition, is_ours, function, is_row)| Installed {
            table,
            table_name,
            name,
            enabled,
            definition,
            is_ours,
            function,
            is_row,
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
            let function: Option<String> = sqlx::query_scalar(FUNCTION)
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
        if matches!(one.enabled.as_str(), "R" | "A") {
            let (table, name) = (&one.definition, &one.name);
            text.push_str(&firing(table, name));
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
fn firing(definition: &str, trigger: &str) -> String {
    let file = [SqlFile::owned("", definition.to_owned())];
    let parts = all_parts(&file);
    let table = parts.iter().find_map(|part| match &part.statement.kind {
        Kind::Trigger(trigger) => Some(trigger.table.to_string()),
        _ => None,
    });
    let name = crate::install::triggers::script::quoted(trigger);
    table.map_or_else(String::new, |table| {
        format!("alter table {table} enable replica trigger {name};\n")
    })
}

/// What the files want to be installed.
struct Wanted<'p> {
    /// By table.
    tables: BTreeMap<u32, Vec<(&'p Part<'p>, &'p Trigger)>>,
    /// Who fires a trigger, by table and name.
    fires: BTreeMap<(u32, &'p str), Fires>,
}

impl<'p> Wanted<'p> {
    async fn of(connection: &mut PgConnection, parts: &'p [Part<'p>]) -> Result<Self, Error> {
        let mut wanted = Self {
            tables: BTreeMap::new(),
            fires: BTreeMap::new(),
        };
        for part in parts {
            let name = match &part.statement.kind {
                Kind::Trigger(trigger) => &trigger.table,
                Kind::Firing(firing) => &firing.table,
                _ => continue,
            };
            let table = Table::find(connection, name).await;
            let failed = |source| Error::statement(&format!("look for {name}"), &source);
            let Some(table) = table.map_err(failed)? else {
                continue;
            };
            match &part.statement.kind {
                Kind::Trigger(trigger) => wanted
                    .tables
                    .entry(table.oid.0)
                    .or_default()
                    .push((part, trigger)),
                Kind::Firing(firing) => {
                    wanted
                        .fires
                        .insert((table.oid.0, &firing.trigger), firing.fires);
                }
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn place(&self, table: Oid, trigger: &str) -> Option<&'p Part<'p>> {
        let triggers = self.tables.get(&table.0)?;
        triggers
            .iter()
            .find(|(_, one)| one.name == trigger)
            .map(|(part, _)| *part)
    }

    /// Whether a trigger fires when it should.
    fn state(&self, one: &Installed) -> Option<Problem> {
        let Installed {
            table_name: table,
            name,
            ..
        } = one;
        let said = self.fires.get(&(one.table.0, name.as_str()));
        let wanted = said.map_or('O', |fires| fires.code()).to_string();
        if one.enabled == wanted || self.place(one.table, name).is_none() && one.enabled != "D" {
            return None;
        }
        let problem = match one.enabled.as_str() {
            "D" => Problem::new(
                Code::DisabledTrigger,
                format!("{name} is disabled: changes are told to nobody"),
                format!("alter table {table} enable trigger {name};"),
            ),
            now => Problem::new(
                Code::TriggerState,
                format!(
                    "{name} fires in {}, by the file in {}",
                    sessions(now),
                    sessions(&wanted)
                ),
                format!("alter table {table} {} trigger {name};", enabling(&wanted)),
            ),
        };
        Some(self.at(problem, one.table, name).about(table))
    }

    fn at(&self, problem: Problem, table: Oid, trigger: &str) -> Problem {
        match self.place(table, trigger) {
            Some(part) => problem.at(part.file.name(), part.statement.line),
            None => problem,
        }
    }

    /// Triggers of the files that are not there; each file is applied on its own.
    fn missing(&self, installed: &[&Installed]) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut files: BTreeMap<(u32, &str), Vec<(&Part<'_>, &Trigger)>> = BTreeMap::new();
        for (table, triggers) in &self.tables {
            for (part, trigger) in triggers {
                let file = files.entry((*table, part.file.name())).or_default();
                file.push((part, trigger));
            }
        }
        for ((table, _), triggers) in &files {
            let is_there = |name: &str| {
                installed
                    .iter()
                    .any(|one| one.table.0 == *table && one.name == name)
            };
            let missing: Vec<_> = triggers
                .iter()
                .filter(|(_, trigger)| !is_there(&trigger.name))
                .collect();
            if missing.len() == triggers.len() {
                let Some((part, trigger)) = missing.first() else {
                    continue;
                };
                let problem = Problem::new(
                    Code::NotApplied,
                    "none of its triggers is installed",
                    format!("pgbell triggers apply {}", part.file.name()),
                );
                found.push(
                    problem
                        .at(part.file.name(), part.statement.line)
                        .about(plain(&trigger.table)),
                );
                continue;
            }
            for (part, trigger) in missing {
                let problem = Problem::new(
                    Code::MissingTrigger,
                    format!("{} is not installed", trigger.name),
                    format!("pgbell triggers apply {}", part.file.name()),
                );
                found.push(
                    problem
                        .at(part.file.name(), part.statement.line)
                        .about(plain(&trigger.table)),
                );
            }
        }
        found
    }
}

fn sessions(enabled: &str) -> &'static str {
    match enabled {
        "O" => "ordinary sessions only",
        "R" => "sessions that apply replicated changes only",
        "A" => "every session",
        _ => "no session",
    }
}

fn enabling(enabled: &str) -> &'static str {
    match enabled {
        "R" => "enable replica",
        "A" => "enable always",
        "D" => "disable",
        _ => "enable",
    }
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

/// Lines of the body and what is wrong there; nothing where the extension is not installed.
pub(super) async fn plpgsql_check(
    connection: &mut PgConnection,
    shadow: Oid,
    trigger: &Trigger,
) -> Result<Vec<(i32, String)>, sqlx::Error> {
    let schema: Option<String> = sqlx::query_scalar(
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
    sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(format!("{}()", trigger.function))
        .bind(shadow)
        .bind(&trigger.old_table)
        .bind(&trigger.new_table)
        .fetch_all(connection)
        .await
}
