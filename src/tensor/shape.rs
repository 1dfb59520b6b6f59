//! Shapes: what fits a model's, and what a number of bytes says of a dynamic one.

use std::fmt;

use super::ElementType;

/// The shape that content of shape `found` has as an input of shape `wanted`.
///
/// Each dimension is the wanted one, or any where that is dynamic. A leading batch dimension of
/// one may be missing.
pub(super) fn fit(wanted: &[i32], found: &[u64]) -> Option<Vec<i32>> {
    let batch: &[u64] = match wanted.first() {
        Some(&first) if first <= 1 && wanted.len() == found.len() + 1 => &[1],
        _ => &[],
    };
    if wanted.len() != batch.len() + found.len() {
        return None;
    }
    wanted
        .iter()
        .zip(batch.iter().chain(found))
        .map(|(&wanted, &found)| {
            let found = i32::try_from(found).ok().filter(|found| *found > 0)?;
            (wanted <= 0 || wanted == found).then_some(found)
        })
        .collect()
}

/// The shape that `length` bytes have where exactly one dimension of `wanted` is dynamic, or none
/// is and the bytes are as many as the shape takes.
pub(super) fn infer(wanted: &[i32], element: ElementType, length: usize) -> Option<Vec<i32>> {
    let mut dynamic = wanted.iter().filter(|size| **size <= 0);
    let known: Vec<i32> = wanted.iter().copied().filter(|size| *size > 0).collect();
    let known = byte_length(&known, element)?;
    if dynamic.next().is_none() {
        return (known == length).then(|| wanted.to_vec());
    }
    if dynamic.next().is_some() || length == 0 || !length.is_multiple_of(known) {
        return None;
    }
    let missing = i32::try_from(length / known).ok()?;
    Some(wanted.iter().map(|&size| if size <= 0 { missing } else { size }).collect())
}

/// The bytes that a shape takes; zero where a dimension is. `None` for a negative dimension and
/// where the number is larger than memory can be.
pub(super) fn byte_length(shape: &[i32], element: ElementType) -> Option<usize> {
    // A product that is zero in the end does not overflow on the way.
    let sizes =
        shape.iter().map(|size| usize::try_from(*size).ok()).collect::<Option<Vec<usize>>>()?;
    if sizes.contains(&0) {
        return Some(0);
    }
    sizes.iter().try_fold(element.size(), |bytes, size| bytes.checked_mul(*size))
}

/// Shows a shape as `[1,224,224,3]`.
pub(super) struct Listed<'a, T>(pub(super) &'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, size) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            write!(f, "{size}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_batch_of_one_and_dynamic_dimensions_fit() {
        for (wanted, found, fitted) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], Some(vec![1, 2, 3])),
            (&[1, 2, 3], &[2, 3], Some(vec![1, 2, 3])),
            (&[-1, 2, 3], &[2, 3], Some(vec![1, 2, 3])),
            (&[-1, 0, 3], &[5, 7, 3], Some(vec![5, 7, 3])),
            (&[], &[], Some(vec![])),
            (&[1], &[], Some(vec![1])),
            (&[2, 2, 3], &[2, 3], None),
            (&[1, 2, 3], &[3, 2], None),
            (&[1, 2, 3], &[3], None),
            (&[1, 2, 3], &[1, 1, 2, 3], None),
            (&[-1, 3], &[0, 3], None),
            (&[-1, 3], &[1 << 32, 3], None),
            (&[], &[1], None),
        ] {
            assert_eq!(fit(wanted, found), fitted, "{wanted:?} {found:?}");
        }
    }

    #[test]
    fn one_dynamic_dimension_follows_from_the_bytes() {
        for (wanted, length, inferred) in [
            (&[1, 3][..], 12, Some(vec![1, 3])),
            (&[1, 3], 24, None),
            (&[-1, 3], 24, Some(vec![2, 3])),
            (&[0, 3], 12, Some(vec![1, 3])),
            (&[-1, 3], 13, None),
            (&[-1, 3], 0, None),
            (&[-1, -1, 3], 12, None),
            (&[-1, i32::MAX, i32::MAX, i32::MAX], 12, None),
        ] {
            assert_eq!(
                infer(wanted, ElementType::Float32, length),
                inferred,
                "{wanted:?} {length}"
            );
        }
    }

    #[test]
    fn a_zero_makes_any_shape_empty() {
        let of = |shape: &[i32]| byte_length(shape, ElementType::Float64);
        assert_eq!(of(&[i32::MAX, i32::MAX, i32::MAX, 0]), Some(0));
        assert_eq!(of(&[i32::MAX, i32::MAX, i32::MAX]), None);
        assert_eq!(of(&[-1, 0]), None);
        assert_eq!(of(&[]), Some(8));
    }
}
