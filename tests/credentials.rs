//! Where keys come from: the real program, with files that are replaced while it runs, a server that
//! gives temporary ones, and a configuration that outlives it.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as tests may")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use lab::gateway::{Gateway, PATIENCE, Plan};
use lab::models;
use lab::s3::Options;
use serde_json::{Value, json};
use support::onnx::Element::Uint8;
use support::onnx::one;
use support::{done, failed, finish, plan, s3_calls};

/// A gateway without a key in the environment.
fn without_a_key() -> Plan {
    plan().unset("SAPT_AWS_ACCESS_KEY_ID").unset("SAPT_AWS_SECRET_ACCESS_KEY")
}

fn start(plan: Plan) -> Gateway {
    let gateway = plan.start();
    gateway.put_model("m.tar.gz", &models::archive(&[("model.onnx", &one(Uint8, &[4]))]));
    gateway
}

/// Params that pull a model; any number of times by `reloadModel`.
fn model() -> Value {
    json!({"name": "m", "s3_filename": "m.tar.gz"})
}

/// What every resource shows, and what the program has said, without this.
fn assert_hidden(gateway: &Gateway, secret: &str) {
    for resource in [5701, 5702, 5703, 5704, 5705] {
        let shown = gateway.value(resource).to_string();
        assert!(!shown.contains(secret), "{resource}: {shown}");
    }
    let said = gateway.sapt.said();
    assert!(!said.contains(secret), "{said}");
}

/// Puts another version of a Secret into its volume as kubelet does: in a directory of its own, that
/// a link is moved to.
fn put_version(volume: &Path, version: &str, files: &[(&str, &str)]) {
    let directory = volume.join(version);
    fs::create_dir_all(&directory).unwrap();
    for (name, content) in files {
        fs::write(directory.join(name), content).unwrap();
        let link = volume.join(name);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    symlink(version, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

#[test]
fn a_mounted_secret_is_read_anew_when_it_is_replaced() {
    let plan = without_a_key();
    let volume = plan.directory().join("keys");
    let named = volume.to_str().unwrap().to_owned();
    let gateway = start(plan.set("SAPT_CREDENTIALS_DIR", &named));
    let line = gateway.sapt.wait_for_line("starts:", PATIENCE).unwrap();
    assert!(line.contains(&format!("a key from the directory {named}")), "{line}");
    assert_eq!(gateway.value(5705)["storage"], "set");
    // It may come later than the program, and whole or in part.
    failed(&gateway, "loadModel", model()).says("S3_ERROR", &[&named, "SAPT_CREDENTIALS_DIR"]);
    let lab = Options::default();
    put_version(&volume, "..1", &[("AWS_ACCESS_KEY_ID", &lab.access_key_id)]);
    failed(&gateway, "loadModel", model())
        .says("S3_ERROR", &["no file SAPT_AWS_SECRET_ACCESS_KEY", "the request was not sent"]);
    assert_eq!(s3_calls(&gateway), []);
    let old = [("AWS_ACCESS_KEY_ID", "OLDKEY\n"), ("AWS_SECRET_ACCESS_KEY", "an-old-secret\n")];
    put_version(&volume, "..2", &old);
    failed(&gateway, "loadModel", model()).says("S3_ERROR", &["InvalidAccessKeyId"]);
    let new = [
        ("AWS_ACCESS_KEY_ID", lab.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", lab.secret_access_key.as_str()),
    ];
    put_version(&volume, "..3", &new);
    done(&gateway, "loadModel", model());
    put_version(&volume, "..4", &old);
    failed(&gateway, "reloadModel", model()).says("S3_ERROR", &["InvalidAccessKeyId"]);
    assert_hidden(&gateway, "an-old-secret");
    assert_hidden(&gateway, &lab.secret_access_key);
    finish(gateway);
}

#[test]
fn a_profile_of_the_shared_credentials_file() {
    let plan = without_a_key();
    let file = plan.directory().join("credentials");
    let lab = Options::default();
    let write = |secret: &str| {
        let text = format!(
            "[default]\naws_access_key_id = OTHER\naws_secret_access_key = other-secret\n\n\
             [edge]\naws_access_key_id = {}\naws_secret_access_key = {secret}\n",
            lab.access_key_id
        );
        fs::write(&file, text).unwrap();
    };
    write("an-old-secret");
    let plan = plan.set("SAPT_AWS_PROFILE", "edge");
    let gateway = start(plan.set("SAPT_AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()));
    failed(&gateway, "loadModel", model()).says("S3_ERROR", &["SignatureDoesNotMatch"]);
    write(&lab.secret_access_key);
    done(&gateway, "loadModel", model());
    fs::write(&file, "[default]\n").unwrap();
    failed(&gateway, "reloadModel", model())
        .says("S3_ERROR", &["\"edge\"", "no section", "SAPT_AWS_PROFILE"]);
    assert_hidden(&gateway, "an-old-secret");
    finish(gateway);
}

/// Answers every request with this JSON, and tells its head.
fn serve(answer: &Value) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/credentials", listener.local_addr().unwrap());
    let body = answer.to_string();
    let (sender, heads) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
            if sender.send(head.join("\n")).is_err() {
                return;
            }
        }
    });
    (url, heads)
}

#[test]
fn a_server_beside_the_program_gives_keys_that_last_for_many_commands() {
    let lab = Options::default();
    let (url, heads) = serve(&json!({
        "AccessKeyId": lab.access_key_id, "SecretAccessKey": lab.secret_access_key,
        "Expiration": "2999-01-01T00:00:00Z"}));
    let plan = without_a_key()
        .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)
        .set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-token-of-the-pod");
    let gateway = start(plan);
    done(&gateway, "loadModel", model());
    done(&gateway, "reloadModel", model());
    let head = heads.recv_timeout(PATIENCE).unwrap();
    assert!(head.starts_with("GET /v1/credentials HTTP/1.1"), "{head}");
    assert!(head.contains("authorization: the-token-of-the-pod"), "{head}");
    assert!(heads.try_recv().is_err(), "it was asked twice");
    assert_hidden(&gateway, "the-token-of-the-pod");
    finish(gateway);
}

#[test]
fn keys_that_have_ended_are_asked_for_again() {
    // They have ended when they come, by this clock, which may be wrong: S3 takes them all the same,
    // and after a pause others are asked for.
    let lab = Options::default();
    let (url, heads) = serve(&json!({
        "AccessKeyId": lab.access_key_id, "SecretAccessKey": lab.secret_access_key,
        "Expiration": "2001-01-01T00:00:00Z"}));
    let gateway = start(without_a_key().set("SAPT_AWS_CONTAINER_CREDENTIALS_URI", &url));
    done(&gateway, "loadModel", model());
    heads.recv_timeout(PATIENCE).unwrap();
    // How many commands this takes is up to the clock; each of them works.
    while heads.try_recv().is_err() {
        done(&gateway, "reloadModel", model());
    }
    finish(gateway);
}

#[test]
fn no_server_is_told_with_what_to_do() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let gateway = start(without_a_key().set("SAPT_AWS_IMDS", &url));
    failed(&gateway, "loadModel", model())
        .says("S3_ERROR", &[&address.to_string(), "refused", "SAPT_AWS_IMDS"]);
    assert_eq!(s3_calls(&gateway), []);
    finish(gateway);
}

