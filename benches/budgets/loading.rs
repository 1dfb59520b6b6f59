//! A gateway that loads one model.

use std::path::Path;
use std::time::{Duration, Instant};

use lab::gateway::{Gateway, Plan};

/// Starts one whose S3 is this server. Every result comes later, so that none is held.
pub(crate) fn start(sapt: &Path, url: &str) -> Gateway {
    Plan::new(sapt).set("SAPT_AWS_ENDPOINT_URL", url).set("SAPT_SYNC_WINDOW_S", "0").start()
}

/// How long `loadModel` takes, until its result is there.
pub(crate) fn load(gateway: &Gateway) -> Duration {
    let begin = Instant::now();
    let load = r#"{"id":"l","method":"loadModel","params":{"name":"m","s3_filename":"m.tar.gz"}}"#;
    gateway.command(load);
    wait(gateway, "l");
    begin.elapsed()
}

fn wait(gateway: &Gateway, id: &str) {
    let result = gateway.wait_for_value(5704, |value| value["id"] == id);
    assert_eq!(result["error"], "none", "{result}");
}
