//! What may not be depended on: the bans of `.deny.toml`, held without cargo-deny and without the internet.

use std::{fs, path::Path};

use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Deny {
    bans: Bans,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).expect("a file");
    let read = Figment::from(Toml::string(&text)).extract();
    read.unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The numbers of a version, so that one can be compared with another.
fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    release
        .split('.')
        .map(|number| number.parse().expect("a number"))
        .collect()
}

/// Why a package is banned, if it is: `name`, or `name:<version`.
fn ban_of<'b>(package: &Package, bans: &'b [Ban]) -> Option<&'b str> {
    let ban = bans.iter().find(|ban| match ban.package.split_once(":<") {
        Some((name, fixed)) => name == package.name && numbers(&package.version) < numbers(fixed),
        None => ban.package == package.name,
    });
    ban.map(|ban| ban.reason.as_str())
}

#[test]
fn no_dependency_is_one_that_is_banned() {
    let (deny, lock): (Deny, Lock) = (read(".deny.toml"), read("Cargo.lock"));
    assert!(
        deny.bans.deny.len() > 10 && lock.package.len() > 100,
        "both were read"
    );
    let odd = |ban: &&Ban| ban.package.contains(['@', '=']);
    assert_eq!(
        deny.bans.deny.iter().find(odd).map(|ban| &ban.package),
        None,
        "not as cargo-deny reads it"
    );
    for package in &lock.package {
        if let Some(reason) = ban_of(package, &deny.bans.deny) {
            panic!("{} {} is banned: {reason}", package.name, package.version);
        }
    }
}

#[test]
fn a_vulnerable_version_is_banned_and_the_fixed_one_is_not() {
    let deny: Deny = read(".deny.toml");
    let is_banned = |name: &str, version: &str| {
        let package = Package {
            name: name.into(),
            version: version.into(),
        };
        ban_of(&package, &deny.bans.deny).is_some()
    };
    assert!(is_banned("jsonwebtoken", "9.3.1") && !is_banned("jsonwebtoken", "10.3.0"));
    assert!(is_banned("tokio-postgres", "0.7.17") && !is_banned("tokio-postgres", "0.7.18"));
    assert!(is_banned("bytes", "1.11.0") && !is_banned("bytes", "1.12.1"));
    assert!(is_banned("rsa", "0.9.10") && is_banned("openssl", "0.10.80"));
}
