//! Percent-encoding as SigV4 defines it ("UriEncode").

/// Encodes everything but the unreserved characters `A-Z a-z 0-9 - . _ ~`, the slash included:
/// the names and values of a query.
pub fn encode(text: &str) -> String {
    encode_bytes(text.as_bytes(), false)
}

/// As [`encode`], with each `/` left as it is: paths.
///
/// Exactly once, and nothing is normalised: `//`, `.` and `..` are ordinary parts of an S3 key.
pub fn encode_path(text: &str) -> String {
    encode_bytes(text.as_bytes(), true)
}

fn encode_bytes(bytes: &[u8], keep_slash: bool) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut encoded = String::with_capacity(bytes.len() + bytes.len() / 4);
    for &byte in bytes {
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if unreserved || (keep_slash && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(DIGITS[usize::from(byte >> 4)]);
            encoded.push(DIGITS[usize::from(byte & 15)]);
        }
    }
    encoded
}

/// The reverse of both. What is no `%` with two digits stays as it is.
pub fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |index| char::from(*after.get(index)?).to_digit(16);
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_reverses() {
        for text in ["a b", "100%", "ሴ\u{7f}/+"] {
            assert_eq!(decode(&encode(text)), text.as_bytes());
        }
        assert_eq!(decode("%2f%zz%4%"), b"/%zz%4%");
    }

    #[test]
    fn what_users_put_into_keys() {
        for (key, path) in [
            ("a b", "a%20b"),
            ("a+b", "a%2Bb"),
            ("100%", "100%25"),
            ("a%20b", "a%2520b"),
            ("a//b/", "a//b/"),
            ("a/../b/./c", "a/../b/./c"),
            ("ሴ", "%E1%88%B4"),
            ("\u{7f}\n", "%7F%0A"),
            ("~-._", "~-._"),
            ("a=b&c?d#e", "a%3Db%26c%3Fd%23e"),
        ] {
            assert_eq!(encode_path(key), path, "{key:?}");
        }
    }

    #[test]
    fn queries_encode_the_slash() {
        assert_eq!(encode("a/b c"), "a%2Fb%20c");
    }
}
