//! One connection of a client: its requests, one after the other.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Shared;
use super::fault::{Ending, Fault};
use super::pace::{PIECE, Pace};
use crate::http_head::{RequestHead, ResponseHead};

/// Serves as long as the runtime lives.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let listener =
        tokio::net::TcpListener::from_std(listener).expect("a listener that the runtime can poll");
    let address = listener.local_addr().expect("a bound listener has an address");
    loop {
        // An error is a client that left before it was accepted.
        if let Ok((stream, client)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let shared = shared.clone();
            tokio::spawn(async move {
                let mut connection = Connection {
                    stream: BufReader::with_capacity(PIECE, stream),
                    address,
                    client,
                    shared,
                };
                // An error is a client that left, or a server that did.
                let _ = connection.converse().await;
            });
        }
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    client: SocketAddr,
    shared: Arc<Shared>,
}

/// What becomes of the connection after an exchange.
enum Next {
    Keep,
    End(Ending),
}

impl Connection {
    async fn converse(&mut self) -> io::Result<()> {
        let mut reused = false;
        while let Some(head) = RequestHead::read(&mut self.stream).await? {
            let number = self.shared.journal.arrived(&head, self.address, self.client);
            self.shared.plan.arrived(number);
            let fault = self.shared.plan.take(&head, reused);
            reused = true;
            match self.exchange(head, number, fault).await? {
                Next::Keep => {}
                Next::End(Ending::Close) => return self.stream.get_mut().shutdown().await,
                Next::End(Ending::Reset) => return self.stream.get_ref().set_zero_linger(),
                Next::End(Ending::Stall) => {
                    let mut ignored = vec![0; PIECE];
                    while self.stream.read(&mut ignored).await? > 0 {}
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn exchange(
        &mut self,
        head: RequestHead,
        number: usize,
        fault: Option<Fault>,
    ) -> io::Result<Next> {
        let expected = head.headers.get("expect").is_some();
        if expected {
            self.stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let length = head.headers.content_length().unwrap_or(0);
        let redirect = self.redirect(&head.target);
        match fault {
            Some(Fault::Unanswered(ending)) => {
                self.read_body(length).await?;
                Ok(Next::End(ending))
            }
            Some(Fault::Answer { status, headers, body }) => {
                self.read_body(length).await?;
                self.answer(&head.method, number, status, &headers, &body).await
            }
            Some(Fault::Redirect) => {
                self.read_body(length).await?;
                let headers = [("location", redirect)];
                self.answer(&head.method, number, 307, &headers, "").await
            }
            fault => self.forward(head, length, number, fault).await,
        }
    }

    fn redirect(&self, target: &str) -> String {
        let [first, second] = self.shared.addresses;
        let other = if self.address == first { second } else { first };
        format!("http://{other}{target}")
    }

    async fn read_body(&mut self, length: u64) -> io::Result<()> {
        let mut body = (&mut self.stream).take(length);
        tokio::io::copy_buf(&mut body, &mut tokio::io::sink()).await.map(|_| ())
    }

    async fn answer(
        &mut self,
        method: &str,
        number: usize,
        status: u16,
        headers: &[(&str, String)],
        body: &str,
    ) -> io::Result<Next> {
        let mut head = ResponseHead::new(status, "Ordered");
        let date = self.shared.settings().shifted(SystemTime::now());
        head.headers.set("date", &httpdate::fmt_http_date(date));
        for (name, value) in headers {
            head.headers.set(name, value);
        }
        head.headers.set("content-length", &body.len().to_string());
        let mut bytes = head.write();
        if method != "HEAD" {
            bytes.extend(body.as_bytes());
        }
        self.shared.journal.answered(number, status);
        self.stream.get_mut().write_all(&bytes).await?;
        Ok(Next::Keep)
    }

    /// The answer of the server, but for what the fault changes.
    async fn forward(
        &mut self,
        mut head: RequestHead,
        length: u64,
        number: usize,
        fault: Option<Fault>,
    ) -> io::Result<Next> {
        let settings = self.shared.settings();
        let mut pace = Pace::new(settings.bytes_per_second);
        let mut server =
            BufReader::with_capacity(PIECE, TcpStream::connect(settings.upstream).await?);
        // Each request has a connection of its own to the server, so that the end of the answer is
        // the end of that.
        for name in ["expect", "keep-alive"] {
            head.headers.remove(name);
        }
        head.headers.set("connection", "close");
        server.get_mut().write_all(&head.write()).await?;
        let passes = match fault {
            Some(Fault::Upload(bytes, _)) => length.min(bytes),
            _ => length,
        };
        // A server that answers before it has read everything may read no further.
        let upload = copy(&mut self.stream, server.get_mut(), passes, &mut pace, |_| {}).await;
        if let Some(Fault::Upload(bytes, ending)) = fault
            && length > bytes
        {
            return Ok(Next::End(ending));
        }

        let mut answer = ResponseHead::read(&mut server).await?;
        let second = match fault {
            Some(Fault::Swap) => self.shared.swap.enter().await,
            _ => None,
        };
        let bodiless = head.method == "HEAD" || matches!(answer.status, 204 | 304);
        let announced = answer.headers.content_length();
        let chunked = answer.headers.get("transfer-encoding").is_some();
        answer.headers.remove("connection");
        if settings.date_shift_s != 0 {
            let told =
                answer.headers.get("date").and_then(|date| httpdate::parse_http_date(date).ok());
            let date = settings.shifted(told.unwrap_or_else(SystemTime::now));
            answer.headers.set("date", &httpdate::fmt_http_date(date));
        }
        if let Some(Fault::Length(length)) = fault {
            answer.headers.set("content-length", &length.to_string());
        }
        self.shared.journal.answered(number, answer.status);
        self.stream.get_mut().write_all(&answer.write()).await?;
        if bodiless {
            return Ok(Next::Keep);
        }

        let whole = if chunked { u64::MAX } else { announced.unwrap_or(u64::MAX) };
        let (journal, client) = (&self.shared.journal, self.stream.get_mut());
        let sent = |bytes| journal.sent(number, bytes);
        let first = match fault {
            Some(Fault::Download(bytes, _) | Fault::Hold(bytes, _)) => whole.min(bytes),
            _ => whole,
        };
        let mut passed = copy(&mut server, client, first, &mut pace, sent).await?;
        if passed == first && first < whole {
            match fault {
                Some(Fault::Download(_, ending)) => return Ok(Next::End(ending)),
                Some(Fault::Hold(_, ref gate)) => poll_fn(|context| gate.poll_pass(context)).await,
                _ => {}
            }
            passed += copy(&mut server, client, whole - first, &mut pace, sent).await?;
        }
        drop(second);
        let complete = upload.is_ok() && (chunked || announced == Some(passed));
        let lied = matches!(fault, Some(Fault::Length(_)));
        Ok(if complete && !lied { Next::Keep } else { Next::End(Ending::Close) })
    }
}

/// Passes up to so many bytes on, and returns how many there were.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    length: u64,
    pace: &mut Pace,
    sent: impl Fn(u64),
) -> io::Result<u64> {
    let mut buffer = vec![0; pace.piece()];
    let mut left = length;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = from.read(&mut buffer[..most]).await?;
        if read == 0 {
            break;
        }
        pace.take(read).await;
        to.write_all(&buffer[..read]).await?;
        sent(read as u64);
        left -= read as u64;
    }
    Ok(length - left)
}
