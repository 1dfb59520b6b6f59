use super::*;
use serde_json::json;

fn parsed(value: Value) -> Result<Configuration, Vec<String>> {
    let Value::Object(object) = value else {
        panic!("not an object");
    };
    Configuration::from_object(&object)
        .map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

/// As in the vendor's documentation.
fn documented() -> Value {
    json!({
        "sagemaker_edge_core_device_name": "device-name",
        "sagemaker_edge_core_device_fleet_name": "fleet-name",
        "sagemaker_edge_core_region": "us-west-2",
        "sagemaker_edge_core_root_certs_path": "/etc/certs",
        "sagemaker_edge_provider_provider": "Aws",
        "sagemaker_edge_provider_provider_path": "/path/to/libprovider_aws.so",
        "sagemaker_edge_core_capture_data_destination": "Cloud",
        "sagemaker_edge_provider_s3_bucket_name": "sagemaker-bucket-name",
        "sagemaker_edge_core_folder_prefix": "prefix/below",
        "sagemaker_edge_core_capture_data_buffer_size": 30,
        "sagemaker_edge_core_capture_data_batch_size": 10,
        "sagemaker_edge_core_capture_data_push_period_seconds": 4000,
        "sagemaker_edge_core_capture_data_base64_embed_limit": 2,
        "sagemaker_edge_log_verbose": true
    })
}

#[test]
fn the_documented_example() {
    let configuration = parsed(documented()).unwrap();
    assert_eq!(configuration.device, "device-name");
    assert_eq!(configuration.fleet, "fleet-name");
    assert!(configuration.verbose);
    assert_eq!(
        configuration.capture,
        CaptureConfiguration {
            destination: Destination::Cloud,
            buffer_size: 30,
            batch_size: 10,
            push_period: Duration::from_secs(4000),
            embed_limit: 2,
        }
    );
    assert_eq!(
        configuration.remarks,
        [
            "sagemaker_edge_provider_provider is Aws: this agent never talks to a cloud",
            "sagemaker_edge_core_root_certs_path has no effect in this agent",
        ]
    );
}

#[test]
fn disk_joins_path_and_prefix() {
    let mut value = documented();
    value["sagemaker_edge_core_capture_data_destination"] = json!("Disk");
    value["sagemaker_edge_core_capture_data_disk_path"] = json!("/var/capture");
    assert_eq!(
        parsed(value).unwrap().capture.destination,
        Destination::Disk("/var/capture/prefix/below".into())
    );
}

#[test]
fn little_is_needed() {
    let configuration = parsed(json!({
        "sagemaker_edge_core_device_uuid": "d",
        "sagemaker_edge_core_device_fleet_name": "f",
        "sagemaker_edge_core_capture_data_disk_path": "/c",
        "something": 1,
    }))
    .unwrap();
    assert_eq!(configuration.device, "d");
    assert_eq!(configuration.capture.embed_limit, 3072);
    assert_eq!(configuration.remarks, ["\"something\" is not a known key, and is ignored"]);
}

#[test]
fn all_problems_are_told_together() {
    let problems = parsed(json!({
        "sagemaker_edge_core_device_name": "x".repeat(64),
        "sagemaker_edge_core_device_fleet_name": "../fleet",
        "sagemaker_edge_core_region": "a-region-of-17-ch",
        "sagemaker_edge_provider_provider": "None of them",
        "sagemaker_edge_core_capture_data_destination": "Tape",
        "sagemaker_edge_core_folder_prefix": "../out",
        "sagemaker_edge_core_capture_data_buffer_size": 10,
        "sagemaker_edge_core_capture_data_batch_size": 10,
        "sagemaker_edge_core_capture_data_push_period_seconds": -1,
        "sagemaker_edge_core_capture_data_base64_embed_limit": 3073,
        "sagemaker_edge_log_verbose": "yes",
    }))
    .unwrap_err();
    for key in [
        "core_device_name has 64 characters",
        "core_device_fleet_name is \"../fleet\"",
        "core_region has 17 characters",
        "provider_provider is \"None of them\": use None, Aws, Custom",
        "capture_data_destination is \"Tape\": use Disk, Cloud",
        "core_folder_prefix is \"../out\"",
        "batch_size is 10: it must be less than",
        "push_period_seconds is -1",
        "base64_embed_limit is 3073: it must be a whole number from 0 to 3072",
        "log_verbose is \"yes\"",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(key)), "{key}: {problems:#?}");
    }
    assert_eq!(problems.len(), 10, "{problems:#?}");
}

#[test]
fn what_is_missing_is_named() {
    let problems = parsed(json!({})).unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems[0].contains("sagemaker_edge_core_device_uuid"));
    assert!(problems[1].contains("fleet_name is missing"));
    assert!(problems[2].contains("disk_path is missing"));
}

#[test]
fn the_bucket_must_be_a_sagemaker_one() {
    let mut value = documented();
    value["sagemaker_edge_provider_s3_bucket_name"] = json!("mine");
    let problems = parsed(value).unwrap_err();
    assert!(problems[0].contains("must contain \"sagemaker\""), "{problems:?}");
}
