//! A client on plain sockets, its requests signed by AWS's own signing crate.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
    SignatureLocation, SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use lab::s3::{Options, S3};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

/// A client with the stand-in's default keys; a test changes what it wants to be wrong.
pub(crate) struct Client {
    pub(crate) endpoint: String,
    /// What is sent as `host`, where it is not the endpoint's.
    pub(crate) host: Option<String>,
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) region: String,
    pub(crate) time: SystemTime,
    pub(crate) ca_pem: Option<String>,
}

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How the body ended before it was complete.
    pub(crate) broken: Option<io::Error>,
}

impl Client {
    pub(crate) fn of(s3: &S3) -> Client {
        let options = Options::default();
        Client {
            endpoint: s3.endpoint(),
            host: None,
            access_key_id: options.access_key_id,
            secret: options.secret_access_key,
            token: None,
            region: options.region,
            time: SystemTime::now(),
            ca_pem: s3.ca_pem().map(str::to_owned),
        }
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], b"")
    }

    pub(crate) fn put(&self, target: &str, body: &[u8]) -> Answer {
        self.send("PUT", target, &[], body)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_send(method, target, headers, body).expect("an answer")
    }

    pub(crate) fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let signed = self.sign(method, target, headers, SignableBody::Bytes(body));
        self.exchange(method, target, &signed, body)
    }

    /// The target with its signature in the query, good for so long.
    pub(crate) fn presign(&self, target: &str, expires_in: Duration) -> String {
        let mut settings = s3_settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.expires_in = Some(expires_in);
        let body = SignableBody::UnsignedPayload;
        let instructions = self.instructions("GET", target, &[], body, settings);
        let pairs: Vec<String> = instructions
            .params()
            .iter()
            .map(|(name, value)| {
                format!("{name}={}", value.replace('/', "%2F").replace(';', "%3B"))
            })
            .collect();
        format!("{target}?{}", pairs.join("&"))
    }

    /// The given headers and those of the signature.
    pub(crate) fn sign(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: SignableBody<'_>,
    ) -> Vec<(String, String)> {
        let instructions = self.instructions(method, target, headers, body, s3_settings());
        let signature = instructions.headers().map(|(name, value)| (name.into(), value.into()));
        let given = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        given.chain(signature).collect()
    }

    fn instructions(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: SignableBody<'_>,
        settings: SigningSettings,
    ) -> SigningInstructions {
        let identity =
            Credentials::from_keys(&self.access_key_id, &self.secret, self.token.clone()).into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(self.time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let url = format!("http://{}{target}", self.host());
        let request = SignableRequest::new(method, url, headers.iter().copied(), body).unwrap();
        sign(request, &parameters).unwrap().into_parts().0
    }

    /// Sends one request on its own connection and reads the answer.
    pub(crate) fn exchange(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut stream = self.begin(method, target, headers, body)?;
        let (status, headers) = read_head(&mut stream)?;
        let mut answer = Answer { status, headers, body: Vec::new(), broken: None };
        if method == "HEAD" || status == 204 || status == 304 {
            return Ok(answer);
        }
        let read = match answer.header("content-length").map(|length| length.parse().unwrap()) {
            Some(length) => read_exactly(&mut stream, length, &mut answer.body),
            None => {
                assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
                read_chunks(&mut stream, &mut answer.body)
            }
        };
        answer.broken = read.err();
        Ok(answer)
    }

    /// Sends one request on its own connection.
    pub(crate) fn begin(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> io::Result<BufReader<Box<dyn Stream>>> {
        let mut stream = self.connect()?;
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.host());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        Ok(BufReader::new(stream))
    }

    fn host(&self) -> &str {
        self.host.as_deref().unwrap_or(self.authority())
    }

    fn authority(&self) -> &str {
        self.endpoint.split_once("://").unwrap().1
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.authority())?;
        let Some(pem) = &self.ca_pem else {
            return Ok(Box::new(stream));
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        Ok(Box::new(rustls::StreamOwned::new(session, stream)))
    }
}

/// As the signing crate's documentation says for S3.
fn s3_settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.session_token_mode = SessionTokenMode::Include;
    settings
}

pub(crate) trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first such XML element.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        self.elements(name).into_iter().next()
    }

    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let (text, open, close) = (self.text(), format!("<{name}>"), format!("</{name}>"));
        text.split(&open)
            .skip(1)
            .map(|part| part.split_once(&close).expect("a closed element").0.to_owned())
            .collect()
    }

    /// Status and S3 error code.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.element("Code").unwrap_or_else(|| panic!("no error: {self:?}")))
    }
}

/// Status and headers.
pub(crate) fn read_head(stream: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let status = read_line(stream)?;
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(": ") else {
            return Ok((status, headers));
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

/// Appends so many bytes to the body.
pub(crate) fn read_exactly(
    stream: &mut impl Read,
    length: usize,
    body: &mut Vec<u8>,
) -> io::Result<()> {
    let goal = body.len() + length;
    stream.take(length as u64).read_to_end(body)?;
    if body.len() < goal { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let size = usize::from_str_radix(&read_line(stream)?, 16)
            .map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        read_exactly(stream, size, body)?;
        read_line(stream)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
