//! Whom we believe, and what we show: read from the files that the URL names, each time anew, so that
//! certificates are renewed without a restart.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as RustlsError, RootCertStore,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{
        WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject},
    },
    server::ParsedCertificate,
};

use super::{
    TlsError,
    encryption::{ClientCertificate, Encryption, Roots, Verify},
};

/// The protocol that a server must agree to when TLS begins without being asked for.
pub(super) const PROTOCOL: &[u8] = b"postgresql";

/// Largest file that is read.
const LARGEST_FILE: u64 = 4 << 20;

/// Reads the files that `encryption` names. Blocks.
pub(super) fn read(encryption: &Encryption) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier {
        judge: match &encryption.verify {
            Verify::Nothing => Judge::Nobody,
            Verify::Chain(roots) => Judge::Chain(believed(roots)?),
            Verify::ChainAndName(roots) => Judge::ChainAndName(believed(roots)?),
        },
        algorithms: provider.signature_verification_algorithms,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Identity)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &encryption.client {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let (certificates, key) = identity(files)?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(TlsError::Identity)?
        }
    };
    if encryption.is_direct {
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
    }
    Ok(config)
}

/// Certificates that are believed.
#[derive(Debug)]
struct Believed {
    anchors: RootCertStore,
    /// The same as they were read. A server may show one of these itself.
    themselves: Vec<CertificateDer<'static>>,
}

fn believed(roots: &Roots) -> Result<Believed, TlsError> {
    let mut anchors = RootCertStore::empty();
    let themselves = match roots {
        Roots::System => {
            let found = rustls_native_certs::load_native_certs().certs;
            anchors.add_parsable_certificates(found.iter().cloned());
            Vec::new()
        }
        Roots::File(path) => {
            let found = certificates("sslrootcert", path)?;
            for certificate in &found {
                let added = anchors.add(certificate.clone());
                added.map_err(|error| unusable("sslrootcert", path, error.to_string()))?;
            }
            found
        }
    };
    if anchors.is_empty() {
        return Err(TlsError::NoSystemRoots);
    }
    Ok(Believed {
        anchors,
        themselves,
    })
}

fn identity(
    files: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let certificates = certificates("sslcert", &files.certificate)?;
    let path = &files.key;
    let metadata = fs::metadata(path).map_err(|source| unreadable("sslkey", path, source))?;
    // As libpq has it: root may share a key with a group, others keep theirs to themselves.
    let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    let mode = metadata.mode() & 0o777;
    if mode & others != 0 {
        let problem = format!(
            "may be read by others (mode {mode:04o}): chmod 600 {}",
            path.display()
        );
        return Err(unusable("sslkey", path, problem));
    }
    let text = text("sslkey", path)?;
    let encrypted = [b"ENCRYPTED PRIVATE KEY".as_slice(), b"4,ENCRYPTED"];
    if encrypted.iter().any(|mark| holds(&text, mark)) {
        let problem = "is encrypted, and nobody is there to type its password: store it in the \
                       clear, readable for pgbell alone";
        return Err(unusable("sslkey", path, problem.into()));
    }
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable("sslkey", path, "holds no key in PEM format".into()),
        // What a broken file holds is nobody's business.
        _ => unusable("sslkey", path, "is no PEM file".into()),
    })?;
    Ok((certificates, key))
}

fn certificates(
    parameter: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = text(parameter, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => {
            let problem = "holds no certificate in PEM format";
            Err(unusable(parameter, path, problem.into()))
        }
    }
}

fn text(parameter: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let size = fs::metadata(path).map(|metadata| metadata.len());
    let read = match size {
        Ok(size) if size > LARGEST_FILE => Err(io::Error::from(io::ErrorKind::FileTooLarge)),
        Ok(_) => fs::read(path),
        Err(error) => Err(error),
    };
    read.map_err(|source| unreadable(parameter, path, source))
}

fn holds(text: &[u8], mark: &[u8]) -> bool {
    text.windows(mark.len()).any(|part| part == mark)
}

fn unreadable(parameter: &'static str, path: &Path, source: io::Error) -> TlsError {
    let path = path.to_owned();
    TlsError::Unreadable {
        parameter,
        path,
        source,
    }
}

fn unusable(parameter: &'static str, path: &Path, problem: String) -> TlsError {
    let path = path.to_owned();
    TlsError::Unusable {
        parameter,
        path,
        problem,
    }
}

#[derive(Debug)]
enum Judge {
    Nobody,
    Chain(Believed),
    ChainAndName(Believed),
}

/// Judges the server's certificate.
///
/// That the server has the key of its certificate is verified even where nobody asks whose it is:
/// channel binding rests on it.
#[derive(Debug)]
struct Verifier {
    judge: Judge,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn chain(
        &self,
        believed: &Believed,
        shown: &CertificateDer<'_>,
        parsed: &ParsedCertificate<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), RustlsError> {
        let judged = verify_server_cert_signed_by_trust_anchor(
            parsed,
            &believed.anchors,
            between,
            now,
            self.algorithms.all,
        );
        match judged {
            // A self-signed certificate as `openssl req -x509` makes it may sign others, which the
            // library does not let a server's do. It is looked at after the time of validity, so one
            // that is believed by itself is good.
            Err(RustlsError::InvalidCertificate(CertificateError::Other(fault)))
                if is_authority(&fault)
                    && believed.themselves.contains(&shown.clone().into_owned()) =>
            {
                Ok(())
            }
            judged => judged,
        }
    }
}

fn is_authority(fault: &tokio_rustls::rustls::OtherError) -> bool {
    fault.0.to_string() == "CaUsedAsEndEntity"
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        match &self.judge {
            Judge::Nobody => {}
            Judge::Chain(believed) => {
                let parsed = ParsedCertificate::try_from(shown)?;
                self.chain(believed, shown, &parsed, between, now)?;
            }
            Judge::ChainAndName(believed) => {
                let parsed = ParsedCertificate::try_from(shown)?;
                self.chain(believed, shown, &parsed, between, now)?;
                verify_server_name(&parsed, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
