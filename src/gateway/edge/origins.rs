//! Which pages may connect. A browser says which page asks; nothing else on the way can be trusted to.

use axum::http::{HeaderMap, HeaderValue, header};

/// The pages that may connect from a browser.
#[derive(Clone, Debug)]
pub(in crate::gateway) enum Origins {
    /// All of them: for development.
    Any,
    /// These alone.
    Listed(Vec<String>),
}

/// Who asks, as far as a browser tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::gateway) enum Caller {
    /// No browser: it would have said where from.
    Program,
    /// A page that may.
    Page(HeaderValue),
    /// A page that may not.
    Stranger,
}

impl Origins {
    pub(super) fn new(listed: &[String], open: bool) -> Self {
        if listed.is_empty() && open {
            return Self::Any;
        }
        Self::Listed(listed.to_vec())
    }

    /// Compares byte by byte: a browser writes an origin in one way only.
    pub(in crate::gateway) fn caller(&self, request: &HeaderMap) -> Caller {
        let mut origins = request.get_all(header::ORIGIN).into_iter();
        match (origins.next(), origins.next()) {
            (None, _) => Caller::Program,
            (Some(origin), None) if self.allows(origin) => Caller::Page(origin.clone()),
            _ => Caller::Stranger,
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|one| one.as_bytes() == origin.as_bytes()),
        }
    }
}

/// Whether a browser could send this: `scheme://host` or `scheme://host:port` in lower case, without
/// the port that the scheme has anyway, and nothing behind.
pub(in crate::gateway) fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    is_scheme(scheme) && is_host(host) && port.is_none_or(|port| is_port(scheme, port))
}

fn is_scheme(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits)
}

fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner
            .strip_suffix(']')
            .map(str::parse::<std::net::Ipv6Addr>);
        return matches!(address, Some(Ok(address)) if text == format!("[{address}]"));
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    !text.is_empty() && text.chars().all(fits)
}

fn is_port(scheme: &str, text: &str) -> bool {
    let usual = [("http", 80), ("https", 443)];
    text.parse()
        .is_ok_and(|port: u16| port.to_string() == text && !usual.contains(&(scheme, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(origins: &Origins, lines: &[&[u8]]) -> Caller {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line).expect("a value");
            headers.append(header::ORIGIN, value);
        }
        origins.caller(&headers)
    }

    /// What an attacker's page may make a browser say, or a program of an attacker itself.
    pub(super) const HOSTILE: [&[u8]; 27] = [
        b"https://shop.example.com.evil.net",
        b"https://evil-shop.example.com",
        b"https://evilshop.example.com",
        b"https://sub.shop.example.com",
        b"https://example.com",
        b"https://shop.example.co",
        b"https://shop.example.comm",
        b"https://shopxexample.com",
        b"http://shop.example.com",
        b"https://shop.example.com:443",
        b"https://shop.example.com:8443",
        b"https://shop.example.com.",
        b"https://shop.example.com/",
        b"https://shop.example.com/x",
        b"https://shop.example.com?",
        b"https://shop.example.com#x",
        b"https://SHOP.example.com",
        b"HTTPS://shop.example.com",
        b"https://user@shop.example.com",
        b"https://evil.net@shop.example.com",
        b"https://evil.net,https://shop.example.com",
        b"https://shop.example.com https://evil.net",
        b"https://sh\xc3\xb6p.example.com",
        b"//shop.example.com",
        b"shop.example.com",
        b"null",
        b"",
    ];

    #[test]
    fn only_the_listed_pages_may_connect_and_nothing_that_looks_like_them() {
        let listed = ["https://shop.example.com", "http://localhost:5173"].map(String::from);
        let origins = Origins::new(&listed, true);
        for page in &listed {
            let found = caller(&origins, &[page.as_bytes()]);
            assert_eq!(found, Caller::Page(page.parse().expect("a value")));
        }
        for line in HOSTILE {
            let shown = String::from_utf8_lossy(line);
            assert_eq!(caller(&origins, &[line]), Caller::Stranger, "{shown:?}");
        }
        let (good, bad): (&[u8], &[u8]) = (b"https://shop.example.com", b"https://evil.net");
        for several in [[good, bad], [bad, good], [good, good]] {
            assert_eq!(caller(&origins, &several), Caller::Stranger);
        }
        assert_eq!(caller(&origins, &[]), Caller::Program);
    }

    #[test]
    fn nothing_listed_is_no_browser_at_all_unless_everything_is_open() {
        let page: &[u8] = b"https://shop.example.com";
        assert_eq!(caller(&Origins::new(&[], false), &[page]), Caller::Stranger);
        assert_eq!(
            caller(&Origins::new(&[], false), &[b"null"]),
            Caller::Stranger
        );
        assert_eq!(caller(&Origins::new(&[], false), &[]), Caller::Program);
        let open = Origins::new(&[], true);
        assert!(matches!(caller(&open, &[page]), Caller::Page(_)));
        assert_eq!(caller(&open, &[page, page]), Caller::Stranger);
    }

    #[test]
    fn what_no_browser_sends_cannot_be_listed() {
        for text in [
            "https://shop.example.com",
            "http://localhost:5173",
            "http://127.0.0.1:8787",
            "http://[::1]:3000",
            "https://[2001:db8::1]",
            "capacitor://localhost",
            "chrome-extension://abcdef",
        ] {
            assert!(is_origin(text), "{text}");
        }
        for text in HOSTILE.iter().filter_map(|line| str::from_utf8(line).ok()) {
            let plausible = text.strip_prefix("http").is_some() && is_origin(text);
            let harmless = text.starts_with("http") && !text.ends_with(":443");
            assert!(!is_origin(text) || (plausible && harmless), "{text}");
        }
        for text in [
            "*",
            "null",
            "https://*.example.com",
            "https://shop.example.com/",
            "https://Shop.com",
            "https://shop.com:443",
            "http://shop.com:80",
            "https://shop.com:08443",
            "https://shop.com:99999",
            "https://",
            "://x",
            "https://[::1",
            "https://[0::1]",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
