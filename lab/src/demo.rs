//! Plays the cloud's commands and checks every reply.

use std::time::{Duration, Instant};

use lab::gateway::{BUCKET, DATA, DEVICE, Gateway, Plan};
use lab::models::{self, HeldOut};
use lab::program;
use serde_json::{Value, json};

use crate::picture;

/// The picture that the published examples name; a digit that the model has never seen.
const PICTURE: &str = "0007.bmp";

/// The published examples, to the letter, in an order in which each has something to work on.
const LOAD: &str = r#"{"jsonrpc":"2.0","id":"1","method":"loadModel","params":{"name":"demo-keras","s3_filename":"keras-model-1.0.tar.gz"}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":"1","method":"listModels"}"#;
const PREDICT_FILE: &str = r#"{"jsonrpc":"2.0","id":"1","method":"predict","params":{"model_name":"demo-keras","input_data_url":"file:///keras.bmp","output_url":"file:///keras-predicted.data" }}"#;
const PREDICT_S3: &str = r#"{"jsonrpc":"2.0","id":"1","method":"predict","params":{"model_name":"demo-keras","input_data_url":"s3:///keras.bmp","output_url":"s3:///keras-predicted.data"}}"#;
const UNLOAD: &str =
    r#"{"jsonrpc":"2.0","id":"1","method":"unloadModel","params":{"name":"demo-keras"}}"#;

/// Starts a gateway with everything on it that the examples name.
pub(crate) fn start(held_out: &HeldOut) -> Gateway {
    let gateway = Plan::new(program::find("sapt")).start();
    let picture = held_out.picture(PICTURE);
    gateway.put_model("keras-model-1.0.tar.gz", &models::digits());
    gateway.put_data("keras.bmp", &picture);
    gateway.s3.put(BUCKET, &format!("{DATA}/keras.bmp"), &picture);
    gateway
}

/// The demo. An error tells which step was not right.
pub(crate) fn run() -> Result<(), String> {
    let held_out = HeldOut::read();
    let mut gateway = start(&held_out);
    println!("\nA gateway in {}", gateway.plan().directory().display());
    println!("  Edge Core (stand-in)  {}", gateway.plan().edge_socket().display());
    println!("  S3 (stand-in)         {}", gateway.s3.endpoint());
    println!("  sapt-agent            {}", gateway.plan().agent_socket().display());
    println!("  sapt                  device {DEVICE}, process {}", gateway.sapt.id());

    println!("\nThe cloud POSTs to /33311/0/5701; each reply comes in the same request:");
    let loaded = say(&gateway, "Pull the model from S3 and load it", LOAD)?;
    ensure(loaded["response"] == "succeeded", &loaded)?;
    let listed = say(&gateway, "List what is loaded", LIST)?;
    ensure(listed["response"][0]["name"] == "demo-keras", &listed)?;
    ensure(
        listed["response"][0]["input_tensor_metadatas"][0]["shape"] == json!([1, 8, 8, 1]),
        &listed,
    )?;

    let label = held_out.labels[PICTURE];
    let file = say(&gateway, "Predict: picture and result are files on the gateway", PREDICT_FILE)?;
    let from_file = predicted_in_file(&gateway, &file)?;
    let s3 = say(&gateway, "Predict: picture and result are objects in S3", PREDICT_S3)?;
    let from_s3 = predicted_in_file(&gateway, &s3)?;
    println!("\n{}", picture::draw(&held_out.path(PICTURE))?);
    println!("  predicted {from_file} from the file, {from_s3} from S3; it is a {label}");
    ensure(from_file == held_out.predictions[PICTURE] && from_s3 == from_file, &file)?;

    accuracy(&gateway, &held_out)?;

    let unloaded = say(&gateway, "Unload the model", UNLOAD)?;
    ensure(unloaded["response"] == "succeeded", &unloaded)?;
    let listed = say(&gateway, "List again", LIST)?;
    ensure(listed["response"] == json!([]), &listed)?;

    let violations = gateway.edge.violations();
    ensure(violations.is_empty(), &json!(violations))?;
    let code = gateway.sapt.terminate(Duration::from_secs(10));
    println!("\nSIGTERM: sapt ended with {code:?}");
    if code != Some(0) {
        return Err(format!("sapt did not end with 0; it said:\n{}", gateway.sapt.said()));
    }
    println!("Every step was right.");
    Ok(())
}

/// All held-out pictures, the whole way each, with the result in the reply.
fn accuracy(gateway: &Gateway, held_out: &HeldOut) -> Result<(), String> {
    let total = held_out.labels.len();
    println!("\nPredict all {total} held-out pictures, results in the replies");
    let begin = Instant::now();
    let mut right = 0;
    for (name, label) in &held_out.labels {
        gateway.put_data(name, &held_out.picture(name));
        let command = json!({
            "jsonrpc": "2.0", "id": name, "method": "predict",
            "params": {"model_name": "demo-keras", "input_data_url": format!("file:///{name}")},
        });
        let reply = gateway.command(&command.to_string());
        ensure(reply["response"] == "successful" && reply["id"] == **name, &reply)?;
        let predicted = digit(&reply["details"]["output"][0])?;
        if predicted != held_out.predictions[name] {
            return Err(format!("{name}: predicted {predicted}, the model itself says otherwise"));
        }
        right += usize::from(predicted == *label);
    }
    let percent = |right: usize| 100.0 * right as f64 / total as f64;
    println!(
        "  through the whole path  {right}/{total} right, {:.2} %  ({:.2} ms each)",
        percent(right),
        begin.elapsed().as_secs_f64() * 1000.0 / total as f64
    );
    println!(
        "  the model by itself     {}/{total} right, {:.2} %",
        held_out.correct,
        percent(held_out.correct)
    );
    if right == held_out.correct { Ok(()) } else { Err("the accuracies differ".to_owned()) }
}

fn say(gateway: &Gateway, what: &str, command: &str) -> Result<Value, String> {
    println!("\n{what}\n  > {command}");
    let reply = gateway.command(command);
    println!("  < {reply}");
    ensure(reply["reply"] == "ok" && reply["error"] == "none" && reply["id"] == "1", &reply)?;
    Ok(reply)
}

/// The digit in the file or object that a reply names.
fn predicted_in_file(gateway: &Gateway, reply: &Value) -> Result<usize, String> {
    ensure(reply["response"] == "successful", reply)?;
    let url = reply["details"]["output"][0]["url"].as_str().ok_or("the reply names no output")?;
    let tensor: Value =
        serde_json::from_slice(&gateway.output(url)).map_err(|error| format!("{url}: {error}"))?;
    digit(&tensor)
}

/// The digit that an output tensor finds likeliest.
fn digit(tensor: &Value) -> Result<usize, String> {
    ensure(tensor["shape"] == json!([1, 10]) && tensor["type"] == 5, tensor)?;
    let data = tensor["b64_data"].as_str().ok_or("the output has no data")?;
    let bytes = data_encoding::BASE64.decode(data.as_bytes()).map_err(|error| error.to_string())?;
    let probabilities = bytes
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    probabilities
        .enumerate()
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(digit, _)| digit)
        .ok_or_else(|| "the output is empty".to_owned())
}

fn ensure(right: bool, shown: &Value) -> Result<(), String> {
    if right { Ok(()) } else { Err(shown.to_string()) }
}
