//! How a large object is cut into parts. Pure.

use std::ops::Range;

/// The parts of an object; all but the last are of the same size.
#[derive(Debug, Clone, Copy)]
pub(in crate::s3) struct Parts {
    length: u64,
    size: u64,
}

impl Parts {
    /// What is not larger goes in one request. S3 wants parts of 5 MiB or more.
    pub(in crate::s3) const SMALLEST: u64 = 8 * 1024 * 1024;

    /// More than that S3 does not take.
    const MOST: u64 = 10_000;

    pub(in crate::s3) fn of(length: u64) -> Self {
        let size = length.div_ceil(Self::MOST).next_multiple_of(1024 * 1024);
        Self { length, size: size.max(Self::SMALLEST) }
    }

    pub(in crate::s3) fn count(&self) -> usize {
        self.length.div_ceil(self.size) as usize
    }

    /// The bytes of a part, counted from 0.
    pub(in crate::s3) fn range(&self, index: usize) -> Range<u64> {
        let start = index as u64 * self.size;
        start..self.length.min(start + self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_cover_all_of_it() {
        const MIB: u64 = 1024 * 1024;
        for (length, count, last) in [
            (8 * MIB + 1, 2, 1),
            (16 * MIB, 2, 8 * MIB),
            (80_000 * MIB, 10_000, 8 * MIB),
            (80_000 * MIB + 1, 8_889, 8 * MIB + 1),
            // The largest object that S3 takes.
            (5 << 40, 9_987, 230 * MIB),
        ] {
            let parts = Parts::of(length);
            assert_eq!(parts.count(), count, "{length}");
            let mut end = 0;
            for index in 0..count {
                let range = parts.range(index);
                assert_eq!(range.start, end);
                end = range.end;
            }
            let range = parts.range(count - 1);
            assert_eq!((end, range.end - range.start), (length, last));
        }
    }
}
