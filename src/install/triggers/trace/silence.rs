//! Why a statement would tell nobody.

use sqlx::PgConnection;

/// The tables that this transaction has written to. Whoever writes to a partition through its parent
/// fires the triggers of the parent.
const TABLES: &str = "
    with locked as (
        select relation, bool_or(mode = 'AccessExclusiveLock') as is_emptied
          from pg_locks
         where locktype = 'relation' and pid = pg_backend_pid() and granted
           and mode in ('RowExclusiveLock', 'AccessExclusiveLock')
         group by relation
    )
    select written.relation::int8, written.relation::regclass::text, bool_or(is_emptied),
           coalesce(sum(n_tup_ins), 0)::int8, coalesce(sum(n_tup_upd), 0)::int8, coalesce(sum(n_tup_del), 0)::int8
      from locked
     cross join lateral (
        select coalesce((select root.relation from locked as root
                          where root.relation = pg_partition_root(locked.relation)), locked.relation)
     ) as written (relation)
      join pg_class on pg_class.oid = locked.relation and relkind in ('r', 'p') and relpersistence <> 't'
      join pg_namespace on pg_namespace.oid = relnamespace
           and nspname not in ('pgbell', 'pg_catalog', 'information_schema')
      left join pg_stat_xact_all_tables on relid = locked.relation
     group by written.relation
     order by 2";

const TRIGGERS: &str = "
    select tgrelid::int8, tgname::text, tgtype::int4, tgenabled::text
      from pg_trigger
      join pg_proc on pg_proc.oid = tgfoid
     where not tgisinternal
       and (pronamespace = 'pgbell'::regnamespace or prosrc like '%pgbell.change%')
     order by 1, 2";

const SETTINGS: &str = "
    select coalesce(current_setting('pgbell.enabled', true) = 'off', false),
           current_setting('session_replication_role') = 'replica',
           current_setting('track_counts') = 'on'";

/// What decides whether triggers log anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    is_disabled: bool,
    is_replica: bool,
    /// Whether the server counts rows.
    counts: bool,
    tables: Vec<Table>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    name: String,
    is_emptied: bool,
    inserted: i64,
    updated: i64,
    deleted: i64,
    triggers: Vec<Trigger>,
}

#[derive(Clone, Debug, Default)]
struct Trigger {
    name: String,
    /// As in `pg_trigger.tgtype`.
    kind: i32,
    /// As in `pg_trigger.tgenabled`.
    enabled: String,
}

/// Something that keeps changes from being told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reason {
    pub(super) text: String,
    /// Whether it is worth a word even where something was told.
    pub(super) is_fault: bool,
}

/// Looks at what this transaction has done so far.
pub(super) async fn watch(connection: &mut PgConnection) -> Result<Watch, sqlx::Error> {
    let (is_disabled, is_replica, counts) = super::query_as(SETTINGS)
        .fetch_one(&mut *connection)
        .await?;
    let tables: Vec<(i64, String, bool, i64, i64, i64)> =
        super::query_as(TABLES).fetch_all(&mut *connection).await?;
    let triggers: Vec<(i64, String, i32, String)> =
        super::query_as(TRIGGERS).fetch_all(connection).await?;
    let of = |table: i64| {
        let own = triggers.iter().filter(move |trigger| trigger.0 == table);
        own.map(|(_, name, kind, enabled)| Trigger {
            name: name.clone(),
            kind: *kind,
            enabled: enabled.clone(),
        })
    };
    let tables =
        tables.into_iter().map(
            |(oid, name, is_emptied, inserted, updated, deleted)| Table {
                name,
                is_emptied,
                inserted,
                updated,
                deleted,
                triggers: of(oid).collect(),
            },
        );
    Ok(Watch {
        is_disabled,
        is_replica,
        counts,
        tables: tables.collect(),
    })
}

impl Watch {
    /// Whether a trigger of this name writes to the log.
    pub(super) fn is_ours(&self, name: &str) -> bool {
        let triggers = self.tables.iter().flat_map(|table| &table.triggers);
        triggers.clone().any(|trigger| trigger.name == name)
    }

    /// What keeps changes from being told, the widest reason first.
    pub(super) fn reasons(&self) -> Vec<Reason> {
        let fault = |text: String| Reason {
            text,
            is_fault: true,
        };
        let mut reasons = Vec::new();
        if self.is_disabled {
            reasons.push(fault(
                "pgbell.enabled is off here: set by the statement, for the role or for the database".into(),
            ));
        }
        if self.is_replica {
            reasons.push(fault(
                "session_replication_role is replica, where triggers do not fire unless they are \
                 enabled always"
                    .into(),
            ));
        }
        if self.tables.is_empty() {
            reasons.push(Reason {
                text: "it wrote to no table".into(),
                is_fault: false,
            });
        }
        // The functions ask for the setting first.
        if self.is_disabled {
            return reasons;
        }
        let any_row = self.tables.iter().any(|table| table.is_touched());
        let tables = self.tables.iter();
        let tables = tables.filter(|table| !self.counts || !any_row || table.is_touched());
        reasons.extend(tables.flat_map(|table| table.reasons(self)));
        reasons
    }
}

