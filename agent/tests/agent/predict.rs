//! Predict.

use std::time::Duration;

use sapt_agent::wire::{DataType, ListModelsRequest, PredictRequest, Tensor, tensor::Data};
use tonic::{Code, Request};
use tract_onnx::pb::tensor_proto::DataType as Element;

use crate::graph::Graph;
use crate::running::{Agent, floats, load, predict, tensor};

fn bytes(tensor: &Tensor) -> &[u8] {
    match &tensor.data {
        Some(Data::ByteData(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn arithmetic_is_right() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    // y = x * W + b, with a softmax-free result that can be computed by hand.
    let graph = Graph::default()
        .input("x", Element::Float, &[1, 2])
        .constant("W", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        .constant("b", &[3], &[0.5, 0.5, 0.5])
        .node("MatMul", &["x", "W"], &["z"])
        .node("Add", &["z", "b"], &["y"])
        .output("y", Element::Float, &[1, 3]);
    load(&mut client, &graph.package(agent.path(), "m"), "m").await.unwrap();
    let x = tensor("x", DataType::Float32, &[1, 2], floats(&[1.0, 10.0]));
    assert_eq!(
        predict(&mut client, "m", vec![x]).await.unwrap(),
        [tensor("y", DataType::Float32, &[1, 3], floats(&[41.5, 52.5, 63.5]))]
    );
}

#[tokio::test]
async fn inputs_go_by_name_and_outputs_come_in_order() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let graph = Graph::default()
        .input("a", Element::Float, &[2])
        .input("b", Element::Float, &[2])
        .node("Sub", &["a", "b"], &["difference"])
        .node("Add", &["a", "b"], &["sum"])
        .output("sum", Element::Float, &[2])
        .output("difference", Element::Float, &[2]);
    load(&mut client, &graph.package(agent.path(), "m"), "m").await.unwrap();
    let a = tensor("a", DataType::Float32, &[2], floats(&[5.0, 6.0]));
    let b = tensor("b", DataType::Float32, &[2], floats(&[1.0, 2.0]));
    assert_eq!(
        predict(&mut client, "m", vec![b, a]).await.unwrap(),
        [
            tensor("sum", DataType::Float32, &[2], floats(&[6.0, 8.0])),
            tensor("difference", DataType::Float32, &[2], floats(&[4.0, 4.0])),
        ]
    );
}

#[tokio::test]
async fn every_type_goes_through_unchanged() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    for (index, (element, data_type, size)) in [
        (Element::Uint8, DataType::Uint8, 1),
        (Element::Int16, DataType::Int16, 2),
        (Element::Int32, DataType::Int32, 4),
        (Element::Int64, DataType::Int64, 8),
        (Element::Float16, DataType::Float16, 2),
        (Element::Float, DataType::Float32, 4),
        (Element::Double, DataType::Float64, 8),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("m{index}");
        let package = Graph::identity(element, &[3]).package(agent.path(), &name);
        load(&mut client, &package, &name).await.unwrap();
        let data: Vec<u8> = (1..=3 * size).collect();
        let x = tensor("x", data_type, &[3], data.clone());
        let outputs = predict(&mut client, &name, vec![x]).await.unwrap();
        assert_eq!(outputs, [tensor("y", data_type, &[3], data)], "{element:?}");
    }
}

#[tokio::test]
async fn dynamic_dimensions_take_any_size() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let graph = Graph::default()
        .input("x", Element::Float, &[-1, 2])
        .constant("W", &[2, 1], &[1.0, 1.0])
        .node("MatMul", &["x", "W"], &["y"])
        .output("y", Element::Float, &[-1, 1]);
    let model = load(&mut client, &graph.package(agent.path(), "m"), "m").await.unwrap();
    assert_eq!(model.output_tensor_metadatas[0].shape, [-1, 1]);
    for rows in [1_i32, 3, 2] {
        let x = floats(&vec![1.5; rows as usize * 2]);
        let x = tensor("x", DataType::Float32, &[rows, 2], x);
        let y = floats(&vec![3.0; rows as usize]);
        assert_eq!(
            predict(&mut client, "m", vec![x]).await.unwrap(),
            [tensor("y", DataType::Float32, &[rows, 1], y)]
        );
    }
}

#[tokio::test]
async fn shapes_that_do_not_go_together_are_the_callers_mistake() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let graph = Graph::default()
        .input_of_names("a", Element::Float, &["N"])
        .input_of_names("b", Element::Float, &["N"])
        .node("Add", &["a", "b"], &["y"])
        .output("y", Element::Float, &[-1]);
    load(&mut client, &graph.package(agent.path(), "m"), "m").await.unwrap();
    let a = tensor("a", DataType::Float32, &[2], floats(&[1.0, 2.0]));
    let b = tensor("b", DataType::Float32, &[3], floats(&[1.0, 2.0, 3.0]));
    let status = predict(&mut client, "m", vec![a, b]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
}

#[tokio::test]
async fn a_shape_that_the_graph_computes_is_int64() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let graph = Graph::default()
        .input("x", Element::Float, &[-1, 2])
        .node("Shape", &["x"], &["y"])
        .output("y", Element::Int64, &[2]);
    load(&mut client, &graph.package(agent.path(), "m"), "m").await.unwrap();
    let x = tensor("x", DataType::Float32, &[3, 2], floats(&[0.0; 6]));
    let expected: Vec<u8> = [3_i64, 2].iter().flat_map(|size| size.to_le_bytes()).collect();
    assert_eq!(
        predict(&mut client, "m", vec![x]).await.unwrap(),
        [tensor("y", DataType::Int64, &[2], expected)]
    );
}

