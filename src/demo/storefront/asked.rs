//! What a request asks for: values of its path and query, its body, and its writer's mark.

use std::{collections::HashMap, ops::RangeInclusive};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::answer::{Failure, ORIGIN};

/// Most ids in one request.
const MOST_IDS: usize = 200;
const LONGEST_WORDS: usize = 200;
const LONGEST_ORIGIN: usize = 200;

/// A value of a path or a query, which a statement gets as text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parameter {
    /// An id that has to be there.
    Id(&'static str),
    /// An id, or nothing.
    SomeId(&'static str),
    /// Ids with commas between them.
    Ids(&'static str),
    /// Free text, or nothing.
    Words(&'static str),
    /// A number that has a default.
    Number(&'static str, RangeIn, &'static str),
}

/// Least and most.
type RangeIn = (i64, i64);

/// The values of path and query by their names; those of the path go first.
#[derive(Debug)]
pub(super) struct Asked(HashMap<String, String>);

impl Asked {
    /// An id that has to be there.
    pub(super) fn id(&self, name: &str) -> Result<i64, Failure> {
        let text = self.0.get(name);
        let text = text.ok_or_else(|| Failure::bad(format!("say which {name} you mean")))?;
        number(name, text, 1..=i64::MAX)
    }

    /// What a statement gets for this parameter.
    pub(super) fn value(&self, parameter: Parameter) -> Result<Option<String>, Failure> {
        let given = |name| self.0.get(name).filter(|text| !text.is_empty());
        match parameter {
            Parameter::Id(name) => self.id(name).map(|id| Some(id.to_string())),
            Parameter::SomeId(name) => given(name)
                .map(|text| number(name, text, 1..=i64::MAX).map(|id| id.to_string()))
                .transpose(),
            Parameter::Ids(name) => ids(name, self.0.get(name)).map(Some),
            Parameter::Words(name) => match given(name) {
                Some(text) if text.chars().count() > LONGEST_WORDS => {
                    Err(Failure::bad(format!("{name} is too long")))
                }
                words => Ok(words.cloned()),
            },
            Parameter::Number(name, (least, most), default) => {
                let text = given(name).map_or(default, String::as_str);
                number(name, text, least..=most).map(|number| Some(number.to_string()))
            }
        }
    }
}

fn number(name: &str, text: &str, range: RangeInclusive<i64>) -> Result<i64, Failure> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        let up_to = match *most {
            i64::MAX => String::new(),
            most => format!(" to {most}"),
        };
        Failure::bad(format!(
            "{name} has to be a whole number from {least}{up_to}"
        ))
    })
}

fn ids(name: &str, text: Option<&String>) -> Result<String, Failure> {
    let text = text.map_or("", String::as_str);
    let ids: Vec<&str> = text.split(',').filter(|id| !id.is_empty()).collect();
    if ids.len() > MOST_IDS {
        return Err(Failure::bad(format!("{name}: at most {MOST_IDS} of them")));
    }
    for id in &ids {
        number(name, id, 1..=i64::MAX)?;
    }
    Ok(ids.join(","))
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
        let Query(mut values) = query.map_err(|error| Failure::bad(error.body_text()))?;
        let path = RawPathParams::from_request_parts(parts, state).await;
        let path = path.map_err(|error| Failure::bad(error.body_text()))?;
        let named = path.iter().map(|(name, value)| (name.into(), value.into()));
        values.extend(named);
        Ok(Self(values))
    }
}

/// A body of JSON, whatever its content type says.
#[derive(Debug)]
pub(super) struct Said<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Said<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| Failure::new(error.status(), error.body_text()))?;
        let said = serde_json::from_slice(&body);
        said.map(Self)
            .map_err(|error| Failure::bad(format!("cannot read the body: {error}")))
    }
}

/// What the writer wants to know its own changes by.
#[derive(Debug)]
pub(super) struct Origin(pub(super) Option<String>);

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get(ORIGIN) else {
            return Ok(Self(None));
        };
        let text = value
            .to_str()
            .ok()
            .filter(|text| text.len() <= LONGEST_ORIGIN);
        let wrong = || {
            let text = format!("{ORIGIN} has to be at most {LONGEST_ORIGIN} ASCII characters");
            Failure::new(StatusCode::BAD_REQUEST, text)
        };
        Ok(Self(Some(text.ok_or_else(wrong)?.to_owned())))
    }
}
