//! What is said between a translator and Edge Core: JSON-RPC 2.0, one message a text frame. Pure.

use std::fmt;

use data_encoding::BASE64;
use miniserde::{Serialize, json};
use serde_json::Value;

use super::resource::{INSTANCE, OBJECT, Resource};

/// A message from Edge Core.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// The cloud wants something of a resource. It must be answered with the same id, within 60 s.
    Request(CloudRequest),
    /// The answer to one of our requests.
    Answer {
        /// The id that we gave the request.
        id: u64,
        /// What Edge Core made of it.
        outcome: Result<(), Refusal>,
    },
    /// A request for a method that translators do not have; refused with its id.
    UnknownMethod {
        /// What to echo.
        id: CloudId,
        /// The method that was asked for.
        method: String,
    },
}

/// A cloud request, as Edge Core delivers it: its method is always `write`.
#[derive(Debug, PartialEq)]
pub struct CloudRequest {
    /// What the answer must echo.
    pub id: CloudId,
    /// PUT or POST.
    pub operation: Operation,
    /// The device that it is for.
    pub device_id: String,
    /// The resource, or its path where the device has none there.
    pub resource: Result<Resource, String>,
    /// The value, decoded; empty for a POST without one.
    pub value: Vec<u8>,
}

/// What the cloud does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A cloud PUT.
    Write,
    /// A cloud POST.
    Execute,
    /// Any other number; none is known to be sent.
    Other(i64),
}

/// The id of a request from Edge Core, as JSON text: it is echoed to the letter, because Edge Core
/// closes the connection over any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudId(String);

/// An error answer from Edge Core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Edge Core's number for it; see the constants below.
    pub code: i64,
    /// Edge Core's words.
    pub message: String,
}

impl Refusal {
    /// Another translator has the name.
    pub const NAME_RESERVED: i64 = -30003;
    /// Edge Core has as many devices as it takes.
    pub const DEVICE_LIMIT: i64 = -30004;
    /// The device is registered already.
    pub const DEVICE_REGISTERED: i64 = -30005;
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

/// The message is not one that Edge Core sends.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Incoming {
    /// Reads one message.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let message: Value = serde_json::from_str(text).map_err(|_| Malformed("it is not JSON"))?;
        let id = message.get("id").filter(|id| id.is_string() || id.is_number());
        let Some(method) = message.get("method") else {
            return Self::answer(&message, id);
        };
        let id = CloudId(id.ok_or(Malformed("it asks for something without an id"))?.to_string());
        match method.as_str() {
            Some("write") => CloudRequest::parse(id, &message).map(Self::Request),
            _ => Ok(Self::UnknownMethod { id, method: method.to_string() }),
        }
    }

    fn answer(message: &Value, id: Option<&Value>) -> Result<Self, Malformed> {
        let id = id
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok())
            .ok_or(Malformed("it answers a request that was not made"))?;
        let outcome = match message.get("error") {
            None if message.get("result").is_some() => Ok(()),
            None => return Err(Malformed("it has no method, no result and no error")),
            Some(error) => Err(Refusal {
                code: error.get("code").and_then(Value::as_i64).unwrap_or(0),
                message: error
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or("no reason given")
                    .to_owned(),
            }),
        };
        Ok(Self::Answer { id, outcome })
    }
}

impl CloudRequest {
    fn parse(id: CloudId, message: &Value) -> Result<Self, Malformed> {
        let params = message.get("params").ok_or(Malformed("its params are missing"))?;
        let uri = params.get("uri").ok_or(Malformed("its uri is missing"))?;
        let number = |name: &str| uri.get(name).and_then(Value::as_u64);
        let device_id = uri.get("deviceId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let path = (number("objectId"), number("objectInstanceId"), number("resourceId"));
        let resource = match path {
            (Some(object), Some(instance), Some(resource)) => {
                let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
                Resource::find(narrow(object), narrow(instance), narrow(resource))
                    .ok_or_else(|| format!("/{object}/{instance}/{resource}"))
            }
            _ => return Err(Malformed("its uri is incomplete")),
        };
        let value = params.get("value").and_then(Value::as_str).unwrap_or_default();
        Ok(Self {
            id,
            operation: match params.get("operation").and_then(Value::as_i64) {
                Some(2) => Operation::Write,
                Some(4) => Operation::Execute,
                other => Operation::Other(other.unwrap_or(0)),
            },
            device_id,
            resource,
            value: BASE64
                .decode(value.as_bytes())
                .map_err(|_| Malformed("its value is not base64"))?,
        })
    }
}

/// A request to Edge Core. Ids are strings; `params` is always there, as Edge Core demands.
#[derive(Serialize)]
struct Outgoing<'a, P: Serialize> {
    jsonrpc: &'a str,
    id: String,
    method: &'a str,
    params: P,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct DeviceId<'a> {
    #[serde(rename = "deviceId")]
    device_id: &'a str,
}

