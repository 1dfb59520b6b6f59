//! Devices, their resources, and the JSON that describes them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    message::RpcError,
    state::State,
    value::{ResourcePath, ValueType, decode_base64, stored},
};

/// `operations` bit: the cloud may GET.
pub(super) const READ: i64 = 1;
/// `operations` bit: the cloud may PUT.
pub(super) const WRITE: i64 = 2;
/// `operations` bit: the cloud may POST.
pub(super) const EXECUTE: i64 = 4;

/// A device behind a translator.
pub(super) struct Device {
    /// The connection that created it, and that takes it along when it closes.
    pub(super) owner: usize,
    /// Whether a `device_register` of it succeeded, and not only a `write` created it.
    pub(super) registered: bool,
    pub(super) resources: BTreeMap<ResourcePath, Resource>,
}

/// A resource. What it allows and its type stay as they were when it was created.
pub(super) struct Resource {
    pub(super) operations: i64,
    pub(super) value_type: ValueType,
    /// In text form, as the cloud reads it.
    pub(super) value: Vec<u8>,
}

/// What a request says about one resource.
struct Described {
    path: ResourcePath,
    operations: i64,
    value_type: ValueType,
    has_type: bool,
    /// In text form. `None` where there is no `value`.
    text: Option<Vec<u8>>,
}

impl State {
    /// `device_register` and `write`: creates what is not there, and sets the values. The device
    /// is created even when this fails; its resources are only touched when all is well.
    pub(super) fn set_values(
        &mut self,
        connection: usize,
        device_id: &str,
        params: &Value,
    ) -> Result<(), RpcError> {
        self.devices.entry(device_id.to_owned()).or_insert_with(|| Device {
            owner: connection,
            registered: false,
            resources: BTreeMap::new(),
        });
        let mut silent = Vec::new();
        let described = describe(&params["objects"], &mut silent)?;
        for resource in described {
            self.set_value(device_id, resource, &mut silent);
        }
        for what in silent {
            self.violate(connection, &format!("device {device_id}: {what}"));
        }
        Ok(())
    }

    fn set_value(&mut self, device_id: &str, described: Described, silent: &mut Vec<String>) {
        let Described { path, operations, value_type, has_type, text } = described;
        let Some(device) = self.devices.get_mut(device_id) else {
            return;
        };
        let resource = device.resources.entry(path).or_insert(Resource {
            operations,
            value_type,
            value: Vec::new(),
        });
        match text {
            Some(text) if text.is_empty() && !resource.value.is_empty() => {
                silent.push(format!("an empty value of {path} was ignored, the old one stays"));
            }
            Some(text) if !text.is_empty() => {
                if !has_type && resource.value_type != ValueType::Opaque {
                    silent.push(format!("a value of {path} came without type: taken as opaque"));
                }
                let length = text.len();
                let value = stored(text);
                if value.len() != length {
                    let left = value.len();
                    silent.push(format!("a value of {path} has {length} bytes: {left} are left"));
                }
                self.update_value(device_id, path, value);
            }
            _ => {}
        }
    }

    /// Sets a value in text form, and notifies those who observe it, if it is another one.
    pub(super) fn update_value(&mut self, device_id: &str, path: ResourcePath, value: Vec<u8>) {
        let Some(device) = self.devices.get_mut(device_id) else {
            return;
        };
        let Some(resource) = device.resources.get_mut(&path) else {
            return;
        };
        if resource.value == value {
            return;
        }
        resource.value = value;
        // What the cloud can PUT or POST is never notified.
        if resource.operations & (READ | WRITE | EXECUTE) == READ {
            let value = &resource.value;
            self.observers.retain(|observer| observer.notify(device_id, path, value));
        }
    }
}

/// Reads `objects`, in Edge Core's way: what is not a list is empty, what is not an integer is 0.
/// `silent` gets what a client would want to know and is not told.
fn describe(objects: &Value, silent: &mut Vec<String>) -> Result<Vec<Described>, RpcError> {
    let mut described = Vec::new();
    for object in list(objects) {
        let object_id = id(object, "objectId", silent)?;
        for instance in list(&object["objectInstances"]) {
            let instance_id = id(instance, "objectInstanceId", silent)?;
            for resource in list(&instance["resources"]) {
                let resource_id = id(resource, "resourceId", silent)?;
                let path = ResourcePath {
                    object: object_id,
                    instance: instance_id,
                    resource: resource_id,
                };
                described.push(describe_resource(resource, path)?);
            }
        }
    }
    Ok(described)
}

fn describe_resource(resource: &Value, path: ResourcePath) -> Result<Described, RpcError> {
    let illegal = |why: &str| RpcError::new(-30101, format!("{why} ({path})"));
    let type_name = resource["type"].as_str();
    let value_type = ValueType::parse(type_name);
    let text = match resource.get("value") {
        None => None,
        Some(value) => {
            let encoded =
                value.as_str().ok_or_else(|| illegal("Message value is not a string."))?;
            let binary =
                decode_base64(encoded).ok_or_else(|| illegal("Value is not standard base64."))?;
            if binary.is_empty() {
                Some(binary)
            } else {
                let text = value_type.text_from_binary(&binary);
                Some(text.ok_or_else(|| illegal("Wrong length for the type."))?)
            }
        }
    };
    Ok(Described {
        path,
        operations: resource["operations"].as_i64().unwrap_or(0),
        value_type,
        has_type: type_name.is_some(),
        text,
    })
}

fn id(holder: &Value, name: &str, silent: &mut Vec<String>) -> Result<u16, RpcError> {
    let Some(value) = holder.get(name) else {
        return Err(RpcError::new(-30103, format!("Invalid or missing {name} key.")));
    };
    // Truncated to 16 bits, as the C does.
    let id = value.as_i64().unwrap_or(0) as u16;
    if value.as_i64() != Some(i64::from(id)) {
        silent.push(format!("{name} {value} was taken as {id}"));
    }
    Ok(id)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
