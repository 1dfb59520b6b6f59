"""The agent's messages and services, made from proto/agent.proto while importing."""

import pathlib
import sys

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "proto"))
messages, services = grpc.protos_and_services("agent.proto")

MESSAGE_LIMIT = 524_288_000

# For channels and servers, whose own limit is 4 MiB.
OPTIONS = [
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
]
