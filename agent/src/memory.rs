//! How much memory the machine has left.

/// Bytes that can be allocated without swapping: `MemAvailable` of `/proc/meminfo`, in proc(5).
/// None where the kernel does not tell.
pub(crate) fn available() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn parse(meminfo: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_meminfo() {
        let meminfo = "MemTotal:       24669560 kB\nMemAvailable:    1024 kB\nSwapTotal: 0 kB\n";
        assert_eq!(parse(meminfo), Some(1_048_576));
        assert_eq!(parse("MemTotal: 1 kB\n"), None);
        assert_eq!(parse("MemAvailable: many kB\n"), None);
    }
}