#[derive(Serialize)]
struct DeviceValues<'a> {
    #[serde(rename = "deviceId")]
    device_id: &'a str,
    objects: [ObjectValues; 1],
}

#[derive(Serialize)]
struct ObjectValues {
    #[serde(rename = "objectId")]
    object_id: u32,
    #[serde(rename = "objectInstances")]
    object_instances: [InstanceValues; 1],
}

#[derive(Serialize)]
struct InstanceValues {
    #[serde(rename = "objectInstanceId")]
    object_instance_id: u32,
    resources: Vec<ResourceValue>,
}

#[derive(Serialize)]
struct ResourceValue {
    #[serde(rename = "resourceId")]
    resource_id: u32,
    operations: u8,
    /// Edge Core takes a write without it for one of an opaque resource.
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
}

/// What a translator asks of Edge Core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call<'a> {
    /// `protocol_translator_register`, the first thing on every connection.
    Register {
        /// The translator's name.
        name: &'a str,
    },
    /// `device_register`, with the values that its resources have.
    RegisterDevice {
        /// The device's id.
        device_id: &'a str,
        /// All resources.
        values: Vec<(Resource, String)>,
    },
    /// `device_unregister`.
    UnregisterDevice {
        /// The device's id.
        device_id: &'a str,
    },
    /// `write`: new values.
    Write {
        /// The device's id.
        device_id: &'a str,
        /// Those that changed.
        values: Vec<(Resource, String)>,
    },
}

impl Call<'_> {
    /// The JSON-RPC method.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Register { .. } => "protocol_translator_register",
            Self::RegisterDevice { .. } => "device_register",
            Self::UnregisterDevice { .. } => "device_unregister",
            Self::Write { .. } => "write",
        }
    }

    /// The message.
    pub fn encode(&self, id: u64) -> String {
        let method = self.method();
        match self {
            Self::Register { name } => encode(id, method, Name { name }),
            Self::UnregisterDevice { device_id } => encode(id, method, DeviceId { device_id }),
            Self::RegisterDevice { device_id, values } | Self::Write { device_id, values } => {
                encode(id, method, device_values(device_id, values))
            }
        }
    }
}

/// The acknowledgement of a cloud request: "ok".
pub fn acknowledgement(id: &CloudId) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":"ok"}}"#, id.0)
}

/// The refusal of a cloud request; the cloud sees a bare 5.00.
pub fn refusal(id: &CloudId, code: i64, message: &str) -> String {
    let message = json::to_string(message);
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{code},"message":{message}}}}}"#, id.0)
}

fn encode<P: Serialize>(id: u64, method: &'static str, params: P) -> String {
    json::to_string(&Outgoing { jsonrpc: "2.0", id: id.to_string(), method, params })
}

