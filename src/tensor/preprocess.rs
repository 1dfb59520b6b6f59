//! From a pixel to an element: what `params.preprocess` asks for.

use serde_json::Value;

use super::Error;

/// How the pixels of a picture become the elements of a tensor. Other content is taken as it is.
///
/// Each element is `(pixel * scale - mean) / std`, where a pixel's channel is 0 to 255; for UINT8
/// the result is rounded, half away from zero, and kept between 0 and 255. The default changes
/// nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    resize: Resize,
    order: ChannelOrder,
    scale: f64,
    mean: PerChannel,
    std: PerChannel,
}

impl Default for Preprocess {
    fn default() -> Self {
        Self {
            resize: Resize::Exact,
            order: ChannelOrder::Rgb,
            scale: 1.0,
            mean: PerChannel::All(0.0),
            std: PerChannel::All(1.0),
        }
    }
}

impl Preprocess {
    /// Reads `{"resize","scale","mean","std","order"}`, all optional; null is the default.
    ///
    /// `mean` and `std` are numbers or arrays with one number for each channel, in the order of the
    /// model's channels.
    ///
    /// # Errors
    ///
    /// [`Error::Preprocess`] with the key that is unknown or has a value that cannot be used.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let mut preprocess = Self::default();
        let object = match value {
            Value::Null => return Ok(preprocess),
            Value::Object(object) => object,
            _ => return Err(refused("", "is not a JSON object")),
        };
        for (key, value) in object {
            match key.as_str() {
                "resize" => {
                    preprocess.resize = match value.as_str() {
                        Some("exact") => Resize::Exact,
                        Some("bilinear") => Resize::Bilinear,
                        _ => return Err(refused(key, "has to be \"exact\" or \"bilinear\"")),
                    }
                }
                "order" => {
                    preprocess.order = match value.as_str() {
                        Some("rgb") => ChannelOrder::Rgb,
                        Some("bgr") => ChannelOrder::Bgr,
                        _ => return Err(refused(key, "has to be \"rgb\" or \"bgr\"")),
                    }
                }
                "scale" => {
                    preprocess.scale =
                        number(value).ok_or_else(|| refused(key, "has to be a number"))?;
                }
                "mean" => {
                    preprocess.mean = PerChannel::parse(value, |_| true).ok_or_else(|| {
                        refused(key, "has to be a number, or an array of 1, 3 or 4 of them")
                    })?;
                }
                "std" => {
                    let divides = |number: f64| number >= f64::from(f32::MIN_POSITIVE);
                    preprocess.std = PerChannel::parse(value, divides).ok_or_else(|| {
                        refused(key, "has to be a number above 0, or an array of 1, 3 or 4 of them")
                    })?;
                }
                _ => {
                    return Err(refused(
                        key,
                        "is unknown: the keys are resize, scale, mean, std and order",
                    ));
                }
            }
        }
        Ok(preprocess)
    }

    /// How a picture of another size is treated.
    pub fn resize(&self) -> Resize {
        self.resize
    }

    /// The order of the colours in the model's input.
    pub fn order(&self) -> ChannelOrder {
        self.order
    }

    /// The arithmetic for a model of so many channels.
    pub(super) fn arithmetic(&self, channels: usize) -> Result<Arithmetic, Error> {
        const PROBLEM: &str = "has another number of values than the model's input has channels";
        Ok(Arithmetic {
            scale: self.scale,
            mean: self.mean.each(channels).ok_or_else(|| refused("mean", PROBLEM))?,
            std: self.std.each(channels).ok_or_else(|| refused("std", PROBLEM))?,
        })
    }
}

/// What is done with a picture that has not the size of the model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// It is refused.
    Exact,
    /// It is sampled at half-pixel centres, without antialiasing.
    ///
    /// The element at `x` of `width` is at `(x + 0.5) * picture_width / width - 0.5` in the
    /// picture, between two pixels `floor` of that and the next, weighted by the fraction;
    /// positions beyond the first or last pixel are that pixel's. The same for `y`. The result is
    /// not rounded before the arithmetic. TensorFlow's `tf.image.resize`, OpenCV's `INTER_LINEAR`
    /// and PyTorch's `bilinear` with `align_corners=False` sample alike.
    Bilinear,
}

/// The order of the colours in a model's input. An alpha channel stays last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// The arithmetic from a pixel to an element, with each channel's numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arithmetic {
    scale: f64,
    mean: [f64; 4],
    std: [f64; 4],
}

impl Arithmetic {
    /// Whether it leaves each pixel as it is.
    pub(super) fn is_identity(&self) -> bool {
        *self == Self { scale: 1.0, mean: [0.0; 4], std: [1.0; 4] }
    }

