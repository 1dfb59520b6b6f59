//! S3: as sapt reaches it, with the same key and clock.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_lite::FutureExt;
use smol::LocalExecutor;

use super::report::Row;
use crate::clock::Moment;
use crate::config::{Config, Unset};
use crate::s3::{Bucket, Client, Error, Io, Listing, Retry, S3Key, Settings, Timeouts, Upload};

const BUCKET: &str = "S3 bucket";
const MODELS: &str = "S3 models";
const DATA: &str = "S3 data";
const CLOCK: &str = "clock";

/// The object that is written below the data directory, and taken away again. One name, so that
/// where it may not be taken away there is one.
const PROBE: &str = ".sapt-check";

/// Nobody waits longer for a check.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks at all of it.
pub(super) async fn rows(
    config: &Config,
    write: bool,
    executor: Rc<LocalExecutor<'static>>,
) -> Vec<Row> {
    let storage = &config.storage;
    let (bucket, key) = match (storage.bucket(), storage.credentials()) {
        (Ok(bucket), Ok(key)) => (bucket, key),
        (Err(Unset(name)), _) | (_, Err(Unset(name))) => {
            let fix = format!("set {name} where models come from S3");
            return vec![Row::skipped(BUCKET, "S3 is not set", fix.trim_end_matches(','))];
        }
    };
    let settings = Settings {
        endpoint: storage.endpoint.clone(),
        region: storage.region.clone(),
        bucket_owner: storage.bucket_owner.clone(),
        credentials: key.clone(),
        // Who looks wants to know how it is now.
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(10),
        },
        retry: Retry { tries: 1, throttled_tries: 2, ..Retry::default() },
    };
    let clock = Rc::new(SystemTime::now);
    let io = Io::new(executor, clock, config.roots.clone(), config.network.clone());
    let client = Client::new(settings, io.clone());
    let asking = async { ask(config, &client, bucket, write).await };
    let late = async {
        smol::Timer::after(PATIENCE).await;
        let seen = format!("s3://{bucket} does not answer within {} s", PATIENCE.as_secs());
        let fix = "check the network, and SAPT_AWS_ENDPOINT_URL and SAPT_PROXY where they are set";
        (false, vec![Row::failed(BUCKET, seen, fix)])
    };
    let (answered, mut rows) = asking.or(late).await;
    rows.push(clock_row(io.clock.system(), io.clock.now(), answered));
    rows
}

/// Whether S3 answered at all, and what came of it.
async fn ask(config: &Config, client: &Client, bucket: &Bucket, write: bool) -> (bool, Vec<Row>) {
    let head = client.head_bucket(bucket).await;
    if let Err(error) = &head
        && error.status().is_none()
    {
        let rest = [MODELS, DATA].map(|name| Row::skipped(name, "S3 does not answer", ""));
        return (false, [Row::told(BUCKET, &error.to_string())].into_iter().chain(rest).collect());
    }
    let directory = config.storage.models_directory();
    let prefix = match directory {
        Ok("") | Err(_) => String::new(),
        Ok(directory) => format!("{directory}/"),
    };
    let listing = Listing { prefix: prefix.clone(), page: Some(1), ..Listing::default() };
    let listed = client.list(bucket, listing).next().await;
    let region = client.learned_region(bucket).filter(|region| *region != config.storage.region);
    let may_not_list = matches!(&listed, Err(error) if error.code() == Some("AccessDenied"));
    let bucket_row = match (&head, &listed, region) {
        // An answer to HEAD says nothing of why it refuses.
        (Err(_), Err(error), _) if !may_not_list => Row::told(BUCKET, &error.to_string()),
        (Err(_), Err(_), _) => Row::skipped(
            BUCKET,
            "S3 knows the key, but it may not list the bucket: what else it may is not seen",
            "allow it s3:ListBucket: without it a missing object is not told from a forbidden one",
        ),
        (.., Some(region)) => Row::failed(
            BUCKET,
            format!(
                "s3://{bucket} is in the region {region}, and not in {}",
                config.storage.region
            ),
            &format!("set SAPT_AWS_REGION={region}: each start asks in vain before it goes there"),
        ),
        _ => Row::good(
            BUCKET,
            format!("s3://{bucket} answers, in the region {}", config.storage.region),
        ),
    };
    let place = format!("s3://{bucket}/{prefix}");
    let models = match (directory, &listed) {
        (Err(Unset(name)), _) => Row::skipped(MODELS, "not looked for", &format!("set {name}")),
        (_, Err(error)) if may_not_list => {
            let error = Row::told(MODELS, &error.to_string());
            Row { state: super::State::Skipped, ..error }
        }
        (_, Err(_)) => Row::skipped(MODELS, "S3 refuses the key", ""),
        (_, Ok(page)) => match page.as_ref().and_then(|page| page.objects.first()) {
            Some(object) => Row::good(MODELS, format!("below {place} there is {:?}", object.key)),
            None => Row::skipped(
                MODELS,
                &format!("nothing is below {place}"),
                "upload a model, or correct SAPT_AWS_S3_MODELS_DIR",
            ),
        },
    };
    let refused = listed.is_err() && !may_not_list;
    let data = match config.storage.data_directory() {
        Err(Unset(name)) => Row::skipped(DATA, "not looked for", &format!("set {name}")),
        Ok(_) if refused => Row::skipped(DATA, "S3 refuses the key", ""),
        Ok(_) if !write => Row::skipped(DATA, "writing is only tried with --write", ""),
        Ok(directory) => written(client, bucket, directory).await,
    };
    (true, vec![bucket_row, models, data])
}

/// Writes an object and takes it away.
async fn written(client: &Client, bucket: &Bucket, directory: &str) -> Row {
    let key = match S3Key::join(directory, PROBE) {
        Ok(key) => key,
        Err(error) => return Row::failed(DATA, error.to_string(), "shorten SAPT_AWS_S3_DATA_DIR"),
    };
    let body = Upload::Bytes(Bytes::from_static(b"sapt check\n"));
    if let Err(error) = client.write(bucket, &key, body).await {
        return Row::told(DATA, &error.to_string());
    }
    let seen = format!("s3://{bucket}/{key} was written");
    match client.delete(bucket, &key).await {
        Ok(()) => Row::good(DATA, format!("{seen} and deleted")),
        Err(error) => Row::good(DATA, format!("{seen}, and stays: {}", code(&error))),
    }
}

fn code(error: &Error) -> &str {
    error.code().unwrap_or("it could not be deleted")
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
