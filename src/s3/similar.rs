//! Objects that may have been meant, where one that is not there was asked for.

use std::time::Duration;

use super::actions::Listing;
use super::object_info::ObjectInfo;
use super::retry::Retry;
use super::transport::within;
use super::{Bucket, Client, S3Key};

/// So many names fit into an error.
const NAMES: usize = 5;

/// An error is not held up for longer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Client {
    /// Names of objects in the same directory that are most like the key's; empty where there are
    /// none, None where the access key may not list them.
    pub async fn similar(&self, bucket: &Bucket, key: &S3Key) -> Option<Vec<String>> {
        let (directory, name) = split(key.as_str());
        let listing = Listing { prefix: directory.to_owned(), delimiter: Some('/'), page: None };
        let retry = Retry { tries: 1, throttled_tries: 1, ..Retry::default() };
        let page = async {
            let answered = self.request_with(&retry, listing.request(bucket, None)).await.ok()?;
            self.read_page(answered).await.ok()
        };
        Some(most_like(name, directory, &within(PATIENCE, page).await??.objects))
    }
}

/// A key's directory, with its slash, and its name.
fn split(key: &str) -> (&str, &str) {
    key.split_at(key.rfind('/').map_or(0, |slash| slash + 1))
}

/// The names of those that begin most like `name`, the best one first.
fn most_like(name: &str, directory: &str, objects: &[ObjectInfo]) -> Vec<String> {
    let mut best: Vec<(usize, &str)> = Vec::new();
    for object in objects {
        // The directory itself may be an object, without content.
        let other = object.key.strip_prefix(directory).unwrap_or(&object.key);
        if other.is_empty() || other.ends_with('/') {
            continue;
        }
        let alike = alike(name, other);
        let place = best.iter().position(|(less, _)| *less < alike).unwrap_or(best.len());
        if place < NAMES {
            best.insert(place, (alike, other));
            best.truncate(NAMES);
        }
    }
    best.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// How many characters at their beginnings are the same, but for case.
fn alike(first: &str, second: &str) -> usize {
    let pairs = first.chars().zip(second.chars());
    pairs.take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(key: &str, keys: &[&str]) -> Vec<String> {
        let object = |key: &&str| ObjectInfo { key: (*key).to_owned(), ..ObjectInfo::default() };
        let objects: Vec<ObjectInfo> = keys.iter().map(object).collect();
        let (directory, name) = split(key);
        most_like(name, directory, &objects)
    }

    #[test]
    fn the_most_alike_first() {
        let keys = ["m/", "m/a.tar", "m/keras-0.9.tar", "m/Keras-1.1.tar", "m/z"];
        assert_eq!(
            choose("m/keras-1.0.tar", &keys),
            ["Keras-1.1.tar", "keras-0.9.tar", "a.tar", "z"]
        );
        assert_eq!(choose("keras", &["b", "kera"]), ["kera", "b"]);
        assert_eq!(choose("m/k", &[]), Vec::<String>::new());
    }

    #[test]
    fn no_more_than_fit() {
        let keys: Vec<String> = (0..100).map(|number| format!("m/{number:03}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(choose("m/042x", &keys), ["042", "040", "041", "043", "044"]);
    }
}
