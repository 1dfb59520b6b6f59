//! Tensors as files.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use super::{Tensor, shape};

/// The file format of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// The JSON tensor, [`to_json`].
    Json,
    /// A numpy array file, [`to_npy`].
    Npy,
}

impl OutputFormat {
    /// The format that a file's name asks for: NPY where it ends in `.npy`, in any case; else JSON.
    pub fn of_file_name(name: &str) -> Self {
        match name.rsplit_once('.') {
            Some((_, extension)) if extension.eq_ignore_ascii_case("npy") => Self::Npy,
            _ => Self::Json,
        }
    }

    /// The file for a tensor.
    pub fn encode(self, tensor: &Tensor) -> Encoded {
        match self {
            Self::Json => to_json(tensor),
            Self::Npy => to_npy(tensor),
        }
    }
}

/// How much of a file is made at once, in bytes.
const PART: usize = 64 * 1024;

/// A tensor's file, of which each part is made when it is needed: the whole of it would take more
/// memory than the tensor.
#[derive(Debug, Clone)]
pub struct Encoded {
    head: Bytes,
    data: Bytes,
    base64: bool,
    tail: Bytes,
}

impl Encoded {
    /// How long the file is, in bytes.
    pub fn length(&self) -> u64 {
        (self.head.len() + self.data_length() + self.tail.len()) as u64
    }

    /// The bytes of a range of the file, in small parts.
    pub fn parts(&self, range: Range<u64>) -> impl Iterator<Item = Bytes> + use<> {
        let (file, mut place) = (self.clone(), range.start);
        std::iter::from_fn(move || {
            let left = range.end.checked_sub(place).filter(|left| *left > 0)?;
            let part = file.at(place, usize::try_from(left).unwrap_or(PART).min(PART))?;
            place += part.len() as u64;
            Some(part)
        })
    }

    /// What is at a place of the file, at most `most` bytes of it. None at its end only.
    fn at(&self, place: u64, most: usize) -> Option<Bytes> {
        let place = usize::try_from(place).ok()?;
        let cut = |part: &Bytes, from: usize| part.slice(from..part.len().min(from + most.max(1)));
        let Some(place) = place.checked_sub(self.head.len()) else {
            return Some(cut(&self.head, place));
        };
        let Some(place) = place.checked_sub(self.data_length()) else {
            return Some(if self.base64 {
                self.base64_at(place, most.max(1))
            } else {
                cut(&self.data, place)
            });
        };
        (place < self.tail.len()).then(|| cut(&self.tail, place))
    }

    fn data_length(&self) -> usize {
        if self.base64 { BASE64.encode_len(self.data.len()) } else { self.data.len() }
    }

    /// Each four characters stand for three bytes.
    fn base64_at(&self, place: usize, most: usize) -> Bytes {
        let end = self.data_length().min(place + most);
        let data = self.data.slice(place / 4 * 3..self.data.len().min(end.div_ceil(4) * 3));
        let groups = Bytes::from(BASE64.encode(&data).into_bytes());
        groups.slice(place % 4..place % 4 + end - place)
    }
}

/// A tensor as `{"name","type","shape","b64_data"}`, where `type` is the number of the agent's enum
/// and a name that is not UTF-8 is escaped as in [`file_name_part`].
pub fn to_json(tensor: &Tensor) -> Encoded {
    let name = miniserde::json::to_string(&*tensor.spec.name_text());
    let head = format!(
        "{{\"name\":{name},\"type\":{},\"shape\":{},\"b64_data\":\"",
        tensor.spec.element.to_wire(),
        shape::Listed(&tensor.spec.shape),
    );
    Encoded {
        head: head.into(),
        data: tensor.data.clone(),
        base64: true,
        tail: Bytes::from_static(b"\"}"),
    }
}

/// A tensor as a numpy array file of version 1.0, byte for byte as numpy writes it.
///
/// Where the shape does not account for the bytes, as with an agent that leaves a dimension
/// dynamic, the array is written flat, so that numpy opens it all the same.
pub fn to_npy(tensor: &Tensor) -> Encoded {
    let element = tensor.spec.element;
    let length = tensor.data.len();
    let (descr, shape): (&str, Vec<usize>) =
        if shape::byte_length(&tensor.spec.shape, element) == Some(length) {
            let shape = tensor.spec.shape.iter();
            let shape = shape.filter_map(|size| usize::try_from(*size).ok());
            (element.numpy_descr(), shape.collect())
        } else if length.is_multiple_of(element.size()) {
            (element.numpy_descr(), vec![length / element.size()])
        } else {
            ("|u1", vec![length])
        };
    Encoded {
        head: npy_header(descr, &shape).into(),
        data: tensor.data.clone(),
        base64: false,
        tail: Bytes::new(),
    }
}

