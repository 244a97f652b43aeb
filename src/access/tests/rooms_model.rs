//! Random rules, claims and rooms, judged a second time by something much simpler.
//!
//! The rules read a room and compare its words with claims. The model goes the other way: it writes down
//! every room that a rule and the claims can mean, and looks whether the room is one of them.

use std::collections::HashMap;

use fastrand::Rng;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::keyring::*;
use crate::{
    access::{Access, Algorithm, Config, Decision, Everybody, Identity, RoomRule},
    room::Room,
};

const WORLDS: usize = 1_500;
const BEARERS: usize = 10;
const ROOMS: usize = 100;

const NAMES: [&str; 4] = ["a", "b", "c.d", "e"];
/// Few letters, so that rooms and claims meet often, and each that a pattern could stumble over.
const PIECES: [&str; 12] = ["x", "y", "1", "12", "2", "_", ".", "-", "@", ":", "/", "X"];
const ROLES: [&str; 3] = ["admin", "seller", ""];

fn text(rng: &mut Rng, most: usize) -> String {
    (0..rng.usize(0..=most))
        .map(|_| *rng.choice(&PIECES).expect("a piece"))
        .collect()
}

/// A pattern of a few pieces; many are none, and are drawn again.
fn pattern(rng: &mut Rng) -> String {
    let mut pattern = String::new();
    for _ in 0..rng.usize(1..=3) {
        pattern += &text(rng, 2);
        if rng.bool() {
            pattern += &format!("{{{}}}", rng.choice(&NAMES).expect("a name"));
        }
    }
    if rng.u8(0..4) == 0 {
        pattern.push('*');
    }
    pattern
}

fn rule(rng: &mut Rng) -> RoomRule {
    let mut rule = RoomRule {
        room: pattern(rng),
        ..RoomRule::default()
    };
    match rng.u8(0..6) {
        0 => rule.allow = Some(Everybody::Anyone),
        1 => rule.allow = Some(Everybody::Authenticated),
        2 => rule.role = vec!["admin".into(), "seller".into()],
        3 => {
            let words = rule.room.matches('{').count();
            let query: Vec<_> = (1..=words).map(|n| format!("${n}")).collect();
            rule.sql = Some(format!("select {}", query.join(", ")));
        }
        _ => {}
    }
    rule
}

fn config_with(rooms: Vec<RoomRule>) -> Config {
    let mut config = config(vec![key(Algorithm::HS256, None)]);
    config.sql.role = "guest".into();
    Config { rooms, ..config }
}

fn valid_rule(rng: &mut Rng) -> RoomRule {
    loop {
        let rule = rule(rng);
        if Access::new(&config_with(vec![rule.clone()])).is_ok() {
            return rule;
        }
    }
}

fn value(rng: &mut Rng, depth: usize) -> Value {
    match rng.u8(0..10) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i64(-2..13)),
        3 => json!(rng.i64(0..3) as f64),
        4 if depth > 0 => json!({"d": value(rng, depth - 1)}),
        5 | 6 if depth > 0 => (0..rng.usize(0..3))
            .map(|_| value(rng, depth - 1))
            .collect(),
        _ => json!(text(rng, 2)),
    }
}

fn claims(rng: &mut Rng) -> Value {
    let mut claims = good_claims();
    for name in ["a", "b", "e"] {
        if rng.u8(0..8) != 0 {
            claims[name] = value(rng, 2);
        }
    }
    match rng.u8(0..3) {
        0 => claims["c.d"] = value(rng, 1),
        1 => claims["c"] = json!({"d": value(rng, 1)}),
        _ => {}
    }
    claims["role"] = match rng.bool() {
        true => json!(rng.choice(&ROLES)),
        false => json!([rng.choice(&ROLES), "other"]),
    };
    claims
}

/// What the model says: `Some(true)` allow, `None` ask, `Some(false)` deny.
type Answer = Option<bool>;

struct Model<'w> {
    rules: &'w [RoomRule],
}

impl Model<'_> {
    fn answer(&self, claims: Option<&Value>, room: &str) -> Answer {
        let answers: Vec<_> = self
            .rules
            .iter()
            .map(|rule| Self::of(rule, claims, room))
            .collect();
        match (answers.contains(&Some(true)), answers.contains(&None)) {
            (true, _) => Some(true),
            (_, true) => None,
            _ => Some(false),
        }
    }

    fn of(rule: &RoomRule, claims: Option<&Value>, room: &str) -> Answer {
        if rule.allow == Some(Everybody::Anyone) {
            return Some(means(&rule.room, &|_| vec![], room));
        }
        let Some(claims) = claims else {
            return Some(false);
        };
        let has_role = |role: &String| match &claims["role"] {
            Value::Array(roles) => roles.contains(&json!(role)),
            one => one == &json!(role),
        };
        if !(rule.role.is_empty() || rule.role.iter().any(has_role)) {
            return Some(false);
        }
        match rule.sql {
            Some(_) if means(&rule.room, &|_| every_word(room), room) => None,
            Some(_) => Some(false),
            None => Some(means(&rule.room, &|name| words_of(claims, name), room)),
        }
    }
}

