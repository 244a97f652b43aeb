//! Somebody between us and the server, who ends our encryption and reads along.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

use super::certificates::Identity;

/// Ends with this value.
pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    /// Shows this identity to clients, and speaks to the server in TLS or in the clear.
    pub(crate) async fn start(server: SocketAddr, shown: &Identity, in_tls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let acceptor = acceptor(shown);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                // Either side may hang up at any time.
                tokio::spawn(relay(near, server, acceptor.clone(), in_tls));
            }
        });
        Self { addr, task }
    }
}

async fn relay(
    mut near: TcpStream,
    server: SocketAddr,
    acceptor: TlsAcceptor,
    in_tls: bool,
) -> io::Result<()> {
    let mut request = [0; 8];
    near.read_exact(&mut request).await?;
    near.write_all(b"S").await?;
    let near = acceptor.accept(near).await?;
    let mut far = TcpStream::connect(server).await?;
    if !in_tls {
        return both_ways(near, far).await;
    }
    far.write_all(&request).await?;
    assert_eq!(far.read_u8().await?, b'S');
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    let name = ServerName::from(server.ip());
    let far = TlsConnector::from(Arc::new(config))
        .connect(name, far)
        .await?;
    both_ways(near, far).await
}

async fn both_ways(
    mut near: impl AsyncRead + AsyncWrite + Unpin,
    mut far: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<()> {
    copy_bidirectional(&mut near, &mut far).await.map(drop)
}

fn acceptor(shown: &Identity) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(shown.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("a key");
    let key = aws_lc_rs::sign::any_supported_type(&key).expect("a key");
    // Whether they belong together is not asked.
    let shown = CertifiedKey::new(vec![certificate.expect("a certificate")], key);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shows(Arc::new(shown))));
    TlsAcceptor::from(Arc::new(config))
}

#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Believes every server.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