fn device_values<'a>(device_id: &'a str, values: &[(Resource, String)]) -> DeviceValues<'a> {
    let resources = values
        .iter()
        .map(|(resource, text)| ResourceValue {
            resource_id: resource.id(),
            operations: resource.operations(),
            kind: "string",
            value: BASE64.encode(text.as_bytes()),
        })
        .collect();
    DeviceValues {
        device_id,
        objects: [ObjectValues {
            object_id: OBJECT,
            object_instances: [InstanceValues { object_instance_id: INSTANCE, resources }],
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registration_is_as_edge_core_reads_it() {
        assert_eq!(
            Call::Register { name: "sagemaker-edge-agent" }.encode(1),
            r#"{"jsonrpc":"2.0","id":"1","method":"protocol_translator_register","params":{"name":"sagemaker-edge-agent"}}"#
        );
        let values = vec![
            (Resource::Command, "cmd".to_owned()),
            (Resource::Configuration, "rw".to_owned()),
            (Resource::Status, "ro".to_owned()),
        ];
        assert_eq!(
            Call::RegisterDevice { device_id: "cam1", values }.encode(2),
            r#"{"jsonrpc":"2.0","id":"2","method":"device_register","params":{"deviceId":"cam1","objects":[{"objectId":33311,"objectInstances":[{"objectInstanceId":0,"resources":[{"resourceId":5701,"operations":5,"type":"string","value":"Y21k"},{"resourceId":5702,"operations":3,"type":"string","value":"cnc="},{"resourceId":5703,"operations":1,"type":"string","value":"cm8="}]}]}]}}"#
        );
    }

    #[test]
    fn a_post_is_read_and_answered_with_its_id() {
        let text = r#"{"id":"0","jsonrpc":"2.0","method":"write","params":{"operation":4,"uri":{"deviceId":"cam1","objectId":33311,"objectInstanceId":0,"resourceId":5701},"value":"Z28="}}"#;
        let Ok(Incoming::Request(request)) = Incoming::parse(text) else { panic!("{text}") };
        assert_eq!(request.operation, Operation::Execute);
        assert_eq!(request.resource, Ok(Resource::Command));
        assert_eq!(request.device_id, "cam1");
        assert_eq!(request.value, b"go");
        assert_eq!(acknowledgement(&request.id), r#"{"jsonrpc":"2.0","id":"0","result":"ok"}"#);
        assert_eq!(
            refusal(&request.id, -32601, "no \"such\" thing"),
            r#"{"jsonrpc":"2.0","id":"0","error":{"code":-32601,"message":"no \"such\" thing"}}"#
        );
    }

    #[test]
    fn ids_are_echoed_to_the_letter() {
        for id in ["\"a\\\"b\"", "42", "\"42\"", "18446744073709551615"] {
            let text = format!(r#"{{"id":{id},"jsonrpc":"2.0","method":"frobnicate"}}"#);
            let Ok(Incoming::UnknownMethod { id: echoed, .. }) = Incoming::parse(&text) else {
                panic!("{text}")
            };
            assert_eq!(
                acknowledgement(&echoed),
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"ok"}}"#)
            );
        }
    }

    #[test]
    fn answers() {
        assert_eq!(
            Incoming::parse(r#"{"id":"2","jsonrpc":"2.0","result":"ok"}"#),
            Ok(Incoming::Answer { id: 2, outcome: Ok(()) })
        );
        let refused = r#"{"id":"7","jsonrpc":"2.0","error":{"code":-30003,"message":"reserved"}}"#;
        let outcome = Err(Refusal { code: Refusal::NAME_RESERVED, message: "reserved".to_owned() });
        assert_eq!(Incoming::parse(refused), Ok(Incoming::Answer { id: 7, outcome }));
    }

    #[test]
    fn resources_that_the_device_does_not_have() {
        let text = r#"{"id":"0","jsonrpc":"2.0","method":"write","params":{"operation":2,"uri":{"deviceId":"cam1","objectId":33311,"objectInstanceId":0,"resourceId":99999999999},"value":""}}"#;
        let Ok(Incoming::Request(request)) = Incoming::parse(text) else { panic!("{text}") };
        assert_eq!(request.resource, Err("/33311/0/99999999999".to_owned()));
    }

    #[test]
    fn whatever_else_comes_is_malformed() {
        for text in [
            "",
            "x",
            "[]",
            "{}",
            r#"{"id":"1"}"#,
            r#"{"id":null,"method":"write"}"#,
            r#"{"method":"write"}"#,
            r#"{"id":"1","method":"write"}"#,
            r#"{"id":"1","method":"write","params":{}}"#,
            r#"{"id":"1","method":"write","params":{"uri":{"objectId":"33311"}}}"#,
            r#"{"id":"1","method":"write","params":{"operation":4,"uri":{"deviceId":"d","objectId":33311,"objectInstanceId":0,"resourceId":5701},"value":"%"}}"#,
            r#"{"id":"x","result":"ok"}"#,
            r#"{"id":5,"result":"ok"}"#,
        ] {
            assert!(Incoming::parse(text).is_err(), "{text}");
        }
    }
}
