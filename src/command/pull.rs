//! From an archive to a version that waits to be installed, by way of the network only where it
//! must be.

use std::fs::File;
use std::io::{self, Read};
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::activity::Progress;
use super::archive::{Archive, Source};
use super::context::Context;
use super::data::storage_key;
use super::error::Error;
use crate::blocking::unblock;
use crate::model_name::ModelName;
use crate::s3;
use crate::store::{self, DataFile, Origin, Staging, Unpacked, Version, pipe};

/// Chunks between what is read and the thread that unpacks: enough that neither waits for the
/// other's jitter, little enough to be nothing.
const CHUNKS_AHEAD: usize = 16;

/// How much of a file is read at once.
const CHUNK: usize = 64 << 10;

/// What became of an archive.
pub(super) enum Pulled {
    /// A version that waits to be installed: unpacked just now, or kept from before.
    Staged(Box<Staging>),
    /// The version in place is the one.
    InPlace,
}

/// Unpacks an archive into a staging directory, unless it is unpacked already.
pub(super) async fn pull(
    context: &Context,
    progress: &Progress,
    name: &ModelName,
    archive: &Archive,
) -> Result<Pulled, Error> {
    let (store, model) = (context.store.clone(), name.clone());
    let mut known = unblock(move || store.unpacked(&model)).await;
    if let Some(wanted) = &archive.sha256 {
        // Of the others nobody asked for a digest when they came.
        known.retain(|version| version.sha256.is_some());
        // What has the right digest is right, wherever it came from.
        if let Some(version) = known.iter().find(|known| known.sha256.as_ref() == Some(wanted))
            && let Some(pulled) = take(context, name, version).await
        {
            return Ok(pulled);
        }
    }
    let _place = context.pulls.acquire().await;
    let mut reads = 1;
    loop {
        progress.phase("pulling", None);
        match read(context, progress, name, archive, known.clone()).await {
            Err(Error::S3(error)) if reads < s3::READS && error.is_worth_a_new_read() => {
                log::info!("{name}: {error}; reading it from its beginning");
                reads += 1;
            }
            result => return result,
        }
    }
}

/// Unpacks an archive from its beginning, unless it is one of the versions that are `known`.
async fn read(
    context: &Context,
    progress: &Progress,
    name: &ModelName,
    archive: &Archive,
    mut known: Vec<Version>,
) -> Result<Pulled, Error> {
    let (url, mut content) = loop {
        let version = match open(context, &archive.source, &known).await? {
            Opened::New(url, content) => break (url, content),
            Opened::Known(version) => version,
        };
        if let (Some(wanted), Some(found)) = (&archive.sha256, &version.sha256) {
            let (wanted, found) = (wanted.clone(), found.clone());
            return Err(store::Error::Checksum { wanted, found }.into());
        }
        if let Some(pulled) = take(context, name, &version).await {
            return Ok(pulled);
        }
        // Its files are not what they were.
        known.clear();
    };
    let now = context.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let etag = content.etag().map(str::to_owned);
    let origin = Origin { url, etag, sha256: archive.sha256.clone(), pulled: now };
    let staging = unpack(context, progress, name, &mut content, origin).await?;
    Ok(Pulled::Staged(Box::new(staging)))
}

/// Streams an archive into a staging directory.
async fn unpack(
    context: &Context,
    progress: &Progress,
    name: &ModelName,
    content: &mut Content,
    origin: Origin,
) -> Result<Staging, Error> {
    let length = content.length();
    progress.phase("pulling", length);
    let (store, model, url) = (context.store.clone(), name.clone(), origin.url.clone());
    let (feed, archive) = pipe(CHUNKS_AHEAD);
    let unpacking = unblock(move || {
        // An archive unpacks to more than it is long.
        store.make_room(length.unwrap_or(0))?;
        let mut staging = store.stage(&model, origin)?;
        let extracted = staging.extract(archive)?;
        Ok::<_, store::Error>((staging, extracted))
    });
    // Where the reading side gives up it says why itself.
    let pulling = async {
        loop {
            match content.chunk().await {
                Ok(Some(chunk)) => {
                    let length = chunk.len() as u64;
                    if feed.send(chunk).await.is_err() {
                        return Ok(());
                    }
                    progress.advance(length);
                }
                Ok(None) => {
                    let _ = feed.finish().await;
                    progress.phase("unpacking", None);
                    return Ok(());
                }
                Err(error) => {
                    let _ = feed.fail(error.to_string()).await;
                    return Err(error);
                }
            }
        }
    };
    let (pulled, unpacked) = futures_lite::future::zip(pulling, unpacking).await;
    pulled?;
    let (staging, extracted) = unpacked?;
    log::info!("{name}: unpacked {} files, {} bytes from {url}", extracted.files, extracted.bytes);
    Ok(staging)
}

