//! Numbers as the bytes of tensors, and numpy's file format.

/// The little-endian bytes of FLOAT32 elements.
pub(crate) fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The FLOAT32 elements in these bytes.
pub(crate) fn as_floats(bytes: &[u8]) -> Vec<f32> {
    let elements = bytes.chunks_exact(4);
    elements.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// A numpy file of version 1.0, written without the product's code.
pub(crate) fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    header.resize((10 + header.len() + 1).next_multiple_of(64) - 11, b' ');
    header.push(b'\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header);
    file.extend(data);
    file
}

/// The header's text and the elements of a numpy file of version 1.0.
pub(crate) fn parse_npy(file: &[u8]) -> (String, Vec<u8>) {
    let rest = file.strip_prefix(b"\x93NUMPY\x01\x00").expect("numpy's magic and version");
    let (length, rest) = rest.split_first_chunk::<2>().unwrap();
    let length = usize::from(u16::from_le_bytes(*length));
    assert_eq!((10 + length) % 64, 0);
    let header = std::str::from_utf8(&rest[..length]).unwrap();
    assert!(header.ends_with('\n'));
    (header.trim_end().to_owned(), rest[length..].to_vec())
}
