//! The client against a scripted agent.

use std::future::Future;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use smol::LocalExecutor;

use super::scripted_agent::{OK_HEAD, ScriptedAgent, Session, framed};
use super::*;
use crate::model_name::ModelName;
use crate::tensor::{ElementType, Tensor, TensorSpec};

const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Runs a test's client side.
fn with_client<F: Future<Output = ()>>(
    agent: &ScriptedAgent,
    settings: Settings,
    test: impl FnOnce(Client) -> F,
) {
    let executor = Rc::new(LocalExecutor::new());
    let client = Client::with_settings(agent.address.clone(), executor.clone(), settings);
    smol::block_on(executor.run(test(client)));
}

fn name(text: &str) -> ModelName {
    ModelName::parse(text).unwrap()
}

fn input(size: usize) -> Vec<Tensor> {
    let data: Vec<_> = (0..size).map(|index| (index % 251) as u8).collect();
    vec![Tensor {
        spec: TensorSpec {
            name: "in".into(),
            element: ElementType::Uint8,
            shape: vec![size as i32],
        },
        data: data.into(),
    }]
}

/// Reads a Predict and answers with its own tensors.
fn echo(session: &mut Session) {
    let (stream, body) = session.request();
    let request = proto::PredictRequest::decode(&body[5..]).unwrap();
    let tensors = request.tensors;
    session.answer(stream, &proto::PredictResponse { tensors });
}

fn one_model() -> proto::ListModelsResponse {
    let tensor = proto::TensorMetadata {
        name: Bytes::from_static(b"in\xff"),
        data_type: 5,
        shape: vec![1, 28, 28, 1],
    };
    proto::ListModelsResponse {
        models: vec![proto::Model {
            url: "/models/demo-keras".into(),
            name: "demo-keras".into(),
            input_tensor_metadatas: vec![tensor],
            output_tensor_metadatas: vec![],
        }],
    }
}

/// What ListModels gives when the agent answers as `answer` does.
fn list_answered(
    answer: impl FnOnce(&mut Session, u32) + Send + 'static,
) -> Result<Vec<Model>, Error> {
    let agent = ScriptedAgent::start(|listener| {
        let mut session = listener.accept();
        let (stream, body) = session.request();
        assert_eq!(body, [0; 5]);
        answer(&mut session, stream);
        session.closed_by_client();
    });
    let settings = Settings { message_limit: 1000, ..Settings::default() };
    let mut result = None;
    with_client(&agent, settings, async |client| {
        result = Some(client.list_models().await);
    });
    agent.finish();
    result.unwrap()
}

#[test]
fn models_are_listed() {
    let models = list_answered(|session, stream| session.answer(stream, &one_model())).unwrap();
    let model = Model {
        name: "demo-keras".into(),
        url: "/models/demo-keras".into(),
        inputs: vec![TensorSpec {
            name: Bytes::from_static(b"in\xff"),
            element: ElementType::Float32,
            shape: vec![1, 28, 28, 1],
        }],
        outputs: vec![],
    };
    assert_eq!(models, [model]);
}

#[test]
fn a_message_in_frames_of_one_byte() {
    let models = list_answered(|session, stream| {
        session.headers(stream, OK_HEAD, false);
        for byte in framed(&one_model()) {
            session.data(stream, &[byte]);
        }
        session.headers(stream, &[("grpc-status", "0")], true);
    });
    assert_eq!(models.unwrap().len(), 1);
}

#[test]
fn errors_with_and_without_a_message_before_them() {
    let status = [("grpc-status", "9"), ("grpc-message", "caf%C3%A9 50%25")];
    let trailers_only = [OK_HEAD, &status].concat();
    let errors = [
        list_answered(move |session, stream| session.headers(stream, &trailers_only, true)),
        list_answered(move |session, stream| {
            session.headers(stream, OK_HEAD, false);
            session.headers(stream, &status, true);
        }),
        list_answered(move |session, stream| {
            session.headers(stream, OK_HEAD, false);
            session.data(stream, &framed(&one_model()));
            session.headers(stream, &status, true);
        }),
    ];
    for result in errors {
        let error = result.unwrap_err();
        assert_eq!(error.code(), "FAILED_PRECONDITION");
        assert_eq!(error.agent_said(), Some("café 50%"));
        assert_eq!(
            error.to_string(),
            "the agent answered ListModels with FAILED_PRECONDITION: café 50%"
        );
    }
}

