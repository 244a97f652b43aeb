//! What EXPLAIN says about a statement that was run.

use serde::Deserialize;
use serde_json::Value;

/// Where the time of a statement went, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// Until it was planned.
    pub planning_ms: f64,
    /// Until it was done, triggers included.
    pub execution_ms: f64,
    /// Rows that it itself inserted, updated or deleted.
    pub rows: u64,
    /// Each trigger that ran, also those of tables that a cascade reached.
    pub triggers: Vec<TriggerTime>,
}

/// The time of one trigger.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub struct TriggerTime {
    /// Its name.
    #[serde(rename = "Trigger Name", default)]
    pub name: String,
    /// The constraint that it serves, such as a foreign key.
    #[serde(rename = "Constraint Name")]
    pub constraint: Option<String>,
    /// Its table, without schema.
    #[serde(rename = "Relation", default)]
    pub table: String,
    /// How often it was called.
    #[serde(deserialize_with = "whole", default)]
    pub calls: u64,
    /// Milliseconds in all calls together.
    #[serde(rename = "Time", default)]
    pub ms: f64,
    /// Whether it writes to the log of changes.
    #[serde(skip)]
    pub is_ours: bool,
}

impl Timing {
    /// Reads the answer to `explain (analyze, format json)`.
    pub(super) fn parse(answer: &str) -> Option<Self> {
        let plans: Vec<Explained> = serde_json::from_str(answer).ok()?;
        let Explained {
            plan,
            planning_ms,
            execution_ms,
            triggers,
        } = plans.into_iter().next()?;
        Some(Self {
            planning_ms,
            execution_ms,
            rows: written(&plan),
            triggers,
        })
    }
}

#[derive(Deserialize)]
struct Explained {
    #[serde(rename = "Plan")]
    plan: Value,
    #[serde(rename = "Planning Time", default)]
    planning_ms: f64,
    #[serde(rename = "Execution Time", default)]
    execution_ms: f64,
    #[serde(rename = "Triggers", default)]
    triggers: Vec<TriggerTime>,
}

/// Rows that the nodes of a plan have written.
fn written(node: &Value) -> u64 {
    let children = node["Plans"].as_array().into_iter().flatten();
    let below: u64 = children.clone().map(written).sum();
    if node["Node Type"] != "ModifyTable" {
        return below;
    }
    let tuples = ["Tuples Inserted", "Tuples Updated", "Tuples Deleted"];
    let counted: Vec<_> = tuples.iter().filter_map(|key| number(node, key)).collect();
    if !counted.is_empty() {
        let conflicts = match node["Conflict Resolution"].as_str() {
            Some("UPDATE") => number(node, "Conflicting Tuples"),
            _ => None,
        };
        return below + counted.into_iter().chain(conflicts).sum::<u64>();
    }
    let sources = children.filter(|child| child["Parent Relationship"] == "Outer");
    let read = sources.filter_map(|child| {
        let loops = number(child, "Actual Loops").unwrap_or(1);
        Some(number(child, "Actual Rows")? * loops)
    });
    below + read.sum::<u64>()
}

/// Counts are whole numbers, and since Postgres 18 some are written with a fraction.
fn number(node: &Value, key: &str) -> Option<u64> {
    node[key].as_f64().map(|number| number.round() as u64)
}

fn whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    f64::deserialize(deserializer).map(|number| number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_triggers_are_read_from_a_plan() {
        let timing = Timing::parse(
            r#"[{"Plan": {"Node Type": "ModifyTable", "Operation": "Update", "Actual Rows": 0, "Plans": [
                    {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Actual Rows": 3.00, "Actual Loops": 1}]},
                 "Planning Time": 0.1, "Execution Time": 2.5, "Triggers": [
                    {"Trigger Name": "pgbell_products_update", "Relation": "products", "Time": 1.25, "Calls": 1},
                    {"Trigger Name": "RI_1", "Constraint Name": "fk", "Relation": "products", "Time": 0.2, "Calls": 3.0}]}]"#,
        )
        .unwrap();
        assert_eq!((timing.rows, timing.execution_ms), (3, 2.5));
        assert_eq!((timing.triggers[0].ms, timing.triggers[1].calls), (1.25, 3));
        assert_eq!(timing.triggers[1].constraint.as_deref(), Some("fk"));
    }

    #[test]
    fn an_upsert_counts_what_it_inserted_and_what_it_updated() {
        let timing = Timing::parse(
            r#"[{"Plan": {"Node Type": "ModifyTable", "Operation": "Insert", "Conflict Resolution": "UPDATE",
                    "Tuples Inserted": 2, "Conflicting Tuples": 1, "Plans": [
                    {"Node Type": "Values Scan", "Parent Relationship": "Outer", "Actual Rows": 3, "Actual Loops": 1}]}}]"#,
        );
        assert_eq!(timing.unwrap().rows, 3);
        assert_eq!(Timing::parse("not json"), None);
    }
}
