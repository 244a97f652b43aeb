//! TLS that ends in the daemon.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use nix::sys::signal::Signal;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName},
        version::{TLS12, TLS13},
    },
};

use crate::support::{
    client::Client,
    daemon::{Daemon, get},
    database::{Database, REPRICE, SELL_ONE},
    events::Events,
    program::Program,
    soon,
};

/// A certificate for `localhost` and its key, as files.
struct Files {
    folder: TempDir,
    shown: Mutex<CertificateDer<'static>>,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let shown = Mutex::new(renew(&folder));
        Self { folder, shown }
    }

    fn renew(&self) {
        *self.shown.lock().expect("no panic") = renew(&self.folder);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(&self, config: &mut pgbell::config::Config) {
        config.gateway.tls.certificate = Some(self.path("certificate.pem"));
        config.gateway.tls.key = Some(self.path("key.pem"));
    }

    /// What a client that trusts the newest certificate gets.
    async fn connect(
        &self,
        addr: SocketAddr,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let shown = self.shown.lock().expect("no panic").clone();
        roots.add(shown).expect("a certificate");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let socket = TcpStream::connect(addr).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket);
        soon("TLS", connecting).await
    }

    /// An address where clients without TLS reach a daemon with it.
    async fn bridge(self: &Arc<Self>, addr: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let bridge = listener.local_addr().expect("an address");
        let files = self.clone();
        tokio::spawn(async move {
            while let Ok((mut plain, _)) = listener.accept().await {
                let files = files.clone();
                tokio::spawn(async move {
                    let encrypted = files.connect(addr, &[&TLS13, &TLS12], &["http/1.1"]).await;
                    if let Ok(mut encrypted) = encrypted {
                        let _ = copy_bidirectional(&mut plain, &mut encrypted).await;
                    }
                });
            }
        });
        bridge
    }
}

fn renew(folder: &TempDir) -> CertificateDer<'static> {
    let made = generate_simple_self_signed(vec!["localhost".to_owned()]);
    let CertifiedKey { cert, signing_key } = made.expect("a certificate");
    fs::write(folder.path().join("certificate.pem"), cert.pem()).expect("written");
    fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).expect("written");
    cert.der().clone()
}

async fn encrypted(database: &Database) -> (Arc<Files>, Daemon, SocketAddr) {
    let files = Arc::new(Files::new());
    // `/readyz` is asked where there is no TLS.
    let daemon = Daemon::unready(&database.url, |config| {
        files.set(config);
        config.gateway.header_timeout = Duration::from_secs(1);
    });
    let bridge = files.bridge(daemon.addr).await;
    let ready = async { while get(bridge, "/readyz").await.0 != 200 {} };
    soon("a ready daemon", ready).await;
    (files, daemon, bridge)
}

#[tokio::test]
async fn pages_websockets_and_streams_all_work_over_tls() {
    let database = Database::with_shop().await;
    let (_files, daemon, bridge) = encrypted(&database).await;
    let mut client = Client::connect(bridge).await;
    client.subscribe(&["product:1"]).await;
    let (mut events, _) = Events::subscribed(bridge, "product:1").await;
    database.run(SELL_ONE).await;
    assert_eq!(client.next_of("invalidate").await["room"], "product:1");
    assert_eq!(events.next_of("invalidate").await.data["room"], "product:1");
    let (status, script) = get(bridge, "/client.js").await;
    assert!(status == 200 && script.len() > 10_000, "{}", script.len());
    let stopping = tokio::spawn(daemon.stop());
    assert_eq!(client.next_of("goodbye").await["code"], 4201);
    assert_eq!(client.next().await["closed"], 4201);
    assert_eq!(events.next_of("goodbye").await.data["code"], 4201);
    assert!(events.next().await.is_none());
    drop((client, events));
    stopping.await.expect("no panic").expect("stopped in order");
}

#[tokio::test]
async fn a_client_that_pauses_is_told_everything_in_whole_messages() {
    let database = Database::with_shop().await;
    let (files, _daemon, bridge) = encrypted(&database).await;
    let mut slow = Client::connect(bridge).await;
    slow.subscribe(&["flood"]).await;
    let mut witness = Client::connect(bridge).await;
    witness.subscribe(&["flood"]).await;
    for part in 0..40 {
        let sql = format!(
            "insert into pgbell.change (entity, id, op, events, rooms, new)
             select 'thing', '{part}-' || n, 'update', '{{thing:changed}}', '{{flood}}',
                    jsonb_build_object('x', repeat(md5(n::text), 30))
               from generate_series(1, 200) n"
        );
        database.run(&sql).await;
        let mut told = 0;
        while told < 200 {
            let message = witness.next().await;
            assert!(message.get("closed").is_none(), "{message}");
            told += message["changes"].as_array().map_or(0, Vec::len);
            if message["type"] == "resync" {
                break;
            }
        }
    }
    slow.say(json!({"type": "ping", "id": 9})).await;
    let (mut told, mut resync) = (0, false);
    loop {
        let message = slow.next().await;
        match message["type"].as_str() {
            Some("invalidate") => told += message["changes"].as_array().map_or(0, Vec::len),
            Some("resync") => resync = true,
            Some("pong") => break,
            Some(_) => {}
            None => panic!("{message}"),
        }
    }
    assert!(resync || told == 8_000, "{told}");
    drop(files);
}