#[test]
fn answers_that_are_not_grpc() {
    let unavailable = list_answered(|session, stream| {
        session.headers(stream, &[(":status", "503")], true);
    });
    assert_eq!(unavailable.unwrap_err().code(), "UNAVAILABLE");
    let html = list_answered(|session, stream| {
        let head = [(":status", "200"), ("content-type", "text/html")];
        session.headers(stream, &head, true);
    });
    let problem = Malformed::NotGrpc("text/html".into());
    assert_malformed(html, &problem);
}

#[track_caller]
fn assert_malformed<T: std::fmt::Debug>(result: Result<T, Error>, expected: &Malformed) {
    let error = result.unwrap_err();
    let Error::Malformed { problem, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(problem.to_string(), expected.to_string());
}

#[test]
fn answers_that_break_the_rules() {
    let body = |bytes: Vec<u8>, trailers: &'static [(&str, &str)]| {
        list_answered(move |session, stream| {
            session.headers(stream, OK_HEAD, false);
            session.data(stream, &bytes);
            session.headers(stream, trailers, true);
        })
    };
    let ok = &[("grpc-status", "0")];
    assert_malformed(body(vec![], ok), &Malformed::NoMessage);
    assert_malformed(body(vec![0; 5], &[("x", "y")]), &Malformed::NoStatus);
    for (bytes, error) in [
        (vec![1, 0, 0, 0, 0], FrameError::Compressed),
        (vec![0, 0, 0, 0], FrameError::Incomplete),
        (vec![0, 0, 0, 0, 1], FrameError::Incomplete),
        (vec![0; 6], FrameError::SecondMessage),
        (vec![0; 10], FrameError::SecondMessage),
    ] {
        assert_malformed(body(bytes, ok), &Malformed::Frame(error));
    }
    let error = body(vec![0, 0, 0, 3, 0xe9], ok).unwrap_err();
    assert_eq!(error.code(), "RESOURCE_EXHAUSTED");
    let error = body(vec![0, 0, 0, 0, 1, 0xff], ok).unwrap_err();
    assert!(matches!(error, Error::Malformed { problem: Malformed::Protobuf(_), .. }));
    let trailers_only = [OK_HEAD, ok].concat();
    let nothing = list_answered(move |session, stream| {
        session.headers(stream, &trailers_only, true);
    });
    assert_malformed(nothing, &Malformed::NoMessage);
}

#[test]
fn a_stream_that_the_agent_resets() {
    let error = list_answered(|session, stream| session.reset(stream, ENHANCE_YOUR_CALM));
    let error = error.unwrap_err();
    assert_eq!(error.code(), "RESOURCE_EXHAUSTED");
    let Error::ConnectionLost { may_have_run, .. } = error else {
        panic!("{error}");
    };
    assert!(may_have_run);
}

#[test]
fn over_tcp() {
    let agent = ScriptedAgent::start_tcp(|listener| {
        let mut session = listener.accept();
        echo(&mut session);
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        let outputs = client.predict(&name("m"), input(100_000)).await.unwrap();
        assert_eq!(outputs, input(100_000));
    });
    agent.finish();
}

#[test]
fn nobody_there() {
    let directory = tempfile::tempdir().unwrap();
    let address = Address::Unix(directory.path().join("agent.sock"));
    let executor = Rc::new(LocalExecutor::new());
    let client = Client::new(address, executor.clone());
    let error = smol::block_on(executor.run(client.list_models())).unwrap_err();
    assert_eq!(error.code(), "UNAVAILABLE");
    let text = error.to_string();
    assert!(text.contains("start the agent"), "{text}");
}

#[test]
fn after_a_restart_the_next_call_works() {
    let (restarted, wait) = mpsc::channel();
    let agent = ScriptedAgent::start(move |listener| {
        let mut session = listener.accept();
        echo(&mut session);
        drop(session);
        listener.restart();
        restarted.send(()).unwrap();
        let mut session = listener.accept();
        echo(&mut session);
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        let model = name("m");
        client.predict(&model, input(10)).await.unwrap();
        // Blocks the executor, too: the lost connection is found by the call itself.
        wait.recv().unwrap();
        let outputs = client.predict(&model, input(20_000)).await.unwrap();
        assert_eq!(outputs, input(20_000));
    });
    agent.finish();
}

