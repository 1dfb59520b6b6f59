//! `sapt health`: what a probe is told.

use std::thread;

use lab::bridge::Bridge;
use lab::edge_core::EdgeCore;
use lab::gateway::PATIENCE;
use lab::models;
use rustix::process::Signal;

use crate::support::{finish, gateway, plan};
use crate::{FINISHING, LOAD, half_a_model, health, sapt, wait_until_ready};

#[test]
fn all_is_well() {
    let gateway = gateway();
    let (alive, line) = health(&gateway, &[]);
    assert!(alive && line.starts_with("alive: sapt "), "{line}");
    assert!(line.contains(&format!("process {}", gateway.sapt.id())), "{line}");
    let line = wait_until_ready(&gateway, true);
    let edge_socket = gateway.plan().edge_socket().display().to_string();
    assert!(line.starts_with("ready: registered with Edge Core") && line.contains(&edge_socket));
    let connections = gateway.edge.connections();
    assert_eq!(connections, 1, "no probe has connected to Edge Core");
    finish(gateway);
}

#[test]
fn a_process_that_stands_still_is_not_alive() {
    let gateway = gateway();
    wait_until_ready(&gateway, true);
    gateway.sapt.signal(Signal::STOP);
    for (options, beginning) in
        [(&["--timeout", "1"][..], "not alive: "), (&["--timeout=1", "--ready"], "not ready: ")]
    {
        let (well, line) = health(&gateway, options);
        assert!(!well && line.starts_with(beginning), "{line}");
        assert!(line.contains("does not answer in time"), "{line}");
    }
    gateway.sapt.signal(Signal::CONT);
    assert!(health(&gateway, &[]).0);
    finish(gateway);
}

#[test]
fn a_process_that_is_not_there_is_not_alive() {
    let mut gateway = gateway();
    assert_eq!(gateway.sapt.terminate(PATIENCE), Some(0));
    for (options, beginning) in [(&[][..], "not alive: "), (&["--ready"], "not ready: ")] {
        let (well, line) = health(&gateway, options);
        assert!(!well && line.starts_with(beginning), "{line}");
        assert!(line.contains("see whether it runs") && line.contains("SAPT_CONTROL_SOCKET"));
    }
}

#[test]
fn edge_core_has_to_be_there_to_be_ready() {
    let plan = plan().without_waiting();
    let mut edge = EdgeCore::start(&plan.edge_socket());
    edge.stop();
    let mut gateway = plan.start_with(edge);
    gateway.sapt.wait_for_line("the agent answers", PATIENCE).unwrap();
    let socket = gateway.plan().edge_socket().display().to_string();
    let told = |line: &str| {
        let begin = format!("not ready: not registered with Edge Core at {socket} for ");
        assert!(line.starts_with(&begin), "{line}");
    };
    gateway.sapt.wait_for_line("connecting again in", PATIENCE).unwrap();
    let line = wait_until_ready(&gateway, false);
    told(&line);
    assert!(line.contains("check that Edge Core runs"), "{line}");
    assert!(health(&gateway, &[]).0, "it lives all the same");
    gateway.edge.restart();
    gateway.wait_until_registered();
    wait_until_ready(&gateway, true);
    gateway.edge.stop();
    told(&wait_until_ready(&gateway, false));
}

#[test]
fn the_agent_has_to_answer_to_be_ready() {
    let mut gateway = plan().without_agent().start();
    let line = wait_until_ready(&gateway, false);
    assert!(line.starts_with("not ready: "), "{line}");
    gateway.wait_for_value(5705, |health| health["agent"]["state"] == "unreachable");
    let line = wait_until_ready(&gateway, false);
    let socket = gateway.plan().agent_socket().display().to_string();
    assert!(line.starts_with("not ready: cannot reach the agent") && line.contains(&socket));
    assert!(line.contains("start the agent"), "{line}");
    assert!(health(&gateway, &[]).0, "it lives all the same");
    gateway.restart_agent();
    wait_until_ready(&gateway, true);
    gateway.agent.as_mut().unwrap().kill();
    wait_until_ready(&gateway, false);
    finish(gateway);
}

#[test]
fn a_long_load_is_no_reason_not_to_be_ready() {
    let plan = plan();
    let at = plan.directory().join("bridge.sock");
    let bridge = Bridge::unix(&at, &plan.agent_socket());
    let gateway = plan.set("SAPT_AGENT_ADDRESS", &format!("unix:{}", at.display())).start();
    gateway.put_model("digits.tar.gz", &models::digits());
    wait_until_ready(&gateway, true);
    // The agent is asked to load by the path, and does not answer.
    let path = gateway.plan().models().join("digits").display().to_string();
    bridge.hold(path.as_bytes());
    thread::scope(|scope| {
        let load = scope.spawn(|| gateway.command(LOAD));
        bridge.held(PATIENCE).unwrap();
        // Who asks the agent now waits until it has loaded.
        let list = scope.spawn(|| sapt(&gateway, &["call", "listModels"]));
        gateway.wait_for_value(5703, |status| status["listModels"] == "running");
        assert!(health(&gateway, &["--ready"]).0);
        assert!(health(&gateway, &[]).0);
        bridge.cut();
        load.join().unwrap();
        assert_eq!(list.join().unwrap().code, Some(0));
    });
    finish(gateway);
}

#[test]
fn one_that_ends_is_alive_and_not_ready() {
    let (mut gateway, gate) = half_a_model(plan());
    wait_until_ready(&gateway, true);
    thread::scope(|scope| {
        let load = scope.spawn(|| sapt(&gateway, &["call", LOAD]));
        gate.reached();
        gateway.sapt.signal(Signal::TERM);
        gateway.sapt.wait_for_line(FINISHING, PATIENCE).unwrap();
        assert!(health(&gateway, &[]).0);
        let (ready, line) = health(&gateway, &["--ready"]);
        assert!(!ready && line.contains("shutting down"), "{line}");
        let refused = sapt(&gateway, &["call", "listModels"]);
        assert_eq!(refused.code, Some(1));
        assert!(refused.err.starts_with("SHUTTING_DOWN: "), "{refused:?}");
        gate.release();
        let told = load.join().unwrap();
        assert_eq!((told.code, told.out.as_str()), (Some(0), "succeeded\n"), "{told:?}");
    });
    assert_eq!(gateway.sapt.wait(PATIENCE), Some(0), "{}", gateway.sapt.said());
    assert!(!gateway.plan().control_socket().exists());
}