/// Uses a version that is unpacked, unless it has been removed just now.
async fn take(context: &Context, name: &ModelName, version: &Version) -> Option<Pulled> {
    let (store, model, taken) = (context.store.clone(), name.clone(), version.clone());
    let unpacked = unblock(move || store.take_unpacked(&model, &taken)).await?;
    log::info!("{name}: {} is unpacked already and not pulled again", version.url);
    Some(match unpacked {
        Unpacked::InPlace => Pulled::InPlace,
        Unpacked::Kept(staging) => Pulled::Staged(staging),
    })
}

/// An archive that was looked at.
enum Opened {
    /// It is this version, which is unpacked.
    Known(Version),
    /// It is none of those, and has this URL.
    New(String, Content),
}

/// Begins to read an archive, unless it is one of the versions that are `known`.
async fn open(context: &Context, source: &Source, known: &[Version]) -> Result<Opened, Error> {
    let (bucket, key) = match source {
        Source::ModelsDirectory(file) => {
            let key = storage_key(context.storage().models_directory()?, file)?;
            (context.bucket()?, key)
        }
        Source::Object(bucket, key) => (bucket.clone(), key.clone()),
        Source::File(path) => {
            let (store, asked, url) =
                (context.store.clone(), path.clone(), format!("file://{path}"));
            let DataFile { file, size, state, .. } =
                unblock(move || store.open_data(&asked)).await?;
            let content = Content::File { file: Some(file), length: size, state, url: url.clone() };
            return Ok(distinguish(url, content, known));
        }
    };
    let (client, url) = (context.s3()?, format!("s3://{bucket}/{key}"));
    // The newest one; S3 tells by its ETag whether the object is still the same.
    let newest = known
        .iter()
        .filter(|known| known.url == url)
        .find_map(|known| Some((known, known.etag.as_deref()?)));
    let object = match newest {
        None => client.read(&bucket, &key).await?,
        Some((version, etag)) => match client.read_unless(&bucket, &key, etag).await? {
            Some(object) => object,
            None => return Ok(Opened::Known(version.clone())),
        },
    };
    Ok(distinguish(url, Content::Object(Box::new(object)), known))
}

fn distinguish(url: String, content: Content, known: &[Version]) -> Opened {
    let etag = content.etag();
    let same =
        |known: &&Version| etag.is_some() && known.url == url && known.etag.as_deref() == etag;
    match known.iter().find(same) {
        Some(version) => Opened::Known(version.clone()),
        None => Opened::New(url, content),
    }
}

/// An archive that is being read.
enum Content {
    Object(Box<s3::Object>),
    File { file: Option<File>, length: u64, state: String, url: String },
}

impl Content {
    fn etag(&self) -> Option<&str> {
        match self {
            Self::Object(object) => object.etag.as_deref(),
            Self::File { state, .. } => Some(state),
        }
    }

    fn length(&self) -> Option<u64> {
        match self {
            Self::Object(object) => object.length,
            Self::File { length, .. } => Some(*length),
        }
    }

    /// The next part, as it comes.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Object(object) => Ok(object.chunk().await?),
            Self::File { file, url, .. } => {
                let Some(mut open) = file.take() else { return Ok(None) };
                let (open, read) = unblock(move || {
                    let read = read_chunk(&mut open);
                    (open, read)
                })
                .await;
                *file = Some(open);
                let chunk = read.map_err(|error| {
                    let words = format!("reading {url} failed: {error}");
                    store::Error::Source(io::Error::new(error.kind(), words))
                })?;
                Ok(Some(chunk).filter(|chunk| !chunk.is_empty()))
            }
        }
    }
}

fn read_chunk(file: &mut File) -> io::Result<Bytes> {
    let mut chunk = Vec::with_capacity(CHUNK);
    file.take(CHUNK as u64).read_to_end(&mut chunk)?;
    Ok(chunk.into())
}
