//! Files that pages of any origin may load, and ask for again without loading them again.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Anybody may load it; who has it asks whether it is still the same.
const TERMS: [(HeaderName, &str); 4] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "cross-origin",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-cache"),
];

/// One file, in memory. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct PublicFile {
    content_type: &'static str,
    content: Bytes,
    etag: String,
}

impl PublicFile {
    pub(super) fn new(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self {
            content_type,
            etag: format!("\"{:016x}\"", hasher.finish()),
            content,
        }
    }

    /// The file, or that whoever asks has it.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let etag = [(header::ETAG, self.etag.clone())];
        if self.is_known(request) {
            return (StatusCode::NOT_MODIFIED, TERMS, etag).into_response();
        }
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        (TERMS, etag, content_type, self.content.clone()).into_response()
    }

    fn is_known(&self, request: &HeaderMap) -> bool {
        let known = request.get_all(header::IF_NONE_MATCH).iter();
        let known = known.filter_map(|value| value.to_str().ok());
        // A proxy that compresses the file weakens its tag.
        known
            .flat_map(|list| list.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == self.etag || tag == "*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_file_is_not_sent_it_again() {
        let file = PublicFile::new("text/plain", "one");
        let ask = |tag: &str| {
            let mut request = HeaderMap::new();
            request.insert(header::IF_NONE_MATCH, tag.parse().unwrap());
            file.answer(&request).status()
        };
        let etag = file.answer(&HeaderMap::new()).headers()[header::ETAG].clone();
        let etag = etag.to_str().unwrap();
        assert_eq!(ask(etag), StatusCode::NOT_MODIFIED);
        assert_eq!(ask(&format!("\"x\", W/{etag}")), StatusCode::NOT_MODIFIED);
        let other = PublicFile::new("text/plain", "two");
        assert_eq!(ask(&other.etag), StatusCode::OK);
    }
}