/// Whether `room` is among the rooms that the pattern means with these words for its names.
fn means(pattern: &str, words: &dyn Fn(&str) -> Vec<String>, room: &str) -> bool {
    let Some((before, after)) = pattern.split_once('{') else {
        return match pattern.strip_suffix('*') {
            Some(prefix) => room.starts_with(prefix),
            None => room == pattern,
        };
    };
    if !room.starts_with(before) {
        return false;
    }
    let (name, after) = after.split_once('}').expect("a closing brace");
    let glue = before
        .chars()
        .last()
        .filter(|letter| "_.@-".contains(*letter));
    let fits = |word: &String| {
        !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "_.@-".contains(letter))
            && !glue.is_some_and(|glue| word.contains(glue))
    };
    words(name).into_iter().filter(fits).any(|word| {
        let filled = format!("{before}{word}");
        room.starts_with(&filled) && means(&format!("{filled}{after}"), words, room)
    })
}

fn every_word(room: &str) -> Vec<String> {
    let pieces = (0..room.len()).flat_map(|from| (from + 1..=room.len()).map(move |to| (from, to)));
    pieces.map(|(from, to)| room[from..to].to_owned()).collect()
}

fn words_of(claims: &Value, name: &str) -> Vec<String> {
    let found = match name.split_once('.') {
        Some((outer, inner)) => claims.get(name).or_else(|| claims.get(outer)?.get(inner)),
        None => claims.get(name),
    };
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    };
    match found {
        Some(Value::Array(entries)) => entries.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => vec![],
    }
}

/// A room that the rules may know: of random pieces, or made from a rule.
fn room(rng: &mut Rng, rules: &[RoomRule], claims: &Value) -> String {
    let mut room = match rng.u8(0..3) {
        0 => text(rng, 5),
        _ => {
            let mut room = rng.choice(rules).expect("a rule").room.clone();
            while let Some((before, after)) = room.split_once('{') {
                let (name, after) = after.split_once('}').expect("a closing brace");
                let words = words_of(claims, name);
                let word = match rng.u8(0..4) {
                    0 => text(rng, 2),
                    _ => rng.choice(&words).cloned().unwrap_or_default(),
                };
                room = format!("{before}{}{after}", word.replace(['{', '}'], ""));
            }
            room.replace('*', &text(rng, 2))
        }
    };
    if rng.u8(0..4) == 0 {
        room += &text(rng, 1);
    }
    room
}

fn identity(access: &Access, claims: &Value) -> Identity {
    let hmac = EncodingKey::from_secret(SECRET.as_bytes());
    let token = forge(
        r#"{"alg":"HS256"}"#,
        &claims.to_string(),
        Algorithm::HS256,
        &hmac,
    );
    access.explain(&token, now()).outcome.expect("accepted")
}

#[test]
fn random_claims_rules_and_rooms_agree_with_a_model_that_writes_rooms_instead_of_reading_them() {
    let seed = match std::env::var("ACCESS_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => fastrand::u64(..),
    };
    let mut rng = Rng::with_seed(seed);
    let mut seen: HashMap<Answer, usize> = HashMap::new();
    for _ in 0..WORLDS {
        let rules: Vec<_> = (0..rng.usize(1..=4))
            .map(|_| valid_rule(&mut rng))
            .collect();
        let access = Access::new(&config_with(rules.clone())).expect("valid");
        let model = Model { rules: &rules };
        for _ in 0..BEARERS {
            let claims = claims(&mut rng);
            let bearer = (rng.u8(0..8) != 0).then(|| identity(&access, &claims));
            for _ in 0..ROOMS {
                let name = room(&mut rng, &rules, &claims);
                let Ok(room) = name.parse::<Room>() else {
                    continue;
                };
                let decided = match access.decide(bearer.as_ref(), &room) {
                    Decision::Allow => Some(true),
                    Decision::Deny => Some(false),
                    Decision::Ask(_) => None,
                };
                let expected = model.answer(bearer.as_ref().map(|_| &claims), &name);
                assert_eq!(
                    decided, expected,
                    "ACCESS_SEED={seed} {name:?} {claims} {rules:#?}"
                );
                *seen.entry(decided).or_default() += 1;
            }
        }
    }
    println!("ACCESS_SEED={seed} {seen:?}");
    let all: usize = seen.values().sum();
    for answer in [Some(true), Some(false), None] {
        assert!(seen[&answer] > all / 50, "{answer:?} is too rare: {seen:?}");
    }
}

#[test]
fn whatever_rules_allow_together_one_of_them_allows_alone() {
    let mut rng = Rng::with_seed(7);
    for _ in 0..100 {
        let rules: Vec<_> = (0..4).map(|_| valid_rule(&mut rng)).collect();
        let together = Access::new(&config_with(rules.clone())).expect("valid");
        let alone: Vec<_> = rules
            .iter()
            .map(|rule| Access::new(&config_with(vec![rule.clone()])).expect("valid"))
            .collect();
        let claims = claims(&mut rng);
        let bearer = identity(&together, &claims);
        for _ in 0..50 {
            let Ok(room) = room(&mut rng, &rules, &claims).parse::<Room>() else {
                continue;
            };
            let allows = |access: &Access| access.decide(Some(&bearer), &room) == Decision::Allow;
            assert_eq!(
                allows(&together),
                alone.iter().any(allows),
                "{room} {rules:#?}"
            );
        }
    }
}
