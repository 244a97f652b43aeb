//! The way to Postgres: what a URL says, sockets, encryption, login.
//!
//! The daemon and the tools speak to Postgres through two libraries, which read URLs differently and
//! verify less than libpq does. So all up to the login is done here, once: `address` and `encryption`
//! read the URL and know no clock and no file, `trust` reads the files that it names and judges
//! certificates, `stream` is a socket with or without TLS. `login` is for the library that has none
//! of its own over such a stream.

mod address;
mod certificate;
mod encryption;
mod error;
mod login;
mod password;
mod stream;
mod trust;

use tokio_postgres::{Client, Connection};

pub use address::{Address, Host, Place};
pub use encryption::Exposure;
pub use error::{Error, TlsError};
pub use login::{LoggedIn, Refusal, log_in};
pub use password::{new_password, verifier};
pub use stream::Stream;

/// Connects to one place of `address` and logs in. The caller bounds how long that may take.
pub async fn connect(
    address: &Address,
    place: &Place,
    application: &str,
) -> Result<(Client, Connection<Stream, Stream>), Error> {
    let stream = stream::open(address, place).await?;
    let config = address.login_of_library(application);
    let logged_in = config.connect_raw(stream, stream::Ready).await;
    logged_in.map_err(Error::login)
}
