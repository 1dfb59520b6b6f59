//! Inputs in System V shared memory.

#![allow(unsafe_code)]

use std::ptr;

use sapt_agent::wire::{DataType, SharedMemoryHandle, Tensor, tensor::Data};
use tonic::{Code, Status};
use tract_onnx::pb::tensor_proto::DataType as Element;

use crate::graph::Graph;
use crate::running::{Agent, Client, load, metadata, predict, tensor};

/// A segment, removed when this is dropped.
struct Segment(libc::c_int);

impl Segment {
    fn holding(content: &[u8]) -> Self {
        // SAFETY: a new private segment; its whole size is written while it is attached.
        unsafe {
            let id = libc::shmget(libc::IPC_PRIVATE, content.len(), libc::IPC_CREAT | 0o600);
            assert_ne!(id, -1, "{}", std::io::Error::last_os_error());
            let address = libc::shmat(id, ptr::null(), 0);
            assert_ne!(address as isize, -1, "{}", std::io::Error::last_os_error());
            ptr::copy_nonoverlapping(content.as_ptr(), address.cast(), content.len());
            libc::shmdt(address);
            Self(id)
        }
    }

    fn with_mode(self, mode: u16) -> Self {
        // SAFETY: zero is a value of every field; IPC_STAT fills the structure, IPC_SET reads it.
        unsafe {
            let mut status: libc::shmid_ds = std::mem::zeroed();
            assert_eq!(libc::shmctl(self.0, libc::IPC_STAT, &raw mut status), 0);
            status.shm_perm.mode = mode as _;
            assert_eq!(libc::shmctl(self.0, libc::IPC_SET, &raw mut status), 0);
        }
        self
    }

    fn id(&self) -> u64 {
        self.0.try_into().unwrap()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: IPC_RMID takes no structure.
        unsafe { libc::shmctl(self.0, libc::IPC_RMID, ptr::null_mut()) };
    }
}

async fn predict_from(
    client: &mut Client,
    segment_id: u64,
    offset: u64,
    size: u64,
) -> Result<Vec<Tensor>, Status> {
    let input = Tensor {
        tensor_metadata: Some(metadata("x", DataType::Uint8, &[4])),
        data: Some(Data::SharedMemoryHandle(SharedMemoryHandle { size, offset, segment_id })),
    };
    predict(client, "m", vec![input]).await
}

#[tokio::test]
async fn a_read_only_segment_is_read() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let package = Graph::identity(Element::Uint8, &[4]).package(agent.path(), "m");
    load(&mut client, &package, "m").await.unwrap();
    let segment = Segment::holding(b"0123456789").with_mode(0o400);
    for (offset, expected) in [(0, b"0123"), (6, b"6789")] {
        assert_eq!(
            predict_from(&mut client, segment.id(), offset, 4).await.unwrap(),
            [tensor("y", DataType::Uint8, &[4], *expected)]
        );
    }
}

#[tokio::test]
async fn other_segments_are_refused() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let package = Graph::identity(Element::Uint8, &[4]).package(agent.path(), "m");
    load(&mut client, &package, "m").await.unwrap();
    let read_only = Segment::holding(b"0123456789").with_mode(0o444);
    let writable = Segment::holding(b"0123").with_mode(0o600);
    let executable = Segment::holding(b"0123").with_mode(0o410);
    let gone = Segment::holding(b"0123").id();
    for (segment, offset, size, part) in [
        (writable.id(), 0, 4, "mode 0600"),
        (executable.id(), 0, 4, "mode 0410"),
        (gone, 0, 4, "cannot be attached (shmctl"),
        (u64::MAX, 0, 4, "is not a shared memory identifier"),
        (read_only.id(), 7, 4, "4 bytes from offset 7 are not within"),
        (read_only.id(), u64::MAX, 4, "are not within"),
        (read_only.id(), 0, 5, "given with 5 bytes"),
    ] {
        let status = predict_from(&mut client, segment, offset, size).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(part), "{status}");
    }
}
