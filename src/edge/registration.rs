//! Making the translator and its device known on a fresh connection.

use super::backoff::Backoff;
use super::connection::Link;
use super::error::Error;
use super::message::{Call, Refusal};
use super::resource::Resource;
use super::session::Identity;

/// Registers the translator, then the device with the values that it has.
///
/// A device that Edge Core already has is unregistered first; when there is no room for it, this
/// waits and tries again on the same connection. `refused_for` is told why.
pub(super) async fn register(
    link: &Link,
    identity: &Identity,
    values: impl Fn() -> Vec<(Resource, String)>,
    refused_for: &dyn Fn(&Error),
) -> Result<(), Error> {
    let Identity { name, device_id, .. } = identity;
    link.call(&Call::Register { name }, name).await?;
    let mut backoff = Backoff::new();
    let mut attempt = 1;
    loop {
        let call = Call::RegisterDevice { device_id, values: values() };
        let refused = match link.call(&call, device_id).await {
            Err(error) if error.refusal_code().is_some_and(can_pass) => error,
            outcome => return outcome,
        };
        refused_for(&refused);
        // A device that was made by a write, and even one whose registration failed, exists and
        // stands in the way of the next registration.
        match link.call(&Call::UnregisterDevice { device_id }, device_id).await {
            Ok(()) | Err(Error::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        if attempt > 1 {
            let wait = backoff.wait(fastrand::f64());
            log::error!("{refused}; it was unregistered, trying again in {wait:.1?}");
            smol::Timer::after(wait).await;
        } else {
            log::info!("{refused}; it is unregistered and registered again");
        }
        attempt += 1;
    }
}

fn can_pass(code: i64) -> bool {
    matches!(code, Refusal::DEVICE_LIMIT | Refusal::DEVICE_REGISTERED)
}
