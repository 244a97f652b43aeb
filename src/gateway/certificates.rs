//! The keys with which TLS ends here, read again on demand.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::stream::Stream;

/// The only protocol that is spoken over it.
const HTTP_1: &[u8] = b"http/1.1";

/// The `[gateway.tls]` section: both or none.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those of the authorities between it and one that browsers know, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", .file.display())]
pub struct TlsError {
    file: PathBuf,
    reason: String,
}

/// What clients are shown and proven. Cheap to clone: all clones are renewed together.
#[derive(Clone, Debug)]
pub struct Certificates {
    files: Arc<(PathBuf, PathBuf)>,
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Certificates {
    /// Reads what is configured, if TLS ends here at all.
    ///
    /// # Errors
    /// When a file cannot be read, is no PEM, or the two do not belong together.
    pub fn load(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.certificate, &config.key) else {
            return Ok(None);
        };
        let current = Arc::new(RwLock::new(read(certificate, key)?));
        Ok(Some(Self {
            files: Arc::new((certificate.clone(), key.clone())),
            current,
        }))
    }

    /// Reads the files again, for whoever connects from now on.
    ///
    /// # Errors
    /// As [`Certificates::load`]; then everything stays as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        let (certificate, key) = &*self.files;
        let renewed = read(certificate, key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }

    /// Agrees about keys with a client.
    pub(super) async fn accept(&self, socket: TcpStream) -> io::Result<Stream> {
        let current = self.current.read();
        let current = current.unwrap_or_else(PoisonError::into_inner).clone();
        let agreed = TlsAcceptor::from(current).accept(socket).await?;
        let (socket, session) = agreed.into_inner();
        Ok(Stream::encrypted(socket, session))
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let broken = |file: &Path, reason: &dyn ToString| TlsError {
        file: file.to_owned(),
        reason: reason.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| broken(certificate, &error))?;
    if chain.is_empty() {
        return Err(broken(certificate, &"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| broken(key, &error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        });
    let mut config = config.map_err(|error| broken(key, &error))?;
    config.alpn_protocols = vec![HTTP_1.to_vec()];
    Ok(Arc::new(config))
}
