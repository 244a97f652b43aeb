//! The login, for a library that has none of its own over our streams.

use std::{fmt, io};

use bytes::BytesMut;
use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{self, ScramSha256},
    },
    message::{
        backend::{AuthenticationSaslBody, ErrorResponseBody, Message},
        frontend,
    },
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::{config::ChannelBinding, fallible_iterator::FallibleIterator};

use super::{Address, Error, Place, Stream, stream};

/// Longest message of a server before the login is over.
const LONGEST_MESSAGE: usize = 64 << 10;
/// Most bytes that a server may greet us with.
const LONGEST_GREETING: usize = 1 << 20;

/// A session that somebody else goes on with.
#[derive(Debug)]
pub struct LoggedIn {
    /// Ready for the first query.
    pub stream: Stream,
    /// What the server said from "authenticated" to "ready for query".
    pub greeting: Vec<u8>,
}

/// What the server said when it refused the login.
#[derive(Debug)]
pub struct Refusal {
    /// Its SQLSTATE.
    pub code: String,
    message: String,
    hint: Option<String>,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Connects to one place of `address` and logs in with these settings. The caller bounds how long that
/// may take.
pub async fn log_in(
    address: &Address,
    place: &Place,
    settings: &[(&str, &str)],
) -> Result<LoggedIn, Error> {
    let mut login = Login {
        address,
        user: address.user()?,
        stream: Box::pin(stream::open(address, place)).await?,
    };
    let mut parameters = vec![("user", login.user.as_str())];
    if let Some(dbname) = address.login.get_dbname() {
        parameters.push(("database", dbname));
    }
    if let Some(options) = address.login.get_options() {
        parameters.push(("options", options));
    }
    parameters.extend_from_slice(settings);
    let mut startup = BytesMut::new();
    frontend::startup_message(parameters, &mut startup).map_err(Error::Broken)?;
    login.send(&startup).await?;
    login.authenticate().await?;
    let greeting = login.greeting().await?;
    let stream = login.stream;
    Ok(LoggedIn { stream, greeting })
}

impl Address {
    fn user(&self) -> Result<String, Error> {
        if let Some(user) = self.login.get_user() {
            return Ok(user.to_owned());
        }
        let named = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok();
        let user = named.flatten().map(|user| user.name);
        user.ok_or_else(|| Error::Unfit("names no user".into()))
    }
}

struct Login<'a> {
    address: &'a Address,
    user: String,
    stream: Stream,
}

