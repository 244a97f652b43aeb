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

impl Decision {
    /// Whether it is for the database to make.
    pub fn asks(&self) -> bool {
        matches!(self, Self::Ask(_))
    }
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
    Sql(Asks),
}

#[derive(Clone, Debug)]
struct Asks {
    sql: Arc<str>,
    recheck_on: Vec<String>,
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

    /// What rules with `sql` ask about `room`, whoever wants to join it.
    pub(super) fn questions<'a>(&'a self, room: &'a Room) -> impl Iterator<Item = Question> + 'a {
        self.asking(room).map(|(rule, asks, words)| Question {
            rule,
            sql: asks.sql.clone(),
            words: words.iter().map(|word| (*word).into()).collect(),
        })
    }

    /// Whether members of `room` are asked about again after one of these events, or after any that
    /// nobody can name.
    pub(super) fn rechecks(&self, room: &Room, events: Option<&[Arc<str>]>) -> bool {
        let mut watched = self.asking(room).flat_map(|(_, asks, _)| &asks.recheck_on);
        match events {
            None => watched.next().is_some(),
            Some(events) => watched.any(|watched| events.iter().any(|event| **event == **watched)),
        }
    }

    /// Whether any of them asks the database.
    pub(super) fn ask(&self) -> bool {
        let asks = |rule: &Rule| matches!(rule.grant, Grant::Sql(_));
        self.rules.iter().any(asks)
    }

    /// Whether any event makes anybody be asked about again.
    pub(super) fn watches(&self) -> bool {
        let watches =
            |rule: &Rule| matches!(&rule.grant, Grant::Sql(asks) if !asks.recheck_on.is_empty());
        self.rules.iter().any(watches)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    fn asking<'a>(&'a self, room: &'a Room) -> impl Iterator<Item = (usize, &'a Asks, Words<'a>)> {
        let rules = self.rules.iter().enumerate();
        rules.filter_map(|(place, rule)| match &rule.grant {
            Grant::Sql(asks) => Some((place, asks, rule.pattern.read(room.as_str())?)),
            _ => None,
        })
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
        let words = self.pattern.read(room.as_str());
        let Some(words) = words.filter(|_| !room.is_reserved()) else {
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
            Grant::Sql(Asks { sql, .. }) => Verdict::Asks { sql, words },
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
        (Some(query), None) => Grant::Sql(Asks {
            sql: compile_sql(query, &pattern, config)?,
            recheck_on: rule.recheck_on.clone(),
        }),
        (None, Some(who)) if !has_names && rule.role.is_empty() => Grant::Everybody(who),
        (_, Some(_)) => {
            let reason = "stands alone: a rule with allow has no role, no sql and no {claim}";
            return Err(("allow", reason.into()));
        }
    };
    if rule.sql.is_none() && !rule.recheck_on.is_empty() {
        let reason = "is for rules with sql: what other rules decide changes with the token alone";
        return Err(("recheck_on", reason.into()));
    }
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
