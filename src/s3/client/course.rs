//! Where a request goes, and how answers change that.

use super::Client;
use super::redirect::redirect;
use crate::s3::answer::Answer;
use crate::s3::endpoint::Location;
use crate::s3::request::Request;
use crate::s3::{Bucket, Region};

/// Where a request goes, and how often it may yet be sent another way.
pub(super) struct Course {
    pub(super) region: Region,
    pub(super) location: Location,
    clock: u8,
    regions: u8,
    redirects: u8,
}

/// Buckets whose regions are remembered: commands may name any number of them.
const REGIONS: usize = 16;

impl Client {
    /// Where a request goes as far as is known.
    pub(super) fn course(&self, request: &Request<'_>) -> Course {
        let known = self.0.regions.borrow();
        let region = known.iter().find(|(bucket, _)| bucket == request.bucket);
        let region = region.map_or(&self.0.settings.region, |(_, region)| region).clone();
        let location = self.locate(&region, request);
        Course { region, location, clock: 1, regions: 2, redirects: 3 }
    }

    /// Where the bucket turned out to be, if it is not where it was looked for.
    pub fn learned_region(&self, bucket: &Bucket) -> Option<Region> {
        let known = self.0.regions.borrow();
        known.iter().find(|(known, _)| known == bucket).map(|(_, region)| region.clone())
    }

    /// Goes another way where the answer shows one, and tells whether it does: with the server's
    /// time, to the bucket's region, or where a redirect leads. `Err` says what is wrong with a
    /// redirect.
    pub(super) fn turn(
        &self,
        course: &mut Course,
        request: &Request<'_>,
        answer: &Answer,
    ) -> Result<bool, &'static str> {
        // S3 does not always name the time as what it refuses; how far it is off does. It is
        // compared with the time now: a large upload was signed long ago.
        if course.clock > 0
            && matches!(answer.status, 400 | 403)
            && answer.date.is_some_and(|date| self.0.io.clock.correct(date))
        {
            course.clock -= 1;
            return Ok(true);
        }
        let mut turned = false;
        if course.regions > 0
            && let Some(region) = answer.other_region(&course.region)
        {
            course.regions -= 1;
            self.learn_region(request, &course.region, &region);
            course.location = self.locate(&region, request);
            course.region = region;
            turned = true;
        }
        let domain = self.0.settings.endpoint.domain(&course.region);
        if let Some(to) = redirect(answer, &request.method, &course.location, domain) {
            course.redirects = course.redirects.checked_sub(1).ok_or("is one redirect too many")?;
            course.location = to?;
            turned = true;
        }
        Ok(turned)
    }

    fn locate(&self, region: &Region, request: &Request<'_>) -> Location {
        self.0.settings.endpoint.locate(region, request.bucket, request.key, &request.query)
    }

    /// Remembers the bucket's region for the next request.
    fn learn_region(&self, request: &Request<'_>, assumed: &Region, region: &Region) {
        let bucket = request.bucket;
        let mut known = self.0.regions.borrow_mut();
        known.retain(|(other, _)| other != bucket);
        if known.len() >= REGIONS {
            known.remove(0);
        }
        known.push((bucket.clone(), region.clone()));
        log::info!(
            "the bucket {bucket} is in the region {region}, not {assumed}: set \
             SAPT_AWS_REGION={region} to save the detour"
        );
    }
}