    /// The element for a channel's pixel value. Channels are 0 to 3.
    pub(super) fn apply(&self, channel: usize, pixel: f64) -> f64 {
        let mean = self.mean.get(channel).copied().unwrap_or(0.0);
        let std = self.std.get(channel).copied().unwrap_or(1.0);
        (pixel * self.scale - mean) / std
    }
}

/// One number for all channels, or one for each.
#[derive(Debug, Clone, PartialEq)]
enum PerChannel {
    All(f64),
    Each(Vec<f64>),
}

impl PerChannel {
    fn parse(value: &Value, allowed: impl Fn(f64) -> bool) -> Option<Self> {
        let number = |value| number(value).filter(|number| allowed(*number));
        match value {
            Value::Array(values) if matches!(values.len(), 1 | 3 | 4) => {
                Some(Self::Each(values.iter().map(number).collect::<Option<_>>()?))
            }
            value => number(value).map(Self::All),
        }
    }

    /// The numbers of so many channels; those beyond take no part.
    fn each(&self, channels: usize) -> Option<[f64; 4]> {
        match self {
            Self::All(number) => Some([*number; 4]),
            Self::Each(numbers) if numbers.len() == channels => {
                let last = numbers.last().copied()?;
                Some(std::array::from_fn(|channel| numbers.get(channel).copied().unwrap_or(last)))
            }
            Self::Each(_) => None,
        }
    }
}

/// A number that a FLOAT32 can hold.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.abs() <= f64::from(f32::MAX))
}

fn refused(key: &str, problem: &'static str) -> Error {
    Error::Preprocess { key: key.chars().take(64).collect(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_keys_are_optional() {
        for value in
            [json!({}), Value::Null, json!({"resize": "exact", "scale": 1, "order": "rgb"})]
        {
            assert_eq!(Preprocess::parse(&value), Ok(Preprocess::default()), "{value}");
        }
        let preprocess = Preprocess::parse(&json!({
            "resize": "bilinear", "scale": 0.5, "mean": [1, 2, 3], "std": 2, "order": "bgr"
        }))
        .unwrap();
        assert_eq!(preprocess.resize(), Resize::Bilinear);
        assert_eq!(preprocess.order(), ChannelOrder::Bgr);
        let arithmetic = preprocess.arithmetic(3).unwrap();
        assert_eq!(arithmetic.apply(0, 10.0), 2.0);
        assert_eq!(arithmetic.apply(2, 255.0), (127.5 - 3.0) / 2.0);
        assert!(!arithmetic.is_identity());
        assert!(Preprocess::default().arithmetic(1).unwrap().is_identity());
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        let tiny: Value = serde_json::from_str("1e-320").unwrap();
        let huge: Value = serde_json::from_str("1e300").unwrap();
        for (value, key) in [
            (json!([]), ""),
            (json!("bilinear"), ""),
            (json!({"resize": "nearest"}), "resize"),
            (json!({"resize": null}), "resize"),
            (json!({"order": "RGB"}), "order"),
            (json!({"scale": "1"}), "scale"),
            (json!({"scale": [1, 1, 1]}), "scale"),
            (json!({"scale": huge}), "scale"),
            (json!({"mean": true}), "mean"),
            (json!({"mean": [1, 2]}), "mean"),
            (json!({"mean": []}), "mean"),
            (json!({"mean": [1, 2, "3"]}), "mean"),
            (json!({"std": 0}), "std"),
            (json!({"std": -1}), "std"),
            (json!({"std": [1, 0, 1]}), "std"),
            (json!({"std": tiny}), "std"),
            (json!({"std": null}), "std"),
            (json!({"normalize": true}), "normalize"),
        ] {
            let error = Preprocess::parse(&value).unwrap_err();
            assert!(
                matches!(&error, Error::Preprocess { key: found, .. } if found == key),
                "{value}: {error}"
            );
        }
        assert_eq!(
            Preprocess::parse(&json!({"std": 0})).unwrap_err().to_string(),
            "preprocess key \"std\" has to be a number above 0, or an array of 1, 3 or 4 of them"
        );
    }

    #[test]
    fn an_array_has_one_number_for_each_channel() {
        let preprocess = Preprocess::parse(&json!({"mean": [1, 2, 3]})).unwrap();
        assert!(preprocess.arithmetic(3).is_ok());
        for channels in [1, 4] {
            let error = preprocess.arithmetic(channels).unwrap_err();
            assert!(error.to_string().contains("\"mean\""), "{error}");
        }
    }
}
