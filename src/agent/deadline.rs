//! How long a call may take, and how gRPC writes that.

use std::time::Duration;

/// How long to wait, for each kind of call.
///
/// A call's time begins when it is its turn: waiting behind another control call is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection to the agent; 5 s.
    pub connect: Duration,
    /// For ListModels, DescribeModel and UnLoadModel; 30 s.
    pub control: Duration,
    /// For LoadModel; 10 min, because a model of several GB is read from a slow disk.
    pub load: Duration,
    /// For Predict; 60 s.
    pub predict: Duration,
    /// For CaptureData and GetCaptureDataStatus; 30 s.
    pub capture: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            control: Duration::from_secs(30),
            load: Duration::from_secs(600),
            predict: Duration::from_secs(60),
            capture: Duration::from_secs(30),
        }
    }
}

/// The value of the `grpc-timeout` header: at most eight digits and a unit ("Requests").
///
/// The finest unit that fits, rounded up, so that the agent never gives up before the client.
pub(super) fn grpc_timeout(time: Duration) -> String {
    const LARGEST: u128 = 99_999_999;
    const UNITS: [(u128, char); 6] = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
        (3_600_000_000_000, 'H'),
    ];
    for (nanoseconds, unit) in UNITS {
        let value = time.as_nanos().div_ceil(nanoseconds);
        if value <= LARGEST {
            return format!("{value}{unit}");
        }
    }
    format!("{LARGEST}H")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_and_the_finest_unit() {
        for (time, text) in [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(1), "1n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_000), "100000u"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_secs(5), "5000000u"),
            (Duration::from_secs(600), "600000m"),
            (Duration::from_secs(99_999_999), "99999999S"),
            (Duration::from_secs(100_000_000), "1666667M"),
            (Duration::from_secs(6_000_000_000), "1666667H"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(grpc_timeout(time), text);
        }
    }
}
