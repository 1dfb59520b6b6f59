//! The lines on the socket, and clients that do not do as they should.

use lab::gateway::PATIENCE;
use lab::models;
use lab::s3::{Fault, Gate, Method};
use serde_json::json;

use crate::support::{done, finish, gateway, plan, request};
use crate::{Connection, LOAD, half_a_model, health};

const HEALTH: &str = r#"{"jsonrpc":"2.0","id":7,"method":"health"}"#;

#[test]
fn several_requests_in_turn_on_one_connection() {
    // The form of what is published is nothing to who asks here.
    for format in ["sapt", "jsonrpc"] {
        let gateway = plan().set("SAPT_REPLY_FORMAT", format).start();
        let mut connection = Connection::open(&gateway);
        let alive = connection.ask(HEALTH);
        assert_eq!((&alive["jsonrpc"], &alive["id"]), (&json!("2.0"), &json!(7)));
        assert_eq!(alive["result"]["alive"], true);
        let list = request("a", "listModels", &json!({}));
        let answer = json!({"jsonrpc": "2.0", "id": "a", "result": []});
        assert_eq!(connection.ask(&list), answer);
        // Sent before the one before is answered.
        connection.say(format!("{list}\n\r\n{HEALTH}\n{list}").as_bytes());
        connection.say_no_more();
        assert_eq!(connection.next(), answer);
        assert_eq!(connection.next()["id"], 7);
        assert_eq!(connection.next(), answer, "the last line lacks its end");
        connection.assert_closed();
        finish(gateway);
    }
}

#[test]
fn what_makes_no_sense_is_answered() {
    let gateway = gateway();
    let mut connection = Connection::open(&gateway);
    let deep = "[".repeat(100_000);
    for (line, code) in [
        ("{", "PARSE_ERROR"),
        ("GET / HTTP/1.1", "PARSE_ERROR"),
        ("\u{1}\u{0}", "PARSE_ERROR"),
        (&deep, "PARSE_ERROR"),
        ("5", "INVALID_REQUEST"),
        ("[]", "INVALID_REQUEST"),
        (r#"{"id":{}}"#, "INVALID_REQUEST"),
        (r#"{"method":5}"#, "INVALID_REQUEST"),
        (r#"{"method":"frobnicate"}"#, "UNKNOWN_METHOD"),
        (r#"{"method":"loadModel"}"#, "INVALID_PARAMS"),
        (r#"{"config":{"x":1}}"#, "INVALID_PARAMS"),
    ] {
        let reply = connection.ask(line);
        assert_eq!(reply["error"]["data"]["code"], code, "{reply}");
        assert_eq!(reply["jsonrpc"], "2.0");
        assert!(reply["error"]["message"].as_str().unwrap().contains(' '), "{reply}");
        assert!(reply.get("result").is_none());
    }
    connection.say(b"\xff\xfe\n");
    assert_eq!(connection.next()["error"]["data"]["code"], "PARSE_ERROR");
    assert_eq!(connection.ask(HEALTH)["result"]["alive"], true);
    finish(gateway);
}

#[test]
fn a_line_that_does_not_end_is_given_up() {
    let gateway = gateway();
    let mut connection = Connection::open(&gateway);
    connection.say(&vec![b' '; (1 << 20) + 1]);
    let reply = connection.next();
    assert!(reply["error"]["message"].as_str().unwrap().contains("1 MiB"), "{reply}");
    connection.assert_closed();
    let mut connection = Connection::open(&gateway);
    let padding = " ".repeat((1 << 20) - HEALTH.len());
    assert_eq!(connection.ask(&format!("{HEALTH}{padding}"))["result"]["alive"], true);
    finish(gateway);
}

#[test]
fn who_waits_for_longest_makes_room() {
    let gateway = gateway();
    let mut idle: Vec<Connection> = (0..300)
        .map(|_| {
            let mut connection = Connection::open(&gateway);
            // Half a request, which is never finished.
            connection.say(b"{\"id\":");
            connection
        })
        .collect();
    assert!(health(&gateway, &[]).0);
    idle[0].assert_closed();
    let mut last = idle.pop().unwrap();
    last.say(b"1,");
    assert_eq!(last.ask(r#""method":"health"}"#)["result"]["alive"], true);
    assert!(health(&gateway, &["--ready"]).1.contains("ready"));
    finish(gateway);
}

#[test]
fn progress_is_told_while_a_command_runs() {
    let (gateway, gate) = half_a_model(plan().set("SAPT_SYNC_WINDOW_S", "0"));
    let mut connection = Connection::open(&gateway);
    let progress = connection.ask(LOAD);
    gate.reached();
    assert_eq!((&progress["jsonrpc"], &progress["method"]), (&json!("2.0"), &json!("progress")));
    assert!(progress.get("id").is_none());
    let params = &progress["params"];
    assert_eq!((&params["id"], &params["method"]), (&json!("load"), &json!("loadModel")));
    assert_eq!(params["phase"], "pulling");
    for name in ["bytes", "total", "rate"] {
        assert!(params.get(name).is_some(), "{progress}");
    }
    // What the cloud sees of it.
    let running = gateway.wait_for_value(5705, |health| health["running"] != json!([]));
    assert_eq!(running["running"][0]["id"], "load");
    gateway.wait_for_value(5703, |status| status["loadModel"] == "running");
    gate.release();
    let reply = connection.reply();
    // Not cut off by the sync window.
    assert_eq!(reply, json!({"jsonrpc": "2.0", "id": "load", "result": "succeeded"}));
    gateway.wait_for_value(5703, |status| status["loadModel"] == "idle");
    for resource in ["/33311/0/5701", "/33311/0/5704"] {
        let value = gateway.edge.read(lab::gateway::DEVICE, resource).value;
        let value = String::from_utf8(value).unwrap();
        assert!(!value.contains("succeeded"), "results go to who has asked: {value}");
    }
    finish(gateway);
}

#[test]
fn a_command_goes_on_without_who_asked_for_it() {
    let (gateway, gate) = half_a_model(plan());
    let mut connection = Connection::open(&gateway);
    connection.say(LOAD.as_bytes());
    connection.say(b"\n");
    gate.reached();
    drop(connection);
    gate.release();
    gateway.sapt.wait_for_line("loadModel (id \\\"load\\\"): done", PATIENCE).unwrap();
    let list = done(&gateway, "listModels", json!({}));
    assert_eq!(list["response"][0]["name"], "digits");
    finish(gateway);
}

#[test]
fn commands_from_both_sides_have_the_same_limits() {
    let gateway = gateway();
    // Three models are pulled at once; none of them comes to an end, and the others wait.
    let gates = [(); 3].map(|()| Gate::new());
    gateway.put_model("digits.tar.gz", &models::digits());
    for gate in &gates {
        gateway.s3.fail_next(Method::Get, Fault::Hold(1000, gate.clone()));
    }
    let mut loads: Vec<Connection> = (0..40)
        .map(|number| {
            let mut load = Connection::open(&gateway);
            load.say(LOAD.replace("digits\"", &format!("digits-{number}\"")).as_bytes());
            load.say(b"\n");
            load
        })
        .collect();
    gates.iter().for_each(Gate::reached);
    // 32 loads may be under way.
    let busy = loads[39].reply();
    assert_eq!(busy["error"]["data"]["code"], "BUSY", "{busy}");
    assert_eq!(gateway.command(LOAD)["code"], "BUSY");
    assert!(health(&gateway, &[]).0);
    gates.iter().for_each(Gate::release);
    assert_eq!(loads[0].reply()["result"], "succeeded");
    finish(gateway);
}
