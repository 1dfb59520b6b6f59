//! Writes captures to disk.
//!
//! A capture is the file `FLEET/MODEL/YYYY/MM/DD/HH/CAPTURE_ID.jsonl`, its [`Manifest`], by the
//! time of the inference in UTC. What is larger than the embed limit is a file beside it, which the
//! manifest names. Every file is written under a temporary name and then renamed, the manifest
//! last: where there is a manifest, all of the capture is there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use time::OffsetDateTime;

use super::manifest::{Content, Entry, EventMetadata, Manifest};
use super::{Auxiliary, Capture, WriteError};
use crate::tensor::CheckedTensor;
use crate::wire::Encoding;

/// Where and how captures are written.
#[derive(Debug)]
pub(super) struct Writer {
    /// The fleet's.
    pub(super) directory: PathBuf,
    pub(super) device: String,
    pub(super) fleet: String,
    /// In bytes, before base64.
    pub(super) embed_limit: usize,
}

impl Writer {
    /// Writes all of the capture, or leaves nothing.
    pub(super) fn write(&self, capture: &Capture) -> Result<(), WriteError> {
        let mut files = Files { directory: self.directory_of(capture), written: Vec::new() };
        let result = self.write_files(capture, &mut files);
        if result.is_err() {
            files.remove();
        }
        result
    }

    fn write_files(&self, capture: &Capture, files: &mut Files) -> Result<(), WriteError> {
        fs::create_dir_all(&files.directory)
            .map_err(|error| WriteError { path: files.directory.clone(), error })?;
        let id = capture.id.hyphenated().to_string();
        let manifest = Manifest {
            event_version: "0",
            event_metadata: EventMetadata {
                device_id: &self.device,
                device_fleet_name: &self.fleet,
                event_id: id.clone(),
                inference_time: timestamp(capture.inference_time),
                model_name: capture.model.as_str(),
            },
            device_fleet_inputs: self.entries(
                ("Input", "input"),
                &id,
                tensors(&capture.input_tensors),
                files,
            )?,
            device_fleet_outputs: self.entries(
                ("Output", "output"),
                &id,
                tensors(&capture.output_tensors),
                files,
            )?,
            device_fleet_auxiliary_inputs: self.entries(
                ("Input", "auxiliary-input"),
                &id,
                auxiliaries(&capture.inputs),
                files,
            )?,
            device_fleet_auxiliary_outputs: self.entries(
                ("Output", "auxiliary-output"),
                &id,
                auxiliaries(&capture.outputs),
                files,
            )?,
        };
        let name = format!("{id}.jsonl");
        let mut line = serde_json::to_vec(&manifest).map_err(|error| WriteError {
            path: files.directory.join(&name),
            error: error.into(),
        })?;
        line.push(b'\n');
        files.write(&name, &line).map(drop)
    }

    /// One entry for each source, and a file for each that is too large to embed.
    fn entries<'a>(
        &self,
        (mode, kind): (&'static str, &str),
        id: &str,
        sources: Vec<Source<'a>>,
        files: &mut Files,
    ) -> Result<Vec<Entry<'a>>, WriteError> {
        sources
            .into_iter()
            .enumerate()
            .map(|(index, source)| self.entry(mode, &format!("{id}-{kind}-{index}"), source, files))
            .collect()
    }

    fn entry<'a>(
        &self,
        mode: &'static str,
        stem: &str,
        source: Source<'a>,
        files: &mut Files,
    ) -> Result<Entry<'a>, WriteError> {
        let (encoding, content) = if source.data.len() <= self.embed_limit {
            ("BASE64", Content::Embedded(BASE64.encode(source.data)))
        } else {
            let name = format!("{stem}.{}", source.extension);
            let path = files.write(&name, source.data)?;
            ("NONE", Content::File(file_url(&path)))
        };
        Ok(Entry {
            name: source.name,
            mode,
            observed_content_type: source.content_type,
            data_type: source.data_type,
            shape: source.shape,
            encoding,
            content,
        })
    }

    fn directory_of(&self, capture: &Capture) -> PathBuf {
        let time = capture.inference_time;
        self.directory
            .join(capture.model.as_str())
            .join(format!("{:04}", time.year()))
            .join(format!("{:02}", u8::from(time.month())))
            .join(format!("{:02}", time.day()))
            .join(format!("{:02}", time.hour()))
    }
}

/// What a tensor and auxiliary data have in common.
struct Source<'a> {
    name: String,
    content_type: &'static str,
    extension: &'static str,
    data_type: Option<&'static str>,
    shape: Option<&'a [i32]>,
    data: &'a [u8],
}

fn tensors(tensors: &[CheckedTensor]) -> Vec<Source<'_>> {
    tensors
        .iter()
        .map(|tensor| Source {
            name: escaped(&tensor.spec.name),
            content_type: "octet-stream",
            extension: "bin",
            data_type: Some(tensor.spec.element.as_str_name()),
            shape: Some(&tensor.spec.shape),
            data: &tensor.data,
        })
        .collect()
}

fn auxiliaries(auxiliaries: &[Auxiliary]) -> Vec<Source<'_>> {
    auxiliaries
        .iter()
        .map(|auxiliary| {
            let (content_type, extension) = match auxiliary.encoding {
                Encoding::Csv => ("csv", "csv"),
                Encoding::Json => ("json", "json"),
                Encoding::None => ("octet-stream", "bin"),
                Encoding::Base64 => ("base64", "base64"),
            };
            Source {
                name: auxiliary.name.clone(),
                content_type,
                extension,
                data_type: None,
                shape: None,
                data: &auxiliary.data,
            }
        })
        .collect()
}

/// A tensor's name as text; bytes that are not UTF-8 become `\xNN`, and `\` becomes `\\`.
fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The files of one capture.
struct Files {
    directory: PathBuf,
    /// To be removed if a later one fails.
    written: Vec<PathBuf>,
}

impl Files {
    fn write(&mut self, name: &str, content: &[u8]) -> Result<PathBuf, WriteError> {
        let path = self.directory.join(name);
        let temporary = self.directory.join(format!(".{name}.tmp"));
        let result = write_synced(&temporary, content)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| WriteError { path: path.clone(), error });
        match result {
            Ok(()) => {
                self.written.push(path.clone());
                Ok(path)
            }
            Err(error) => {
                self.written.push(temporary);
                Err(error)
            }
        }
    }

    fn remove(self) {
        for path in self.written {
            // Often the disk is full or gone; the error that is reported is the first one.
            let _ = fs::remove_file(path);
        }
    }
}

/// A capture that is told to be a SUCCESS survives a power cut.
fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn timestamp(time: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// RFC 8089 section 2, with what RFC 3986 section 3.3 does not allow in a path escaped.
fn file_url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
            byte => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_utf8_are_escaped_without_collisions() {
        assert_eq!(escaped(b"input:0"), "input:0");
        assert_eq!(escaped(b"a\xffb"), "a\\xffb");
        assert_eq!(escaped(b"a\\xffb"), "a\\\\xffb");
    }

    #[test]
    fn urls_are_escaped() {
        assert_eq!(file_url(Path::new("/a b/%.bin")), "file:///a%20b/%25.bin");
    }

    #[test]
    fn times_are_utc() {
        // Computed with `date -u -d @1685563524 +%FT%T`.
        let time = OffsetDateTime::from_unix_timestamp(1_685_563_524).unwrap();
        assert_eq!(timestamp(time), "2023-05-31T20:05:24");
    }
}
