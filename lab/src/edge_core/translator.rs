//! The methods of protocol translators, on `/1/pt`.

use serde_json::{Value, json};

use super::{
    message::{Request, RpcError},
    state::{Outcome, State},
};

/// The longest device id that is accepted. The real bound is not known: 300 characters were
/// measured to be too many.
const LONGEST_DEVICE_ID: usize = 255;

impl State {
    /// Does what a translator asks for.
    pub(super) fn translator_method(&mut self, connection: usize, request: &Request) -> Outcome {
        let method = match request.method.as_str() {
            "protocol_translator_register" => Self::protocol_translator_register,
            "device_register" => Self::device_register,
            "device_unregister" => Self::device_unregister,
            "write" => Self::write,
            unknown => return refused(-32601, unknown),
        };
        match &request.params {
            Some(params) => method(self, connection, params),
            None => {
                let error = missing_params();
                if request.method == "protocol_translator_register" {
                    Outcome::RefusedAndClosed(error)
                } else {
                    Outcome::Refused(error)
                }
            }
        }
    }

    fn protocol_translator_register(&mut self, connection: usize, params: &Value) -> Outcome {
        let closed = |code, why: &str| Outcome::RefusedAndClosed(RpcError::new(code, why));
        if self.is_registered(connection) {
            return closed(-30002, "Already registered.");
        }
        let name = match &params["name"] {
            Value::String(name) if !name.is_empty() => name,
            _ => return closed(-32602, "Key 'name' missing, or its value missing or empty"),
        };
        let reserved = self.options.reserved_names.contains(name)
            || self.connections.values().any(|other| other.name.as_ref() == Some(name));
        if reserved {
            return closed(-30003, "Cannot register the protocol translator.");
        }
        if let Some(client) = self.connections.get_mut(&connection) {
            client.name = Some(name.clone());
        }
        done()
    }

    fn device_register(&mut self, connection: usize, params: &Value) -> Outcome {
        let device_id = match device_id(params) {
            Ok(device_id) => device_id,
            Err(error) => return Outcome::Refused(error),
        };
        if self.devices.contains_key(device_id) {
            return refused(-30005, "Device already registered.");
        }
        if self.is_full() {
            return refused(-30004, "Failed to register device.");
        }
        if !self.is_registered(connection) {
            return refused(-30001, "Failed to register device.");
        }
        if device_id.len() > LONGEST_DEVICE_ID {
            return refused(-30000, "Failed to register device.");
        }
        if let Err(error) = self.set_values(connection, device_id, params) {
            return Outcome::Refused(error);
        }
        if let Some(device) = self.devices.get_mut(device_id) {
            device.registered = true;
        }
        done()
    }

    fn write(&mut self, connection: usize, params: &Value) -> Outcome {
        if !self.is_registered(connection) {
            return refused(-30001, "Write value failed. Protocol translator not registered.");
        }
        let device_id = match device_id(params) {
            Ok(device_id) => device_id,
            Err(error) => return Outcome::Refused(error),
        };
        if !self.devices.contains_key(device_id) {
            if self.is_full() {
                return refused(-30004, "Write value failed. Endpoint limit reached.");
            }
            if device_id.len() > LONGEST_DEVICE_ID {
                return refused(-30000, "Write value failed.");
            }
        }
        match self.set_values(connection, device_id, params) {
            Ok(()) => done(),
            Err(error) => Outcome::Refused(error),
        }
    }

    fn device_unregister(&mut self, connection: usize, params: &Value) -> Outcome {
        if !self.is_registered(connection) {
            return refused(-30001, "Failed to unregister device.");
        }
        let device_id = match device_id(params) {
            Ok(device_id) => device_id,
            Err(error) => return Outcome::Refused(error),
        };
        if !self.devices.contains_key(device_id) {
            return refused(-30102, "Endpoint was not found.");
        }
        // Those of the connection's other devices too.
        self.fail_pending(connection);
        self.devices.remove(device_id);
        done()
    }

    fn is_registered(&self, connection: usize) -> bool {
        self.connections.get(&connection).is_some_and(|client| client.name.is_some())
    }

    /// Only what `device_register` accepted is counted.
    fn is_full(&self) -> bool {
        let registered = self.devices.values().filter(|device| device.registered).count();
        registered >= self.options.device_limit
    }
}

/// The error for a request without `params`.
pub(super) fn missing_params() -> RpcError {
    RpcError::new(-32602, "method takes arguments but params field missing")
}

fn device_id(params: &Value) -> Result<&str, RpcError> {
    match params.get("deviceId") {
        None => Err(RpcError::new(-32602, "Missing 'deviceId' field.")),
        Some(Value::String(device_id)) if !device_id.is_empty() => Ok(device_id),
        Some(_) => Err(RpcError::new(-32602, "Invalid 'deviceId' field value.")),
    }
}

fn done() -> Outcome {
    Outcome::Done(json!("ok"))
}

fn refused(code: i64, why: &str) -> Outcome {
    Outcome::Refused(RpcError::new(code, why))
}