impl Login<'_> {
    async fn authenticate(&mut self) -> Result<(), Error> {
        match self.next().await?.1 {
            Message::AuthenticationOk => return self.without_binding(),
            Message::AuthenticationCleartextPassword => {
                self.without_binding()?;
                let password = self.password()?.to_vec();
                self.say(|out| frontend::password_message(&password, out))
                    .await?;
            }
            Message::AuthenticationMd5Password(body) => {
                self.without_binding()?;
                let hash = md5_hash(self.user.as_bytes(), self.password()?, body.salt());
                self.say(|out| frontend::password_message(hash.as_bytes(), out))
                    .await?;
            }
            Message::AuthenticationSasl(body) => self.scram(&body).await?,
            _ => {
                return Err(Error::Authentication(
                    "the server wants a way of logging in that pgbell does not have: use \
                     scram-sha-256 or a client certificate"
                        .into(),
                ));
            }
        }
        match self.next().await?.1 {
            Message::AuthenticationOk => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// As the daemon's library does it.
    async fn scram(&mut self, body: &AuthenticationSaslBody) -> Result<(), Error> {
        let password = self.password()?.to_vec();
        let offered: Vec<_> = body.mechanisms().collect().map_err(Error::Broken)?;
        let wanted = self.address.login.get_channel_binding() != ChannelBinding::Disable;
        let binding = self.stream.binding().filter(|_| wanted);
        let (binding, mechanism) = match binding {
            Some(binding) if offered.contains(&sasl::SCRAM_SHA_256_PLUS) => (
                sasl::ChannelBinding::tls_server_end_point(binding),
                sasl::SCRAM_SHA_256_PLUS,
            ),
            // Tells the server that we could: one that could, too, knows that its offer was removed.
            Some(_) => (sasl::ChannelBinding::unrequested(), sasl::SCRAM_SHA_256),
            None => (sasl::ChannelBinding::unsupported(), sasl::SCRAM_SHA_256),
        };
        if !offered.contains(&mechanism) {
            return Err(Error::Authentication(
                "the server offers no SCRAM-SHA-256".into(),
            ));
        }
        if mechanism != sasl::SCRAM_SHA_256_PLUS {
            self.without_binding()?;
        }
        let mut scram = ScramSha256::new(&password, binding);
        let first = scram.message().to_vec();
        self.say(|out| frontend::sasl_initial_response(mechanism, &first, out))
            .await?;
        let Message::AuthenticationSaslContinue(body) = self.next().await?.1 else {
            return Err(unexpected());
        };
        scram.update(body.data()).map_err(Error::Broken)?;
        let second = scram.message().to_vec();
        self.say(|out| frontend::sasl_response(&second, out))
            .await?;
        let Message::AuthenticationSaslFinal(body) = self.next().await?.1 else {
            return Err(unexpected());
        };
        // Also that the server knows the password.
        scram.finish(body.data()).map_err(Error::Broken)
    }

    /// Goes on without channel binding, unless it is required.
    fn without_binding(&self) -> Result<(), Error> {
        if self.address.requires_channel_binding() {
            return Err(Error::Authentication(
                "authentication error: server did not use channel binding".into(),
            ));
        }
        Ok(())
    }

    fn password(&self) -> Result<&[u8], Error> {
        let password = self.address.login.get_password();
        password.ok_or_else(|| {
            Error::Authentication("the server asks for a password, and the URL has none".into())
        })
    }

    async fn greeting(&mut self) -> Result<Vec<u8>, Error> {
        let mut greeting = Vec::new();
        // What made `authenticate` return, for whoever has not heard it.
        greeting.extend_from_slice(&[b'R', 0, 0, 0, 8, 0, 0, 0, 0]);
        loop {
            let (bytes, message) = self.next().await?;
            greeting.extend_from_slice(&bytes);
            if matches!(message, Message::ReadyForQuery(_)) {
                return Ok(greeting);
            }
            if greeting.len() > LONGEST_GREETING {
                return Err(unexpected());
            }
        }
    }

    /// One message of the server, and not a byte more.
    async fn next(&mut self) -> Result<(BytesMut, Message), Error> {
        loop {
            let mut frame = BytesMut::zeroed(5);
            let head = self.stream.read_exact(&mut frame).await;
            head.map_err(Error::broken)?;
            let length = u32::from_be_bytes([frame[1], frame[2], frame[3], frame[4]]);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if !(4..=LONGEST_MESSAGE).contains(&length) {
                return Err(unexpected());
            }
            frame.resize(1 + length, 0);
            let body = self.stream.read_exact(&mut frame[5..]).await;
            body.map_err(Error::broken)?;
            match Message::parse(&mut frame.clone()).map_err(Error::Broken)? {
                Some(Message::ErrorResponse(body)) => return Err(Error::Refused(refusal(&body))),
                Some(Message::NoticeResponse(_)) => {}
                Some(message) => return Ok((frame, message)),
                None => return Err(unexpected()),
            }
        }
    }

    async fn say(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut message = BytesMut::new();
        write(&mut message).map_err(Error::Broken)?;
        self.send(&message).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).await.map_err(Error::broken)?;
        self.stream.flush().await.map_err(Error::broken)
    }
}

fn unexpected() -> Error {
    Error::Broken(io::Error::other("unexpected message from server"))
}

fn refusal(body: &ErrorResponseBody) -> Refusal {
    let mut refusal = Refusal {
        code: String::new(),
        message: String::new(),
        hint: None,
    };
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => refusal.code = value,
            b'M' => refusal.message = value,
            b'H' => refusal.hint = Some(value),
            _ => {}
        }
    }
    refusal
}
