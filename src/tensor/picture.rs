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

/// A picture of which only the header has been read.
pub(super) struct EncodedPicture<'a> {
    /// In pixels.
    pub(super) width: usize,
    /// In pixels.
    pub(super) height: usize,
    decoder: Decoder<'a>,
}

enum Decoder<'a> {
    Png(Box<Png<'a>>),
    Jpeg(Box<Jpeg<'a>>),
    Bmp(Bitmap<'a>),
}

impl<'a> EncodedPicture<'a> {
    /// Reads the header of content that begins like `format`, one of PNG, JPEG and BMP.
    pub(super) fn parse(format: Format, content: &'a [u8]) -> Result<Self, Error> {
        let parsed = match format {
            Format::Png => Png::parse(content).map(|png| (png.size(), Decoder::Png(Box::new(png)))),
            Format::Jpeg => {
                Jpeg::parse(content).map(|jpeg| (jpeg.size, Decoder::Jpeg(Box::new(jpeg))))
            }
            Format::Bmp => Bitmap::parse(content)
                .map(|bitmap| ((bitmap.width, bitmap.height), Decoder::Bmp(bitmap))),
            Format::Json | Format::Npy => Err("it is not a picture".to_owned()),
        };
        let ((width, height), decoder) =
            parsed.map_err(|problem| Error::Malformed { format, problem })?;
        if width == 0 || height == 0 {
            let problem = format!("its size is {width}x{height} pixels");
            return Err(Error::Malformed { format, problem });
        }
        if width.checked_mul(height).is_none_or(|pixels| pixels > MAX_PIXELS) {
            return Err(Error::TooLarge { format, width, height });
        }
        Ok(Self { width, height, decoder })
    }

    /// Decodes the pixels.
    pub(super) fn decode(self) -> Result<Picture, Error> {
        let (format, decoded) = match self.decoder {
            Decoder::Png(png) => (Format::Png, png.decode()),
            Decoder::Jpeg(jpeg) => (Format::Jpeg, jpeg.decode()),
            Decoder::Bmp(bitmap) => (Format::Bmp, bitmap.decode()),
        };
        let malformed = |problem| Error::Malformed { format, problem };
        let (channels, pixels) = decoded.map_err(malformed)?;
        if pixels.len() != self.width * self.height * channels.count() {
            return Err(malformed("its pixels are not as many as its size".into()));
        }
        Ok(Picture { width: self.width, height: self.height, channels, pixels })
    }
}

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
        decoder.read_info().map(Self).map_err(|error| error.to_string())
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
        let output = self.0.next_frame(&mut pixels).map_err(|error| error.to_string())?;
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
        // The decoder takes a file that ends within its last rows, or between two scans. Within a
        // scan these two markers cannot occur (ITU-T T.81, section B.1.1.5), and a thumbnail's are
        // before the picture's own scan.
        let last = |marker: [u8; 2]| content.windows(2).rposition(|bytes| bytes == marker);
        let (scan, end) = (last([0xff, 0xda]), last([0xff, 0xd9]));
        if scan.is_none() || end < scan {
            return Err("it is cut off: it has no end after its last scan".into());
        }
        // Strict, or what is damaged would be grey.
        let options = DecoderOptions::default()
            .set_max_width(usize::from(u16::MAX))
            .set_max_height(usize::from(u16::MAX))
            .set_strict_mode(true);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(content), options);
        decoder.decode_headers().map_err(|error| error.to_string())?;
        let size = decoder.dimensions().ok_or("it has no size")?;
        Ok(Self { decoder, size })
    }

    fn decode(mut self) -> Result<(Channels, Vec<u8>), String> {
        let channels = match self.decoder.input_colorspace() {
            Some(ColorSpace::Luma) => {
                let options = self.decoder.options().jpeg_set_out_colorspace(ColorSpace::Luma);
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    /// A picture's file, and its pixels as Pillow reads them.
    pub(in crate::tensor) struct Fixture {
        pub(in crate::tensor) name: &'static str,
        pub(in crate::tensor) size: (usize, usize),
        pub(in crate::tensor) file: Vec<u8>,
        pub(in crate::tensor) rgba: Vec<u8>,
        pub(in crate::tensor) grey: Vec<u8>,
    }

    impl Fixture {
        pub(in crate::tensor) fn all() -> impl Iterator<Item = Self> {
            include_str!("fixtures/pictures.txt").lines().map(|line| {
                let fields: Vec<&'static str> = line.split(';').collect();
                let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
                Self {
                    name: fields[0],
                    size: (fields[1].parse().unwrap(), fields[2].parse().unwrap()),
                    file: hex(fields[3]),
                    rgba: hex(fields[4]),
                    grey: hex(fields[5]),
                }
            })
        }

        pub(in crate::tensor) fn named(name: &str) -> Self {
            Self::all().find(|fixture| fixture.name == name).expect(name)
        }

        pub(in crate::tensor) fn format(&self) -> Format {
            match self.name.split(' ').next() {
                Some("png") => Format::Png,
                Some("jpeg") => Format::Jpeg,
                _ => Format::Bmp,
            }
        }

        fn decode(&self) -> Result<Picture, Error> {
            decode(self.format(), &self.file)
        }
    }

    fn decode(format: Format, content: &[u8]) -> Result<Picture, Error> {
        EncodedPicture::parse(format, content)?.decode()
    }

    /// What the decoders' own inverse transforms and colour conversions may differ by.
    fn tolerance(name: &str) -> u8 {
        match name {
            "jpeg subsampled" => 8,
            name if name.starts_with("jpeg") => 2,
            _ => 0,
        }
    }

    fn assert_near(name: &str, found: &[u8], wanted: &[u8]) {
        assert_eq!(found.len(), wanted.len(), "{name}");
        let worst = found.iter().zip(wanted).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(tolerance(name)), "{name}: {worst:?}\n{found:?}\n{wanted:?}");
    }

    #[test]
    fn every_kind_has_the_pixels_that_pillow_reads() {
        let mut read = 0;
        for fixture in Fixture::all().filter(|fixture| fixture.name != "bmp 16-bit") {
            let name = fixture.name;
            let decoded = |channels| {
                let picture = fixture.decode().unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!((picture.width, picture.height), fixture.size, "{name}");
                picture.into_channels(channels)
            };
            assert_near(name, &decoded(4), &fixture.rgba);
            let rgb: Vec<u8> = fixture.rgba.chunks(4).flat_map(|p| p[..3].to_vec()).collect();
            assert_near(name, &decoded(3), &rgb);
            assert_near(name, &decoded(1), &fixture.grey);
            read += 1;
        }
        assert_eq!(read, 40);
    }

    #[test]
    fn grey_pixels_stay_as_they_are() {
        for grey in 0..=255 {
            assert_eq!(luma(grey, grey, grey), grey);
        }
        assert_eq!(luma(255, 0, 0), 76);
        assert_eq!(luma(0, 255, 0), 150);
        assert_eq!(luma(0, 0, 255), 29);
    }

    #[test]
    fn a_picture_that_is_cut_off_is_refused() {
        for fixture in Fixture::all() {
            let whole = fixture.decode().ok().map(|picture| picture.into_channels(4));
            for length in 0..fixture.file.len() {
                let cut = decode(fixture.format(), &fixture.file[..length]);
                if let Ok(picture) = cut {
                    // Only what has no pixels may be missing.
                    assert_eq!(
                        Some(picture.into_channels(4)),
                        whole,
                        "{} {length} of {}",
                        fixture.name,
                        fixture.file.len()
                    );
                }
            }
        }
    }

    #[test]
    fn no_damage_panics() {
        // Every byte in turn, and pseudo-random ones together (Knuth's MMIX generator).
        // Large sizes are allowed, but here they would take all the time.
        let decode = |format, content: &[u8]| match EncodedPicture::parse(format, content) {
            Ok(picture) if picture.width * picture.height <= 10_000 => drop(picture.decode()),
            _ => {}
        };
        let mut random = 1_u64;
        for fixture in Fixture::all() {
            let mut damaged = fixture.file.clone();
            for position in 0..fixture.file.len() {
                for value in [0, 0x7f, 0xff] {
                    damaged[position] = value;
                    decode(fixture.format(), &damaged);
                }
                damaged[position] = fixture.file[position];
            }
            for _ in 0..200 {
                let mut damaged = fixture.file.clone();
                for _ in 0..4 {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let position = (random >> 33) as usize % damaged.len();
                    damaged[position] = (random >> 20) as u8;
                }
                decode(fixture.format(), &damaged);
            }
        }
    }

    #[test]
    fn a_size_is_refused_before_anything_is_decoded() {
        let set = |name: &str, at: usize, bytes: &[u8]| {
            let mut fixture = Fixture::named(name);
            fixture.file[at..at + bytes.len()].copy_from_slice(bytes);
            fixture
        };
        let mut png = set("png rgb", 16, &[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        // The CRC-32 of this header, as zlib.crc32 gives it.
        png.file[29..33].copy_from_slice(&0x3967_4e07_u32.to_be_bytes());
        let frame = Fixture::named("jpeg baseline").file;
        let frame = frame.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        for fixture in [
            png,
            set("jpeg baseline", frame + 5, &[0xff; 4]),
            set("bmp 24-bit", 18, &[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]),
            set("bmp 24-bit", 18, &[0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0x80]),
        ] {
            let error = fixture.decode().err().unwrap();
            assert!(matches!(error, Error::TooLarge { .. }), "{}: {error}", fixture.name);
        }
    }

    #[test]
    fn a_size_of_zero_is_refused() {
        let jpeg = Fixture::named("jpeg baseline").file;
        let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        for (name, at, length) in [
            ("jpeg baseline", frame + 5, 2),
            ("jpeg baseline", frame + 7, 2),
            ("bmp 24-bit", 18, 4),
            ("bmp 24-bit", 22, 4),
        ] {
            let mut fixture = Fixture::named(name);
            fixture.file[at..at + length].fill(0);
            let error = fixture.decode().err().unwrap();
            assert!(matches!(error, Error::Malformed { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn a_bitmap_of_a_kind_that_is_not_read_says_so() {
        let error = Fixture::named("bmp 16-bit").decode().err().unwrap().to_string();
        assert!(error.contains("16 bits a pixel"), "{error}");
        let mut fixture = Fixture::named("bmp palette");
        fixture.file[10..14].copy_from_slice(&54_u32.to_le_bytes());
        let error = fixture.decode().err().unwrap().to_string();
        assert!(error.contains("header or palette"), "{error}");
        let mut fixture = Fixture::named("bmp 24-bit");
        fixture.file.pop();
        assert!(fixture.decode().is_ok(), "padding of the last row");
        fixture.file.pop();
        let error = fixture.decode().err().unwrap().to_string();
        assert!(error.contains("46 bytes of 48"), "{error}");
    }
}