#[test]
fn what_the_cloud_configures_is_kept_where_the_operator_wants_that() {
    let lab = Options::default();
    let plan = plan()
        .set("SAPT_AWS_ACCESS_KEY_ID", "OLDKEY")
        .set("SAPT_AWS_SECRET_ACCESS_KEY", "an-old-secret")
        .unset("SAPT_AWS_S3_MODELS_DIR")
        .set("SAPT_PERSIST_CONFIG", "1");
    let mut gateway = start(plan);
    let file = gateway.plan().models().join(".sapt/config.json");
    for config in [
        json!({"awsS3ModelsDirectory": lab::gateway::MODELS}),
        json!({"auth": {"awsAccessKeyId": lab.access_key_id,
                        "awsSecretAccessKey": lab.secret_access_key}}),
    ] {
        let reply = gateway.command(&json!({"config": config}).to_string());
        assert_eq!(reply["response"], "config updated", "{reply}");
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    done(&gateway, "loadModel", model());
    let shown = gateway.value(5702);
    assert_eq!(gateway.sapt.terminate(PATIENCE), Some(0));
    gateway.sapt = gateway.start_sapt();
    gateway.sapt.wait_for_line("registered with Edge Core", PATIENCE).unwrap();
    assert!(gateway.sapt.said().contains(file.to_str().unwrap()));
    assert_eq!(gateway.value(5702), shown);
    done(&gateway, "reloadModel", model());
    // A directory in its place: nothing is changed, and the reason is told.
    fs::create_dir(file.with_extension("new")).unwrap();
    let reply = gateway.command(&json!({"config": {"awsS3Bucket": "another"}}).to_string());
    support::Failure::of(&reply, &Value::Null)
        .says("STORE_ERROR", &["config.new", "SAPT_PERSIST_CONFIG", "not changed"]);
    assert_eq!(gateway.value(5702), shown);
    assert_hidden(&gateway, &lab.secret_access_key);
    finish(gateway);
}

#[test]
fn a_kept_configuration_that_is_not_wanted_or_is_broken_is_passed_over() {
    for (persist, content, told) in [
        ("0", r#"{"config":{"awsS3Bucket":"another"}}"#, "is ignored, because SAPT_PERSIST_CONFIG"),
        ("1", r#"{"config":{"awsS3Bucket":"ano"#, "what the cloud configured before is ignored"),
    ] {
        let plan = plan().set("SAPT_PERSIST_CONFIG", persist);
        let hidden = plan.models().join(".sapt");
        fs::create_dir_all(&hidden).unwrap();
        fs::write(hidden.join("config.json"), content).unwrap();
        let gateway = start(plan);
        gateway.sapt.wait_for_line(told, PATIENCE).unwrap();
        done(&gateway, "loadModel", model());
        finish(gateway);
    }
}
