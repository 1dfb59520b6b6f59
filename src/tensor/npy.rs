//! Numpy's array files, read.
//!
//! The format is numpy's `numpy.lib.format`: a magic string, a version, the header's length, the
//! header as a Python dictionary literal with exactly three keys, and the elements.

use bytes::Bytes;

use super::error::type_advice;
use super::{ElementType, Error, Format, Tensor, TensorSpec, shape};

/// What every array file begins with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an array file as the model's input `spec`. Shares the content's memory where the elements
/// are little-endian already.
pub(super) fn read(content: &Bytes, spec: &TensorSpec) -> Result<Tensor, Error> {
    let (header, start) = Header::read(content)
        .map_err(|problem| Error::Malformed { format: Format::Npy, problem })?;
    let does_not_fit = |advice| Error::DoesNotFit {
        found: format!("NPY of {} {}", type_words(&header.descr), shape::Listed(&header.shape)),
        wanted: spec.clone(),
        advice,
    };
    let (element, big_endian) =
        element_type(&header.descr).ok_or_else(|| does_not_fit(type_advice(spec.element)))?;
    if element != spec.element {
        return Err(does_not_fit(type_advice(spec.element)));
    }
    if header.fortran_order {
        return Err(does_not_fit(
            "it is in Fortran order, save it with numpy.ascontiguousarray(array)",
        ));
    }
    let shape = shape::fit(&spec.shape, &header.shape)
        .ok_or_else(|| does_not_fit("give it that shape, in numpy with array.reshape"))?;
    let elements = content.slice(start..);
    let wanted = shape::byte_length(&shape, element);
    if wanted != Some(elements.len()) {
        return Err(Error::Malformed {
            format: Format::Npy,
            problem: format!(
                "{} bytes follow the header, but {} {} takes {}",
                elements.len(),
                type_words(&header.descr),
                shape::Listed(&header.shape),
                wanted.map_or_else(|| "more than fits memory".into(), |bytes| bytes.to_string())
            ),
        });
    }
    let data = if big_endian { Bytes::from(swapped(&elements, element.size())) } else { elements };
    Tensor::new(TensorSpec { shape, ..spec.clone() }, data)
}

/// The three keys of an array file's header.
struct Header {
    /// The element type as numpy writes it.
    descr: String,
    fortran_order: bool,
    shape: Vec<u64>,
}

impl Header {
    /// Reads the header, and says where the elements start.
    fn read(content: &[u8]) -> Result<(Self, usize), String> {
        let rest = content.strip_prefix(MAGIC).ok_or("it has no magic string")?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or("the version is cut off")?;
        let cut = "the header's length is cut off";
        let (length, rest) = match version {
            [1, 0] => {
                let (length, rest) = rest.split_first_chunk::<2>().ok_or(cut)?;
                (usize::from(u16::from_le_bytes(*length)), rest)
            }
            [2 | 3, 0] => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or(cut)?;
                let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut)?;
                (length, rest)
            }
            [major, minor] => {
                return Err(format!(
                    "its version is {major}.{minor}, and 1.0, 2.0 and 3.0 are read"
                ));
            }
        };
        let header = rest.get(..length).ok_or_else(|| {
            format!("the header is cut off after {} of {length} bytes", rest.len())
        })?;
        let start = content.len() - rest.len() + length;
        Ok((Self::parse(header)?, start))
    }

    /// Parses the dictionary.
    fn parse(text: &[u8]) -> Result<Self, String> {
        let mut literal = Literal { text, at: 0 };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        literal.expect(b'{')?;
        while !literal.accept(b'}') {
            let key = literal.string()?;
            literal.expect(b':')?;
            match key.as_str() {
                "descr" => descr = Some(literal.descr()?),
                "fortran_order" => fortran_order = Some(literal.boolean()?),
                "shape" => shape = Some(literal.tuple()?),
                _ => return Err(format!("its header has the unknown key {key:?}")),
            }
            if !literal.accept(b',') {
                literal.expect(b'}')?;
                break;
            }
        }
        literal.skip_space();
        if literal.at != text.len() {
            return Err(literal.unexpected("the end of the header"));
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => {
                Ok(Self { descr, fortran_order, shape })
            }
            _ => Err("its header lacks one of descr, fortran_order and shape".into()),
        }
    }
}

/// The few forms of Python's literals that a header has.
struct Literal<'a> {
    text: &'a [u8],
    at: usize,
}

