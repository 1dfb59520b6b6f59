//! Memory for tensors, reused.
//!
//! musl's allocator maps each large block anew and unmaps it when it is freed: with a tensor of 600 kB
//! the kernel then finds 150 pages, one fault each, for every prediction. This one keeps a few freed
//! blocks, at most 1 MiB of them, for who wants one of the same size next. All else is the system's.
#![allow(unsafe_code, reason = "an allocator gives and takes pointers")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;

/// Blocks from here on are kept. musl maps them one by one, or the smaller ones a few together.
const LARGE: usize = 16 << 10;

/// What is kept at most, in bytes: an idle gateway pays for it.
const MOST: usize = 1 << 20;

/// Sizes of large blocks are multiples of this, so that tensors of about the same size share one.
const STEP: usize = 16 << 10;

/// The system's allocator, and freed blocks that are kept.
pub struct Allocator {
    kept: Mutex<[Option<Block>; 16]>,
}

/// A freed block that `System` gave for `layout`.
#[derive(Clone, Copy)]
struct Block {
    at: *mut u8,
    layout: Layout,
}

// SAFETY: nobody else has a pointer to a freed block.
unsafe impl Send for Block {}

impl Allocator {
    /// Nothing is kept yet.
    pub const fn new() -> Self {
        Self { kept: Mutex::new([None; 16]) }
    }

    /// A block that was given for the same layout. None as well where another thread looks for one.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        if layout.size() < LARGE {
            return None;
        }
        let mut kept = self.kept.try_lock().ok()?;
        let fits = |slot: &&mut Option<Block>| slot.is_some_and(|block| block.layout == layout);
        Some(kept.iter_mut().find(fits)?.take()?.at)
    }

    /// What has to be given back to the system: the block, another one in whose place it is kept, or
    /// nothing.
    fn keep(&self, block: Block) -> Option<Block> {
        let size = block.layout.size();
        if !(LARGE..=MOST).contains(&size) {
            return Some(block);
        }
        let Ok(mut kept) = self.kept.try_lock() else { return Some(block) };
        let others: usize = kept.iter().flatten().map(|other| other.layout.size()).sum();
        let free = kept.iter_mut().find(|slot| slot.is_none());
        if let Some(free) = free
            && others + size <= MOST
        {
            return free.replace(block);
        }
        let makes_room = |other: &&mut Block| others - other.layout.size() + size <= MOST;
        Some(match kept.iter_mut().flatten().find(makes_room) {
            Some(other) => std::mem::replace(other, block),
            None => block,
        })
    }
}

impl Default for Allocator {
    fn default() -> Self {
        Self::new()
    }
}

/// What the system is asked for: a function of what was asked for, so that the block can be given
/// back with the same.
fn rounded(layout: Layout) -> Layout {
    if layout.size() < LARGE {
        return layout;
    }
    let size = layout.size().checked_next_multiple_of(STEP);
    size.and_then(|size| Layout::from_size_align(size, layout.align()).ok()).unwrap_or(layout)
}

