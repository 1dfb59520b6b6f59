//! S3: as sapt reaches it, with the same key and clock.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use smol::LocalExecutor;

use super::report::Row;
use crate::clock::Moment;
use crate::config::{Config, Storage, Unset};
use crate::s3::{Bucket, Client, Error, Io, Listing, Region, Retry, S3Key, Timeouts, Upload};

const BUCKET: &str = "S3 bucket";
const MODELS: &str = "S3 models";
const DATA: &str = "S3 data";
const CLOCK: &str = "clock";

/// The object that is written below the data directory, and taken away again. One name, so that
/// where it may not be taken away there is one.
const PROBE: &str = ".sapt-check";

/// What came back.
struct Seen {
    /// The first key below the models directory. That says all of the bucket, the key and the clock:
    /// an answer to HEAD would say less.
    listed: Result<Option<String>, Error>,
    /// Where the bucket is, if it is not where it was looked for.
    region: Option<Region>,
    /// Whether the probe could be written, and then why it stays.
    written: Option<Result<Option<String>, Error>>,
}

/// Looks at all of it.
pub(super) async fn rows(
    config: &Config,
    write: bool,
    executor: Rc<LocalExecutor<'static>>,
) -> Vec<Row> {
    let storage = &config.storage;
    // Who looks wants to know how it is now.
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(10),
        stall: Duration::from_secs(10),
    };
    let retry = Retry { tries: 1, throttled_tries: 2, ..Retry::default() };
    let io =
        Io::new(executor, Rc::new(SystemTime::now), config.roots.clone(), config.network.clone());
    let client = storage.client(io.clone(), timeouts, retry);
    let (bucket, client) = match (storage.bucket(), client) {
        (Ok(bucket), Ok(client)) => (bucket, client),
        (Err(Unset(name)), _) | (_, Err(Unset(name))) => {
            let fix = ["set ", name.trim_end_matches(','), " where models come from S3"].concat();
            return vec![Row::skipped(BUCKET, "S3 is not set", &fix)];
        }
    };
    let probe = storage.data_directory().ok().filter(|_| write);
    let probe = probe.and_then(|directory| S3Key::join(directory, PROBE).ok());
    let seen = look(&client, bucket, prefix(storage), probe).await;
    let clock = clock_row(io.clock.system(), io.clock.now(), has_answered(&seen.listed));
    vec![
        bucket_row(storage, bucket, &seen),
        models_row(storage, bucket, &seen),
        data_row(storage, &seen),
        clock,
    ]
}

/// The models directory, as keys begin.
fn prefix(storage: &Storage) -> String {
    match storage.models_directory() {
        Ok("") | Err(_) => String::new(),
        Ok(directory) => [directory, "/"].concat(),
    }
}

async fn look(client: &Client, bucket: &Bucket, prefix: String, probe: Option<S3Key>) -> Seen {
    let listing = Listing { prefix, page: Some(1), ..Listing::default() };
    let page = client.list(bucket, listing).next().await;
    let first = |mut objects: Vec<crate::s3::ObjectInfo>| objects.pop().map(|object| object.key);
    let listed = page.map(|page| page.and_then(|page| first(page.objects)));
    let mut written = None;
    if let Some(key) = probe.filter(|_| listed.is_ok() || may_not_list(&listed)) {
        let body = Upload::Bytes(Bytes::from_static(b"sapt check\n"));
        written = Some(match client.write(bucket, &key, body).await {
            Ok(()) => Ok(client.delete(bucket, &key).await.err().map(|error| error.to_string())),
            Err(error) => Err(error),
        });
    }
    Seen { listed, region: client.learned_region(bucket), written }
}

fn has_answered(listed: &Result<Option<String>, Error>) -> bool {
    listed.as_ref().map_or_else(|error| error.status().is_some(), |_| true)
}

fn may_not_list(listed: &Result<Option<String>, Error>) -> bool {
    matches!(listed, Err(error) if error.code() == Some("AccessDenied"))
}

