//! Authorities, and certificates of servers and clients, made for one test.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;

use super::{server::Server, soon};

/// An authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A server's, for these names.
    pub(crate) fn server(&self, names: &[&str]) -> Identity {
        self.signed(server(names))
    }

    /// A server's that is no longer valid.
    pub(crate) fn expired(&self, names: &[&str]) -> Identity {
        self.signed(expired(server(names)))
    }

    /// A client's, for a role.
    pub(crate) fn client(&self, role: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, role);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.signed(params)
    }

    fn signed(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer);
        Identity {
            certificate: certificate.expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Identity {
    /// As `openssl req -x509` makes it: signed by itself, and an authority.
    pub(crate) fn self_signed(names: &[&str], is_expired: bool) -> Self {
        let mut params = server(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages.clear();
        if is_expired {
            params = expired(params);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

fn server(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, "server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 2, 3);
    params
}

/// Files that only we may read.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("written");
        allow(&path, 0o600);
        path
    }

    /// The query that names an identity, once its files are written.
    pub(crate) fn identity(&self, name: &str, identity: &Identity) -> String {
        let certificate = self.write(&format!("{name}.crt"), &identity.certificate);
        let key = self.write(&format!("{name}.key"), &identity.key);
        format!("sslcert={}&sslkey={}", certificate.display(), key.display())
    }
}

pub(crate) fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("allowed");
}

/// The password of role `worded`.
pub(crate) const PASSWORD: &str = "hunter2";

/// Who may log in how, by TCP. The superuser may do so from anywhere, for the tests.
const WHO_MAY: &str = "
local   all all                  trust
host    all postgres 127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 cert
host    all worded   127.0.0.1/32 scram-sha-256
host    all plain    127.0.0.1/32 password
host    all digested 127.0.0.1/32 md5
";

impl Server {
    /// A server with roles that log in in different ways, and without TLS until it is given an
    /// identity.
    pub(crate) async fn with_roles() -> Self {
        let server = Self::with(&[("max_connections", "400")]).await;
        let rules = server.data().join("pg_hba.conf");
        fs::write(&rules, WHO_MAY).expect("written");
        let database = server.database().await;
        let roles = format!(
            "create role certified login; create role worded login password '{PASSWORD}';
             create role plain login password '{PASSWORD}';
             set password_encryption = md5; create role digested login password '{PASSWORD}';
             grant pgbell_daemon to certified, worded, plain, digested"
        );
        database.run(&roles).await;
        database.run("select pg_reload_conf()").await;
        server
    }

    /// From now on it speaks TLS, with this certificate; clients' are to be signed by `clients`.
    pub(crate) async fn identify(&self, identity: &Identity, clients: &Authority) {
        let data = self.data();
        let owner = fs::metadata(&data).expect("its directory");
        let files = [
            ("server.crt", &identity.certificate),
            ("server.key", &identity.key),
            ("clients.crt", &clients.pem),
        ];
        for (name, text) in files {
            let path = data.join(name);
            fs::write(&path, text).expect("written");
            allow(&path, 0o600);
            chown(&path, Some(owner.uid()), Some(owner.gid())).expect("given to the server");
        }
        let database = self.database().await;
        for setting in ["ssl = on", "ssl_ca_file = 'clients.crt'"] {
            database.run(&format!("alter system set {setting}")).await;
        }
        let before = self.database().await.value("pg_conf_load_time()").await;
        database.run("select pg_reload_conf()").await;
        let reloaded =
            async { while self.database().await.value("pg_conf_load_time()").await == before {} };
        soon("the server to read its certificate", reloaded).await;
    }

    fn data(&self) -> PathBuf {
        self.postgres.directory().join("data")
    }
}