impl Literal<'_> {
    /// The element type: a string, or for records a list of which only that it is one matters.
    fn descr(&mut self) -> Result<String, String> {
        self.skip_space();
        if self.peek() != Some(b'[') {
            return self.string();
        }
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'[' => depth += 1,
                b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok("[records]".into());
            }
        }
        Err(self.unexpected("the end of a list"))
    }

    fn string(&mut self) -> Result<String, String> {
        self.skip_space();
        let quote = self.peek();
        let Some(quote @ (b'\'' | b'"')) = quote else {
            return Err(self.unexpected("a string"));
        };
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == quote)
            .ok_or_else(|| self.unexpected("the end of a string"))?;
        self.at += length + 2;
        let text = rest.get(..length).unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn boolean(&mut self) -> Result<bool, String> {
        self.skip_space();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if self.text.get(self.at..).is_some_and(|t| t.starts_with(word)) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<u64>, String> {
        let mut sizes = Vec::new();
        self.expect(b'(')?;
        while !self.accept(b')') {
            sizes.push(self.integer()?);
            if !self.accept(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(sizes)
    }

    fn integer(&mut self) -> Result<u64, String> {
        self.skip_space();
        let start = self.at;
        let mut value = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u64::from(digit - b'0')))
                .ok_or_else(|| self.unexpected("a smaller number"))?;
            self.at += 1;
        }
        if self.at == start {
            return Err(self.unexpected("a number that is not negative"));
        }
        Ok(value)
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.accept(byte) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("{:?}", char::from(byte))))
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.peek() {
            Some(byte) => format!(
                "its header has \"{}\" at byte {}, where {wanted} belongs",
                byte.escape_ascii(),
                self.at
            ),
            None => format!("its header ends where {wanted} belongs"),
        }
    }
}

/// The element type that numpy writes as `descr`, and whether it is big-endian.
fn element_type(descr: &str) -> Option<(ElementType, bool)> {
    let order = descr.chars().next()?;
    let kind = descr.strip_prefix(['<', '>', '|', '='])?;
    let element = ElementType::ALL
        .into_iter()
        .find(|element| element.numpy_descr().get(1..) == Some(kind))?;
    // numpy writes neither for types of more than one byte: they have an order.
    if matches!(order, '|' | '=') && element.size() > 1 {
        return None;
    }
    Some((element, order == '>' && element.size() > 1))
}

/// The type's name in numpy, with how the header writes it.
fn type_words(descr: &str) -> String {
    let kind = match descr.get(1..) {
        Some("b1") => "bool",
        Some("i1") => "int8",
        Some("i2") => "int16",
        Some("i4") => "int32",
        Some("i8") => "int64",
        Some("u1") => "uint8",
        Some("u2") => "uint16",
        Some("u4") => "uint32",
        Some("u8") => "uint64",
        Some("f2") => "float16",
        Some("f4") => "float32",
        Some("f8") => "float64",
        Some("O") => "objects",
        Some("c8") => "complex64",
        Some("c16") => "complex128",
        Some("records]") => "records",
        _ => return format!("type {descr:?}"),
    };
    kind.to_owned()
}

