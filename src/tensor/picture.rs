//! Pictures, decoded: PNG, JPEG and BMP to 8 bits a channel.
//!
//! What a picture says of its colour space, gamma and orientation is not applied: a model is
//! trained on pixels as they are stored. 16-bit channels keep their high byte. Of an animation the
//! first picture is taken.

use std::io::Cursor;

use png::{ColorType, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::bmp::Bitmap;
use super::{Error, Format};

/// The most pixels that are decoded; a header that says more is refused before memory is taken.
pub(super) const MAX_PIXELS: usize = 64_000_000;

/// A decoded picture.
pub(super) struct Picture {
    /// In pixels.
    pub(super) width: usize,
    /// In pixels.
    pub(super) height: usize,
    channels: Channels,
    /// Row by row from the top, channels interleaved; as many as the three above say.
    pixels: Vec<u8>,
}

impl Picture {
    /// Decodes content that begins like `format`. `size_allowed` is asked with width and height
    /// before anything is decoded.
    pub(super) fn decode(
        format: Format,
        content: &[u8],
        size_allowed: &dyn Fn(usize, usize) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let malformed = |problem| Error::Malformed { format, problem };
        let allowed = |width: usize, height: usize| {
            if width
                .checked_mul(height)
                .is_none_or(|pixels| pixels > MAX_PIXELS)
            {
                return Err(Error::TooLarge {
                    format,
                    width,
                    height,
                });
            }
            size_allowed(width, height)
        };
        let (width, height, (channels, pixels)) = match format {
            Format::Png => {
                let png = Png::parse(content).map_err(malformed)?;
                let (width, height) = png.size();
                allowed(width, height)?;
                (width, height, png.decode().map_err(malformed)?)
            }
            Format::Jpeg => {
                let jpeg = Jpeg::parse(content).map_err(malformed)?;
                let (width, height) = jpeg.size;
                allowed(width, height)?;
                (width, height, jpeg.decode().map_err(malformed)?)
            }
            Format::Bmp => {
                let bitmap = Bitmap::parse(content).map_err(malformed)?;
                let (width, height) = (bitmap.width, bitmap.height);
                allowed(width, height)?;
                (width, height, bitmap.decode().map_err(malformed)?)
            }
            Format::Json | Format::Npy => {
                return Err(malformed("it is not a picture".into()));
            }
        };
        if pixels.len() != width * height * channels.count() {
            return Err(malformed("its pixels are not as many as its size".into()));
        }
        Ok(Self {
            width,
            height,
            channels,
            pixels,
        })
    }

    /// The pixels with 1, 3 or 4 channels, interleaved.
    ///
    /// Grey is `(19595 R + 38470 G + 7471 B + 32768) / 65536`, Rec. 601 luma as Pillow computes it,
    /// which leaves grey pixels as they are. A missing alpha is 255; one that is not wanted is
    /// dropped, without blending.
    pub(super) fn into_channels(self, wanted: usize) -> Vec<u8> {
        if wanted == self.channels.count() {
            return self.pixels;
        }
        let mut pixels = Vec::with_capacity(self.width * self.height * wanted);
        for pixel in self.pixels.chunks_exact(self.channels.count()) {
            let (red, green, blue, alpha) = match *pixel {
                [grey] => (grey, grey, grey, 255),
                [grey, alpha] => (grey, grey, grey, alpha),
                [red, green, blue] => (red, green, blue, 255),
                [red, green, blue, alpha] => (red, green, blue, alpha),
                _ => (0, 0, 0, 0),
            };
            match wanted {
                1 => pixels.push(luma(red, green, blue)),
                3 => pixels.extend_from_slice(&[red, green, blue]),
                _ => pixels.extend_from_slice(&[red, green, blue, alpha]),
            }
        }
        pixels
    }
}

/// The channels of a pixel, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channels {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
}

impl Channels {
    /// How many they are.
    fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// A PNG whose header has been read.
struct Png<'a>(png::Reader<Cursor<&'a [u8]>>);

impl<'a> Png<'a> {
    fn parse(content: &'a [u8]) -> Result<Self, String> {
        let mut decoder = png::Decoder::new(Cursor::new(content));
        decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        decoder
            .read_info()
            .map(Self)
            .map_err(|error| error.to_string())
    }

    fn size(&self) -> (usize, usize) {
        let info = self.0.info();
        // 32 bits fit a usize wherever this runs; a size that did not would be refused.
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        (size(info.width), size(info.height))
    }

    fn decode(mut self) -> Result<(Channels, Vec<u8>), String> {
        let length = self.0.output_buffer_size().ok_or("its size is too large")?;
        let mut pixels = vec![0; length];
        let output = self
            .0
            .next_frame(&mut pixels)
            .map_err(|error| error.to_string())?;
        let channels = match output.color_type {
            ColorType::Grayscale => Channels::Grey,
            ColorType::GrayscaleAlpha => Channels::GreyAlpha,
            ColorType::Rgb => Channels::Rgb,
            ColorType::Rgba => Channels::Rgba,
            ColorType::Indexed => return Err("its palette is missing".into()),
        };
        Ok((channels, pixels))
    }
}

/// A JPEG whose headers have been read.
struct Jpeg<'a> {
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    size: (usize, usize),
}

impl<'a> Jpeg<'a> {
    fn parse(content: &'a [u8]) -> Result<Self, String> {
        // Strict, or what is missing of a file that was cut off would be grey.
        let options = DecoderOptions::default()
            .set_max_width(usize::from(u16::MAX))
            .set_max_height(usize::from(u16::MAX))
            .set_strict_mode(true);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(content), options);
        decoder
            .decode_headers()
            .map_err(|error| error.to_string())?;
        let size = decoder.dimensions().ok_or("it has no size")?;
        Ok(Self { decoder, size })
    }

    fn decode(mut self) -> Result<(Channels, Vec<u8>), String> {
        let channels = match self.decoder.input_colorspace() {
            Some(ColorSpace::Luma) => {
                let options = self
                    .decoder
                    .options()
                    .jpeg_set_out_colorspace(ColorSpace::Luma);
                self.decoder.set_options(options);
                Channels::Grey
            }
            _ => Channels::Rgb,
        };
        let pixels = self.decoder.decode().map_err(|error| error.to_string())?;
        Ok((channels, pixels))
    }
}

fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
    // At most 255: the weights add up to 65536.
    u8::try_from((sum + 32768) >> 16).unwrap_or(u8::MAX)
}
