//! What a URL says about encryption, as libpq means it, where that is safe.

use std::{fmt, path::PathBuf};

/// Whether TLS is spoken, and what is asked of the server's certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Encryption {
    pub(super) demand: Demand,
    pub(super) verify: Verify,
    pub(super) client: Option<ClientCertificate>,
    /// Whether TLS begins without asking the server in the clear first.
    pub(super) is_direct: bool,
}

/// When TLS is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Demand {
    Never,
    /// When the server has it.
    Offered,
    Always,
}

/// What is asked of the server's certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verify {
    Nothing,
    /// Somebody in these roots has signed it.
    Chain(Roots),
    /// That, and it is for the host that the URL names.
    ChainAndName(Roots),
}

/// Whose signatures are believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Roots {
    /// Those whom the operating system believes.
    System,
    /// Those in a file, and nobody else.
    File(PathBuf),
}

/// Files with the certificate and the key that we show to the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ClientCertificate {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What somebody on the network could do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exposure {
    /// Read and change everything.
    Plaintext,
    /// The same, by pretending that the server has no TLS.
    PlaintextPerhaps,
    /// Pretend to be the server.
    Impersonation,
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "it is not encrypted",
            Self::PlaintextPerhaps => {
                "it is encrypted only if whoever answers wants that, and nobody checks who answers"
            }
            Self::Impersonation => "it is encrypted, but nobody checks who answers",
        })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

const MODES: [(&str, Mode); 5] = [
    ("disable", Mode::Disable),
    ("prefer", Mode::Prefer),
    ("require", Mode::Require),
    ("verify-ca", Mode::VerifyCa),
    ("verify-full", Mode::VerifyFull),
];

impl Encryption {
    /// Reads the parameters that a URL names. A complaint continues "the database URL".
    pub(super) fn parse(parameters: &[(String, String)], is_direct: bool) -> Result<Self, String> {
        // The last one counts, as in libpq.
        let value = |key: &str| {
            let mut found = parameters.iter().rev().filter(|(name, _)| name == key);
            found.next().map(|(_, value)| value.as_str())
        };
        let roots = match value("sslrootcert") {
            None | Some("") => None,
            Some("system") => Some(Roots::System),
            Some(path) => Some(Roots::File(path.into())),
        };
        let mode = match (value("sslmode"), &roots) {
            (Some(name), _) => mode(name)?,
            (None, Some(Roots::System)) => Mode::VerifyFull,
            (None, _) => Mode::Prefer,
        };
        let (demand, verify) = judged(mode, roots)?;
        if is_direct && demand != Demand::Always {
            return Err(
                "says sslnegotiation=direct, which takes sslmode=require or stronger".into(),
            );
        }
        let client = match (value("sslcert"), value("sslkey")) {
            (None | Some(""), None | Some("")) => None,
            (Some(certificate), Some(key)) if !certificate.is_empty() && !key.is_empty() => {
                Some(ClientCertificate {
                    certificate: certificate.into(),
                    key: key.into(),
                })
            }
            (None | Some(""), _) => return Err("names sslkey without sslcert".into()),
            _ => return Err("names sslcert without sslkey".into()),
        };
        Ok(Self {
            demand,
            verify,
            client,
            is_direct,
        })
    }

    /// Whether files have to be read before TLS can be spoken.
    pub(super) fn names_files(&self) -> bool {
        self.verify != Verify::Nothing || self.client.is_some()
    }

    /// What somebody on a network in between could do.
    pub(super) fn exposure(&self) -> Option<Exposure> {
        match (self.demand, &self.verify) {
            (Demand::Never, _) => Some(Exposure::Plaintext),
            (Demand::Offered, _) => Some(Exposure::PlaintextPerhaps),
            (Demand::Always, Verify::Nothing) => Some(Exposure::Impersonation),
            (Demand::Always, Verify::Chain(_) | Verify::ChainAndName(_)) => None,
        }
    }
}

fn mode(name: &str) -> Result<Mode, String> {
    if let Some((_, mode)) = MODES.iter().find(|(known, _)| *known == name) {
        return Ok(*mode);
    }
    let known = MODES.map(|(known, _)| known).join(", ");
    Err(format!(
        "says sslmode={name}, which is not known: use one of {known}"
    ))
}

