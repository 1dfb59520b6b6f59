//! Pictures as tensors: where a model's input has height, width and channels, and filling it.

use bytes::Bytes;

use super::picture::Picture;
use super::{ChannelOrder, ElementType, Error, Format, Preprocess, Resize, Tensor, TensorSpec};

/// Decodes a picture into the model's input `spec`.
///
/// The input is `[1,H,W,C]`, `[1,C,H,W]`, `[H,W,C]` or `[C,H,W]` with 1, 3 or 4 channels, where
/// shapes that can be read either way have the channels last, and UINT8 or FLOAT32. A dynamic
/// height or width is the picture's, a dynamic first dimension is 1.
pub(super) fn read(
    format: Format,
    content: &[u8],
    spec: &TensorSpec,
    preprocess: &Preprocess,
) -> Result<Tensor, Error> {
    let refused = |found, advice| Error::DoesNotFit {
        found,
        wanted: spec.clone(),
        advice,
    };
    let layout = Layout::of_shape(&spec.shape);
    let float = match spec.element {
        ElementType::Uint8 => Some(false),
        ElementType::Float32 => Some(true),
        _ => None,
    };
    let (Some(layout), Some(float)) = (layout, float) else {
        return Err(refused(
            format!("a {format} picture"),
            "pictures become UINT8 or FLOAT32 of [1,H,W,C] or [1,C,H,W] with 1, 3 or 4 channels, \
             send a JSON tensor, NPY or raw bytes",
        ));
    };
    let arithmetic = preprocess.arithmetic(layout.channels)?;
    let size_allowed = |width: usize, height: usize| {
        let (wanted_width, wanted_height) = layout.size(width, height);
        if preprocess.resize() == Resize::Exact && (width, height) != (wanted_width, wanted_height)
        {
            return Err(refused(
                format!("a {format} picture of {width}x{height} pixels"),
                "send it with the model's height and width, or with preprocess \
                 {\"resize\":\"bilinear\"}",
            ));
        }
        Ok(())
    };
    let picture = Picture::decode(format, content, &size_allowed)?;
    let from = (picture.width, picture.height);
    let to = layout.size(picture.width, picture.height);
    let shape = layout.shape(to).ok_or_else(|| {
        refused(
            format!("a {format} picture of {}x{} pixels", from.0, from.1),
            "send a smaller one",
        )
    })?;
    let channels = layout.channels;
    let pixels = picture.into_channels(channels);
    let swapped = preprocess.order() == ChannelOrder::Bgr && channels >= 3;
    let untouched = from == to && !swapped && arithmetic.is_identity();
    let data = if untouched && !float && (layout.channels_last || channels == 1) {
        pixels
    } else {
        // The picture's channel for each of the model's.
        let source: [usize; 4] = if swapped { [2, 1, 0, 3] } else { [0, 1, 2, 3] };
        let elements = Elements {
            count: to.0 * to.1,
            channels,
            channels_last: layout.channels_last,
            float,
        };
        if from == to {
            let table: Vec<[f64; 256]> = (0..channels)
                .map(|channel| {
                    std::array::from_fn(|pixel| {
                        // Below 256.
                        arithmetic.apply(channel, f64::from(pixel as u32))
                    })
                })
                .collect();
            elements.collect(|position, channel| {
                let pixel = pixels[position * channels + source[channel]];
                table[channel][usize::from(pixel)]
            })
        } else {
            let across = samples(from.0, to.0);
            let down = samples(from.1, to.1);
            elements.collect(|position, channel| {
                let (x, y) = (&across[position % to.0], &down[position / to.0]);
                let pixel = |x: usize, y: usize| {
                    f64::from(pixels[(y * from.0 + x) * channels + source[channel]])
                };
                let blend = |low: f64, high: f64, weight: f64| low + (high - low) * weight;
                let top = blend(pixel(x.low, y.low), pixel(x.high, y.low), x.weight);
                let bottom = blend(pixel(x.low, y.high), pixel(x.high, y.high), x.weight);
                arithmetic.apply(channel, blend(top, bottom, y.weight))
            })
        }
    };
    Tensor::new(
        TensorSpec {
            shape,
            ..spec.clone()
        },
        Bytes::from(data),
    )
}

/// Where a shape has what of a picture.
struct Layout {
    batch: bool,
    channels_last: bool,
    /// 1, 3 or 4.
    channels: usize,
    /// `None` where dynamic.
    width: Option<usize>,
    /// `None` where dynamic.
    height: Option<usize>,
}

impl Layout {
    fn of_shape(shape: &[i32]) -> Option<Self> {
        let (batch, shape) = match *shape {
            // A dynamic batch takes one picture.
            [first, a, b, c] if first <= 1 => (true, [a, b, c]),
            [a, b, c] => (false, [a, b, c]),
            _ => return None,
        };
        let channels =
            |size: i32| matches!(size, 1 | 3 | 4).then_some(size.unsigned_abs() as usize);
        let size = |size: i32| usize::try_from(size).ok().filter(|size| *size > 0);
        let [first, middle, last] = shape;
        if let Some(channels) = channels(last) {
            Some(Self {
                batch,
                channels_last: true,
                channels,
                width: size(middle),
                height: size(first),
            })
        } else {
            Some(Self {
                batch,
                channels_last: false,
                channels: channels(first)?,
                width: size(last),
                height: size(middle),
            })
        }
    }

    /// The width and height for a picture of these.
    fn size(&self, width: usize, height: usize) -> (usize, usize) {
        (self.width.unwrap_or(width), self.height.unwrap_or(height))
    }

    /// The shape without anything dynamic; `None` for more than a shape can say.
    fn shape(&self, (width, height): (usize, usize)) -> Option<Vec<i32>> {
        let sizes = if self.channels_last {
            [height, width, self.channels]
        } else {
            [self.channels, height, width]
        };
        self.batch
            .then_some(1)
            .into_iter()
            .chain(sizes)
            .map(|size| i32::try_from(size).ok())
            .collect()
    }
}

/// The elements of a picture's tensor, in their order.
struct Elements {
    /// Width times height.
    count: usize,
    channels: usize,
    channels_last: bool,
    float: bool,
}

impl Elements {
    /// The bytes of the elements, each from its position and channel.
    fn collect(&self, element: impl Fn(usize, usize) -> f64) -> Vec<u8> {
        let size = if self.float { 4 } else { 1 };
        let mut data = Vec::with_capacity(self.count * self.channels * size);
        let mut push = |position, channel| {
            let value = element(position, channel);
            if self.float {
                data.extend_from_slice(&(value as f32).to_le_bytes());
            } else {
                // The cast saturates.
                data.push(value.round() as u8);
            }
        };
        if self.channels_last {
            for position in 0..self.count {
                for channel in 0..self.channels {
                    push(position, channel);
                }
            }
        } else {
            for channel in 0..self.channels {
                for position in 0..self.count {
                    push(position, channel);
                }
            }
        }
        data
    }
}

/// Between which two pixels an element is, and how near to the second.
struct Sample {
    low: usize,
    high: usize,
    weight: f64,
}

/// The samples along one side: see [`Resize::Bilinear`].
fn samples(from: usize, to: usize) -> Vec<Sample> {
    let last = from.saturating_sub(1);
    (0..to)
        .map(|position| {
            let at = (position as f64 + 0.5) * from as f64 / to as f64 - 0.5;
            let at = at.clamp(0.0, last as f64);
            let low = at.floor();
            Sample {
                low: low as usize,
                high: (low as usize + 1).min(last),
                weight: at - low,
            }
        })
        .collect()
}
