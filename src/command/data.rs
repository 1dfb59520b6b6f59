//! Reading and writing the data that a location names.

use std::io::Write;
use std::rc::Rc;

use bytes::Bytes;
use smol::stream;

use super::context::Context;
use super::error::Error;
use super::location::Location;
use crate::blocking::unblock;
use crate::s3::{Bucket, ReadRange, S3Key, Upload};
use crate::store::Durability;
use crate::tensor::Encoded;

/// Inputs are at most as large as what the agent takes in one message, and base64 with the JSON
/// around it makes a third more of it.
const LARGEST_INPUT: u64 = 700 << 20;

/// What is not larger is uploaded from memory, in bytes.
const SMALL_OUTPUT: u64 = 1 << 20;

/// All of what is there.
pub(super) async fn read(context: &Context, location: &Location) -> Result<Bytes, Error> {
    match location {
        Location::File(path) => {
            let (store, path) = (context.store.clone(), path.clone());
            Ok(unblock(move || store.read_data(&path, LARGEST_INPUT)).await?)
        }
        Location::DataDirectory(_) | Location::Object(..) => {
            let (bucket, key) = object(context, location)?;
            Ok(context.s3()?.read_all(&bucket, &key, LARGEST_INPUT).await?)
        }
    }
}

/// Writes an output and tells its URL.
pub(super) async fn write(
    context: &Context,
    location: Location,
    content: Encoded,
) -> Result<String, Error> {
    match location {
        Location::File(path) => {
            let store = context.store.clone();
            // Whatever the directory is called here, applications know it as /models.
            let url = format!("file:///models{path}");
            let write = move |file: &mut dyn Write| {
                content.parts(0..content.length()).try_for_each(|part| file.write_all(&part))
            };
            unblock(move || store.write_data_in_parts(&path, &write, Durability::Process)).await?;
            Ok(url)
        }
        Location::DataDirectory(ref name) => {
            let (bucket, key) = object(context, &location)?;
            // As it has always been told: without the bucket.
            let url = format!("s3://{}", storage_key(context.storage().data_directory()?, name)?);
            put(context, &bucket, &key, content).await?;
            Ok(url)
        }
        Location::Object(bucket, key) => {
            put(context, &bucket, &key, content).await?;
            Ok(format!("s3://{bucket}/{key}"))
        }
    }
}

/// A URL that whoever has it reads the data with, where it is in S3.
pub(super) async fn presign(
    context: &Context,
    location: &Location,
    seconds: u32,
) -> Result<Option<String>, Error> {
    if let Location::File(_) = location {
        return Ok(None);
    }
    let (bucket, key) = object(context, location)?;
    Ok(Some(context.s3()?.presign(&bucket, &key, seconds).await?))
}

/// The key of a file below a prefix of the bucket.
pub(super) fn storage_key(directory: &str, file: &str) -> Result<S3Key, Error> {
    S3Key::join(directory, file).map_err(|error| {
        // As much as shows which it is: a result has to fit a resource value.
        let shown: String = format!("{directory}/{file}").chars().take(128).collect();
        Error::Inputs(format!("{shown:?}: {error}"))
    })
}

async fn put(
    context: &Context,
    bucket: &Bucket,
    key: &S3Key,
    content: Encoded,
) -> Result<(), Error> {
    let length = content.length();
    let upload = if length <= SMALL_OUTPUT {
        Upload::Bytes(content.parts(0..length).collect::<Vec<_>>().concat().into())
    } else {
        let read: ReadRange =
            Rc::new(move |range| Box::pin(stream::iter(content.parts(range).map(Ok))));
        Upload::Read { length, read }
    };
    Ok(context.s3()?.write(bucket, key, upload).await?)
}

fn object(context: &Context, location: &Location) -> Result<(Bucket, S3Key), Error> {
    match location {
        Location::Object(bucket, key) => Ok((bucket.clone(), key.clone())),
        Location::DataDirectory(name) => {
            let key = storage_key(context.storage().data_directory()?, name)?;
            Ok((context.bucket()?, key))
        }
        Location::File(path) => Err(Error::Inputs(format!("{path} is not in S3"))),
    }
}
