//! The XML document that S3 answers errors with.

use super::xml::{Piece, Reader};

/// What is read of an `<Error>` document. Every part may be missing: proxies and small servers
/// leave out what they like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ErrorDocument {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) request_id: Option<String>,
    /// The region that the bucket is in, or that the signature should have been made for.
    pub(super) region: Option<String>,
    /// The host that requests for the bucket should go to.
    pub(super) endpoint: Option<String>,
}

impl ErrorDocument {
    /// At most this much of an answer's body is worth reading for an error, in bytes.
    pub(super) const LIMIT: usize = 64 * 1024;

    /// Reads what can be found. Not a validating reader: anything that is not an error document, or
    /// only the beginning of one, gives what there is, at worst nothing.
    pub(super) fn parse(text: &str) -> Self {
        let mut reader = Reader::new(text);
        let mut document = Self::default();
        if !reader.enter("Error") {
            // What is not S3 explains itself in plain text, if at all; pages are no use in a line.
            let is_page = text.trim_start().starts_with('<');
            document.message = if is_page { None } else { line(text) };
            return document;
        }
        while let Some(piece) = reader.next() {
            let element = match piece {
                Piece::Open("Code") => &mut document.code,
                Piece::Open("Message") => &mut document.message,
                Piece::Open("RequestId") => &mut document.request_id,
                Piece::Open("Region") => &mut document.region,
                Piece::Open("Endpoint") => &mut document.endpoint,
                Piece::Close("Error") => break,
                _ => continue,
            };
            if element.is_none() {
                *element = line(&reader.text().0);
            }
        }
        document
    }
}

/// The text on one line, at most 512 characters of it, so that it fits into a log; None where
/// nothing is left.
fn line(text: &str) -> Option<String> {
    let words: Vec<&str> = text
        .split(|character: char| character.is_control() || character.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    let line: String = words.join(" ").chars().take(512).collect();
    Some(line).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_s3_sends_it() {
        let document = ErrorDocument::parse(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region><RequestId>4442587FB7D0A2F9</RequestId><HostId>x</HostId></Error>"#,
        );
        assert_eq!(
            document,
            ErrorDocument {
                code: Some("AuthorizationHeaderMalformed".into()),
                message: Some(
                    "The authorization header is malformed; the region 'us-east-1' is wrong; \
                     expecting 'eu-west-1'"
                        .into()
                ),
                request_id: Some("4442587FB7D0A2F9".into()),
                region: Some("eu-west-1".into()),
                endpoint: None,
            }
        );
    }

    #[test]
    fn as_others_send_it() {
        let document = ErrorDocument::parse(
            "<ErrorResponse><Error xmlns=\"x\">\r\n <Code>NoSuchKey</Code>\n<Message lang=\"en\">\
              a &lt;b&gt; &amp;amp; &#233;&#xe9; &unknown; &\n c</Message><RequestId/><Region></Region>",
        );
        assert_eq!(document.code.as_deref(), Some("NoSuchKey"));
        assert_eq!(document.message.as_deref(), Some("a <b> &amp; éé &unknown; & c"));
        assert_eq!(document.request_id, None);
        assert_eq!(document.region, None);
    }

    #[test]
    fn not_an_error_document() {
        for body in [
            "",
            "<html><body>Bad Gateway <Code>1</Code></body></html>",
            "<Error",
            "<Errors><Code>x</Code></Errors>",
            "\r\n<!DOCTYPE html>",
        ] {
            assert_eq!(ErrorDocument::parse(body), ErrorDocument::default());
        }
    }

    #[test]
    fn plain_text() {
        let document =
            ErrorDocument::parse("Client sent an HTTP request\r\nto an HTTPS server.\n\0");
        assert_eq!(
            document.message.as_deref(),
            Some("Client sent an HTTP request to an HTTPS server.")
        );
        assert_eq!(document.code, None);
    }

    #[test]
    fn a_document_that_was_cut() {
        let whole = "<Error><Code>AccessDenied</Code><Message>No &amp; no</Message></Error>";
        for end in 0..whole.len() {
            let document = ErrorDocument::parse(&whole[..end]);
            assert_eq!(document.code.is_some(), end > "<Error><Code>".len());
        }
    }

    #[test]
    fn messages_are_bounded_lines() {
        let body = format!("<Error><Message>a\u{1b}[31m\n{}", "é".repeat(600));
        let message = ErrorDocument::parse(&body).message.unwrap();
        assert!(message.starts_with("a [31m é"), "{message}");
        assert_eq!(message.chars().count(), 512);
    }
}
