//! The status of a message that is larger than `-m`.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;
use tonic::{Code, Status};

/// Answers RESOURCE_EXHAUSTED to a request that is too large, as gRPC's status codes have it and
/// as the vendor's agent does. tonic answers OUT_OF_RANGE, which means a time in the future here.
#[derive(Debug, Clone)]
pub(crate) struct MessageLimit<S>(pub(crate) S);

/// How tonic begins its message.
const TOO_LARGE: &str = "Error, decoded message length too large";

impl<S, Request> Service<Request> for MessageLimit<S>
where
    S: Service<Request, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async move { response.await.map(corrected) })
    }
}

impl<S: NamedService> NamedService for MessageLimit<S> {
    const NAME: &'static str = S::NAME;
}

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
