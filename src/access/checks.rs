//! What signed claims must hold to, so that their bearer is somebody: an [`Identity`].

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Claims, Identity, Refusal, identity::Times, refusal::shown_value};

/// Longest `sub`, in bytes.
const MAX_SUBJECT: usize = 256;

/// What tokens must claim.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) issuer: String,
    pub(super) audience: Vec<String>,
    pub(super) leeway: SignedDuration,
}

/// One thing that claims must hold to.
pub(super) struct Check {
    /// The claim it is about.
    pub(super) name: &'static str,
    /// Whether they do.
    pub(super) holds: fn(&Claims, &Settings, Timestamp) -> Result<(), Refusal>,
}

/// Everything that claims must hold to, in the order it is looked at.
pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "exp",
        holds: not_expired,
    },
    Check {
        name: "nbf",
        holds: not_early,
    },
    Check {
        name: "iss",
        holds: from_issuer,
    },
    Check {
        name: "aud",
        holds: for_us,
    },
    Check {
        name: "sub",
        holds: names_user,
    },
];

/// Who the bearer of proven claims is.
pub(super) fn identify(
    claims: Claims,
    settings: &Settings,
    now: Timestamp,
) -> Result<Identity, Refusal> {
    for check in CHECKS {
        (check.holds)(&claims, settings, now)?;
    }
    let exp = date(&claims, "exp")?.ok_or(Refusal::Missing("exp"))?;
    let user = claims.get("sub").and_then(Value::as_str);
    let user = user.ok_or(Refusal::Missing("sub"))?.into();
    let times = Times {
        issued_at: date(&claims, "iat").ok().flatten(),
        verified_at: now,
        expires_at: later(exp, settings.leeway),
    };
    Ok(Identity::new(user, claims, times))
}

fn not_expired(claims: &Claims, settings: &Settings, now: Timestamp) -> Result<(), Refusal> {
    let at = date(claims, "exp")?.ok_or(Refusal::Missing("exp"))?;
    match now < later(at, settings.leeway) {
        true => Ok(()),
        false => Err(Refusal::Expired {
            at,
            ago: seconds(now.duration_since(at)),
        }),
    }
}

fn not_early(claims: &Claims, settings: &Settings, now: Timestamp) -> Result<(), Refusal> {
    match date(claims, "nbf")? {
        Some(at) if at > later(now, settings.leeway) => Err(Refusal::NotYet {
            at,
            until: seconds(at.duration_since(now)),
        }),
        _ => Ok(()),
    }
}

fn from_issuer(claims: &Claims, settings: &Settings, _: Timestamp) -> Result<(), Refusal> {
    if settings.issuer.is_empty() {
        return Ok(());
    }
    let issuer = claims.get("iss").ok_or(Refusal::Missing("iss"))?;
    match *issuer == settings.issuer {
        true => Ok(()),
        false => Err(wrong("iss", issuer, format!("{:?}", settings.issuer))),
    }
}

/// RFC 7519, 4.1.3: who is not named by `aud`, where there is one, must refuse.
fn for_us(claims: &Claims, settings: &Settings, _: Timestamp) -> Result<(), Refusal> {
    let Some(audience) = claims.get("aud") else {
        return match settings.audience.is_empty() {
            true => Ok(()),
            false => Err(Refusal::Missing("aud")),
        };
    };
    let is_list_of_texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
    if !(audience.is_string() || audience.as_array().is_some_and(is_list_of_texts)) {
        return Err(wrong("aud", audience, "a text or a list of texts".into()));
    }
    if settings.audience.is_empty() {
        return Err(Refusal::Audience(shown_value(audience)));
    }
    match settings
        .audience
        .iter()
        .any(|ours| claims.has_text("aud", ours))
    {
        true => Ok(()),
        false => {
            let ours: Vec<_> = settings
                .audience
                .iter()
                .map(|ours| format!("{ours:?}"))
                .collect();
            Err(wrong(
                "aud",
                audience,
                format!("or hold {}", ours.join(" or ")),
            ))
        }
    }
}

fn names_user(claims: &Claims, _: &Settings, _: Timestamp) -> Result<(), Refusal> {
    let subject = claims.get("sub").ok_or(Refusal::Missing("sub"))?;
    // In the log, `*` is many at once: nobody could revoke such a user.
    let is_name = |text: &str| {
        let fits = !text.is_empty() && text.len() <= MAX_SUBJECT;
        fits && text != "*" && !text.chars().any(char::is_control)
    };
    match subject.as_str().is_some_and(is_name) {
        true => Ok(()),
        false => {
            let wanted = format!("a text of 1 to {MAX_SUBJECT} bytes, and not *");
            Err(wrong("sub", subject, wanted))
        }
    }
}

/// A date in seconds since 1970, if the claim is there. Anything but a number is refused, and so is a
/// number that is no date: milliseconds would make a token that never expires.
pub(super) fn date(claims: &Claims, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64));
    let date = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    match date {
        Some(date) => Ok(Some(date)),
        None => Err(wrong(
            name,
            value,
            "a number: seconds since 1970, not milliseconds".into(),
        )),
    }
}

/// Without what nobody wants to read.
pub(super) fn seconds(span: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(span.as_secs())
}

/// `time` and `span`, or the end of time.
fn later(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

fn wrong(claim: &'static str, found: &Value, wanted: String) -> Refusal {
    Refusal::Wrong {
        claim,
        found: shown_value(found),
        wanted,
    }
}
