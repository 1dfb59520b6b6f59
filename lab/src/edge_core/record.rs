//! What was said, decoded, for tests to look at.

use std::fmt;

use serde_json::Value;

use super::value::decode_base64;

/// One JSON-RPC message.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Which connection, counted from 0 in the order in which they were accepted.
    pub connection: usize,
    /// Who sent it.
    pub direction: Direction,
    /// The message's `id`, `Null` also where there is none.
    pub id: Value,
    /// The rest of it.
    pub content: Content,
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The translator, or a management client, to Edge Core.
    ToEdgeCore,
    /// Edge Core to the translator, or to a management client.
    FromEdgeCore,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A request, `params` being `Null` where there are none.
    Request {
        /// The JSON-RPC method.
        method: String,
        /// Its parameters.
        params: Value,
    },
    /// A reply that means success.
    Result(Value),
    /// A reply that means failure: the JSON-RPC error object.
    Error(Value),
}

impl Exchange {
    /// The method, if this is a request.
    pub fn method(&self) -> Option<&str> {
        match &self.content {
            Content::Request { method, .. } => Some(method),
            _ => None,
        }
    }

    /// The values that a request carries, decoded, with their resources' paths: of a
    /// `device_register` or `write` all that have one, of a delivered command its argument.
    pub fn values(&self) -> Vec<(String, Vec<u8>)> {
        let Content::Request { params, .. } = &self.content else {
            return Vec::new();
        };
        let value = |holder: &Value| holder["value"].as_str().and_then(decode_base64);
        if let (Some(value), uri) = (value(params), &params["uri"]) {
            let path =
                format!("/{}/{}/{}", uri["objectId"], uri["objectInstanceId"], uri["resourceId"]);
            return vec![(path, value)];
        }
        let mut values = Vec::new();
        for object in list(&params["objects"]) {
            for instance in list(&object["objectInstances"]) {
                for resource in list(&instance["resources"]) {
                    if let Some(value) = value(resource) {
                        let path = format!(
                            "/{}/{}/{}",
                            object["objectId"],
                            instance["objectInstanceId"],
                            resource["resourceId"]
                        );
                        values.push((path, value));
                    }
                }
            }
        }
        values
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = match self.direction {
            Direction::ToEdgeCore => "->",
            Direction::FromEdgeCore => "<-",
        };
        write!(f, "{} {arrow} id {} ", self.connection, self.id)?;
        match &self.content {
            Content::Request { method, params } => write!(f, "{method} {params}"),
            Content::Result(result) => write!(f, "result {result}"),
            Content::Error(error) => write!(f, "error {error}"),
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(params: Value) -> Exchange {
        Exchange {
            connection: 0,
            direction: Direction::ToEdgeCore,
            id: json!("1"),
            content: Content::Request { method: "write".to_owned(), params },
        }
    }

    #[test]
    fn values_are_decoded_with_their_paths() {
        let write = request(json!({"deviceId": "cam1", "objects": [{"objectId": 33311,
            "objectInstances": [{"objectInstanceId": 0, "resources": [
                {"resourceId": 5701, "value": "Y21k"}, {"resourceId": 5702}]}]}]}));
        assert_eq!(write.values(), [("/33311/0/5701".to_owned(), b"cmd".to_vec())]);
        let command = request(json!({"operation": 4, "value": "Z28=", "uri": {"deviceId": "cam1",
            "objectId": 33311, "objectInstanceId": 0, "resourceId": 5701}}));
        assert_eq!(command.values(), [("/33311/0/5701".to_owned(), b"go".to_vec())]);
    }
}
