//! The bytes of a connection, in clear or encrypted, and when the last of them moved.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_rustls::client::TlsStream;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;

/// A connection's stream. One type for all kinds, so that hyper's and rustls's code is in the binary
/// once: TLS is over a stream in clear, or over one that TLS has encrypted, to a proxy.
pub(super) struct Stream {
    inner: Inner,
    activity: Activity,
}

enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<Stream>>),
}

impl Stream {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::new(Inner::Plain(stream))
    }

    pub(super) fn tls(stream: TlsStream<Stream>) -> Self {
        Self::new(Inner::Tls(Box::new(stream)))
    }

    fn new(inner: Inner) -> Self {
        Self { inner, activity: Activity(Rc::new(Cell::new(Instant::now()))) }
    }

    pub(super) fn activity(&self) -> Activity {
        self.activity.clone()
    }

    fn noting<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Ok(_)) = result {
            self.activity.note();
        }
        result
    }
}

/// When a byte last moved over a connection.
#[derive(Clone)]
pub(super) struct Activity(Rc<Cell<Instant>>);

impl Activity {
    pub(super) fn note(&self) {
        self.0.set(Instant::now());
    }

    pub(super) fn last(&self) -> Instant {
        self.0.get()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let result = match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Inner::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        self.noting(result)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_write(cx, buffer),
            Inner::Tls(stream) => Pin::new(stream).poll_write(cx, buffer),
        };
        self.noting(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_close(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}
