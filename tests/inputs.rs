//! Every form of `predict`'s inputs. The models are graphs whose outputs are their inputs: what
//! comes back in the result is what the agent received.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use lab::gateway::{BUCKET, Gateway};
use serde_json::{Value, json};
use support::array::{as_floats, floats, npy};
use support::onnx::Element::{Float16, Float32, Float64, Int16, Int32, Int64, Uint8};
use support::onnx::{identity, one};
use support::picture::Picture;
use support::{
    Failure, data, failed, finish, gateway, json_tensor, load, predicted, put_object, stored, tree,
};

/// What the agent receives for this file.
fn received(gateway: &Gateway, model: &str, content: &[u8]) -> Value {
    received_with(gateway, model, content, Value::Null)
}

fn received_with(gateway: &Gateway, model: &str, content: &[u8], preprocess: Value) -> Value {
    gateway.put_data("input", content);
    let mut outputs = predicted(
        gateway,
        json!({"model_name": model, "input_data_url": "file:///input", "preprocess": preprocess}),
    );
    assert_eq!(outputs.len(), 1);
    outputs.remove(0)
}

/// Why the agent receives nothing for this file.
fn refused(gateway: &Gateway, model: &str, content: &[u8]) -> Failure {
    gateway.put_data("input", content);
    failed(gateway, "predict", json!({"model_name": model, "input_data_url": "file:///input"}))
}

#[test]
fn arrays_of_every_form_and_type() {
    let gateway = gateway();
    load(&gateway, "float32", &one(Float32, &[2, 3]));
    load(&gateway, "uint8", &one(Uint8, &[6]));
    load(&gateway, "int64", &one(Int64, &[2, 2]));
    load(&gateway, "int16", &one(Int16, &[2]));
    load(&gateway, "int32", &one(Int32, &[1]));
    load(&gateway, "float16", &one(Float16, &[1, 2]));
    load(&gateway, "float64", &one(Float64, &[1]));
    let float = floats(&[0.0, -1.5, 2.25, f32::MAX, f32::MIN_POSITIVE, f32::NAN]);
    let bytes = [0, 1, 2, 253, 254, 255];
    let long: Vec<u8> =
        [i64::MIN, -1, 0, i64::MAX].iter().flat_map(|value| value.to_le_bytes()).collect();
    for (model, descr, shape, number, sizes, content) in [
        ("float32", "<f4", "(2, 3)", 5, json!([2, 3]), &float[..]),
        ("uint8", "|u1", "(6,)", 0, json!([6]), &bytes),
        ("int64", "<i8", "(2, 2)", 3, json!([2, 2]), &long),
        ("int16", "<i2", "(2,)", 1, json!([2]), &[1, 0x80, 0xff, 0x7f]),
        ("int32", "<i4", "(1,)", 2, json!([1]), &i32::MIN.to_le_bytes()),
        // 1.5 and -2.
        ("float16", "<f2", "(1, 2)", 4, json!([1, 2]), &[0x00, 0x3e, 0x00, 0xc0]),
        ("float64", "<f8", "(1,)", 6, json!([1]), &f64::MIN_POSITIVE.to_le_bytes()),
    ] {
        for file in [
            json_tensor(content),
            json!([{"name": "x", "b64_data": data_encoding::BASE64.encode(content)}])
                .to_string()
                .into_bytes(),
            json!({"name": "x", "type": number, "shape": sizes,
                   "b64_data": data_encoding::BASE64.encode(content)})
            .to_string()
            .into_bytes(),
            npy(descr, shape, content),
            content.to_vec(),
        ] {
            let tensor = received(&gateway, model, &file);
            assert_eq!(data(&tensor), content, "{model}");
            assert_eq!(tensor["name"], "y");
            assert_eq!((&tensor["type"], &tensor["shape"]), (&json!(number), &sizes));
        }
    }
    finish(gateway);
}

#[test]
fn pictures_of_every_format_in_every_layout() {
    let gateway = gateway();
    load(&gateway, "uint8-nhwc", &one(Uint8, &[1, 3, 5, 3]));
    load(&gateway, "uint8-nchw", &one(Uint8, &[1, 3, 3, 5]));
    load(&gateway, "float32-nhwc", &one(Float32, &[1, 3, 5, 3]));
    load(&gateway, "float32-nchw", &one(Float32, &[1, 3, 3, 5]));
    let as_float = |pixels: Vec<u8>| pixels.into_iter().map(f32::from).collect::<Vec<_>>();
    for name in ["bmp 24-bit", "bmp palette", "png rgb", "png interlaced"] {
        let picture = Picture::named(name);
        let bytes = |model| data(&received(&gateway, model, &picture.file));
        assert_eq!(bytes("uint8-nhwc"), picture.interleaved(), "{name}");
        assert_eq!(bytes("uint8-nchw"), picture.planar(), "{name}");
        assert_eq!(as_floats(&bytes("float32-nhwc")), as_float(picture.interleaved()), "{name}");
        assert_eq!(as_floats(&bytes("float32-nchw")), as_float(picture.planar()), "{name}");
    }
    let jpeg = Picture::named("jpeg baseline");
    load(&gateway, "jpeg", &one(Uint8, &[1, jpeg.height, jpeg.width, 3]));
    let pixels = data(&received(&gateway, "jpeg", &jpeg.file));
    assert_eq!(pixels.len(), jpeg.interleaved().len());
    // Decoders may round the inverse transform differently.
    assert!(pixels.iter().zip(jpeg.interleaved()).all(|(a, b)| a.abs_diff(b) <= 2));
    finish(gateway);
}