#[test]
fn a_predict_that_may_have_run_is_not_repeated() {
    let agent = ScriptedAgent::start(|listener| {
        let mut session = listener.accept();
        session.request();
        drop(session);
        let mut session = listener.accept();
        let (stream, body) = session.request();
        assert_eq!(body, [0; 5], "not the Predict again");
        session.answer(stream, &one_model());
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        let error = client.predict(&name("m"), input(10)).await.unwrap_err();
        assert_eq!(error.code(), "UNAVAILABLE");
        assert!(error.to_string().contains("may have run"), "{error}");
        client.list_models().await.unwrap();
    });
    agent.finish();
}

#[test]
fn a_predict_that_answered_in_part_is_not_repeated() {
    let agent = ScriptedAgent::start(|listener| {
        let mut session = listener.accept();
        let (stream, _) = session.request();
        session.headers(stream, OK_HEAD, false);
        session.data(stream, &[0, 0]);
    });
    with_client(&agent, Settings::default(), async |client| {
        let error = client.predict(&name("m"), input(10)).await.unwrap_err();
        let Error::ConnectionLost { may_have_run, .. } = error else {
            panic!("{error}");
        };
        assert!(may_have_run);
    });
    agent.finish();
}

#[test]
fn a_call_that_only_reads_is_repeated() {
    let agent = ScriptedAgent::start(|listener| {
        let mut session = listener.accept();
        session.request();
        drop(session);
        let mut session = listener.accept();
        let (stream, _) = session.request();
        session.answer(stream, &one_model());
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        assert_eq!(client.list_models().await.unwrap().len(), 1);
    });
    agent.finish();
}

#[test]
fn a_call_is_repeated_once_only() {
    let agent = ScriptedAgent::start(|listener| {
        for _ in 0..2 {
            listener.accept().request();
        }
    });
    with_client(&agent, Settings::default(), async |client| {
        let error = client.list_models().await.unwrap_err();
        assert!(matches!(error, Error::ConnectionLost { .. }), "{error}");
    });
    agent.finish();
}

#[test]
fn a_predict_whose_message_was_not_complete_is_repeated() {
    let agent = ScriptedAgent::start(|listener| {
        let mut session = listener.accept_with_window(30_000);
        session.part_of_request(30_000);
        drop(session);
        let mut session = listener.accept();
        echo(&mut session);
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        let outputs = client.predict(&name("m"), input(100_000)).await.unwrap();
        assert_eq!(outputs, input(100_000));
    });
    agent.finish();
}

#[test]
fn a_predict_that_the_agent_says_it_refused_is_repeated() {
    let agent = ScriptedAgent::start(|listener| {
        let mut refusing = listener.accept();
        let (stream, _) = refusing.request();
        refusing.reset(stream, REFUSED_STREAM);
        let mut leaving = listener.accept();
        echo(&mut leaving);
        let (stream, _) = leaving.request();
        leaving.go_away(stream - 2);
        let mut session = listener.accept();
        echo(&mut session);
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        for _ in 0..2 {
            let outputs = client.predict(&name("m"), input(10)).await.unwrap();
            assert_eq!(outputs, input(10));
        }
    });
    agent.finish();
}

#[test]
fn a_leaving_agent_finishes_what_it_has() {
    let agent = ScriptedAgent::start(|listener| {
        let mut leaving = listener.accept();
        let (stream, body) = leaving.request();
        leaving.go_away(stream);
        // The list came on this connection, too, was refused with the GOAWAY, and is repeated on the
        // next one while the Predict is still at work here.
        let mut session = listener.accept();
        let (list, _) = session.request();
        session.answer(list, &one_model());
        let request = proto::PredictRequest::decode(&body[5..]).unwrap();
        let tensors = request.tensors;
        leaving.answer(stream, &proto::PredictResponse { tensors });
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        let model = name("m");
        let predict = client.predict(&model, input(10));
        let (outputs, models) = smol::future::zip(predict, client.list_models()).await;
        assert_eq!(outputs.unwrap(), input(10));
        assert_eq!(models.unwrap().len(), 1);
    });
    agent.finish();
}

#[test]
fn control_calls_go_one_at_a_time_and_predictions_pass() {
    let agent = ScriptedAgent::start(|listener| {
        let mut session = listener.accept();
        let (load, body) = session.request();
        let request = proto::LoadModelRequest::decode(&body[5..]).unwrap();
        assert_eq!(request.url, "/models/first");
        // Only the Predict can come now.
        echo(&mut session);
        let model = Some(proto::Model::default());
        session.answer(load, &proto::LoadModelResponse { model });
        let (unload, body) = session.request();
        let request = proto::UnLoadModelRequest::decode(&body[5..]).unwrap();
        assert_eq!(request.name, "second");
        session.answer(unload, &proto::UnLoadModelResponse {});
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        let (first, second) = (name("first"), name("second"));
        let load = client.load_model(&first, "/models/first");
        let unload = client.unload_model(&second);
        let predict = client.predict(&first, input(10));
        let (load, (unload, predict)) =
            smol::future::zip(load, smol::future::zip(unload, predict)).await;
        load.unwrap();
        unload.unwrap();
        predict.unwrap();
    });
    agent.finish();
}

