//! Resource paths and values, with what Edge Core does to a value that it stores.

use std::{fmt, str::FromStr};

use data_encoding::BASE64;

/// A resource of a device, written `/33311/0/5701`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ResourcePath {
    /// LwM2M object id.
    pub(super) object: u16,
    /// LwM2M object instance id.
    pub(super) instance: u16,
    /// LwM2M resource id.
    pub(super) resource: u16,
}

impl FromStr for ResourcePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{text}` is not a resource path like /33311/0/5701");
        let mut ids = text.strip_prefix('/').ok_or_else(malformed)?.split('/').map(str::parse);
        match (ids.next(), ids.next(), ids.next(), ids.next()) {
            (Some(Ok(object)), Some(Ok(instance)), Some(Ok(resource)), None) => {
                Ok(ResourcePath { object, instance, resource })
            }
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/{}/{}", self.object, self.instance, self.resource)
    }
}

/// The `type` of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    String,
    Integer,
    Float,
    Boolean,
    Opaque,
    Time,
    ObjectLink,
}

impl ValueType {
    /// What `type` means. Edge Core compares only as many characters as it knows (`integer` is
    /// `int`), and takes everything else, or nothing, as opaque.
    pub(super) fn parse(name: Option<&str>) -> ValueType {
        let name = name.unwrap_or("");
        for (prefix, value_type) in [
            ("string", ValueType::String),
            ("int", ValueType::Integer),
            ("float", ValueType::Float),
            ("bool", ValueType::Boolean),
            ("time", ValueType::Time),
            ("objlink", ValueType::ObjectLink),
        ] {
            if name.starts_with(prefix) {
                return value_type;
            }
        }
        ValueType::Opaque
    }

    /// As the management interface spells it.
    pub(super) fn name(self) -> &'static str {
        match self {
            ValueType::String => "string",
            ValueType::Integer => "integer",
            ValueType::Float => "float",
            ValueType::Boolean => "boolean",
            ValueType::Opaque => "opaque",
            ValueType::Time => "time",
            ValueType::ObjectLink => "objlink",
        }
    }

    /// The text that Edge Core stores for a binary value: numbers are big-endian and become
    /// decimal. `None` when the length does not fit the type.
    pub(super) fn text_from_binary(self, binary: &[u8]) -> Option<Vec<u8>> {
        let text = match self {
            ValueType::String | ValueType::Opaque | ValueType::ObjectLink => {
                return Some(binary.to_vec());
            }
            ValueType::Boolean => match binary {
                [byte] => u8::from(*byte != 0).to_string(),
                _ => return None,
            },
            ValueType::Integer | ValueType::Time => match *binary {
                [a] => i8::from_be_bytes([a]).to_string(),
                [a, b] => i16::from_be_bytes([a, b]).to_string(),
                [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).to_string(),
                _ => i64::from_be_bytes(binary.try_into().ok()?).to_string(),
            },
            ValueType::Float => match *binary {
                [a, b, c, d] => format!("{:.9}", f32::from_be_bytes([a, b, c, d])),
                _ => format!("{:.17}", f64::from_be_bytes(binary.try_into().ok()?)),
            },
        };
        Some(text.into_bytes())
    }

    /// The binary value of a stored text: the reverse of [`Self::text_from_binary`], with numbers
    /// always 8 bytes long. `None` when the text is not of the type.
    pub(super) fn binary_from_text(self, text: &[u8]) -> Option<Vec<u8>> {
        let trimmed = || std::str::from_utf8(text).ok().map(str::trim);
        match self {
            ValueType::String | ValueType::Opaque | ValueType::ObjectLink => Some(text.to_vec()),
            ValueType::Boolean => match text.first() {
                Some(b'0') => Some(vec![0]),
                Some(b'1') => Some(vec![1]),
                _ => None,
            },
            ValueType::Integer | ValueType::Time => {
                Some(trimmed()?.parse::<i64>().ok()?.to_be_bytes().to_vec())
            }
            ValueType::Float => Some(trimmed()?.parse::<f64>().ok()?.to_be_bytes().to_vec()),
        }
    }
}

/// What Edge Core has left of a value once it is stored: its length field has 16 bits.
pub(super) fn stored(mut value: Vec<u8>) -> Vec<u8> {
    value.truncate(value.len() % 65_536);
    value
}

/// Standard base64 with its padding (RFC 4648, section 4).
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok()
}

/// Standard base64 with its padding (RFC 4648, section 4).
pub(super) fn encode_base64(value: &[u8]) -> String {
    BASE64.encode(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_three_ids() {
        let path: ResourcePath = "/33311/0/5701".parse().unwrap();
        assert_eq!(path, ResourcePath { object: 33311, instance: 0, resource: 5701 });
        assert_eq!(path.to_string(), "/33311/0/5701");
        for wrong in ["33311/0/5701", "/33311/0", "/33311/0/5701/1", "/33311/0/70000", "/a/0/1", ""]
        {
            assert!(wrong.parse::<ResourcePath>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn types_are_recognised_by_their_beginning() {
        assert_eq!(ValueType::parse(Some("integer")), ValueType::Integer);
        assert_eq!(ValueType::parse(Some("string")), ValueType::String);
        assert_eq!(ValueType::parse(Some("String")), ValueType::Opaque);
        assert_eq!(ValueType::parse(None), ValueType::Opaque);
    }

    #[test]
    fn numbers_are_stored_as_text() {
        let text = |value_type: ValueType, binary: &[u8]| {
            value_type.text_from_binary(binary).map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(text(ValueType::Integer, &[0xff]).as_deref(), Some("-1"));
        assert_eq!(text(ValueType::Integer, &[1, 0]).as_deref(), Some("256"));
        assert_eq!(text(ValueType::Time, &[0, 0, 0, 0, 0, 0, 0, 7]).as_deref(), Some("7"));
        assert_eq!(text(ValueType::Integer, &[1, 2, 3]), None);
        assert_eq!(text(ValueType::Boolean, &[9]).as_deref(), Some("1"));
        assert_eq!(text(ValueType::Boolean, &[0, 1]), None);
        assert_eq!(text(ValueType::Float, &1.5f32.to_be_bytes()).as_deref(), Some("1.500000000"));
        assert_eq!(text(ValueType::Float, &[1]), None);
        assert_eq!(text(ValueType::String, b"any length").as_deref(), Some("any length"));
    }

    #[test]
    fn text_becomes_binary_again() {
        assert_eq!(ValueType::Integer.binary_from_text(b"258"), Some(258i64.to_be_bytes().into()));
        assert_eq!(ValueType::Integer.binary_from_text(b"many"), None);
        assert_eq!(ValueType::Boolean.binary_from_text(b"1"), Some(vec![1]));
        assert_eq!(ValueType::Float.binary_from_text(b"0.5"), Some(0.5f64.to_be_bytes().into()));
        assert_eq!(ValueType::String.binary_from_text(b"x"), Some(b"x".to_vec()));
    }

    #[test]
    fn a_stored_value_keeps_sixteen_bits_of_its_length() {
        assert_eq!(stored(vec![7; 65_535]).len(), 65_535);
        assert_eq!(stored(vec![7; 65_536]).len(), 0);
        assert_eq!(stored(vec![7; 70_000]).len(), 4_464);
    }

    #[test]
    fn base64_is_the_standard_alphabet_with_padding() {
        assert_eq!(decode_base64("Y21k"), Some(b"cmd".to_vec()));
        assert_eq!(decode_base64("cnc="), Some(b"rw".to_vec()));
        assert_eq!(decode_base64("cnc"), None);
        assert_eq!(decode_base64("_-8="), None);
        assert_eq!(encode_base64(b"ro"), "cm8=");
    }
}
