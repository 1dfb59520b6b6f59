//! The XML document that S3 answers errors with.

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
        let Some((_, error)) = open_tag(text, "Error") else {
            // What is not S3 explains itself in plain text, if at all; pages are no use in a line.
            let is_page = text.trim_start().starts_with('<');
            return Self { message: if is_page { None } else { line(text) }, ..Self::default() };
        };
        Self {
            code: element(error, "Code"),
            message: element(error, "Message"),
            request_id: element(error, "RequestId"),
            region: element(error, "Region"),
            endpoint: element(error, "Endpoint"),
        }
    }
}

/// The text of the first element of this name, unescaped, as a [`line`].
fn element(text: &str, name: &str) -> Option<String> {
    line(&text_of(text, name)?)
}

/// The text of the first element of this name, unescaped.
pub(super) fn text_of(text: &str, name: &str) -> Option<String> {
    let (empty, content) = open_tag(text, name)?;
    if empty {
        return None;
    }
    let content = content.split('<').next().unwrap_or_default();
    Some(unescape(content))
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

/// Finds the first opening tag of this name: whether it closes itself, and the text after it.
fn open_tag<'a>(mut text: &'a str, name: &str) -> Option<(bool, &'a str)> {
    loop {
        let (_, rest) = text.split_once('<')?;
        text = rest;
        let Some(after_name) = rest.strip_prefix(name) else {
            continue;
        };
        let (attributes, after) = after_name.split_once('>')?;
        if attributes.is_empty() || attributes.starts_with([' ', '\t', '\r', '\n', '/']) {
            return Some((attributes.ends_with('/'), after));
        }
    }
}

/// Replaces the five named entities and the numeric ones; what is not one stays (XML 1.0 section
/// 4.6 and 4.1).
fn unescape(text: &str) -> String {
    let (mut unescaped, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('&') {
        unescaped.push_str(before);
        let entity = after.split_once(';').and_then(|(entity, after)| {
            let character = match entity {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => {
                    let number = entity.strip_prefix('#')?;
                    let code = match number.strip_prefix('x') {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => number.parse(),
                    };
                    char::from_u32(code.ok()?)?
                }
            };
            Some((character, after))
        });
        rest = match entity {
            Some((character, after)) => {
                unescaped.push(character);
                after
            }
            None => {
                unescaped.push('&');
                after
            }
        };
    }
    unescaped.push_str(rest);
    unescaped
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