/// The elements with the bytes of each in the other order.
fn swapped(elements: &[u8], size: usize) -> Vec<u8> {
    let mut swapped = elements.to_vec();
    for element in swapped.chunks_exact_mut(size) {
        element.reverse();
    }
    swapped
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    /// A file that numpy wrote: its name, its bytes, and its elements in C order.
    pub(in crate::tensor) fn fixture(name: &str) -> (Bytes, Bytes) {
        let line = include_str!("fixtures/arrays.txt")
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(';'))
            .expect(name);
        let (file, elements) = line.split_once(';').unwrap();
        let hex = |text: &str| Bytes::from(HEXLOWER.decode(text.as_bytes()).unwrap());
        (hex(file), hex(elements))
    }

    fn spec(element: ElementType, shape: &[i32]) -> TensorSpec {
        TensorSpec { name: Bytes::from_static(b"x"), element, shape: shape.to_vec() }
    }

    fn made(header: &str, elements: &[u8]) -> Bytes {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend_from_slice(&u16::try_from(header.len()).unwrap().to_le_bytes());
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(elements);
        Bytes::from(file)
    }

    #[test]
    fn what_numpy_writes_is_read() {
        let wanted = spec(ElementType::Float32, &[1, 2, 3]);
        for name in ["version 1", "version 2", "version 3", "big-endian", "no batch"] {
            let (file, elements) = fixture(name);
            let tensor = read(&file, &wanted).expect(name);
            assert_eq!(tensor.data, elements, "{name}");
            assert_eq!(tensor.spec, wanted, "{name}");
        }
        let (file, elements) = fixture("scalar");
        let tensor = read(&file, &spec(ElementType::Int64, &[])).unwrap();
        assert_eq!(tensor.data, elements);
        let (file, elements) = fixture("one dimension");
        let tensor = read(&file, &spec(ElementType::Int16, &[-1, 3])).unwrap();
        assert_eq!((tensor.data, tensor.spec.shape), (elements, vec![1, 3]));
    }

    #[test]
    fn every_type_is_read_and_no_other_converted() {
        for element in ElementType::ALL {
            let (file, elements) = fixture(&format!("type {}", element.numpy_descr()));
            for wanted in ElementType::ALL {
                let read = read(&file, &spec(wanted, &[2, 2]));
                if wanted == element {
                    assert_eq!(read.unwrap().data, elements);
                } else {
                    assert!(matches!(read, Err(Error::DoesNotFit { .. })), "{read:?}");
                }
            }
        }
        let (file, _) = fixture("type <f8");
        assert_eq!(
            read(&file, &spec(ElementType::Float32, &[2, 2])).unwrap_err().to_string(),
            "NPY of float64 [2,2] does not fit the model's input \"x\" FLOAT32 [2,2] (16 bytes): \
             convert it, in numpy with array.astype(\"float32\")"
        );
        for name in ["type |b1", "type record"] {
            let read = read(&fixture(name).0, &spec(ElementType::Uint8, &[2, 2]));
            assert!(matches!(read, Err(Error::DoesNotFit { .. })), "{read:?}");
        }
    }

    #[test]
    fn another_order_or_shape_is_refused() {
        let (file, _) = fixture("fortran");
        let error = read(&file, &spec(ElementType::Float32, &[2, 3])).unwrap_err();
        assert!(error.to_string().contains("Fortran order"), "{error}");
        for shape in [&[3, 2][..], &[1, 3, 2], &[6], &[2, 1, 2, 3]] {
            let read = read(&fixture("version 1").0, &spec(ElementType::Float32, shape));
            assert!(matches!(read, Err(Error::DoesNotFit { .. })), "{read:?}");
        }
        let (file, _) = fixture("empty");
        let read = read(&file, &spec(ElementType::Float32, &[1, -1, 6]));
        assert!(matches!(read, Err(Error::DoesNotFit { .. })), "{read:?}");
    }

    #[test]
    fn elements_share_the_contents_memory() {
        let (file, _) = fixture("version 1");
        let tensor = read(&file, &spec(ElementType::Float32, &[1, 2, 3])).unwrap();
        assert_eq!(tensor.data.as_ptr(), file[file.len() - 24..].as_ptr());
    }

    #[test]
    fn no_prefix_is_read_and_none_panics() {
        for name in ["version 1", "version 2", "version 3", "type record"] {
            let (file, _) = fixture(name);
            for length in 0..file.len() {
                let read = read(&file.slice(..length), &spec(ElementType::Float32, &[1, 2, 3]));
                assert!(read.is_err(), "{name} {length}");
            }
        }
    }

    #[test]
    fn hostile_headers_are_refused() {
        let wanted = spec(ElementType::Uint8, &[-1, -1]);
        let with_shape = |shape: &str| {
            made(&format!("{{'descr':'|u1','fortran_order':False,'shape':{shape}}}"), b"abcd")
        };
        assert!(read(&with_shape("(2,2)"), &wanted).is_ok());
        for shape in [
            "(-2,2)",
            "(2,-2)",
            "(99999999999999999999999,2)",
            "(18446744073709551615,18446744073709551615)",
            "(4294967298,2)",
            "(2147483647,2147483647)",
            "(2,3)",
            "(2,1)",
            "(0,4)",
            "(2,2",
            "(2 2)",
            "(,2)",
            "2",
            "()",
            "[2,2]",
            "(2.0,2)",
        ] {
            assert!(read(&with_shape(shape), &wanted).is_err(), "{shape}");
        }
        for header in [
            "",
            "{",
            "{}",
            "{'descr':'|u1','fortran_order':False}",
            "{'descr':'|u1','fortran_order':0,'shape':(2,2)}",
            "{'descr':'|u1','fortran_order':False,'shape':(2,2),'more':1}",
            "{'descr':'|u1','fortran_order':False,'shape':(2,2)} x",
            "{'descr':'','fortran_order':False,'shape':(2,2)}",
            "{'descr':'|','fortran_order':False,'shape':(2,2)}",
            "{'descr':'\u{e9}','fortran_order':False,'shape':(2,2)}",
            "{'descr':[[['|u1','fortran_order':False,'shape':(2,2)}",
            "{'descr':'|u1",
            "{descr:'|u1'}",
        ] {
            assert!(read(&made(header, b"abcd"), &wanted).is_err(), "{header}");
        }
        for version in [[0, 0], [1, 1], [4, 0]] {
            let mut file =
                made("{'descr':'|u1','fortran_order':False,'shape':(2,2)}", b"abcd").to_vec();
            file[6..8].copy_from_slice(&version);
            assert!(read(&Bytes::from(file), &wanted).is_err());
        }
    }
}