#[tokio::test]
async fn wrong_calls_say_what_is_wanted() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let package = Graph::identity(Element::Float, &[1, 2]).package(agent.path(), "m");
    load(&mut client, &package, "m").await.unwrap();
    let x = || tensor("x", DataType::Float32, &[1, 2], floats(&[1.0, 2.0]));
    let shape = |shape: &[i32]| tensor("x", DataType::Float32, shape, floats(&[1.0, 2.0]));
    for (name, tensors, code, part) in [
        ("missing", vec![x()], Code::NotFound, "model doesn't exist"),
        ("a/b", vec![x()], Code::InvalidArgument, "is not a model name"),
        ("m", vec![], Code::InvalidArgument, "wants 1: \"x\" FLOAT32 [1, 2]"),
        ("m", vec![x(), x()], Code::InvalidArgument, "2 input tensors"),
        ("m", vec![shape(&[2, 1])], Code::InvalidArgument, "[2, 1] was given"),
        ("m", vec![shape(&[2])], Code::InvalidArgument, "[2] was given"),
        (
            "m",
            vec![tensor("z", DataType::Float32, &[1, 2], floats(&[1.0, 2.0]))],
            Code::InvalidArgument,
            "no input of that name",
        ),
        (
            "m",
            vec![tensor("x", DataType::Int32, &[1, 2], vec![0; 8])],
            Code::InvalidArgument,
            "INT32",
        ),
        (
            "m",
            vec![tensor("x", DataType::Float32, &[1, 2], vec![0; 7])],
            Code::InvalidArgument,
            "7 bytes: its type and shape need 8",
        ),
    ] {
        let status = predict(&mut client, name, tensors).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(part), "{status}");
    }
}

#[tokio::test]
async fn messages_are_limited_both_ways() {
    let agent = Agent::start(&["-m", "10000"]);
    let mut client = agent.client().await;
    let package = Graph::identity(Element::Uint8, &[-1]).package(agent.path(), "m");
    load(&mut client, &package, "m").await.unwrap();
    let x = |size: usize| {
        let shape = [i32::try_from(size).unwrap()];
        vec![tensor("x", DataType::Uint8, &shape, vec![7; size])]
    };
    assert_eq!(bytes(&predict(&mut client, "m", x(9_000)).await.unwrap()[0]).len(), 9_000);
    let status = predict(&mut client, "m", x(10_001)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("flag -m"), "{status}");

    let twice = Graph::default()
        .input("x", Element::Uint8, &[-1])
        .node("Concat", &["x", "x"], &["y"])
        .attribute("axis", 0)
        .output("y", Element::Uint8, &[-1]);
    load(&mut client, &twice.package(agent.path(), "twice"), "twice").await.unwrap();
    let status = predict(&mut client, "twice", x(9_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("the outputs are 180"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_prediction_holds_up_neither_lists_nor_deadlines_nor_the_end() {
    let mut agent = Agent::configured(&[("sagemaker_edge_log_verbose", true.into())]);
    let mut client = agent.client().await;
    // 1.2 * 10^12 operations: longer than anything here waits for.
    let slow = Graph::products(1000, 600).package(agent.path(), "slow");
    load(&mut client, &slow, "slow").await.unwrap();
    let quick = Graph::identity(Element::Float, &[1]).package(agent.path(), "quick");
    load(&mut client, &quick, "quick").await.unwrap();

    let long = {
        let mut client = client.clone();
        let x = tensor("x", DataType::Float32, &[1000, 1000], vec![0; 4_000_000]);
        tokio::spawn(async move { predict(&mut client, "slow", vec![x]).await })
    };
    agent.process().wait_for("predicting with slow");
    client.list_models(ListModelsRequest {}).await.unwrap();

    // Waits behind the long one, and gives up.
    let mut request = Request::new(PredictRequest {
        name: "quick".to_owned(),
        tensors: vec![tensor("x", DataType::Float32, &[1], floats(&[1.0]))],
    });
    request.set_timeout(Duration::from_millis(50));
    let status = client.predict(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status}");
    client.list_models(ListModelsRequest {}).await.unwrap();

    // The process does not wait for it either.
    agent.process().signal(libc::SIGTERM);
    let (end, rest) = agent.process().finish();
    assert_eq!(end.code(), Some(0), "{rest}");
    assert!(rest.contains("giving them up"), "{rest}");
    assert!(!agent.socket().exists());
    long.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_model_that_is_unloaded_finishes_its_predictions() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let package = Graph::identity(Element::Float, &[1]).package(agent.path(), "m");
    load(&mut client, &package, "m").await.unwrap();
    let calls: Vec<_> = (0..16)
        .map(|index| {
            let mut client = client.clone();
            let x = tensor("x", DataType::Float32, &[1], floats(&[index as f32]));
            tokio::spawn(async move {
                let result = predict(&mut client, "m", vec![x]).await;
                (floats(&[index as f32]), result)
            })
        })
        .collect();
    crate::running::unload(&mut client, "m").await.unwrap();
    for call in calls {
        match call.await.unwrap() {
            (expected, Ok(outputs)) => assert_eq!(bytes(&outputs[0]), expected),
            (_, Err(status)) => assert_eq!(status.code(), Code::NotFound, "{status}"),
        }
    }
}
