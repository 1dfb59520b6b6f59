//! A Pod's manifest, filled line by line, so that its comments stay. Pure.

use std::path::Path;

use miniserde::json::to_string;

/// What goes into a manifest.
#[derive(Debug, Default)]
pub(super) struct Filling<'a> {
    /// The gateway's device id.
    pub(super) node: Option<&'a str>,
    /// The machine type of the images.
    pub(super) machine: &'a str,
    /// Edge Core's socket on the gateway, where it is not that of the template.
    pub(super) edge_socket: Option<&'a Path>,
    /// The agent's socket on the gateway, likewise.
    pub(super) agent_socket: Option<&'a Path>,
    /// The models directory, likewise; it has one path on the gateway and in the Pod.
    pub(super) models: Option<&'a str>,
    /// Variables for the container. Those that the template has no place for are added.
    pub(super) variables: Vec<(&'a str, &'a str)>,
}

const NODE: &str = "MVS_PELION_GW_DEVICE_ID";
const MACHINE: &str = "SAPT_UNAME_M_GOES_HERE";
const NO_NODE: &str = "--node DEVICE_ID is missing: kubectl get nodes tells it; or set \
                       MVS_PELION_GW_DEVICE_ID in the env file";

/// The filled manifest, or what is missing in it.
pub(super) fn fill(template: &str, filling: &Filling<'_>) -> Result<String, &'static str> {
    let mut filled = String::with_capacity(template.len() + 1024);
    let mut name = "";
    let mut has_variables = false;
    let mut lines = template.lines().peekable();
    while let Some(line) = lines.next() {
        let Entry { indent, key, value } = Entry::of(line);
        if key == "name" {
            name = value;
        }
        let new = match (key, name) {
            ("nodeName", _) if value == NODE => Some(to_string(filling.node.ok_or(NO_NODE)?)),
            ("value", _) => filling.value(template, name, value),
            ("path", "edge-core") => filling.edge_socket.and_then(directory),
            ("path", "agent") => filling.agent_socket.and_then(directory),
            ("path" | "mountPath", "models") => filling.models.map(to_string),
            _ => None,
        };
        match new {
            Some(new) => filled += &format!("{}{key}: {new}", before(line, key)),
            None if line.trim_start().starts_with('#') => filled += line,
            None => filled += &line.replace(MACHINE, filling.machine),
        }
        filled.push('\n');
        if key == "env" && value.is_empty() && !has_variables {
            has_variables = true;
            let indent = lines.peek().map_or(indent, |next| Entry::of(next).indent);
            for (name, value) in &filling.variables {
                if !has_entry(template, name) {
                    let space = " ".repeat(indent);
                    filled += &format!("{space}- name: {name}\n{space}  value: {}\n", text(value));
                }
            }
        }
    }
    if has_variables { Ok(filled) } else { Err("the manifest has no env: to put variables into") }
}

impl Filling<'_> {
    /// What a variable's value becomes that the template has.
    fn value(&self, template: &str, name: &str, old: &str) -> Option<String> {
        let socket = match name {
            "SAPT_EDGE_SOCKET" => self.edge_socket,
            // One that is not on the gateway is between containers, under the name that both have.
            "SAPT_SAGE_SOCKET_FILE" if is_on_gateway(template, "agent") => self.agent_socket,
            _ => {
                let known = self.variables.iter().find(|(known, _)| *known == name);
                let placeholder = crate::config::is_placeholder(old);
                return known
                    .map(|(_, value)| text(value))
                    // Not set is what it is for who has left it out.
                    .or_else(|| placeholder.then(|| "\"\"".to_owned()));
            }
        };
        // The directory is where the volume is mounted, the file is the gateway's.
        let mounted = Path::new(old).parent()?;
        Some(to_string(&*mounted.join(socket?.file_name()?).to_string_lossy()))
    }
}

/// A line's key and value, without quotes; both empty where it has none.
struct Entry<'a> {
    indent: usize,
    key: &'a str,
    value: &'a str,
}

impl<'a> Entry<'a> {
    fn of(line: &'a str) -> Self {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        let item = content.strip_prefix("- ").unwrap_or(content);
        match item.split_once(':') {
            Some((key, value)) if !key.starts_with('#') => {
                Self { indent, key, value: value.trim().trim_matches('"') }
            }
            _ => Self { indent, key: "", value: "" },
        }
    }
}

/// What stands before a line's key.
fn before<'a>(line: &'a str, key: &str) -> &'a str {
    line.split_once(key).map_or("", |(before, _)| before)
}

/// A variable's value in YAML, whose texts in double quotes are those of JSON. `$(NAME)` would be
/// replaced in it (Kubernetes API, `EnvVar`).
fn text(value: &str) -> String {
    to_string(&value.replace("$(", "$$("))
}

fn directory(socket: &Path) -> Option<String> {
    socket.parent().map(|directory| to_string(&*directory.to_string_lossy()))
}

fn has_entry(template: &str, name: &str) -> bool {
    template.lines().map(Entry::of).any(|entry| entry.key == "name" && entry.value == name)
}

/// Whether this volume is a directory of the gateway.
fn is_on_gateway(template: &str, volume: &str) -> bool {
    let mut name = "";
    template.lines().map(Entry::of).any(|entry| {
        if entry.key == "name" {
            name = entry.value;
        }
        entry.key == "path" && name == volume
    })
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
