//! Keeps a gateway up, with a door for commands by hand: HTTP on this machine stands for the
//! cloud's API.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use lab::edge_core::{CloudReply, Status};
use lab::gateway::{DEVICE, Gateway};
use lab::models::HeldOut;
use lab::program;
use tokio::net::TcpListener;

/// Serves until the process is interrupted.
pub(crate) fn run() -> Result<(), String> {
    let gateway = Arc::new(crate::demo::start(&HeldOut::read()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(serve(gateway)).map_err(|error| error.to_string())
}

async fn serve(gateway: Arc<Gateway>) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    println!(
        "\nThe gateway is up, device {DEVICE}; its directory is {}\n\n\
         Send commands as the cloud does:\n\
         \x20 curl http://{address}/33311/0/5701 -d '{{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"method\":\"loadModel\",\"params\":{{\"name\":\"demo-keras\",\"s3_filename\":\"keras-model-1.0.tar.gz\"}}}}'\n\
         \x20 curl http://{address}/33311/0/5701 -d '{{\"jsonrpc\":\"2.0\",\"id\":\"2\",\"method\":\"predict\",\"params\":{{\"model_name\":\"demo-keras\",\"input_data_url\":\"file:///keras.bmp\"}}}}'\n\
         Read a resource:            curl http://{address}/33311/0/5705\n\
         Write the configuration:    curl -X PUT http://{address}/33311/0/5702 -d '{{\"config\":{{\"awsS3DataDirectory\":\"data\"}}}}'\n\n\
         Or on the gateway:          SAPT_CONTROL_SOCKET={} {} call --help\n\n\
         file:///NAME is {}/data/NAME; models are in {}/s3/sagemaker-lab/compiled-models.\n\
         Ctrl-C ends it.",
        gateway.plan().directory().display(),
        gateway.plan().control_socket().display(),
        program::find("sapt").display(),
        gateway.plan().models().display(),
        gateway.plan().directory().display(),
    );
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let gateway = gateway.clone();
                let service = service_fn(move |request| answer(gateway.clone(), request));
                // A client that breaks off concerns nobody else.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

async fn answer(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let asked = tokio::task::spawn_blocking(move || match method {
        Method::POST => gateway.edge.post(DEVICE, &path, &body),
        Method::PUT => gateway.edge.put(DEVICE, &path, &body),
        _ => gateway.edge.read(DEVICE, &path),
    });
    let reply =
        asked.await.unwrap_or(CloudReply { status: Status::Failed, value: b"failed".to_vec() });
    let mut content = reply.value;
    if content.is_empty() {
        content = reply.status.to_string().into_bytes();
    }
    content.push(b'\n');
    Ok(Response::new(Full::new(content.into())))
}