#[test]
fn pictures_are_preprocessed_as_told() {
    let gateway = gateway();
    load(&gateway, "exact", &one(Float32, &[1, 3, 5, 3]));
    load(&gateway, "double", &one(Float32, &[1, 3, 6, 10]));
    load(&gateway, "pixel", &one(Float32, &[1, 1, 1, 3]));
    let picture = Picture::named("png rgb");
    let tell = json!({"scale": 0.5, "mean": [1, 2, 3], "std": [2, 4, 8], "order": "bgr"});
    let found = as_floats(&data(&received_with(&gateway, "exact", &picture.file, tell)));
    let wanted: Vec<f32> = picture
        .rgb
        .iter()
        .flat_map(|pixel| {
            let [red, green, blue] = pixel.map(f32::from);
            [(blue * 0.5 - 1.0) / 2.0, (green * 0.5 - 2.0) / 4.0, (red * 0.5 - 3.0) / 8.0]
        })
        .collect();
    assert_eq!(found, wanted);

    let bilinear = json!({"resize": "bilinear"});
    let found = data(&received_with(&gateway, "double", &picture.file, bilinear.clone()));
    let found = as_floats(&found);
    assert_eq!(found.len(), 3 * 6 * 10);
    // Half-pixel centres: the corner is the corner's pixel, the next is a quarter of the way.
    let red = |pixel: usize| f32::from(picture.rgb[pixel][0]);
    assert_eq!(found[0], red(0));
    assert!((found[1] - (red(0) * 0.75 + red(1) * 0.25)).abs() < 1e-3, "{found:?}");
    assert!((found[9] - red(4)).abs() < 1e-3);
    // The middle of 5x3 is a pixel: nothing is blended.
    let middle = as_floats(&data(&received_with(&gateway, "pixel", &picture.file, bilinear)));
    assert_eq!(middle, picture.rgb[7].map(f32::from));

    let params = |preprocess: Value| json!({"model_name": "exact", "input_data_url": "file:///input", "preprocess": preprocess});
    for (wrong, part) in [
        (json!({"resize": "cubic"}), "bilinear"),
        (json!({"order": "grb"}), "bgr"),
        (json!({"std": 0}), "std"),
        (json!({"mean": [1, 2]}), "mean"),
        (json!({"crop": 1}), "crop"),
        (json!(5), "preprocess"),
    ] {
        failed(&gateway, "predict", params(wrong)).says("INVALID_INPUT", &[part]);
    }
    finish(gateway);
}

#[test]
fn inputs_are_found_wherever_a_url_may_point() {
    let gateway = gateway();
    load(&gateway, "copy", &one(Uint8, &[4]));
    let of = |url: &str| {
        let params = json!({"model_name": "copy", "input_data_url": url});
        data(&predicted(&gateway, params)[0])
    };
    gateway.put_data("in", b"data");
    assert_eq!(of("file:///in"), b"data");
    put_object(&gateway, "in", b"obj1");
    put_object(&gateway, "deep/er/in %20+ä", b"obj2");
    gateway.s3.put("other-bucket", "some/key", b"obj3");
    assert_eq!(of("s3:///in"), b"obj1");
    assert_eq!(of("s3:///deep/er/in %20+ä"), b"obj2");
    assert_eq!(of("s3://other-bucket/some/key"), b"obj3");
    // The output of one prediction is the input of the next, by the URL that was told.
    let url = stored(
        &gateway,
        json!({"model_name": "copy", "input_data_url": "file:///in", "output_url": "file:///a/out.json"}),
    )
    .remove(0);
    assert!(url.starts_with("file:///models/a/out-y-"), "{url}");
    assert_eq!(of(&url), b"data");
    std::fs::write(gateway.plan().models().join("beside"), "root").unwrap();
    assert_eq!(of("file:///beside"), b"root");
    // The directory for inputs is first.
    std::fs::write(gateway.plan().models().join("in"), "root").unwrap();
    assert_eq!(of("file:///in"), b"data");

    let fail = |url: &str| {
        failed(&gateway, "predict", json!({"model_name": "copy", "input_data_url": url}))
    };
    fail("file:///none").says("STORE_ERROR", &["no such file", "/data/none"]);
    fail("s3:///none").says("S3_ERROR", &["NoSuchKey", "data/none"]);
    fail("s3://no-such-bucket/x").says("S3_ERROR", &["NoSuchBucket", "no-such-bucket"]);
    assert_eq!(gateway.s3.read(BUCKET, "data/in").as_deref(), Some(&b"obj1"[..]));
    finish(gateway);
}

