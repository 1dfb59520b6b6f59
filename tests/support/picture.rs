//! Picture files, with the pixels that Pillow reads from them.

use data_encoding::HEXLOWER;

/// A picture's file and pixels.
pub(crate) struct Picture {
    pub(crate) width: i64,
    pub(crate) height: i64,
    pub(crate) file: Vec<u8>,
    /// Row by row.
    pub(crate) rgb: Vec<[u8; 3]>,
}

impl Picture {
    /// One of the pictures in the fixtures of the decoders.
    pub(crate) fn named(name: &str) -> Self {
        let all = include_str!("../../src/tensor/fixtures/pictures.txt");
        let line = all.lines().find(|line| line.split(';').next() == Some(name));
        let fields: Vec<&str> = line.expect(name).split(';').collect();
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        Self {
            width: fields[1].parse().unwrap(),
            height: fields[2].parse().unwrap(),
            file: hex(fields[3]),
            rgb: hex(fields[4]).chunks(4).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        }
    }

    /// The channels side by side, as in NHWC.
    pub(crate) fn interleaved(&self) -> Vec<u8> {
        self.rgb.iter().flatten().copied().collect()
    }

    /// The channels one after the other, as in NCHW.
    pub(crate) fn planar(&self) -> Vec<u8> {
        (0..3).flat_map(|channel| self.rgb.iter().map(move |pixel| pixel[channel])).collect()
    }
}