fn bucket_row(storage: &Storage, bucket: &Bucket, seen: &Seen) -> Row {
    let region = &storage.region;
    match (&seen.listed, &seen.region) {
        (Err(_), _) if may_not_list(&seen.listed) => Row::skipped(
            BUCKET,
            "S3 knows the key, which may not list the bucket: what else it may is not seen",
            "allow it s3:ListBucket: without it a missing object is not told from a forbidden one",
        ),
        (Err(error), _) => Row::told(BUCKET, &error.to_string()),
        (Ok(_), Some(found)) if found != region => Row::failed(
            BUCKET,
            format!("s3://{bucket} is in the region {found}, and not in {region}"),
            &format!("set SAPT_AWS_REGION={found}: each start looks at the wrong place first"),
        ),
        (Ok(_), _) => Row::good(BUCKET, format!("s3://{bucket} answers, in the region {region}")),
    }
}

fn models_row(storage: &Storage, bucket: &Bucket, seen: &Seen) -> Row {
    if let Err(Unset(name)) = storage.models_directory() {
        return Row::skipped(MODELS, "not looked for", &["set ", name].concat());
    }
    match &seen.listed {
        Ok(Some(key)) => Row::good(MODELS, format!("there is s3://{bucket}/{key}")),
        Ok(None) => Row::skipped(
            MODELS,
            &format!("nothing is below s3://{bucket}/{}", prefix(storage)),
            "upload a model, or correct SAPT_AWS_S3_MODELS_DIR",
        ),
        Err(_) => Row::skipped(MODELS, "see the bucket", ""),
    }
}

fn data_row(storage: &Storage, seen: &Seen) -> Row {
    match (storage.data_directory(), &seen.written) {
        (Err(Unset(name)), _) => Row::skipped(DATA, "not looked for", &["set ", name].concat()),
        (Ok(_), Some(Ok(None))) => Row::good(DATA, [PROBE, " was written and deleted"].concat()),
        // What sapt writes it never deletes.
        (Ok(_), Some(Ok(Some(why)))) => {
            Row::good(DATA, [PROBE, " was written, and stays: ", why].concat())
        }
        (Ok(_), Some(Err(error))) => Row::told(DATA, &error.to_string()),
        (Ok(_), None) if seen.listed.is_err() && !may_not_list(&seen.listed) => {
            Row::skipped(DATA, "see the bucket", "")
        }
        (Ok(_), None) => Row::skipped(DATA, "writing is only tried with --write", ""),
    }
}

/// What S3's answers say about the gateway's clock.
fn clock_row(system: SystemTime, server: SystemTime, answered: bool) -> Row {
    let (now, fix) = (Moment::from(system), "set the clock, for example with NTP");
    let (by, direction) = match server.duration_since(system) {
        Ok(by) => (by, "behind"),
        Err(error) => (error.duration(), "ahead of"),
    };
    if by > crate::clock::CorrectedClock::TOLERANCE {
        let seen = format!("it says {now}, {} s {direction} S3's", by.as_secs());
        return Row::failed(CLOCK, seen, fix);
    }
    // Before this was written it cannot be.
    if now.year < 2025 {
        return Row::failed(CLOCK, format!("it says {now}"), fix);
    }
    if answered {
        Row::good(CLOCK, format!("it says {now}, which S3 takes"))
    } else {
        Row::skipped(CLOCK, &format!("it says {now}; S3 has not told its time"), "")
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::State;
    use super::*;

    #[test]
    fn clocks() {
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        const NOW: u64 = 1_800_000_000;
        for (system, server, answered, state, part) in [
            (NOW, NOW + 200, true, State::Good, "takes"),
            (NOW, NOW, false, State::Skipped, "not told"),
            (NOW, NOW + 3600, true, State::Failed, "3600 s behind"),
            (NOW + 7200, NOW, true, State::Failed, "7200 s ahead"),
            (100, 100, false, State::Failed, "1970-01-01"),
        ] {
            let row = clock_row(at(system), at(server), answered);
            assert!(row.state == state && row.seen.contains(part), "{row:?}");
        }
    }
}