#[tokio::test]
async fn what_is_no_tls_or_another_protocol_is_not_served() {
    let database = Database::with_shop().await;
    let (files, daemon, _) = encrypted(&database).await;
    for version in [&TLS12, &TLS13] {
        let stream = files.connect(daemon.addr, &[version], &[]).await;
        let mut stream = stream.expect("both versions");
        let ask = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(ask).await.expect("sent");
        let mut answer = String::new();
        let read = soon("an answer", stream.read_to_string(&mut answer)).await;
        read.expect("an end that is told");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let both = files
        .connect(daemon.addr, &[&TLS13], &["h2", "http/1.1"])
        .await;
    let both = both.expect("one of them");
    assert_eq!(both.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(
        files
            .connect(daemon.addr, &[&TLS13], &["h2"])
            .await
            .is_err()
    );

    let mut plain = TcpStream::connect(daemon.addr).await.expect("a connection");
    plain
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    let _ = soon("an end", plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let mut silent = TcpStream::connect(daemon.addr).await.expect("a connection");
    let end = soon("an end", silent.read(&mut [0; 16])).await;
    assert_eq!(end.expect("an orderly end"), 0);
}

#[tokio::test]
async fn files_are_read_again_on_request_and_what_cannot_be_used_changes_nothing() {
    let database = Database::with_shop().await;
    let files = Arc::new(Files::new());
    let (certificate, key) = (files.path("certificate.pem"), files.path("key.pem"));
    let settings = [
        (
            "PGBELL_GATEWAY__TLS__CERTIFICATE",
            certificate.to_str().expect("text"),
        ),
        ("PGBELL_GATEWAY__TLS__KEY", key.to_str().expect("text")),
    ];
    let mut program = Program::with(&database, &settings).await;
    let connect = async || files.connect(program.addr, &[&TLS13], &[]).await;
    let mut first = connect().await.expect("the first certificate");
    files.renew();
    assert!(connect().await.is_err(), "the new one is not shown yet");
    program.signal(Signal::SIGHUP);
    program.says("the TLS files were read again").await;
    let connect = async || files.connect(program.addr, &[&TLS13], &[]).await;
    connect().await.expect("the second certificate");

    let kept = files.shown.lock().expect("no panic").clone();
    files.renew();
    fs::write(&key, "nonsense").expect("written");
    program.signal(Signal::SIGHUP);
    let warning = program.says("the TLS files cannot be used").await;
    assert!(warning.contains("key.pem"), "{warning}");
    *files.shown.lock().expect("no panic") = kept;
    let connected = files.connect(program.addr, &[&TLS13], &[]).await;
    connected.expect("still the second certificate");
    let ask = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    first.write_all(ask).await.expect("connections go on");
}

#[tokio::test]
async fn without_files_to_read_again_a_request_for_it_ends_nothing() {
    let database = Database::with_shop().await;
    let mut program = Program::with(&database, &[]).await;
    program.signal(Signal::SIGHUP);
    program.says("nothing is read again on SIGHUP").await;
    let answer = get(program.addr, "/livez").await;
    assert_eq!(answer.0, 200);
}

#[tokio::test]
async fn who_watches_from_a_shell_believes_the_authority_that_is_named() {
    let database = Database::with_shop().await;
    let (files, daemon, bridge) = encrypted(&database).await;
    let url = format!("wss://localhost:{}/ws", daemon.addr.port());
    let sub = async |more: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgbell"));
        command.args(["sub", "product:1", "--count", "1", "--url", &url]);
        command.args(more).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("started")
    };
    let stranger = sub(&[]).await.wait_with_output();
    let refused = soon("a refusal", stranger).await.expect("an end");
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");

    let authority = files.path("certificate.pem");
    let watching = sub(&["--ca-file", authority.to_str().expect("text")]).await;
    let joined = async {
        while !get(bridge, "/health")
            .await
            .1
            .contains("\"subscribers\":1,")
        {}
    };
    soon("a subscriber", joined).await;
    database.run(REPRICE).await;
    let told = soon("a change", watching.wait_with_output()).await;
    let told = told.expect("an end");
    assert!(told.status.success(), "{told:?}");
    assert!(String::from_utf8_lossy(&told.stdout).contains("product:price_changed"));
}
