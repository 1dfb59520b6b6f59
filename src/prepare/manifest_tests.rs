use super::*;

const TEMPLATES: [&str; 2] = [
    include_str!("../../edge-agent.yaml"),
    include_str!("../../kubernetes/edge-agent-with-engine.yaml"),
];

fn filling() -> Filling<'static> {
    Filling { node: Some("016f32"), machine: "armhf", ..Filling::default() }
}

/// The lines that differ, without their indentation.
fn changed(template: &str, filling: &Filling<'_>) -> Vec<String> {
    let filled = fill(template, filling).unwrap();
    let new = filled.lines().filter(|line| !template.lines().any(|old| old == *line));
    new.map(|line| line.trim_start().to_owned()).collect()
}

#[test]
fn nothing_but_the_places_is_changed() {
    for (template, images) in TEMPLATES.into_iter().zip([1, 2]) {
        let changed = changed(template, &filling());
        let image = "image: \"sapt:0.1.0-armhf\"";
        assert_eq!(changed[..2], ["nodeName: \"016f32\"", image]);
        assert_eq!(changed.iter().filter(|line| line.starts_with("image: ")).count(), images);
        let unset = changed.iter().filter(|line| *line == "value: \"\"").count();
        assert_eq!((unset, changed.len()), (4, 5 + images), "{changed:?}");
        let filled = fill(template, &filling()).unwrap();
        let code = filled.lines().filter(|line| !line.trim_start().starts_with('#'));
        assert!(!code.collect::<String>().contains("GOES_HERE"));
        assert_eq!(filled.lines().count(), template.lines().count());
    }
}

#[test]
fn values_are_quoted_and_new_ones_added() {
    let variables = vec![
        ("SAPT_AWS_REGION", "eu-west-1"),
        ("SAPT_AWS_S3_DATA_DIR", "a\"b\\c: #$(HOME)"),
        ("SAPT_KEEP_VERSIONS", "2"),
    ];
    let filled = fill(TEMPLATES[0], &Filling { variables, ..filling() }).unwrap();
    let has = |lines: &str| assert!(filled.contains(lines), "{filled}");
    has("    - name: SAPT_AWS_REGION\n      value: \"eu-west-1\"\n");
    has("    - name: SAPT_AWS_S3_DATA_DIR\n      value: \"a\\\"b\\\\c: #$$(HOME)\"\n");
    has("    env:\n    - name: SAPT_KEEP_VERSIONS\n      value: \"2\"\n    - name: SAPT_PT_DEVICE");
    assert_eq!(filled.matches("- name: SAPT_AWS_REGION").count(), 1);
}

#[test]
fn sockets_and_models_go_to_their_volumes() {
    let all = |template| {
        let filling = Filling {
            edge_socket: Some(Path::new("/var/snap/pelion-edge/edge.sock")),
            agent_socket: Some(Path::new("/run/agent/a.sock")),
            models: Some("/data/models"),
            ..filling()
        };
        changed(template, &filling)
    };
    let beside = all(TEMPLATES[0]);
    for line in [
        "path: \"/var/snap/pelion-edge\"",
        "path: \"/run/agent\"",
        "value: \"/agent/a.sock\"",
        "path: \"/data/models\"",
        "mountPath: \"/data/models\"",
    ] {
        assert_eq!(beside.iter().filter(|it| *it == line).count(), 1, "{line}: {beside:?}");
    }
    // The containers of one Pod have the agent's socket between them; both see the models.
    let engine = all(TEMPLATES[1]);
    assert!(!engine.iter().any(|line| line.contains("a.sock") || line.contains("/run/agent")));
    assert_eq!(engine.iter().filter(|line| line.starts_with("mountPath: ")).count(), 2);
}

#[test]
fn what_is_missing_is_told() {
    let nobody = Filling { node: None, ..filling() };
    assert!(fill(TEMPLATES[0], &nobody).unwrap_err().contains("--node"));
    assert!(fill("kind: Pod\n", &filling()).unwrap_err().contains("env"));
}
