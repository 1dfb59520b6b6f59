//! Room on the file system: looked at before an archive is unpacked and while it is.

use std::io;
use std::path::Path;

use super::{Error, Store};

/// Room on a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All that it has.
    pub total: u64,
    /// What this user may still write.
    pub available: u64,
}

/// Tells how much room there is where a directory is.
pub type Measure = fn(&Path) -> io::Result<Space>;

const MIB: u64 = 1 << 20;

impl Space {
    /// Asks the system.
    pub fn of(directory: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(directory)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Self { total: bytes(stat.f_blocks), available: bytes(stat.f_bavail) })
    }

    /// What models leave free: the agent's captures, outputs and logs are often on the same file
    /// system, and a full one stops the gateway, not just the pull. A hundredth is little enough for
    /// the smallest flash; the bounds keep it useful there, and from being wasteful on a large disk.
    pub fn reserve(self) -> u64 {
        (self.total / 100).clamp(16 * MIB, 256 * MIB)
    }
}

impl Store {
    /// Sees that so many bytes can be written, and more than the reserve is still free then. The
    /// oldest versions that are kept, of whatever model, are removed for it.
    pub fn make_room(&self, bytes: u64) -> Result<(), Error> {
        loop {
            // Where the system does not tell, writing will.
            let Ok(space) = (self.measure)(self.root()) else { return Ok(()) };
            let reserve = space.reserve();
            if space.available >= bytes.saturating_add(reserve) {
                return Ok(());
            }
            if !self.remove_oldest_kept()? {
                let Space { available, .. } = space;
                return Err(Error::NoRoom { wanted: bytes, available, reserve });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_hundredth_within_bounds() {
        for (total, reserve) in
            [(0, 16), (100, 16), (8 << 10, 81), (24 << 10, 245), (1 << 20, 256), (1 << 30, 256)]
        {
            let space = Space { total: total * MIB, available: 0 };
            assert_eq!(space.reserve() / MIB, reserve, "{total} MiB");
        }
    }

    #[test]
    fn the_system_tells() {
        let space = Space::of(Path::new("/")).unwrap();
        assert!(space.total > MIB && space.available <= space.total);
        assert!(Space::of(Path::new("/nowhere/at/all")).is_err());
    }
}
