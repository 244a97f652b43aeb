//! The tree is the path: nothing imports what stands above or beside it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Which modules a module may import, as the crate's front page says.
const FLOORS: &[(&str, &[&str])] = &[
    ("backoff", &[]),
    ("cursor", &[]),
    ("database", &[]),
    ("room", &[]),
    ("sabotage", &[]),
    ("secret", &[]),
    ("https", &[]),
    (
        "access",
        &["database", "https", "room", "secret", "telemetry"],
    ),
    ("change", &["cursor", "room"]),
    ("status", &[]),
    ("interest", &["room"]),
    ("catalogue", &["room"]),
    ("history", &["change", "cursor", "room"]),
    ("telemetry", &[]),
    ("invalidation", &["change", "room"]),
    ("protocol", &["change", "invalidation", "room"]),
    (
        "capture",
        &[
            "access",
            "history",
            "interest",
            "backoff",
            "change",
            "cursor",
            "database",
            "room",
            "sabotage",
            "secret",
            "status",
            "telemetry",
        ],
    ),
    (
        "coalesce",
        &[
            "change",
            "cursor",
            "invalidation",
            "room",
            "sabotage",
            "telemetry",
        ],
    ),
    (
        "hub",
        &[
            "access",
            "history",
            "interest",
            "change",
            "cursor",
            "invalidation",
            "protocol",
            "room",
            "status",
            "telemetry",
        ],
    ),
    (
        "gateway",
        &[
            "access",
            "hub",
            "protocol",
            "room",
            "secret",
            "status",
            "telemetry",
        ],
    ),
    (
        "description",
        &["change", "invalidation", "protocol", "room"],
    ),
    ("install", &["backoff", "catalogue", "database", "room"]),
    (
        "config",
        &[
            "access",
            "capture",
            "catalogue",
            "coalesce",
            "gateway",
            "hub",
            "room",
        ],
    ),
    (
        "app",
        &[
            "access",
            "history",
            "interest",
            "capture",
            "change",
            "coalesce",
            "config",
            "gateway",
            "hub",
            "invalidation",
            "protocol",
            "room",
            "status",
            "telemetry",
        ],
    ),
    (
        "demo",
        &[
            "app", "backoff", "capture", "config", "gateway", "install", "protocol", "secret",
        ],
    ),
    (
        "cli",
        &[
            "access",
            "app",
            "backoff",
            "capture",
            "catalogue",
            "change",
            "coalesce",
            "config",
            "cursor",
            "demo",
            "gateway",
            "https",
            "hub",
            "install",
            "interest",
            "protocol",
            "room",
        ],
    ),
];

/// Crates that only some modules may know.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("tokio_postgres", &["access", "capture", "database"]),
    ("postgres_protocol", &["database"]),
    (
        "tokio_rustls",
        &["access", "cli", "database", "gateway", "https"],
    ),
    ("sqlx", &["install", "demo"]),
    ("axum", &["gateway", "demo"]),
    ("figment", &["config"]),
    ("clap", &["cli"]),
    ("jsonwebtoken", &["access"]),
];

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}

/// Every source file by the module of the crate it belongs to, without its unit tests.
fn modules() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut modules: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(&src).expect("inside src");
        let first = inside.iter().next().expect("a name").to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&file).expect("a source");
        let code = text
            .split("#[cfg(test)]")
            .next()
            .unwrap_or_default()
            .to_owned();
        if module != "lib" && module != "main" && !file.to_string_lossy().ends_with("_tests.rs") {
            modules.entry(module).or_default().push((file, code));
        }
    }
    modules
}

/// Names that follow `crate::`, also inside one pair of braces.
fn imports(code: &str) -> Vec<String> {
    let name = |text: &str| {
        text.trim()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut names = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => names.push(name(after)),
            Some(group) => {
                let (mut depth, mut start) = (1, true);
                for (place, letter) in group.char_indices() {
                    if depth == 1 && start && letter.is_alphanumeric() {
                        names.push(name(&group[place..]));
                        start = false;
                    }
                    match letter {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => start = true,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    names
}

#[test]
fn no_module_imports_what_stands_above_or_beside_it() {
    for (module, files) in modules() {
        let allowed = FLOORS.iter().find(|(name, _)| *name == module);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{module} has no floor"));
        for (file, code) in files {
            for import in imports(&code) {
                let fine = import == module || allowed.contains(&import.as_str());
                assert!(
                    fine,
                    "{} imports {import}, which {module} may not",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn each_outside_world_is_known_in_one_place() {
    for (module, files) in modules() {
        for (file, code) in files {
            for (library, owners) in OUTSIDE {
                let uses =
                    code.contains(&format!("{library}::")) && !owners.contains(&module.as_str());
                assert!(
                    !uses,
                    "{} knows {library}, which only {owners:?} may",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn the_decisions_know_no_clock_and_wait_for_nothing() {
    const DECISIONS: [&str; 39] = [
        "database/certificate.rs",
        "database/encryption.rs",
        "gateway/edge/bucket.rs",
        "gateway/edge/forwarded.rs",
        "gateway/edge/network.rs",
        "gateway/edge/origins.rs",
        "gateway/edge/pace.rs",
        "gateway/edge/shares.rs",
        "access/answers.rs",
        "access/checks.rs",
        "access/claims.rs",
        "access/jwks.rs",
        "access/keys.rs",
        "access/pattern.rs",
        "access/revocations.rs",
        "access/rules.rs",
        "access/sql.rs",
        "access/token.rs",
        "coalesce/window.rs",
        "gateway/standing.rs",
        "capture/doorbell.rs",
        "capture/drift/schedule.rs",
        "capture/epoch.rs",
        "capture/position.rs",
        "hub/registry.rs",
        "hub/memory/mod.rs",
        "hub/memory/forget.rs",
        "hub/missed.rs",
        "hub/folding.rs",
        "hub/drain.rs",
        "invalidation.rs",
        "cursor.rs",
        "triggers/check/file/mod.rs",
        "triggers/check/file/functions.rs",
        "triggers/check/file/triggers.rs",
        "triggers/examine/compare.rs",
        "triggers/remove/uses.rs",
        "triggers/starter/plan.rs",
        "triggers/trace/silence.rs",
    ];
    let mut held = 0;
    for (file, code) in modules().into_values().flatten() {
        if DECISIONS.iter().any(|decision| file.ends_with(decision)) {
            held += 1;
            for forbidden in ["Instant::now", "Timestamp::now", ".await", "tokio::"] {
                assert!(
                    !code.contains(forbidden),
                    "{} says {forbidden}",
                    file.display()
                );
            }
        }
    }
    assert_eq!(held, DECISIONS.len(), "a file has moved");
}
