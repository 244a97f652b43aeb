//! Who may join which room: the rules of `access.rooms`, compiled once.
//!
//! A room is denied unless a rule allows it, and any rule that allows is enough; their order does not
//! matter. Nothing here depends on whether a room exists, so an answer tells nothing about that.

use std::sync::Arc;

use super::{
    Identity, Invalid,
    config::{Config, Everybody, RoomRule},
    pattern::{Pattern, Words},
    sql,
};
use crate::room::Room;

/// Most rules: each is tried for each room that somebody asks for.
const MAX_RULES: usize = 1_000;

/// Most rules that ask the database: one room may make it answer all of them.
const MAX_SQL_RULES: usize = 100;

/// What is to be done with somebody who wants to join a room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// May join.
    Allow,
    /// May not, and is to be answered as if there were no such room.
    Deny,
    /// May join if the database answers one of these with a row.
    Ask(Vec<Question>),
}

/// What a rule asks the database about one room.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Question {
    /// Which rule, in the order of the configuration.
    pub rule: usize,
    /// The query.
    pub sql: Arc<str>,
    /// Its parameters: the words that the room has where the rule has names.
    pub words: Vec<String>,
}

/// What one rule says of somebody and a room.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict<'a> {
    /// It is about other rooms.
    OtherRoom,
    /// It asks for a token, and there is none.
    NoToken,
    /// None of its roles is among those of the token.
    NoRole,
    /// This claim is absent, or says something else than this word of the room.
    OtherClaim { claim: &'a str, word: &'a str },
    /// Allows.
    Allows,
    /// Leaves it to the database.
    Asks { sql: &'a Arc<str>, words: Words<'a> },
}

/// All rules.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    roles_claims: Vec<String>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    roles: Vec<String>,
    grant: Grant,
}

#[derive(Clone, Debug)]
enum Grant {
    Everybody(Everybody),
    Claims,
    Sql(Arc<str>),
}

impl Rules {
    pub(super) fn new(config: &Config) -> Result<Self, Invalid> {
        check_counts(config)?;
        let rules = config.rooms.iter().enumerate().map(|(place, rule)| {
            compile(rule, config).map_err(|(name, reason)| {
                let key = format!("access.rooms.{place}");
                match name {
                    "" => Invalid::new(key, reason),
                    name => Invalid::new(format!("{key}.{name}"), reason),
                }
            })
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            roles_claims: config.tokens.roles_claim.clone(),
        })
    }

    /// Whether somebody, or nobody in particular, may join `room`.
    pub(super) fn decide(&self, identity: Option<&Identity>, room: &Room) -> Decision {
        let mut questions = Vec::new();
        for (rule, verdict) in self.judge(identity, room).enumerate() {
            match verdict {
                Verdict::Allows => return Decision::Allow,
                Verdict::Asks { sql, words } => questions.push(Question {
                    rule,
                    sql: sql.clone(),
                    words: words.iter().map(|word| (*word).into()).collect(),
                }),
                _ => {}
            }
        }
        match questions.is_empty() {
            true => Decision::Deny,
            false => Decision::Ask(questions),
        }
    }

    /// What each rule says, in the order of the configuration.
    pub(super) fn judge<'a>(
        &'a self,
        identity: Option<&'a Identity>,
        room: &'a Room,
    ) -> impl Iterator<Item = Verdict<'a>> {
        self.rules
            .iter()
            .map(move |rule| rule.judge(identity, room, &self.roles_claims))
    }

    /// The pattern of each rule, as it was written.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.pattern.as_str())
    }
}

impl Rule {
    fn judge<'a>(
        &'a self,
        identity: Option<&'a Identity>,
        room: &'a Room,
        roles_claims: &[String],
    ) -> Verdict<'a> {
        let Some(words) = self.pattern.read(room.as_str()) else {
            return Verdict::OtherRoom;
        };
        if let Grant::Everybody(Everybody::Anyone) = self.grant {
            return Verdict::Allows;
        }
        let Some(claims) = identity.map(Identity::claims) else {
            return Verdict::NoToken;
        };
        let has = |role: &String| roles_claims.iter().any(|name| claims.has_text(name, role));
        if !(self.roles.is_empty() || self.roles.iter().any(has)) {
            return Verdict::NoRole;
        }
        match &self.grant {
            Grant::Everybody(_) => Verdict::Allows,
            Grant::Sql(sql) => Verdict::Asks { sql, words },
            Grant::Claims => {
                let mut pairs = self.pattern.names().zip(words.iter().copied());
                match pairs.find(|(claim, word)| !claims.is_word(claim, word)) {
                    Some((claim, word)) => Verdict::OtherClaim { claim, word },
                    None => Verdict::Allows,
                }
            }
        }
    }
}

fn check_counts(config: &Config) -> Result<(), Invalid> {
    let asking = config.rooms.iter().filter(|rule| rule.sql.is_some());
    let reason = if config.rooms.len() > MAX_RULES {
        format!("has more than {MAX_RULES} rules")
    } else if asking.count() > MAX_SQL_RULES {
        format!("has more than {MAX_SQL_RULES} rules with sql")
    } else {
        return Ok(());
    };
    Err(Invalid::new("access.rooms", reason))
}

/// What is wrong, and with which key of the rule; the empty one is the rule itself.
type Wrong = (&'static str, String);

fn compile(rule: &RoomRule, config: &Config) -> Result<Rule, Wrong> {
    let pattern: Pattern = rule
        .room
        .parse()
        .map_err(|problem| ("room", format!("{:?} {problem}", rule.room)))?;
    if rule.role.iter().any(String::is_empty) {
        return Err(("role", "is empty".into()));
    }
    let has_names = pattern.names().next().is_some();
    let grant = match (&rule.sql, rule.allow) {
        (None, None) if !has_names && rule.role.is_empty() => {
            let reason = "does not say who: give it allow, role, sql, or a {claim} in room";
            return Err(("", reason.into()));
        }
        (None, None) => Grant::Claims,
        (Some(query), None) => Grant::Sql(compile_sql(query, &pattern, config)?),
        (None, Some(who)) if !has_names && rule.role.is_empty() => Grant::Everybody(who),
        (_, Some(_)) => {
            let reason = "stands alone: a rule with allow has no role, no sql and no {claim}";
            return Err(("allow", reason.into()));
        }
    };
    let is_anonymous = matches!(grant, Grant::Everybody(Everybody::Anyone));
    if !is_anonymous && config.tokens.keys.is_empty() && config.tokens.jwks.is_empty() {
        let reason =
            "asks for a token, but access.tokens has neither keys nor jwks to check one with";
        return Err(("", reason.into()));
    }
    Ok(Rule {
        pattern,
        roles: rule.role.clone(),
        grant,
    })
}

fn compile_sql(query: &str, pattern: &Pattern, config: &Config) -> Result<Arc<str>, Wrong> {
    if config.sql.role.is_empty() {
        let reason = "needs access.sql.role: the restricted role that it is asked as";
        return Err(("sql", reason.into()));
    }
    if pattern.names().any(|name| name == "sub") {
        let reason = "has {sub}, which would be any word here and not the claim: \
                      in a rule with sql, names are parameters, and the query compares with claims";
        return Err(("room", reason.into()));
    }
    sql::check(query, pattern.names().count()).map_err(|reason| ("sql", reason))?;
    Ok(query.into())
}
