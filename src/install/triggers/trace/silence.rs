//! Why a statement would tell nobody. Pure.

use crate::install::triggers::script::Fires;

/// What decides whether triggers log anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Whether the triggers are silenced.
    pub(super) is_disabled: bool,
    pub(super) is_replica: bool,
    /// Whether the server counts rows.
    pub(super) counts: bool,
    /// Those that were written to.
    pub(super) tables: Vec<Table>,
}

/// A table, with what was done to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) is_emptied: bool,
    pub(super) inserted: i64,
    pub(super) updated: i64,
    pub(super) deleted: i64,
    pub(super) triggers: Vec<Trigger>,
}

/// A trigger that writes to the log.
#[derive(Clone, Debug)]
pub(super) struct Trigger {
    pub(super) name: String,
    /// As in `pg_trigger.tgtype`.
    pub(super) kind: i32,
    pub(super) fires: Fires,
}

/// Something that keeps changes from being told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reason {
    pub(super) text: String,
    /// Whether it is worth a word even where something was told.
    pub(super) is_fault: bool,
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
            match fitting.clone().find(|trigger| trigger.fires_in(watch)) {
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
    fn fires_in(&self, watch: &Watch) -> bool {
        match self.fires {
            Fires::Never => false,
            Fires::Always => true,
            Fires::Replica => watch.is_replica,
            Fires::Origin => !watch.is_replica,
        }
    }

    fn why_not(&self, table: &str) -> String {
        let trigger = &self.name;
        match self.fires {
            Fires::Never => format!(
                "trigger {trigger} on {table} is disabled: alter table {table} enable trigger {trigger}"
            ),
            Fires::Replica => format!(
                "trigger {trigger} on {table} fires only where session_replication_role is replica"
            ),
            Fires::Origin | Fires::Always => format!(
                "trigger {trigger} on {table} does not fire where session_replication_role is replica"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products(fires: Fires) -> Table {
        let trigger = |name: &str, kind| Trigger {
            name: name.into(),
            kind,
            fires,
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
        let table = products(Fires::Origin);
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
            reasons(updated(products(Fires::Never))),
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
            ..updated(products(Fires::Origin))
        };
        assert_eq!(reasons(unwatched), ["products has no trigger of pgbell"]);
    }

    #[test]
    fn a_transaction_that_wrote_nothing_says_so() {
        assert_eq!(Watch::default().reasons()[0].text, "it wrote to no table");
    }
}
