//! Tensors that a client on the same machine passes in System V shared memory.
//!
//! The only unsafe code of this crate: no safe crate offers `shmat`. What makes it sound is that
//! the attached bytes are never a Rust reference. They are copied out once, through a raw pointer,
//! within the size that the kernel reports for the segment, so that a client that keeps on writing
//! can change the copy's content but nothing else.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::ptr;

use bytes::Bytes;

use crate::wire::SharedMemoryHandle;

/// Copies what `handle` describes.
///
/// The segment must have no write and no execute bits, as the agent's interface demands: a client
/// sets them with `IPC_SET` after it has written.
pub(crate) fn read(handle: &SharedMemoryHandle) -> Result<Bytes, SharedMemoryError> {
    let id = handle.segment_id;
    let fail = |call| SharedMemoryError::System(id, call, io::Error::last_os_error());
    let identifier = libc::c_int::try_from(id).map_err(|_| SharedMemoryError::Identifier(id))?;

    // SAFETY: all fields of `shmid_ds` are integers, for which zero is a value.
    let mut status: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: IPC_STAT writes one `shmid_ds`, which `status` is.
    if unsafe { libc::shmctl(identifier, libc::IPC_STAT, &raw mut status) } == -1 {
        return Err(fail("shmctl"));
    }
    #[allow(clippy::unnecessary_cast)] // 16 bits on some machines, 32 on others.
    let mode = status.shm_perm.mode as u32 & 0o777;
    if mode & 0o333 != 0 {
        return Err(SharedMemoryError::Writable(id, mode));
    }
    #[allow(clippy::unnecessary_cast)] // 32 bits on some machines, 64 on others.
    let segment = status.shm_segsz as u64;
    if handle.offset.checked_add(handle.size).is_none_or(|end| end > segment) {
        return Err(SharedMemoryError::Range(*handle, segment));
    }
    let (Ok(offset), Ok(size)) = (usize::try_from(handle.offset), usize::try_from(handle.size))
    else {
        return Err(SharedMemoryError::Range(*handle, segment));
    };
    let mut copy = Vec::new();
    copy.try_reserve_exact(size).map_err(|_| SharedMemoryError::TooLarge(id, handle.size))?;

    // SAFETY: a null address lets the kernel choose one, so that nothing mapped is replaced.
    let address = unsafe { libc::shmat(identifier, ptr::null(), libc::SHM_RDONLY) };
    if address as isize == -1 {
        return Err(fail("shmat"));
    }
    // SAFETY: a segment's size never changes, so `offset + size` bytes are mapped and readable;
    // `copy` has room for `size`; the two do not overlap; all copied bytes are initialised.
    unsafe {
        ptr::copy_nonoverlapping(address.cast::<u8>().add(offset), copy.as_mut_ptr(), size);
        copy.set_len(size);
    }
    // SAFETY: `address` came from shmat and is used no more. It can only fail for another address.
    unsafe { libc::shmdt(address) };
    Ok(copy.into())
}

/// A shared memory handle cannot be used.
#[derive(Debug)]
pub(crate) enum SharedMemoryError {
    Identifier(u64),
    System(u64, &'static str, io::Error),
    Writable(u64, u32),
    Range(SharedMemoryHandle, u64),
    TooLarge(u64, u64),
}

impl fmt::Display for SharedMemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identifier(id) => {
                write!(f, "{id} is not a shared memory identifier (shmid)")
            }
            Self::System(id, call, error) => write!(
                f,
                "shared memory segment {id} cannot be attached ({call}: {error}); it must exist, \
                 be readable by the agent and in the agent's IPC namespace (hostIPC in a Pod)"
            ),
            Self::Writable(id, mode) => write!(
                f,
                "shared memory segment {id} has mode {mode:04o}: clear its write and execute bits \
                 (IPC_SET) before the call"
            ),
            Self::Range(handle, segment) => write!(
                f,
                "{} bytes from offset {} are not within shared memory segment {}, which has \
                 {segment} bytes",
                handle.size, handle.offset, handle.segment_id
            ),
            Self::TooLarge(id, size) => {
                write!(f, "no memory for {size} bytes of shared memory segment {id}")
            }
        }
    }
}

impl std::error::Error for SharedMemoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(_, _, error) => Some(error),
            _ => None,
        }
    }
}
