//! Multiples of P-256's generator without the table of 148 KiB that *ring* has for them.
//!
//! The table makes a TLS handshake some ten microseconds faster. `musl-targets/build` renames *ring*'s
//! two functions that read it, by which the linker finds that nothing needs it, and has these instead:
//! they give the generator to *ring*'s function for multiples of any point, which takes constant time
//! as well. Other builds have *ring* as it is.
//!
//! The names carry *ring*'s version. With another version this does not link, until they follow.
#![allow(unsafe_code, reason = "it stands in for C and calls C")]

/// A number modulo the field's prime, in Montgomery form, the least significant limb first.
type Element = [u64; 4];

/// A point in Jacobian coordinates.
type Point = [Element; 3];

/// FIPS 186-4, D.1.2.3, in Montgomery form, as in *ring*'s `src/ec/suite_b/ops/p256.rs`.
static GENERATOR_X: Element =
    [0x79e7_30d4_18a9_143c, 0x75ba_95fc_5fed_b601, 0x79fb_732b_7762_2510, 0x1890_5f76_a537_55c6];
static GENERATOR_Y: Element =
    [0xddf2_5357_ce95_560a, 0x8b4a_b8e4_ba19_e45c, 0xd2e8_8688_dd21_f325, 0x8571_ff18_2588_5d85];

unsafe extern "C" {
    #[link_name = "ring_core_0_17_14__p256_point_mul"]
    fn multiply(product: *mut Point, scalar: *const Element, x: *const Element, y: *const Element);
}

/// For the handshake's own key.
///
/// # Safety
///
/// As in *ring*'s C: `product` can be written and `scalar` read.
#[unsafe(export_name = "ring_core_0_17_14__p256_point_mul_base")]
unsafe extern "C" fn multiply_generator(product: *mut Point, scalar: *const Element) {
    // SAFETY: the caller's pointers are as the callee wants them, and the generator is static.
    unsafe { multiply(product, scalar, &raw const GENERATOR_X, &raw const GENERATOR_Y) }
}

/// For signatures, where time may tell the scalar.
///
/// # Safety
///
/// As in *ring*'s C: `product` can be written and `scalar` read.
#[unsafe(export_name = "ring_core_0_17_14__p256_point_mul_base_vartime")]
unsafe extern "C" fn multiply_generator_public(product: *mut Point, scalar: *const Element) {
    // SAFETY: as above.
    unsafe { multiply(product, scalar, &raw const GENERATOR_X, &raw const GENERATOR_Y) }
}