// SAFETY: every block comes from `System` for a rounded layout, has at least the size and the alignment
// that were asked for, is in use or kept and never both, and goes back with the layout that it came
// with.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let layout = rounded(layout);
        // SAFETY: a rounded layout is not smaller than the caller's, which is not empty.
        self.take(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let rounded = rounded(layout);
        match self.take(rounded) {
            Some(at) => {
                // SAFETY: the block has at least so many bytes, and nobody else has it.
                unsafe { at.write_bytes(0, layout.size()) };
                at
            }
            // SAFETY: as above.
            None => unsafe { System.alloc_zeroed(rounded) },
        }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if let Some(block) = self.keep(Block { at, layout: rounded(layout) }) {
            // SAFETY: it is no longer in use, and came for this layout.
            unsafe { System.dealloc(block.at, block.layout) };
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let old = rounded(layout);
        // SAFETY: the caller has made sure that this is a layout.
        let new = rounded(unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) });
        if old == new {
            return at;
        }
        // SAFETY: the block came for the old layout.
        unsafe { System.realloc(at, old, new.size()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    fn allocate(allocator: &Allocator, size: usize) -> *mut u8 {
        // SAFETY: it is not empty.
        let at = unsafe { allocator.alloc(layout(size)) };
        // SAFETY: it has so many bytes.
        unsafe { at.write_bytes(0xa5, size) };
        at
    }

    fn free(allocator: &Allocator, at: *mut u8, size: usize) {
        // SAFETY: it was allocated with it.
        unsafe { allocator.dealloc(at, layout(size)) };
    }

    fn kept(allocator: &Allocator) -> Vec<usize> {
        allocator.kept.lock().unwrap().iter().flatten().map(|block| block.layout.size()).collect()
    }

    #[test]
    fn a_large_block_is_reused() {
        let allocator = Allocator::new();
        let first = allocate(&allocator, 602_112);
        free(&allocator, first, 602_112);
        assert_eq!(kept(&allocator), [37 * STEP]);
        // Of about the same size.
        let second = allocate(&allocator, 602_240);
        assert_eq!(second, first);
        assert!(kept(&allocator).is_empty());
        free(&allocator, second, 602_240);
    }

    #[test]
    fn zeroed_blocks_are() {
        let allocator = Allocator::new();
        let first = allocate(&allocator, 200_000);
        free(&allocator, first, 200_000);
        // SAFETY: it is not empty, and has so many bytes.
        let bytes = unsafe {
            let at = allocator.alloc_zeroed(layout(200_000));
            assert_eq!(at, first);
            std::slice::from_raw_parts(at, 200_000)
        };
        assert!(bytes.iter().all(|byte| *byte == 0));
        free(&allocator, first, 200_000);
    }

    #[test]
    fn small_and_huge_blocks_are_the_systems() {
        let allocator = Allocator::new();
        for size in [1, LARGE - 1, MOST + 1] {
            let at = allocate(&allocator, size);
            free(&allocator, at, size);
            assert!(kept(&allocator).is_empty(), "{size}");
        }
    }

    #[test]
    fn never_more_is_kept_than_it_may() {
        let allocator = Allocator::new();
        let sizes: Vec<usize> = (2..16).map(|number| number * STEP).collect();
        for around in 0..sizes.len() {
            let some: Vec<usize> =
                sizes.iter().cycle().skip(around).step_by(3).take(7).copied().collect();
            let blocks: Vec<_> = some.iter().map(|size| allocate(&allocator, *size)).collect();
            for (at, size) in blocks.into_iter().zip(some) {
                free(&allocator, at, size);
                assert!(kept(&allocator).iter().sum::<usize>() <= MOST);
            }
        }
        assert!(!kept(&allocator).is_empty());
    }

    #[test]
    fn another_makes_room() {
        const UNIT: usize = MOST / 16;
        let allocator = Allocator::new();
        let blocks: Vec<_> =
            (2..7).map(|number| (number, allocate(&allocator, number * UNIT))).collect();
        for (number, at) in blocks {
            free(&allocator, at, number * UNIT);
        }
        // 2, 3, 4 and 5 were 14 of 16, until the 6 took the place of the 4.
        assert_eq!(kept(&allocator), [2 * UNIT, 3 * UNIT, 6 * UNIT, 5 * UNIT]);
        let at = allocate(&allocator, 9 * UNIT);
        free(&allocator, at, 9 * UNIT);
        assert_eq!(kept(&allocator), [2 * UNIT, 3 * UNIT, 6 * UNIT, 5 * UNIT]);
    }

    #[test]
    fn blocks_grow_and_shrink_with_what_is_in_them() {
        let allocator = Allocator::new();
        let mut size = 10;
        let mut at = allocate(&allocator, size);
        for new in [LARGE - 1, LARGE, LARGE + 1, 5 * STEP, 5 * STEP - 7, 40 * STEP, LARGE, 3] {
            // SAFETY: it was allocated with the size, and both are not empty.
            at = unsafe { allocator.realloc(at, layout(size), new) };
            // SAFETY: it has the smaller of both filled.
            let bytes = unsafe { std::slice::from_raw_parts(at, size.min(new)) };
            assert!(bytes.iter().all(|byte| *byte == 0xa5), "{new}");
            // SAFETY: it has so many bytes.
            unsafe { at.write_bytes(0xa5, new) };
            size = new;
        }
        free(&allocator, at, size);
    }
}
