//! Pictures as tensors: where a model's input has height, width and channels, and filling it.

use bytes::Bytes;

use super::picture::{EncodedPicture, MAX_PIXELS};
use super::preprocess::Arithmetic;
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
    let refused = |found, advice| Error::DoesNotFit { found, wanted: spec.clone(), advice };
    let picture = EncodedPicture::parse(format, content)?;
    let from = (picture.width, picture.height);
    let found = format!("a {format} picture of {}x{} pixels", from.0, from.1);
    let layout = Layout::of_shape(&spec.shape);
    let float = match spec.element {
        ElementType::Uint8 => Some(false),
        ElementType::Float32 => Some(true),
        _ => None,
    };
    let (Some(layout), Some(float)) = (layout, float) else {
        return Err(refused(
            found,
            "pictures become UINT8 or FLOAT32 of [1,H,W,C] or [1,C,H,W] with 1, 3 or 4 channels, \
             send a JSON tensor, NPY or raw bytes",
        ));
    };
    let arithmetic = preprocess.arithmetic(layout.channels)?;
    let to = layout.size(from.0, from.1);
    if preprocess.resize() == Resize::Exact && from != to {
        return Err(refused(
            found,
            "send it with the model's height and width, or with preprocess \
             {\"resize\":\"bilinear\"}",
        ));
    }
    let shape = layout.shape(to).ok_or_else(|| {
        refused(
            found,
            "pictures become at most 64 megapixels, send a JSON tensor, NPY or raw bytes",
        )
    })?;
    let pixels = Pixels {
        size: from,
        channels: layout.channels,
        swapped: preprocess.order() == ChannelOrder::Bgr && layout.channels >= 3,
        values: picture.decode()?.into_channels(layout.channels),
    };
    let elements = Elements {
        count: to.0 * to.1,
        channels: layout.channels,
        channels_last: layout.channels_last,
        float,
    };
    let data = if from != to {
        pixels.resized(to, &arithmetic, &elements)
    } else if pixels.are(&elements) && arithmetic.is_identity() {
        pixels.values
    } else {
        pixels.mapped(&arithmetic, &elements)
    };
    Tensor::new(TensorSpec { shape, ..spec.clone() }, Bytes::from(data))
}

/// A picture's pixels with the channels of the model.
struct Pixels {
    /// Width and height.
    size: (usize, usize),
    /// 1, 3 or 4.
    channels: usize,
    /// Whether the model has blue first.
    swapped: bool,
    /// Row by row, channels interleaved, red first: as many as the above say.
    values: Vec<u8>,
}

impl Pixels {
    /// Whether the values are those elements as they stand.
    fn are(&self, elements: &Elements) -> bool {
        !elements.float && !self.swapped && (elements.channels_last || self.channels == 1)
    }

    /// The elements, pixel by pixel.
    fn mapped(&self, arithmetic: &Arithmetic, elements: &Elements) -> Vec<u8> {
        let table: Vec<[f64; 256]> = (0..self.channels)
            .map(|channel| {
                let mut values = (0..=u8::MAX).map(f64::from);
                std::array::from_fn(|_| arithmetic.apply(channel, values.next().unwrap_or(0.0)))
            })
            .collect();
        let source = self.source();
        elements.collect(|position, channel| {
            let value = self.values[position * self.channels + source[channel]];
            table[channel][usize::from(value)]
        })
    }

    /// The elements of another size: see [`Resize::Bilinear`].
    fn resized(&self, to: (usize, usize), arithmetic: &Arithmetic, elements: &Elements) -> Vec<u8> {
        let across = samples(self.size.0, to.0);
        let down = samples(self.size.1, to.1);
        let source = self.source();
        elements.collect(|position, channel| {
            let (x, y) = (&across[position % to.0], &down[position / to.0]);
            let value = |x: usize, y: usize| {
                let position = y * self.size.0 + x;
                f64::from(self.values[position * self.channels + source[channel]])
            };
            let blend = |low: f64, high: f64, weight: f64| low + (high - low) * weight;
            let top = blend(value(x.low, y.low), value(x.high, y.low), x.weight);
            let bottom = blend(value(x.low, y.high), value(x.high, y.high), x.weight);
            arithmetic.apply(channel, blend(top, bottom, y.weight))
        })
    }

    /// The picture's channel for each of the model's.
    fn source(&self) -> [usize; 4] {
        if self.swapped { [2, 1, 0, 3] } else { [0, 1, 2, 3] }
    }
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

