//! Bitmaps, around the crate that decodes them.
//!
//! `zune-bmp` 0.5.2 fills in zeros where a file is cut off, reads rows of less than 8 bits a pixel
//! without the padding that the format has, and miscounts the rows of 16-bit pictures. What it
//! would misread is checked, put right or refused here, from the header (Microsoft, Bitmap Storage:
//! BITMAPFILEHEADER, then a BITMAPCOREHEADER or a BITMAPINFOHEADER and its successors).

use std::borrow::Cow;

use zune_bmp::BmpDecoder;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::picture::Channels;

/// The size of BITMAPFILEHEADER.
const FILE_HEADER: usize = 14;

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
    compressed: bool,
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
            height = u32_at(content, 22)
                .ok_or_else(cut)?
                .cast_signed()
                .unsigned_abs();
            bits = u16_at(content, 28).ok_or_else(cut)?;
            compression = if header == 16 {
                0
            } else {
                u32_at(content, 30).ok_or_else(cut)?
            };
        }
        if width == 0 || height == 0 || width > i32::MAX.unsigned_abs() {
            return Err(format!("its size is {width}x{height} pixels"));
        }
        let compressed = match (compression, bits) {
            (0, 1 | 4 | 8 | 24 | 32) | (3, 32) => false,
            (1, 8) | (2, 4) => true,
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
            return Err(format!(
                "its pixels start at byte {rows}, within the header or palette"
            ));
        }
        Ok(Self {
            content,
            width: size(width)?,
            height: size(height)?,
            bits: usize::from(bits),
            compressed,
            rows,
        })
    }

    /// Decodes the pixels.
    pub(super) fn decode(&self) -> Result<(Channels, Vec<u8>), String> {
        let content = self.with_rows_as_decoded()?;
        let options = DecoderOptions::default()
            .set_max_width(self.width)
            .set_max_height(self.height);
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
        if self.compressed {
            return Ok(Cow::Borrowed(self.content));
        }
        let row = self
            .width
            .checked_mul(self.bits)
            .map(|bits| bits.div_ceil(8));
        // Rows are padded to four bytes.
        let padded = row.and_then(|row| row.checked_next_multiple_of(4));
        let (Some(row), Some(padded)) = (row, padded) else {
            return Err("its rows are too long".into());
        };
        let found = self.content.get(self.rows..).unwrap_or_default();
        let wanted = padded.checked_mul(self.height);
        // The padding of the last row is of no use to anyone and sometimes missing.
        if wanted.is_none_or(|wanted| found.len() < wanted - (padded - row)) {
            return Err(format!(
                "the pixels are cut off: there are {} bytes of {}",
                found.len(),
                wanted.map_or_else(|| "too many".into(), |wanted| wanted.to_string())
            ));
        }
        let missing = padded
            .saturating_mul(self.height)
            .saturating_sub(found.len());
        if self.bits < 8 && row != padded {
            let head = self.content.get(..self.rows).unwrap_or_default();
            let mut content = Vec::with_capacity(head.len() + row * self.height);
            content.extend_from_slice(head);
            for padded in found.chunks(padded).take(self.height) {
                content.extend_from_slice(padded.get(..row).unwrap_or_default());
            }
            Ok(Cow::Owned(content))
        } else if missing > 0 {
            let mut content = self.content.to_vec();
            content.resize(content.len() + missing, 0);
            Ok(Cow::Owned(content))
        } else {
            Ok(Cow::Borrowed(self.content))
        }
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
