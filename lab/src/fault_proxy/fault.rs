//! What goes wrong with a request.

use crate::s3::Gate;

/// A fault of one request. Bytes are counted in bodies as they go over the wire; a body that is
/// shorter passes unharmed.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Reads the request and does not forward it; there is no answer.
    Unanswered(Ending),
    /// Reads the request and does not forward it; answers exactly this, with a `date`.
    Answer {
        /// The status.
        status: u16,
        /// Names and values.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// Answers 307 with the same target at the proxy's other port.
    Redirect,
    /// Forwards so many bytes of the request's body.
    Upload(u64, Ending),
    /// Sends so many bytes of the answer's body, and what a reset leaves of them.
    Download(u64, Ending),
    /// Announces this length, sends the body that there is, and closes the connection.
    Length(u64),
    /// Waits at the gate after so many bytes of the answer's body, then goes on unharmed.
    Hold(u64, Gate),
    /// Two requests with this fault are answered in the opposite order: the first waits until the
    /// second has been answered. One that stays alone goes on after three seconds.
    Swap,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order, as by a server that ends: all that was sent arrives.
    Close,
    /// By a reset, as by a firewall that has forgotten the connection.
    Reset,
    /// Not at all: nothing more happens, until the client leaves.
    Stall,
}

impl Fault {
    /// 503: S3 wants fewer requests.
    pub fn slow_down() -> Fault {
        Fault::error(503, "SlowDown", "")
    }

    /// 200 with an error behind it, as the end of a multipart upload may be answered.
    pub fn error_behind_200(code: &str) -> Fault {
        Fault::error(200, code, "")
    }

    /// 301 without a `location`: the bucket is in this region.
    pub fn other_region(region: &str) -> Fault {
        let Fault::Answer { status, mut headers, body } =
            Fault::error(301, "PermanentRedirect", "<Endpoint>s3.amazonaws.com</Endpoint>")
        else {
            unreachable!("it is an answer");
        };
        headers.push(("x-amz-bucket-region", region.to_owned()));
        Fault::Answer { status, headers, body }
    }

    /// 400: the request was signed for another region than this one.
    pub fn signed_for_other_region(region: &str) -> Fault {
        let region = format!("<Region>{region}</Region>");
        Fault::error(400, "AuthorizationHeaderMalformed", &region)
    }

    /// An error document.
    pub fn error(status: u16, code: &str, details: &str) -> Fault {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>ordered by a test</Message>{details}<RequestId>PROXY</RequestId></Error>"
        );
        Fault::Answer {
            status,
            headers: vec![("content-type", "application/xml".to_owned())],
            body,
        }
    }
}
