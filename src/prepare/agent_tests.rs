use serde_json::{Value, json};

use super::super::env_file::parse;
use super::super::variables::Variables;
use super::*;

/// The configuration, and what is wrong with it.
fn made(file: &str) -> (Value, Vec<String>) {
    let variables = Variables::settle(parse(file.as_bytes()).unwrap(), &|_| None);
    let config = Config::from_environment(&|name| variables.value(name).map(Into::into)).unwrap();
    let mut problems = Problems { variables: &variables, lines: Vec::new() };
    let text = configuration(&config, &mut problems);
    (serde_json::from_str(&text).unwrap(), problems.lines)
}

#[test]
fn little_is_needed() {
    let (made, problems) = made(
        "SAPT_PT_DEVICE_NAME='cam \"1\"'\nSAPT_AWS_REGION=eu-west-1\n\
         SAPT_AWS_S3_BUCKET=sagemaker-x\nSAPT_MODELS_PATH=/data/models\n",
    );
    assert_eq!(problems, [""; 0]);
    let wanted = json!({
        "sagemaker_edge_core_device_name": "cam \"1\"",
        "sagemaker_edge_core_device_fleet_name": "gateways",
        "sagemaker_edge_core_region": "eu-west-1",
        "sagemaker_edge_core_root_certs_path": "/data/models/aws/certs",
        "sagemaker_edge_provider_provider": "None",
        "sagemaker_edge_provider_s3_bucket_name": "sagemaker-x",
        "sagemaker_edge_core_folder_prefix": "captured",
        "sagemaker_edge_core_capture_data_destination": "Disk",
        "sagemaker_edge_core_capture_data_disk_path": "/data/models/data",
        "sagemaker_edge_core_capture_data_buffer_size": 30,
        "sagemaker_edge_core_capture_data_batch_size": 10,
        "sagemaker_edge_core_capture_data_push_period_seconds": 4,
        "sagemaker_edge_core_capture_data_base64_embed_limit": 3072,
        "sagemaker_edge_log_verbose": false
    });
    assert_eq!(made, wanted);
}

#[test]
fn a_bucket_of_another_name_is_only_wrong_where_data_goes_to_it() {
    let file = "SAPT_AWS_S3_BUCKET=mine\n";
    assert_eq!(made(file).0.get("sagemaker_edge_provider_s3_bucket_name"), None);
    let cloud = "SAGEMAKER_EDGE_CORE_CAPTURE_DATA_DESTINATION=Cloud\n\
                 SAGEMAKER_EDGE_PROVIDER_PROVIDER=Aws\nSAGEMAKER_EDGE_PROVIDER_PROVIDER_PATH=/p\n";
    let (_, problems) = made(&format!("{file}{cloud}"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("S3_BUCKET_NAME: must contain \"sagemaker\""));
    assert!(made(cloud).1[0].contains("is missing"));
    assert_eq!(made(&format!("SAPT_AWS_S3_BUCKET=my-sagemaker\n{cloud}")).1, [""; 0]);
}

#[test]
fn each_limit_is_told_by_its_line() {
    let long = "x".repeat(64);
    for (variable, value, told) in [
        (
            "SAPT_PT_DEVICE_NAME",
            long.as_str(),
            "NAME: has 64 characters; it may have 63; it is made",
        ),
        ("SAGEMAKER_EDGE_CORE_DEVICE_NAME", &long, "64 characters"),
        ("SAGEMAKER_EDGE_CORE_DEVICE_FLEET_NAME", "../x", "letters"),
        ("SAGEMAKER_EDGE_CORE_DEVICE_FLEET_NAME", "FLEET_NAME_GOES_HERE", "placeholder"),
        ("SAPT_AWS_REGION", "a-region-of-17-ch", "17 characters; it may have 15"),
        ("SAGEMAKER_EDGE_CORE_ROOT_CERTS_PATH", "certs", "absolute"),
        ("SAGEMAKER_EDGE_PROVIDER_PROVIDER", "none", "one of None|Aws|Custom"),
        ("SAGEMAKER_EDGE_PROVIDER_PROVIDER", "Aws", "PROVIDER_PATH: is missing"),
        ("SAGEMAKER_EDGE_PROVIDER_S3_BUCKET_NAME", "mine", "sagemaker"),
        ("SAGEMAKER_EDGE_CORE_FOLDER_PREFIX", "../x", "without .."),
        ("SAGEMAKER_EDGE_CORE_FOLDER_PREFIX", "/x", "without .."),
        ("SAGEMAKER_EDGE_CORE_CAPTURE_DATA_DESTINATION", "Tape", "Disk|Cloud"),
        ("SAGEMAKER_EDGE_CORE_CAPTURE_DATA_BUFFER_SIZE", "1", "from 2 to"),
        ("SAGEMAKER_EDGE_CORE_CAPTURE_DATA_BUFFER_SIZE", "10", "BATCH_SIZE: must be less"),
        ("SAGEMAKER_EDGE_CORE_CAPTURE_DATA_BATCH_SIZE", "1e1", "whole number"),
        ("SAGEMAKER_EDGE_CORE_CAPTURE_DATA_BATCH_SIZE", "05", "whole number"),
        ("SAGEMAKER_EDGE_CORE_CAPTURE_DATA_BATCH_SIZE", "+5", "whole number"),
        ("SAGEMAKER_EDGE_CORE_CAPTURE_DATA_BASE64_EMBED_LIMIT", "3073", "0 to 3072"),
        ("SAGEMAKER_EDGE_LOG_VERBOSE", "yes", "true|false"),
    ] {
        let (_, problems) = made(&format!("\n{variable}='{value}'\n"));
        assert_eq!(problems.len(), 1, "{variable}={value}: {problems:?}");
        assert!(problems[0].contains(told), "{problems:?}");
        assert_eq!(
            problems[0].starts_with(&format!("line 2, {variable}")),
            !told.contains("made")
                && !told.contains("15")
                && !told.contains("BATCH")
                && !told.contains("PATH"),
            "{problems:?}"
        );
    }
}