    /// The shape without anything dynamic; `None` for more than [`MAX_PIXELS`].
    fn shape(&self, (width, height): (usize, usize)) -> Option<Vec<i32>> {
        width.checked_mul(height).filter(|pixels| *pixels <= MAX_PIXELS)?;
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
        // One loop for each type: this runs for every element of every picture.
        if self.float {
            self.collect_as(|position, channel| (element(position, channel) as f32).to_le_bytes())
        } else {
            // The cast saturates.
            self.collect_as(|position, channel| [element(position, channel).round() as u8])
        }
    }

    fn collect_as<const SIZE: usize>(
        &self,
        element: impl Fn(usize, usize) -> [u8; SIZE],
    ) -> Vec<u8> {
        let mut data = vec![0; self.count * self.channels * SIZE];
        let (slots, _) = data.as_chunks_mut::<SIZE>();
        if self.channels_last {
            for (position, slots) in slots.chunks_exact_mut(self.channels).enumerate() {
                for (channel, slot) in slots.iter_mut().enumerate() {
                    *slot = element(position, channel);
                }
            }
        } else {
            for (channel, slots) in slots.chunks_exact_mut(self.count).enumerate() {
                for (position, slot) in slots.iter_mut().enumerate() {
                    *slot = element(position, channel);
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
            Sample { low: low as usize, high: (low as usize + 1).min(last), weight: at - low }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::Fixture;
    use super::*;
    use serde_json::{Value, json};

    fn spec(element: ElementType, shape: &[i32]) -> TensorSpec {
        TensorSpec { name: Bytes::from_static(b"x"), element, shape: shape.to_vec() }
    }

    /// A picture of 5x3 pixels, as the tensor for this shape.
    fn tensor(name: &str, spec: &TensorSpec, preprocess: &Value) -> Result<Tensor, Error> {
        let fixture = Fixture::named(name);
        let preprocess = Preprocess::parse(preprocess).unwrap();
        read(fixture.format(), &fixture.file, spec, &preprocess)
    }

    fn floats(data: &[u8]) -> Vec<f32> {
        let elements = data.chunks_exact(4);
        elements.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    /// The fixture's pixels, as the formula of fixtures/make.py has them.
    fn rgb(x: u8, y: u8) -> [u8; 3] {
        [40 * x + 5 * y, 80 * y + x, 255 - 30 * x - 7 * y]
    }

    #[test]
    fn each_layout_has_its_order() {
        let pixels = || (0..3).flat_map(|y| (0..5).map(move |x| rgb(x, y)));
        let interleaved: Vec<u8> = pixels().flatten().collect();
        let planar: Vec<u8> = (0..3).flat_map(|c| pixels().map(move |p| p[c])).collect();
        for (shape, wanted, filled) in [
            (&[1, 3, 5, 3][..], &interleaved, vec![1, 3, 5, 3]),
            (&[3, 5, 3], &interleaved, vec![3, 5, 3]),
            (&[-1, 0, 0, 3], &interleaved, vec![1, 3, 5, 3]),
            (&[1, 3, 3, 5], &planar, vec![1, 3, 3, 5]),
            (&[3, 3, 5], &planar, vec![3, 3, 5]),
            (&[0, 3, -1, -1], &planar, vec![1, 3, 3, 5]),
        ] {
            let bytes = tensor("png rgb", &spec(ElementType::Uint8, shape), &Value::Null).unwrap();
            assert_eq!(bytes.spec.shape, filled, "{shape:?}");
            assert_eq!(&bytes.data[..], wanted, "{shape:?}");
            let float =
                tensor("png rgb", &spec(ElementType::Float32, shape), &Value::Null).unwrap();
            let wanted: Vec<f32> = wanted.iter().map(|value| f32::from(*value)).collect();
            assert_eq!(floats(&float.data), wanted, "{shape:?}");
        }
    }

    #[test]
    fn channels_are_made_to_fit() {
        for name in ["png rgba", "png grey alpha", "bmp 24-bit", "bmp grey"] {
            let fixture = Fixture::named(name);
            let of =
                |shape| tensor(name, &spec(ElementType::Uint8, shape), &Value::Null).unwrap().data;
            assert_eq!(of(&[1, 3, 5, 4]), fixture.rgba, "{name}");
            assert_eq!(of(&[1, 3, 5, 1]), fixture.grey, "{name}");
            assert_eq!(of(&[1, 1, 3, 5]), fixture.grey, "{name}");
            assert_eq!(of(&[1, 3, 5]), fixture.grey, "{name}");
        }
    }

    #[test]
    fn arithmetic_is_by_the_models_channels() {
        let preprocess = json!({"order": "bgr", "scale": 0.5, "mean": [1, 2, 3], "std": [2, 4, 8]});
        let wanted: Vec<f32> = (0..3)
            .flat_map(|y| (0..5).map(move |x| rgb(x, y)))
            .flat_map(|[red, green, blue]| {
                [
                    (f32::from(blue) * 0.5 - 1.0) / 2.0,
                    (f32::from(green) * 0.5 - 2.0) / 4.0,
                    (f32::from(red) * 0.5 - 3.0) / 8.0,
                ]
            })
            .collect();
        let last = spec(ElementType::Float32, &[1, 3, 5, 3]);
        assert_eq!(floats(&tensor("png rgb", &last, &preprocess).unwrap().data), wanted);
        let first = spec(ElementType::Float32, &[1, 3, 3, 5]);
        let planar: Vec<f32> =
            (0..3).flat_map(|channel| wanted.iter().copied().skip(channel).step_by(3)).collect();
        assert_eq!(floats(&tensor("png rgb", &first, &preprocess).unwrap().data), planar);
        let error = tensor("png rgb", &spec(ElementType::Float32, &[1, 3, 5, 1]), &preprocess);
        assert!(matches!(error, Err(Error::Preprocess { .. })), "{error:?}");
        let alpha =
            tensor("png rgba", &spec(ElementType::Uint8, &[3, 5, 4]), &json!({"order": "bgr"}));
        let last_pixel = &alpha.unwrap().data[56..];
        let [red, green, blue] = rgb(4, 2);
        assert_eq!(last_pixel, [blue, green, red, 17 * 14]);
    }

    #[test]
    fn uint8_is_rounded_and_saturated() {
        let of = |preprocess: Value| {
            let pixels = tensor("bmp grey", &spec(ElementType::Uint8, &[3, 5, 1]), &preprocess);
            pixels.unwrap().data
        };
        let grey = Fixture::named("bmp grey").grey;
        let map = |f: &dyn Fn(f64) -> f64| -> Vec<u8> {
            grey.iter().map(|value| f(f64::from(*value)).round().clamp(0.0, 255.0) as u8).collect()
        };
        assert_eq!(of(json!({"scale": 10, "mean": 500})), map(&|p| p * 10.0 - 500.0));
        assert_eq!(of(json!({"std": 2})), map(&|p| p / 2.0));
        assert_eq!(of(json!({"scale": -1})), vec![0; 15]);
        assert_eq!(of(json!({"scale": 3e38, "std": 1e-30})), vec![255; 15]);
    }

    #[test]
    fn bilinear_is_opencvs() {
        let mut sizes = 0;
        for line in include_str!("fixtures/resized.txt").lines() {
            let fields: Vec<&str> = line.split(';').collect();
            let (width, height): (i32, i32) =
                (fields[0].parse().unwrap(), fields[1].parse().unwrap());
            let wanted = data_encoding::HEXLOWER.decode(fields[2].as_bytes()).unwrap();
            let spec = spec(ElementType::Float32, &[1, height, width, 3]);
            let found = tensor("png rgb", &spec, &json!({"resize": "bilinear"})).unwrap();
            for (found, wanted) in floats(&found.data).iter().zip(floats(&wanted)) {
                assert!((found - wanted).abs() < 1e-3, "{width}x{height}: {found} {wanted}");
            }
            assert_eq!(found.data.len(), wanted.len());
            sizes += 1;
        }
        assert_eq!(sizes, 5);
        // A size that is right already is not touched, and a dynamic side is the picture's.
        let same = tensor(
            "png rgb",
            &spec(ElementType::Uint8, &[1, -1, 5, 3]),
            &json!({"resize": "bilinear"}),
        );
        assert_eq!(
            same.unwrap().data,
            tensor("png rgb", &spec(ElementType::Uint8, &[3, 5, 3]), &Value::Null).unwrap().data
        );
    }

    #[test]
    fn what_is_no_picture_input_is_refused() {
        for (element, shape) in [
            (ElementType::Int32, &[1, 3, 5, 3][..]),
            (ElementType::Float16, &[1, 3, 5, 3]),
            (ElementType::Uint8, &[2, 3, 5, 3]),
            (ElementType::Uint8, &[1, 2, 5, 2]),
            (ElementType::Uint8, &[1, 2, 5, -1]),
            (ElementType::Uint8, &[15, 3]),
            (ElementType::Uint8, &[1, 1, 3, 5, 3]),
            (ElementType::Uint8, &[]),
        ] {
            let refused = tensor("png rgb", &spec(element, shape), &Value::Null);
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("pictures become UINT8 or FLOAT32"), "{error}");
        }
        let error = tensor("png rgb", &spec(ElementType::Uint8, &[1, 224, 224, 3]), &Value::Null);
        assert_eq!(
            error.unwrap_err().to_string(),
            "a PNG picture of 5x3 pixels does not fit the model's input \"x\" UINT8 [1,224,224,3] \
             (150528 bytes): send it with the model's height and width, or with preprocess \
             {\"resize\":\"bilinear\"}"
        );
    }
}
