//! Every command, the whole way: the cloud's POST to Edge Core, `sapt`, the agent, S3, and back.

use lab::gateway::{Gateway, Plan};
use lab::models;
use serde_json::json;

fn gateway() -> Gateway {
    Plan::new(env!("CARGO_BIN_EXE_sapt")).start()
}

#[test]
fn a_model_is_loaded_listed_and_unloaded() {
    let gateway = gateway();
    gateway.put_model("digits.tar.gz", &models::digits());
    let load = r#"{"jsonrpc":"2.0","id":"1","method":"loadModel","params":{"name":"digits","s3_filename":"digits.tar.gz"}}"#;
    assert_eq!(
        gateway.command(load),
        json!({"jsonrpc": "2.0", "id": "1", "method": "loadModel", "error": "none",
               "reply": "ok", "response": "succeeded"})
    );
    let listed = gateway.command(r#"{"jsonrpc":"2.0","id":2,"method":"listModels"}"#);
    assert_eq!(listed["response"][0]["name"], "digits");
    assert_eq!(listed["id"], 2);
    let unload = r#"{"id":"3","method":"unloadModel","params":{"name":"digits"}}"#;
    assert_eq!(gateway.command(unload)["response"], "succeeded");
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}