impl Table {
    fn is_touched(&self) -> bool {
        self.is_emptied || self.inserted + self.updated + self.deleted > 0
    }

    /// What was done, with its bit in `tgtype`.
    fn deeds(&self) -> impl Iterator<Item = (&'static str, i32)> {
        let deeds = [
            (self.inserted > 0, "insert", 4),
            (self.deleted > 0, "delete", 8),
            (self.updated > 0, "update", 16),
            (self.is_emptied, "truncate", 32),
        ];
        let done = deeds.into_iter().filter(|(done, ..)| *done);
        done.map(|(_, deed, bit)| (deed, bit))
    }

    fn reasons(&self, watch: &Watch) -> Vec<Reason> {
        let Self { name, triggers, .. } = self;
        let reason = |text: String, is_fault| vec![Reason { text, is_fault }];
        if triggers.is_empty() {
            let text = format!("{name} has no trigger of pgbell");
            return reason(text, false);
        }
        if watch.counts && !self.is_touched() {
            let text = format!("no row of {name} was inserted, updated or deleted");
            return reason(text, false);
        }
        let reasons = self.deeds().map(|(deed, bit)| {
            let mut fitting = triggers.iter().filter(|trigger| trigger.kind & bit != 0);
            match fitting.clone().find(|trigger| trigger.fires(watch)) {
                None => match fitting.next() {
                    None => Reason {
                        text: format!("no trigger of pgbell on {name} fires for {deed}"),
                        is_fault: true,
                    },
                    Some(trigger) => Reason {
                        text: trigger.why_not(name),
                        is_fault: true,
                    },
                },
                Some(Trigger { name: trigger, .. }) => Reason {
                    text: format!(
                        "{trigger} on {name} found nothing to tell: no column that it looks at has changed"
                    ),
                    is_fault: false,
                },
            }
        });
        reasons.collect()
    }
}

impl Trigger {
    fn fires(&self, watch: &Watch) -> bool {
        match &*self.enabled {
            "D" => false,
            "A" => true,
            "R" => watch.is_replica,
            _ => !watch.is_replica,
        }
    }

    fn why_not(&self, table: &str) -> String {
        let trigger = &self.name;
        match &*self.enabled {
            "D" => format!(
                "trigger {trigger} on {table} is disabled: alter table {table} enable trigger {trigger}"
            ),
            "R" => format!(
                "trigger {trigger} on {table} fires only where session_replication_role is replica"
            ),
            _ => format!(
                "trigger {trigger} on {table} does not fire where session_replication_role is replica"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products(enabled: &str) -> Table {
        let trigger = |name: &str, kind| Trigger {
            name: name.into(),
            kind,
            enabled: enabled.into(),
        };
        Table {
            name: "products".into(),
            triggers: vec![trigger("ins", 4), trigger("upd", 16)],
            ..Table::default()
        }
    }

    fn reasons(table: Table) -> Vec<String> {
        let watch = Watch {
            counts: true,
            tables: vec![table],
            ..Watch::default()
        };
        let texts = watch.reasons().into_iter().map(|reason| reason.text);
        texts.collect()
    }

    #[test]
    fn each_silence_has_its_reason() {
        let table = products("O");
        assert_eq!(
            reasons(table.clone()),
            ["no row of products was inserted, updated or deleted"]
        );
        let updated = |table: Table| Table {
            updated: 1,
            ..table
        };
        assert_eq!(
            reasons(updated(table.clone())),
            ["upd on products found nothing to tell: no column that it looks at has changed"]
        );
        assert_eq!(
            reasons(updated(products("D"))),
            ["trigger upd on products is disabled: alter table products enable trigger upd"]
        );
        let deleted = Table {
            deleted: 1,
            ..table
        };
        assert_eq!(
            reasons(deleted),
            ["no trigger of pgbell on products fires for delete"]
        );
        let unwatched = Table {
            triggers: Vec::new(),
            ..updated(products("O"))
        };
        assert_eq!(reasons(unwatched), ["products has no trigger of pgbell"]);
    }

    #[test]
    fn a_transaction_that_wrote_nothing_says_so() {
        assert_eq!(Watch::default().reasons()[0].text, "it wrote to no table");
    }
}