#[test]
fn an_agent_that_never_answers() {
    let agent = ScriptedAgent::start(|listener| {
        let mut session = listener.accept();
        echo(&mut session);
        let (stream, _) = session.request();
        assert_eq!(session.reset_by_client(), (stream, CANCEL));
        // The connection is still good.
        echo(&mut session);
        session.closed_by_client();
    });
    let settings = Settings {
        deadlines: Deadlines { control: Duration::from_millis(250), ..Deadlines::default() },
        ..Settings::default()
    };
    with_client(&agent, settings, async |client| {
        client.predict(&name("m"), input(10)).await.unwrap();
        let error = client.list_models().await.unwrap_err();
        assert_eq!(error.code(), "DEADLINE_EXCEEDED");
        assert!(error.to_string().contains("within 0.25 s"), "{error}");
        client.predict(&name("m"), input(10)).await.unwrap();
    });
    agent.finish();
}

#[test]
fn sixty_four_mebibytes_both_ways() {
    let agent = ScriptedAgent::start(|listener| {
        let mut session = listener.accept();
        echo(&mut session);
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        let inputs = input(64 << 20);
        let outputs = client.predict(&name("m"), inputs.clone()).await.unwrap();
        assert!(outputs == inputs);
    });
    agent.finish();
}

#[test]
fn a_request_above_the_limit_is_not_sent() {
    let agent = ScriptedAgent::start(|listener| {
        let mut session = listener.accept();
        echo(&mut session);
        session.closed_by_client();
    });
    let settings = Settings { message_limit: 100, ..Settings::default() };
    with_client(&agent, settings, async |client| {
        let error = client.predict(&name("m"), input(100)).await.unwrap_err();
        assert_eq!(error.code(), "RESOURCE_EXHAUSTED");
        assert!(error.to_string().contains("was not sent"), "{error}");
        client.predict(&name("m"), input(10)).await.unwrap();
    });
    agent.finish();
}

#[test]
fn captures() {
    let id = uuid::Uuid::from_u128(7);
    let agent = ScriptedAgent::start(move |listener| {
        let mut session = listener.accept();
        let (stream, body) = session.request();
        let request = proto::CaptureDataRequest::decode(&body[5..]).unwrap();
        assert_eq!(request.capture_id, id.to_string());
        session.answer(stream, &proto::CaptureDataResponse {});
        for status in [2, 4] {
            let (stream, body) = session.request();
            let request = proto::GetCaptureDataStatusRequest::decode(&body[5..]).unwrap();
            assert_eq!(request.capture_id, id.to_string());
            session.answer(stream, &proto::GetCaptureDataStatusResponse { status });
        }
        session.closed_by_client();
    });
    with_client(&agent, Settings::default(), async |client| {
        let capture = Capture {
            model: name("m"),
            id,
            time: std::time::UNIX_EPOCH,
            inputs: input(10),
            outputs: input(5000),
            aux: vec![],
        };
        client.capture_data(capture).await.unwrap();
        let status = client.capture_status(id).await.unwrap();
        assert_eq!(status.as_str_name(), "IN_PROGRESS");
        let unknown = client.capture_status(id).await;
        assert_malformed(unknown, &Malformed::UnknownCaptureStatus(4));
    });
    agent.finish();
}

#[test]
fn who_waits_is_told_that_the_connection_has_ended() {
    let (end, ending) = mpsc::channel();
    let agent = ScriptedAgent::start(move |listener| {
        let mut session = listener.accept();
        let (stream, _) = session.request();
        session.answer(stream, &one_model());
        ending.recv().unwrap();
        drop(session);
    });
    with_client(&agent, Settings::default(), async |client| {
        client.list_models().await.unwrap();
        let ended = client.disconnected();
        futures_lite::pin!(ended);
        assert!(futures_lite::future::poll_once(&mut ended).await.is_none());
        end.send(()).unwrap();
        // Nothing is called meanwhile.
        ended.await;
    });
    agent.finish();
}
