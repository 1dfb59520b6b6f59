//! Cyclic redundancy checks that S3 offers and nothing else here computes.

/// The polynomial of CRC-32C, bits reversed (RFC 3720 appendix B.4 writes it as 0x1EDC6F41).
pub(super) const CRC32C: Polynomial = Polynomial { reversed: 0x82F6_3B78, ones: 0xFFFF_FFFF };

/// The polynomial of CRC-64/NVME, bits reversed (NVM Express NVM Command Set Specification 1.0,
/// section 5.2.1.3.4).
pub(super) const CRC64_NVME: Polynomial =
    Polynomial { reversed: 0x9A6C_9329_AC4B_C9B5, ones: u64::MAX };

/// What makes one check different from another. Both begin and end with all bits inverted.
pub(super) struct Polynomial {
    reversed: u64,
    ones: u64,
}

/// How many bytes are taken at once.
const SLICES: usize = 8;

/// A check that is being computed, eight bytes at a time ("slicing-by-8": Kounavis and Berry, "A
/// Systematic Approach to Building High Performance Software-Based CRC Generators").
///
/// A check of 32 bits is computed in the lower half of 64: one code for both.
pub(super) struct Crc {
    state: u64,
    ones: u64,
    /// The check of each byte that is followed by as many zeros as the slice's number. Made when a
    /// check is needed: in the binary they would take 16 KiB each.
    tables: Box<[[u64; 256]; SLICES]>,
}

impl Crc {
    pub(super) fn new(polynomial: &Polynomial) -> Self {
        let mut tables = Box::new([[0; 256]; SLICES]);
        let mut previous = [0_u64; 256];
        for (byte, check) in (0_u64..).zip(previous.iter_mut()) {
            *check = byte;
            for _ in 0..8 {
                let carry = if *check & 1 == 1 { polynomial.reversed } else { 0 };
                *check = (*check >> 1) ^ carry;
            }
        }
        let first = previous;
        for table in tables.iter_mut() {
            *table = previous;
            for check in &mut previous {
                *check = (*check >> 8) ^ first[(*check & 0xFF) as usize];
            }
        }
        Self { state: polynomial.ones, ones: polynomial.ones, tables }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        let tables = &*self.tables;
        let (eights, rest) = data.as_chunks::<SLICES>();
        let mut state = self.state;
        for eight in eights {
            let bytes = (state ^ u64::from_le_bytes(*eight)).to_le_bytes();
            state = 0;
            for (byte, table) in bytes.iter().zip(tables.iter().rev()) {
                state ^= table[usize::from(*byte)];
            }
        }
        for byte in rest {
            state = (state >> 8) ^ tables[0][usize::from(*byte ^ state as u8)];
        }
        self.state = state;
    }

    pub(super) fn finish(&self) -> u64 {
        self.state ^ self.ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(polynomial: &Polynomial, parts: &[&[u8]]) -> u64 {
        let mut crc = Crc::new(polynomial);
        parts.iter().for_each(|part| crc.update(part));
        crc.finish()
    }

    #[test]
    fn check_values() {
        // The "check" column of Greg Cook's catalogue of parametrised CRC algorithms.
        assert_eq!(check(&CRC32C, &[b"123456789"]), 0xE306_9283);
        assert_eq!(check(&CRC64_NVME, &[b"123456789"]), 0xAE8B_1486_0A79_9888);
        assert_eq!(check(&CRC32C, &[]), 0);
        // RFC 3720 appendix B.4.
        assert_eq!(check(&CRC32C, &[&[0; 32]]), 0x8A91_36AA);
        assert_eq!(check(&CRC32C, &[&[0xFF; 32]]), 0x62A8_AB43);
        // NVM Express NVM Command Set Specification 1.0, figure 121.
        assert_eq!(check(&CRC64_NVME, &[&[0; 4096]]), 0x6482_D367_EB22_B64E);
        assert_eq!(check(&CRC64_NVME, &[&[0xFF; 4096]]), 0xC0DD_BA73_02EC_A3AC);
    }

    #[test]
    fn parts_of_any_length_give_the_check_of_the_whole() {
        let content: Vec<u8> = (0..100_u8).map(|n| n.wrapping_mul(77)).collect();
        for polynomial in [&CRC32C, &CRC64_NVME] {
            let whole = check(polynomial, &[&content]);
            for cut in 0..content.len() {
                let (left, right) = content.split_at(cut);
                assert_eq!(check(polynomial, &[left, right]), whole, "{cut}");
            }
        }
    }
}