/// The bytes before the elements (numpy, `numpy.lib.format`, version 1.0).
fn npy_header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (");
    for (position, size) in shape.iter().enumerate() {
        let separator = if position > 0 { " " } else { "" };
        let comma = if shape.len() == 1 || position + 1 < shape.len() { "," } else { "" };
        let _ = write!(header, "{separator}{size}{comma}");
    }
    header.push_str("), }");
    // numpy leaves room for the first dimension to grow to 21 digits in place.
    if let Some(first) = shape.first() {
        let room = 21_usize.saturating_sub(first.to_string().len());
        header.extend(std::iter::repeat_n(' ', room));
    }
    // The magic string, version, length and header up to its newline fill a multiple of 64 bytes.
    const BEFORE: usize = 6 + 2 + 2;
    let whole = (BEFORE + header.len() + 1).next_multiple_of(64);
    header.extend(std::iter::repeat_n(' ', whole - BEFORE - header.len() - 1));
    header.push('\n');
    let mut bytes = Vec::with_capacity(whole);
    bytes.extend_from_slice(super::npy::MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    // 65,535 is 3,000 dimensions away: no agent has them, and numpy itself stops at 64.
    bytes.extend_from_slice(&u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

/// The longest that [`file_name_part`] gives, so that stem, time and extension still fit a name.
const LONGEST_PART: usize = 120;

/// A tensor's name for use within a file's name; no two names give the same.
///
/// ASCII letters, digits, `_`, `-` and `.` (but not at the start) stay; every other byte is `%XX`.
/// The empty name is `%`. A name whose escaped form is longer than 120 bytes is its start, `%-`
/// and the first 160 bits of its SHA-256 in hexadecimal. Neither of these two is the escaped form
/// of anything.
pub fn file_name_part(name: &[u8]) -> String {
    if name.is_empty() {
        return "%".to_owned();
    }
    let mut part = String::with_capacity(name.len().min(LONGEST_PART) + 3);
    for (position, &byte) in name.iter().enumerate() {
        let before = part.len();
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => part.push(char::from(byte)),
            b'.' if position > 0 => part.push('.'),
            _ => {
                let _ = write!(part, "%{byte:02X}");
            }
        }
        if part.len() > LONGEST_PART {
            part.truncate(before);
            return hashed(part, name);
        }
    }
    part
}

/// The bounded form of a long name, from the start of its escaped one.
fn hashed(mut part: String, name: &[u8]) -> String {
    let digest = Sha256::digest(name);
    let hash = HEXLOWER.encode(digest.as_slice().get(..20).unwrap_or_default());
    // All of it is ASCII; a cut may go through an escape, which the hash makes harmless.
    part.truncate(LONGEST_PART - 2 - hash.len());
    part.push_str("%-");
    part.push_str(&hash);
    part
}

#[cfg(test)]
mod tests {
    use super::super::npy::tests::fixture;
    use super::super::{ElementType, TensorSpec};
    use super::*;
    use std::collections::HashSet;

    /// All of a file, made in parts of `most` bytes.
    fn parts(file: &Encoded, most: usize) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(part) = file.at(whole.len() as u64, most) {
            assert!((1..=most).contains(&part.len()));
            whole.extend_from_slice(&part);
        }
        assert_eq!(whole.len() as u64, file.length());
        whole
    }

    fn whole(file: Encoded) -> Vec<u8> {
        file.parts(0..file.length()).collect::<Vec<_>>().concat()
    }

    fn tensor(name: &'static [u8], element: ElementType, shape: &[i32], data: Bytes) -> Tensor {
        Tensor {
            spec: TensorSpec { name: Bytes::from_static(name), element, shape: shape.to_vec() },
            data,
        }
    }

    #[test]
    fn json_has_exactly_four_keys() {
        let data = Bytes::from_static(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            String::from_utf8(whole(to_json(&tensor(
                b"out\"1",
                ElementType::Float32,
                &[1, 2],
                data.clone()
            ))))
            .unwrap(),
            r#"{"name":"out\"1","type":5,"shape":[1,2],"b64_data":"AQIDBAUGBwg="}"#
        );
        assert_eq!(
            String::from_utf8(whole(to_json(&tensor(
                b"\xffx\n",
                ElementType::Uint8,
                &[],
                Bytes::new()
            ))))
            .unwrap(),
            r#"{"name":"%FFx%0A","type":0,"shape":[],"b64_data":""}"#
        );
        let name = "n\u{e4}\u{1}\n".as_bytes();
        let json = whole(to_json(&tensor(name, ElementType::Int64, &[-1], data)));
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value["name"], "n\u{e4}\u{1}\n");
        assert_eq!(value["shape"], serde_json::json!([-1]));
    }

    #[test]
    fn parts_of_any_length_are_the_file() {
        for length in 0..9_u8 {
            let data: Vec<u8> = (0..length).map(|n| n.wrapping_mul(91)).collect();
            let tensor =
                tensor(b"x", ElementType::Uint8, &[i32::from(length)], data.clone().into());
            let json = String::from_utf8(whole(to_json(&tensor))).unwrap();
            let encoded = BASE64.encode(&data);
            assert!(json.ends_with(&format!(r#","b64_data":"{encoded}"}}"#)), "{json}");
            for file in [to_json(&tensor), to_npy(&tensor)] {
                let all = whole(file.clone());
                for most in 1..all.len() {
                    assert_eq!(parts(&file, most), all);
                    let range: Vec<Bytes> = file.parts(1..most as u64).collect();
                    assert_eq!(range.concat(), all[1..most.max(1)]);
                }
            }
        }
    }

    #[test]
    fn large_files_are_made_in_parts() {
        let data: Bytes = (0..500_000_u32).map(|n| (n / 7) as u8).collect();
        let tensor = tensor(b"x", ElementType::Uint8, &[500_000], data.clone());
        let value: serde_json::Value = serde_json::from_slice(&whole(to_json(&tensor))).unwrap();
        assert!(value["b64_data"] == BASE64.encode(&data));
        assert!(to_json(&tensor).parts(0..u64::MAX).all(|part| part.len() <= PART));
        assert!(whole(to_npy(&tensor)).ends_with(&data));
    }

    #[test]
    fn npy_is_what_numpy_writes() {
        for (name, element, shape) in [
            ("version 1", ElementType::Float32, &[1, 2, 3][..]),
            ("no batch", ElementType::Float32, &[2, 3]),
            ("scalar", ElementType::Int64, &[]),
            ("one dimension", ElementType::Int16, &[3]),
            ("empty", ElementType::Float32, &[1, 0, 6]),
        ] {
            let (file, elements) = fixture(name);
            assert_eq!(whole(to_npy(&tensor(b"x", element, shape, elements))), file, "{name}");
        }
        for element in ElementType::ALL {
            let (file, elements) = fixture(&format!("type {}", element.numpy_descr()));
            assert_eq!(whole(to_npy(&tensor(b"x", element, &[2, 2], elements))), file);
        }
    }

    #[test]
    fn npy_of_a_shape_that_does_not_account_for_the_bytes_is_flat() {
        let (file, elements) = fixture("one dimension");
        for shape in [&[-1][..], &[], &[2, 2], &[i32::MAX, i32::MAX]] {
            let array = to_npy(&tensor(b"x", ElementType::Int16, shape, elements.clone()));
            assert_eq!(whole(array), file);
        }
        let odd = whole(to_npy(&tensor(b"x", ElementType::Int16, &[1], elements.slice(..5))));
        assert!(odd.starts_with(b"\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', "));
        assert!(odd.ends_with(&elements[..5]));
        assert_eq!(odd.len(), 128 + 5);
        let deep = to_npy(&tensor(b"x", ElementType::Uint8, &[1; 99], Bytes::from_static(b"a")));
        assert_eq!((deep.length() - 1) % 64, 0);
    }

    #[test]
    fn the_extension_chooses() {
        for (name, format) in [
            ("out.npy", OutputFormat::Npy),
            ("a/b.NpY", OutputFormat::Npy),
            ("out.json", OutputFormat::Json),
            ("npy", OutputFormat::Json),
            ("out.npy.tensor", OutputFormat::Json),
            ("", OutputFormat::Json),
        ] {
            assert_eq!(OutputFormat::of_file_name(name), format, "{name}");
        }
        let (file, elements) = fixture("one dimension");
        let tensor = tensor(b"x", ElementType::Int16, &[3], elements);
        assert_eq!(whole(OutputFormat::Npy.encode(&tensor)), file);
        assert_eq!(whole(OutputFormat::Json.encode(&tensor)), whole(to_json(&tensor)));
    }

    #[test]
    fn names_are_safe_in_file_names() {
        for (name, part) in [
            (&b"dense_1-A.b"[..], "dense_1-A.b"),
            (b"StatefulPartitionedCall:0", "StatefulPartitionedCall%3A0"),
            (b"../etc/passwd", "%2E.%2Fetc%2Fpasswd"),
            (b".", "%2E"),
            (b"..", "%2E."),
            (b"%2E", "%252E"),
            (b"", "%"),
            (b"%", "%25"),
            (b"\0\xff ", "%00%FF%20"),
        ] {
            assert_eq!(file_name_part(name), part);
        }
    }

    #[test]
    fn no_two_names_collide() {
        let mut names: Vec<Vec<u8>> = vec![Vec::new()];
        let alphabet = b".%-aF2/\xff\0";
        for length in 1..=4_u32 {
            for number in 0..alphabet.len().pow(length) {
                let digit = |place| alphabet[number / alphabet.len().pow(place) % alphabet.len()];
                names.push((0..length).map(digit).collect());
            }
        }
        for length in 116..130 {
            names.push(vec![b'a'; length]);
            names.push([vec![b'a'; length], vec![b'/']].concat());
            names.push([vec![b'a'; length], vec![b'%']].concat());
        }
        let hashed = file_name_part(&[b'a'; 200]);
        assert!(hashed.contains("%-"), "{hashed}");
        names.push(hashed.into_bytes());
        names.push(vec![b'a'; 200]);
        let parts: HashSet<String> = names.iter().map(|name| file_name_part(name)).collect();
        assert_eq!(parts.len(), names.len());
        assert!(parts.iter().all(|part| (1..=120).contains(&part.len())));
    }
}