#[test]
fn several_input_tensors() {
    let gateway = gateway();
    load(&gateway, "two", &identity(&[("a", "p", Float32, &[2]), ("b", "q", Uint8, &[1, 4])]));
    let (first, second) = (floats(&[1.0, 2.0]), [9, 8, 7, 6]);
    let both = |outputs: &[Value]| {
        assert_eq!((&outputs[0]["name"], &outputs[1]["name"]), (&json!("p"), &json!("q")));
        assert_eq!((data(&outputs[0]), data(&outputs[1])), (first.clone(), second.to_vec()));
    };
    let base64 = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    // In one array, whatever its order.
    let array = json!([{"name": "b", "b64_data": base64(&second)},
                       {"name": "a", "b64_data": base64(&first)}]);
    gateway.put_data("both", array.to_string().as_bytes());
    both(&predicted(&gateway, json!({"model_name": "two", "input_data_url": "file:///both"})));
    // Each from its own place, in its own format.
    gateway.put_data("a.npy", &npy("<f4", "(2,)", &first));
    put_object(&gateway, "b.raw", &second);
    let urls = json!({"b": "s3:///b.raw", "a": "file:///a.npy"});
    both(&predicted(&gateway, json!({"model_name": "two", "input_data_url": urls})));

    let refused = |urls: Value| {
        failed(&gateway, "predict", json!({"model_name": "two", "input_data_url": urls}))
    };
    refused(json!({"a": "file:///a.npy"})).says("INVALID_INPUT", &["\"b\"", "a, b"]);
    refused(json!({"a": "file:///a.npy", "b": "s3:///b.raw", "c": "s3:///b.raw"}))
        .says("INVALID_INPUT", &["\"c\"", "a, b"]);
    refused(json!({})).says("INVALID_PARAMS", &["input_data_url"]);
    refused(json!({"a": 5})).says("INVALID_PARAMS", &["input_data_url"]);
    gateway.put_data("both", json!([array[0]]).to_string().as_bytes());
    refused(json!("file:///both")).says("INVALID_INPUT", &["\"a\", \"b\""]);
    finish(gateway);
}

#[test]
fn what_does_not_fit_is_told_with_what_is_wanted() {
    let gateway = gateway();
    load(&gateway, "float32", &one(Float32, &[1, 2, 2, 3]));
    load(&gateway, "int64", &one(Int64, &[3]));
    let before = tree(&gateway);
    let wanted = "\"x\" FLOAT32 [1,2,2,3]";
    let element = floats(&[1.0]);
    for (content, parts) in [
        (json_tensor(&element), &["4 bytes", wanted, "48 bytes"][..]),
        (br#"{"b64_data":"%%%"}"#.to_vec(), &["JSON tensor", "base64"]),
        (b"{\"b64_data\":".to_vec(), &["JSON tensor"]),
        (br#"[{"name":"z","b64_data":""}]"#.to_vec(), &["\"z\"", "\"x\""]),
        (br#"{"data":[1,2]}"#.to_vec(), &["b64_data"]),
        (npy("<f8", "(1, 2, 2, 3)", &[0; 96]), &["float64", wanted, "astype"]),
        (npy("<f4", "(2, 2, 3, 2)", &[0; 96]), &["[2,2,3,2]", wanted]),
        (npy("<f4", "(1, 2, 2, 3)", &[0; 40]), &["NPY", "cannot be read"]),
        (b"\x93NUMPY\x01".to_vec(), &["NPY", "cannot be read"]),
        (Picture::named("png rgb").file, &["PNG picture of 5x3", wanted, "bilinear"]),
        (Picture::named("bmp 24-bit").file, &["BMP picture of 5x3", wanted]),
        (Picture::named("png rgb").file[..40].to_vec(), &["PNG", "cannot be read"]),
        (b"GIF89a and more".to_vec(), &["15 bytes", "GIF", wanted, "48 raw bytes"]),
        (Vec::new(), &["0 bytes", wanted]),
        (vec![0xff; 47], &["47 bytes", wanted]),
    ] {
        refused(&gateway, "float32", &content).says("INVALID_INPUT", parts);
    }
    let picture = Picture::named("jpeg baseline");
    refused(&gateway, "int64", &picture.file)
        .says("INVALID_INPUT", &["JPEG picture of 20x18", "\"x\" INT64 [3]", "UINT8 or FLOAT32"]);
    assert_eq!(tree(&gateway), before);
    // And what fits does it still.
    let twelve = floats(&[0.5; 12]);
    assert_eq!(data(&received(&gateway, "float32", &twelve)), twelve);
    finish(gateway);
}
