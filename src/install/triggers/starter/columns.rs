//! What a column probably means, and how to write it.

use super::{
    names::words,
    shape::Column,
    vocabulary::{
        AMOUNT, MOMENTS, NUMBERS, PRICE, PRIVATE, PRIVATE_PARTS, SHORT, STATUS, STOCK, STRINGS,
        VOLATILE,
    },
};

/// A string this long may be shown.
const LONGEST_SHOWN: u32 = 255;

/// Columns whose change has an event in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Group {
    Status,
    Price,
    Amount,
    Stock,
    Rest,
}

impl Column {
    pub(super) fn is_volatile(&self) -> bool {
        let name = words(&self.name).join("_");
        VOLATILE.contains(&name.as_str()) || self.base == "tsvector"
    }

    /// Postgres 18 computes these when they are read, which no trigger sees.
    pub(super) fn is_virtual(&self) -> bool {
        self.generated == "v"
    }

    pub(super) fn group(&self) -> Group {
        let words = words(&self.name);
        let named = |group: &[&str]| words.iter().any(|word| group.contains(&word.as_str()));
        let base = self.base.as_str();
        let is_number = NUMBERS.contains(&base);
        let is_state =
            self.class == "e" || base == "bool" || base == "int2" || STRINGS.contains(&base);
        match () {
            () if is_state && named(STATUS) => Group::Status,
            () if is_number && named(PRICE) => Group::Price,
            () if is_number && named(AMOUNT) => Group::Amount,
            () if is_number && base != "money" && named(STOCK) => Group::Stock,
            () => Group::Rest,
        }
    }

    /// Why the values of this column had better stay in the database.
    pub(super) fn hidden(&self) -> Option<&'static str> {
        let words = words(&self.name);
        let name = words.join("_");
        let private = PRIVATE.iter().any(|word| words.iter().any(|w| w == word))
            || PRIVATE_PARTS.iter().any(|part| name.contains(part));
        if private {
            return Some("personal or secret");
        }
        match self.base.as_str() {
            "json" | "jsonb" | "xml" => return Some("may be large"),
            "bytea" => return Some("binary"),
            array if array.starts_with('_') => return Some("an array"),
            _ if self.class == "e" => return None,
            _ if !self.comparable => {
                return Some("of a type that is no part of Postgres, or has no equality");
            }
            base if NUMBERS.contains(&base) || MOMENTS.contains(&base) => return None,
            "bool" | "uuid" => return None,
            _ => {}
        }
        let short = words
            .last()
            .is_some_and(|word| SHORT.contains(&word.as_str()));
        let fits = self
            .length()
            .map_or(short, |length| length <= LONGEST_SHOWN);
        match STRINGS.contains(&self.base.as_str()) {
            true if fits => None,
            true => Some("text that may be long"),
            false => Some("of an unusual type"),
        }
    }

    /// The bound in `character varying(40)`.
    fn length(&self) -> Option<u32> {
        if self.base == "name" {
            return Some(63);
        }
        let (_, bound) = self.written.split_once('(')?;
        bound.trim_end_matches(')').parse().ok()
    }

    /// To be compared with its other self. Operators outside `pg_catalog` are out of reach.
    pub(super) fn compared(&self, row: &str) -> String {
        let cast = if self.comparable { "" } else { "::text" };
        format!("{row}.{}{cast}", self.quoted)
    }

    /// As a part of an id or of a room's name: the same in every session.
    pub(super) fn as_text(&self, value: &str) -> String {
        match self.base.as_str() {
            "int2" | "int4" | "int8" | "uuid" | "text" | "varchar" if !self.is_domain => {
                value.to_owned()
            }
            "bytea" => format!("encode({value}, 'hex')"),
            "date" => format!("to_char({value}, 'YYYY-MM-DD')"),
            "timestamp" => format!("to_char({value}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"),
            "timestamptz" => {
                format!("to_char({value} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')")
            }
            _ => format!("{value}::text"),
        }
    }

    /// Whether its text may hold what no room's name may.
    pub(super) fn may_spoil_a_room(&self) -> bool {
        self.class != "b"
            || !matches!(
                self.base.as_str(),
                "int2"
                    | "int4"
                    | "int8"
                    | "uuid"
                    | "numeric"
                    | "bool"
                    | "bytea"
                    | "date"
                    | "timestamp"
                    | "timestamptz"
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, base: &str, written: &str) -> Column {
        Column {
            name: name.into(),
            quoted: name.into(),
            written: written.into(),
            base: base.into(),
            class: "b".into(),
            comparable: base != "json",
            ..Column::default()
        }
    }

    #[test]
    fn a_column_is_grouped_by_its_name_if_its_type_allows() {
        for (name, base, group) in [
            ("status", "text", Group::Status),
            ("isActive", "bool", Group::Status),
            ("state", "jsonb", Group::Rest),
            ("rental_rate", "numeric", Group::Price),
            ("unitPrice", "numeric", Group::Price),
            ("total_price", "numeric", Group::Price),
            ("amount", "numeric", Group::Amount),
            ("amount", "text", Group::Rest),
            ("quantity", "int4", Group::Stock),
            ("title", "text", Group::Rest),
        ] {
            assert_eq!(column(name, base, base).group(), group, "{name} {base}");
        }
    }

    #[test]
    fn what_is_secret_large_or_strange_is_not_shown() {
        for (name, base, written, shown) in [
            ("title", "text", "text", true),
            ("body", "text", "text", false),
            ("city", "varchar", "character varying(40)", true),
            ("city", "varchar", "character varying(4000)", false),
            ("password_hash", "varchar", "character varying(40)", false),
            ("customerEmail", "varchar", "character varying(40)", false),
            ("api_token", "uuid", "uuid", false),
            ("secretQuestion", "text", "text", false),
            ("first_name", "text", "text", false),
            ("attributes", "jsonb", "jsonb", false),
            ("picture", "bytea", "bytea", false),
            ("tags", "_text", "text[]", false),
            ("price", "numeric", "numeric(12,2)", true),
            ("starts_at", "timestamptz", "timestamp with time zone", true),
            ("place", "point", "point", false),
        ] {
            assert_eq!(
                column(name, base, written).hidden().is_none(),
                shown,
                "{name}"
            );
        }
    }

    #[test]
    fn columns_that_change_with_everything_are_volatile() {
        for name in ["updated_at", "last_update", "lastModified", "lock_version"] {
            assert!(column(name, "timestamptz", "").is_volatile(), "{name}");
        }
        for name in ["created_at", "update_policy", "view"] {
            assert!(!column(name, "timestamptz", "").is_volatile(), "{name}");
        }
    }

    #[test]
    fn an_id_is_written_alike_in_every_session() {
        let text = |base| column("k", base, base).as_text("n.k");
        assert_eq!(text("int8"), "n.k");
        assert_eq!(text("bpchar"), "n.k::text");
        assert_eq!(text("bytea"), "encode(n.k, 'hex')");
        assert!(text("timestamptz").contains("'UTC'"));
    }
}
