//! The proxy that other tests break connections with.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{
    proxy::{Fault, Proxy, Way},
    soon,
};

/// Long enough for what comes to have come. Nothing fails if it is too short.
const A_MOMENT: Duration = Duration::from_millis(50);

/// A server that sends back what it gets, behind one byte that is its name.
async fn echo(name: u8) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(&[name]).await?;
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await?;
                write.shutdown().await
            });
        }
    });
    addr
}

/// A connection that has been through to the server called `name`.
async fn connect(proxy: &Proxy, name: u8) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.addr()).await.expect("accepted");
    let first = soon("the name of the server", stream.read_u8()).await;
    assert_eq!(first.expect("a byte"), name);
    stream
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("sent");
}

async fn hear(stream: &mut TcpStream, text: &str) {
    let mut heard = vec![0; text.len()];
    let read = soon("what was said", stream.read_exact(&mut heard)).await;
    read.expect("bytes");
    assert_eq!(String::from_utf8_lossy(&heard), text);
}

async fn hears_nothing(stream: &mut TcpStream) {
    let read = timeout(A_MOMENT, stream.read_u8()).await;
    assert!(read.is_err(), "something came: {read:?}");
}

async fn end(stream: &mut TcpStream) -> io::Result<usize> {
    soon("the end", stream.read(&mut [0; 1])).await
}

#[tokio::test]
async fn a_stalled_link_stays_open_and_passes_on_everything_when_healed() {
    let proxy = Proxy::start(echo(b'a').await).await;
    let mut open = connect(&proxy, b'a').await;
    for fault in [Fault::Stall, Fault::StallAfter(0)] {
        proxy.set(fault);
        say(&mut open, "one").await;
        let mut new = TcpStream::connect(proxy.addr()).await.expect("accepted");
        hears_nothing(&mut open).await;
        hears_nothing(&mut new).await;
        proxy.heal();
        hear(&mut open, "one").await;
        hear(&mut new, "a").await;
    }
    proxy.set_one_way(Way::ToClient, Fault::StallAfter(2));
    say(&mut open, "three").await;
    hear(&mut open, "th").await;
    hears_nothing(&mut open).await;
    proxy.heal();
    hear(&mut open, "ree").await;
}

#[tokio::test]
async fn connections_are_reset_at_once_or_after_some_bytes_or_refused() {
    let proxy = Proxy::start(echo(b'a').await).await;
    let mut open = connect(&proxy, b'a').await;
    proxy.cut();
    let reset = end(&mut open).await.expect_err("a reset");
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);

    let mut open = connect(&proxy, b'a').await;
    proxy.set_one_way(Way::ToServer, Fault::CutAfter(4));
    say(&mut open, "123").await;
    hear(&mut open, "123").await;
    say(&mut open, "456").await;
    // The fourth may or may not come back before the reset.
    while end(&mut open).await.is_ok_and(|read| read > 0) {}

    proxy.heal();
    let mut open = connect(&proxy, b'a').await;
    proxy.set(Fault::Refuse);
    let mut refused = TcpStream::connect(proxy.addr()).await.expect("accepted");
    assert!(matches!(end(&mut refused).await, Ok(0) | Err(_)));
    say(&mut open, "still").await;
    hear(&mut open, "still").await;
    drop(open);
    let gone = async {
        while proxy.connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("all connections to be closed", gone).await;
}

#[tokio::test]
async fn slow_links_lose_nothing_and_a_half_closed_one_still_passes_the_other_way() {
    let (first, second) = (echo(b'a').await, echo(b'b').await);
    let proxy = Proxy::start(first).await;
    let slow = [
        Fault::Delay(Duration::from_millis(5)),
        Fault::Throttle {
            bytes: 1,
            pause: Duration::from_millis(1),
        },
    ];
    for fault in slow {
        proxy.set(fault);
        let mut open = connect(&proxy, b'a').await;
        say(&mut open, "in small pieces").await;
        hear(&mut open, "in small pieces").await;
    }
    proxy.heal();
    proxy.retarget(second);
    let mut open = connect(&proxy, b'b').await;
    proxy.half_close(Way::ToServer);
    // The server has its end, sends what it had to send, and ends as well.
    assert_eq!(end(&mut open).await.expect("an orderly end"), 0);

    let mut open = connect(&proxy, b'b').await;
    open.shutdown().await.expect("half closed");
    assert_eq!(end(&mut open).await.expect("an orderly end"), 0);
}
