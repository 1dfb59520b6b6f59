//! The methods of local management tools, on `/1/mgmt`.

use std::{
    sync::{Arc, mpsc::Receiver},
    thread,
};

use serde_json::{Value, json};

use super::{
    cloud::{CloudReply, Status},
    device::{READ, WRITE},
    message::{Request, RpcError},
    state::{Outcome, Shared, State},
    translator::missing_params,
    value::{ResourcePath, ValueType, decode_base64, encode_base64},
};

/// A `write_resource` that a translator has been asked to accept.
pub(super) struct LaterAnswer {
    /// The management connection and the id of its request.
    connection: usize,
    id: Value,
    /// The id of the request to the translator, and where its answer comes.
    request: String,
    answer: Receiver<CloudReply>,
}

impl LaterAnswer {
    /// Waits for the translator in a thread, then answers.
    pub(super) fn wait(self, shared: &Arc<Shared>) {
        let shared = shared.clone();
        thread::spawn(move || {
            let LaterAnswer { connection, id, request, answer } = self;
            let reply = shared.await_answer(&request, &answer);
            let answer = match reply.status {
                Status::Changed => Ok(json!("ok")),
                _ => Err(RpcError::new(-30106, "Cannot write resource value")),
            };
            shared.update(|state| state.answer(connection, id, answer));
        });
    }
}

impl State {
    /// Does what a management tool asks for.
    pub(super) fn management_method(&mut self, connection: usize, request: &Request) -> Outcome {
        let known = ["devices", "read_resource", "write_resource"];
        if !known.contains(&request.method.as_str()) {
            return Outcome::Refused(RpcError::new(-32601, &request.method));
        }
        let Some(params) = &request.params else {
            return Outcome::Refused(missing_params());
        };
        let outcome = match request.method.as_str() {
            "devices" => Ok(Outcome::Done(self.list_devices())),
            "read_resource" => self.read_resource(params).map(Outcome::Done),
            _ => self.write_resource(connection, &request.id, params).map(Outcome::Later),
        };
        outcome.unwrap_or_else(Outcome::Refused)
    }

    fn list_devices(&self) -> Value {
        let resources = |device: &super::device::Device| -> Vec<Value> {
            let resource = |(path, resource): (&ResourcePath, &super::device::Resource)| {
                json!({
                    "uri": path.to_string(),
                    "type": resource.value_type.name(),
                    "operation": resource.operations,
                })
            };
            device.resources.iter().map(resource).collect()
        };
        let devices: Vec<Value> = self
            .devices
            .iter()
            .map(|(id, device)| json!({"endpointName": id, "resources": resources(device)}))
            .collect();
        json!({ "data": devices })
    }

    fn read_resource(&self, params: &Value) -> Result<Value, RpcError> {
        let refused = |code| RpcError::new(code, "Cannot read resource value");
        let (device_id, path) = address(params)?;
        let device = self.devices.get(device_id).ok_or_else(|| refused(-30102))?;
        let resource = device.resources.get(&path).ok_or_else(|| refused(-30102))?;
        if resource.operations & READ == 0 {
            return Err(refused(-30104));
        }
        let mut result = json!({"type": resource.value_type.name()});
        let binary = resource.value_type.binary_from_text(&resource.value).unwrap_or_default();
        if !binary.is_empty() {
            result["base64Value"] = encode_base64(&binary).into();
        }
        let as_string = !matches!(
            resource.value_type,
            ValueType::Opaque | ValueType::ObjectLink | ValueType::Time
        );
        if let (true, Ok(text)) = (as_string, std::str::from_utf8(&resource.value)) {
            result["stringValue"] = text.into();
        }
        Ok(result)
    }

    fn write_resource(
        &mut self,
        connection: usize,
        id: &Value,
        params: &Value,
    ) -> Result<LaterAnswer, RpcError> {
        let refused = |code| RpcError::new(code, "Cannot write resource value");
        let (device_id, path) = address(params)?;
        let invalid = || RpcError::new(-32602, "Key 'base64Value' missing, or not base64");
        let value = params["base64Value"].as_str().and_then(decode_base64).ok_or_else(invalid)?;
        let device = self.devices.get(device_id).ok_or_else(|| refused(-30102))?;
        let resource = device.resources.get(&path).ok_or_else(|| refused(-30102))?;
        if resource.operations & WRITE == 0 {
            return Err(refused(-30105));
        }
        if !value.is_empty() && resource.value_type.text_from_binary(&value).is_none() {
            return Err(refused(-30101));
        }
        // An empty value is never sent to a translator.
        let sent = self.deliver(device_id, path, WRITE, value);
        let (request, answer) = sent.map_err(|_| refused(-30106))?;
        Ok(LaterAnswer { connection, id: id.clone(), request, answer })
    }
}

fn address(params: &Value) -> Result<(&str, ResourcePath), RpcError> {
    let invalid = |why: &str| RpcError::new(-32602, why);
    let device_id = params["endpointName"].as_str().filter(|name| !name.is_empty());
    let device_id = device_id.ok_or_else(|| invalid("Key 'endpointName' missing or empty"))?;
    let uri = params["uri"].as_str().ok_or_else(|| invalid("Key 'uri' missing"))?;
    Ok((device_id, uri.parse().map_err(|why: String| invalid(&why))?))
}
