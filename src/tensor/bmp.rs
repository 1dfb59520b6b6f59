//! Bitmaps, around the crate that decodes them.
//!
//! `zune-bmp` 0.5.2 fills in zeros where a file is cut off, reads rows of less than 8 bits a pixel
//! without the padding that the format has, miscounts the rows of 16-bit pictures, and reads colour
//! masks from beyond the end of very small files. What it would misread is checked, put right or
//! refused here, from the header (Microsoft, Bitmap Storage: BITMAPFILEHEADER, then a
//! BITMAPCOREHEADER or a BITMAPINFOHEADER and its successors).

use std::borrow::Cow;

use zune_bmp::BmpDecoder;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::picture::Channels;

/// The size of BITMAPFILEHEADER.
const FILE_HEADER: usize = 14;

/// The most that the decoder reads before it goes to the pixels.
const LONGEST_HEADERS: usize = FILE_HEADER + 124;

/// Whether content begins like a bitmap: `BM`, and a header size that exists.
pub(super) fn is_bmp(content: &[u8]) -> bool {
    content.starts_with(b"BM")
        && u32_at(content, FILE_HEADER)
            .is_some_and(|size| matches!(size, 12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
}

/// A bitmap whose header has been read.
pub(super) struct Bitmap<'a> {
    content: &'a [u8],
    /// In pixels, not zero.
    pub(super) width: usize,
    /// In pixels, not zero.
    pub(super) height: usize,
    bits: usize,
    /// The bytes that the pixels take where they are run-length encoded.
    compressed: Option<usize>,
    /// Where the rows start.
    rows: usize,
}

impl<'a> Bitmap<'a> {
    /// Reads the header.
    pub(super) fn parse(content: &'a [u8]) -> Result<Self, String> {
        let cut = || "its header is cut off".to_owned();
        let rows = u32_at(content, 10).ok_or_else(cut)?;
        let header = u32_at(content, FILE_HEADER).ok_or_else(cut)?;
        let (width, height, bits, compression);
        if header == 12 {
            width = u32::from(u16_at(content, 18).ok_or_else(cut)?);
            height = u32::from(u16_at(content, 20).ok_or_else(cut)?);
            bits = u16_at(content, 24).ok_or_else(cut)?;
            compression = 0;
        } else {
            width = u32_at(content, 18).ok_or_else(cut)?;
            // A negative height says that the first row is the top one.
            height = u32_at(content, 22).ok_or_else(cut)?.cast_signed().unsigned_abs();
            bits = u16_at(content, 28).ok_or_else(cut)?;
            compression = if header == 16 { 0 } else { u32_at(content, 30).ok_or_else(cut)? };
        }
        if width == 0 || height == 0 || width > i32::MAX.unsigned_abs() {
            return Err(format!("its size is {width}x{height} pixels"));
        }
        let compressed = match (compression, bits) {
            (0, 1 | 4 | 8 | 24 | 32) | (3, 32) => None,
            (1, 8) | (2, 4) => Some(u32_at(content, 34).ok_or_else(cut)?),
            _ => {
                return Err(format!(
                    "{bits} bits a pixel with compression {compression} are not read; save it \
                     uncompressed with 24 bits, or as PNG"
                ));
            }
        };
        let size = |number: u32| usize::try_from(number).map_err(|_| cut());
        let (rows, header) = (size(rows)?, size(header)?);
        let palette = if bits <= 8 { 1 } else { 0 };
        if rows < FILE_HEADER + header + palette {
            return Err(format!("its pixels start at byte {rows}, within the header or palette"));
        }
        Ok(Self {
            content,
            width: size(width)?,
            height: size(height)?,
            bits: usize::from(bits),
            compressed: compressed.map(size).transpose()?,
            rows,
        })
    }

    /// Decodes the pixels.
    pub(super) fn decode(&self) -> Result<(Channels, Vec<u8>), String> {
        let content = self.with_rows_as_decoded()?;
        let options =
            DecoderOptions::default().set_max_width(self.width).set_max_height(self.height);
        let mut decoder = BmpDecoder::new_with_options(ZCursor::new(&content[..]), options);
        // The crate's errors have no Display.
        let pixels = decoder.decode().map_err(|error| format!("{error:?}"))?;
        let channels = match decoder.colorspace() {
            Some(ColorSpace::RGB) => Channels::Rgb,
            Some(ColorSpace::RGBA) => Channels::Rgba,
            other => return Err(format!("its pixels are {other:?}")),
        };
        Ok((channels, pixels))
    }

    /// The file with all its rows, and these as the decoder takes them.
    fn with_rows_as_decoded(&self) -> Result<Cow<'a, [u8]>, String> {
        let found = self.content.get(self.rows..).unwrap_or_default();
        let cut_off = |wanted: Option<usize>| {
            format!(
                "the pixels are cut off: there are {} bytes of {}",
                found.len(),
                wanted.map_or_else(|| "more than fit memory".into(), |wanted| wanted.to_string())
            )
        };
        let mut length = LONGEST_HEADERS;
        if let Some(compressed) = self.compressed {
            if compressed == 0 || found.len() < compressed {
                return Err(cut_off(Some(compressed)));
            }
        } else {
            let row = self.width.checked_mul(self.bits).map(|bits| bits.div_ceil(8));
            // Rows are padded to four bytes.
            let padded = row.and_then(|row| row.checked_next_multiple_of(4));
            let wanted = padded.and_then(|padded| padded.checked_mul(self.height));
            let (Some(row), Some(padded), Some(wanted)) = (row, padded, wanted) else {
                return Err(cut_off(None));
            };
            // The padding of the last row is of no use to anyone and sometimes missing.
            if found.len() < wanted - (padded - row) {
                return Err(cut_off(Some(wanted)));
            }
            if self.bits < 8 && row != padded {
                let mut content = Vec::with_capacity(self.rows + row * self.height);
                content.extend_from_slice(self.content.get(..self.rows).unwrap_or_default());
                for padded in found.chunks(padded).take(self.height) {
                    content.extend_from_slice(padded.get(..row).unwrap_or_default());
                }
                content.resize(content.len().max(length), 0);
                return Ok(Cow::Owned(content));
            }
            length = length.max(self.rows.saturating_add(wanted));
        }
        if self.content.len() >= length {
            return Ok(Cow::Borrowed(self.content));
        }
        let mut content = self.content.to_vec();
        content.resize(length, 0);
        Ok(Cow::Owned(content))
    }
}

fn u16_at(content: &[u8], at: usize) -> Option<u16> {
    let bytes = content.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn u32_at(content: &[u8], at: usize) -> Option<u32> {
    let bytes = content.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}