/// What a mode means with these roots. Where libpq would look for a file that nobody named, or take
/// back what naming roots promises, we ask.
fn judged(mode: Mode, roots: Option<Roots>) -> Result<(Demand, Verify), String> {
    let judged = match (mode, roots) {
        (Mode::VerifyFull, Some(roots)) => (Demand::Always, Verify::ChainAndName(roots)),
        (_, Some(Roots::System)) => {
            return Err(
                "says sslrootcert=system, where anybody can get a certificate for some name: it \
                 takes sslmode=verify-full"
                    .into(),
            );
        }
        (Mode::VerifyCa | Mode::Require, Some(roots)) => (Demand::Always, Verify::Chain(roots)),
        (Mode::VerifyCa | Mode::VerifyFull, None) => {
            return Err(
                "does not say whose certificates to believe: add sslrootcert=/path/to/ca.pem, or \
                 sslmode=verify-full&sslrootcert=system for those whom this system believes"
                    .into(),
            );
        }
        (Mode::Prefer, Some(Roots::File(_))) => {
            return Err(
                "names sslrootcert, which sslmode=prefer gives up where the server has no TLS: \
                 say sslmode=verify-full"
                    .into(),
            );
        }
        (Mode::Require, None) => (Demand::Always, Verify::Nothing),
        (Mode::Prefer, None) => (Demand::Offered, Verify::Nothing),
        (Mode::Disable, _) => (Demand::Never, Verify::Nothing),
    };
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Encryption, String> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Encryption::parse(&pairs, false)
    }

    #[test]
    fn modes_mean_what_they_mean_to_libpq() {
        let file = || Roots::File("/ca".into());
        for (query, demand, verify) in [
            ("", Demand::Offered, Verify::Nothing),
            ("sslmode=disable", Demand::Never, Verify::Nothing),
            (
                "sslmode=disable&sslrootcert=/ca",
                Demand::Never,
                Verify::Nothing,
            ),
            ("sslmode=prefer", Demand::Offered, Verify::Nothing),
            ("sslmode=require", Demand::Always, Verify::Nothing),
            (
                "sslmode=require&sslrootcert=/ca",
                Demand::Always,
                Verify::Chain(file()),
            ),
            (
                "sslmode=verify-ca&sslrootcert=/ca",
                Demand::Always,
                Verify::Chain(file()),
            ),
            (
                "sslmode=verify-full&sslrootcert=/ca",
                Demand::Always,
                Verify::ChainAndName(file()),
            ),
            (
                "sslrootcert=system",
                Demand::Always,
                Verify::ChainAndName(Roots::System),
            ),
            (
                "sslmode=disable&sslmode=require",
                Demand::Always,
                Verify::Nothing,
            ),
        ] {
            let read = read(query).expect(query);
            assert_eq!((read.demand, read.verify), (demand, verify), "{query}");
        }
    }

    #[test]
    fn what_would_promise_more_than_it_holds_is_refused_with_a_way_out() {
        for (query, word) in [
            ("sslmode=allow", "prefer"),
            ("sslmode=verify_full", "verify-full"),
            ("sslmode=verify-full", "sslrootcert=system"),
            ("sslmode=verify-ca", "sslrootcert=/path"),
            (
                "sslmode=verify-ca&sslrootcert=system",
                "sslmode=verify-full",
            ),
            ("sslmode=require&sslrootcert=system", "sslmode=verify-full"),
            ("sslmode=disable&sslrootcert=system", "sslmode=verify-full"),
            ("sslmode=prefer&sslrootcert=/ca", "sslmode=verify-full"),
            ("sslrootcert=/ca", "sslmode=verify-full"),
            ("sslcert=/c", "sslkey"),
            ("sslcert=&sslkey=/k", "sslcert"),
        ] {
            let complaint = read(query).expect_err(query);
            assert!(complaint.contains(word), "{query}: {complaint}");
        }
        assert!(Encryption::parse(&[], true).is_err(), "direct, preferred");
        let required = [("sslmode".to_owned(), "require".to_owned())];
        assert!(
            Encryption::parse(&required, true)
                .expect("direct")
                .is_direct
        );
    }
}
