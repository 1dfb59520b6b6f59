//! Accepts connections and serves HTTP/1.1 on them.

use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::service::Service;

/// Serves until told to stop.
pub(super) async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    service: Arc<Service>,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener =
        tokio::net::TcpListener::from_std(listener).expect("a listener that the runtime can poll");
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // The client left before it was accepted.
                Err(_) => continue,
            },
            _ = &mut stopped => return,
        };
        // Answers are small or whole: waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let (acceptor, service) = (acceptor.clone(), service.clone());
        tokio::spawn(async move {
            match acceptor {
                None => converse(stream, service).await,
                Some(acceptor) => {
                    // A client that does not trust the CA leaves here.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        converse(stream, service).await;
                    }
                }
            }
        });
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, service: Arc<Service>) {
    let flushes = Flushes::default();
    let stream = TokioIo::new(Flushed { stream, flushes: flushes.clone() });
    let answer = service_fn(move |request| service.clone().answer(request, flushes.clone()));
    // An error is a client that left, or a fault that cut the connection.
    let _ = http1::Builder::new().serve_connection(stream, answer).await;
}

/// How often everything that was to be sent on a connection has been handed to the system.
///
/// hyper drops what it still buffers when a body ends in an error, and says nothing when a body
/// waits. To cut or hold an answer at an exact byte, the body waits for the flush after it.
#[derive(Clone, Default)]
pub(super) struct Flushes(Arc<Mutex<Count>>);

#[derive(Default)]
struct Count {
    flushes: u64,
    waker: Option<Waker>,
}

impl Flushes {
    /// Ready after the first flush since `mark` was set; sets it when it is not.
    pub(super) fn poll_next(&self, mark: &mut Option<u64>, context: &mut Context<'_>) -> Poll<()> {
        let mut count = self.0.lock().unwrap();
        if *mark.get_or_insert(count.flushes) < count.flushes {
            return Poll::Ready(());
        }
        count.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn flushed(&self) {
        let mut count = self.0.lock().unwrap();
        count.flushes += 1;
        if let Some(waker) = count.waker.take() {
            waker.wake();
        }
    }
}

/// A stream that counts its flushes. hyper flushes only after it has written its whole buffer.
struct Flushed<S> {
    stream: S,
    flushes: Flushes,
}

impl<S: AsyncRead + Unpin> AsyncRead for Flushed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flushed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.flushes.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
