//! Statuses as gRPC defines them, where the library answers otherwise.

use std::task::{Context, Poll};
use std::time::Duration;

use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::{Code, Status};

/// Answers RESOURCE_EXHAUSTED to a request that is too large, and DEADLINE_EXCEEDED to one whose
/// time is over. tonic answers OUT_OF_RANGE, which means a time in the future here, and CANCELLED.
#[derive(Debug, Clone)]
pub(crate) struct Statuses<S>(pub(crate) S);

impl<S, RequestBody> Service<http::Request<RequestBody>> for Statuses<S>
where
    S: Service<http::Request<RequestBody>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<RequestBody>) -> Self::Future {
        // Made here, before tonic makes its own: this one is over first.
        let deadline = timeout(request.headers()).map(tokio::time::sleep);
        let response = self.0.call(request);
        Box::pin(async move {
            let Some(deadline) = deadline else {
                return response.await.map(corrected);
            };
            tokio::select! {
                biased;
                response = response => response.map(corrected),
                () = deadline => {
                    Ok(Status::deadline_exceeded("the call's deadline is over").into_http())
                }
            }
        })
    }
}

/// How tonic begins its message.
const TOO_LARGE: &str = "Error, decoded message length too large";

fn corrected(response: http::Response<Body>) -> http::Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status)
            if status.code() == Code::OutOfRange && status.message().starts_with(TOO_LARGE) =>
        {
            let message = status.message().trim_start_matches("Error, ").to_owned();
            Status::resource_exhausted(message + " (flag -m)").into_http()
        }
        _ => response,
    }
}

/// The `grpc-timeout` of "gRPC over HTTP2": at most 8 digits and a unit.
fn timeout(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout_of(text: &str) -> Option<Duration> {
        let mut headers = http::HeaderMap::new();
        headers.insert("grpc-timeout", text.parse().unwrap());
        timeout(&headers)
    }

    #[test]
    fn timeouts() {
        for (text, wanted) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("99999999m", Duration::from_millis(99_999_999)),
            ("5u", Duration::from_micros(5)),
            ("6n", Duration::from_nanos(6)),
        ] {
            assert_eq!(timeout_of(text), Some(wanted));
        }
        for bad in ["", "S", "1", "1s", "123456789S", "-1S", "+1S", "1.5S"] {
            assert_eq!(timeout_of(bad), None, "{bad}");
        }
        assert_eq!(timeout(&http::HeaderMap::new()), None);
    }

    #[test]
    fn only_the_message_limits_status_is_corrected() {
        let code = |status: Status| {
            let response = corrected(status.into_http());
            Status::from_header_map(response.headers()).unwrap().code()
        };
        assert_eq!(code(Status::out_of_range(TOO_LARGE)), Code::ResourceExhausted);
        assert_eq!(code(Status::out_of_range("in the future")), Code::OutOfRange);
        assert_eq!(code(Status::invalid_argument(TOO_LARGE)), Code::InvalidArgument);
    }
}
