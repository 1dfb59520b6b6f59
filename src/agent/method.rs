//! The methods of the agent, and the rules for calling each.

use std::fmt;
use std::time::Duration;

use super::Deadlines;

/// A method of `AWS.SageMaker.Edge.Agent`, spelt as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Runs a model on tensors.
    Predict,
    /// Loads a model from a directory.
    LoadModel,
    /// Unloads a model.
    UnLoadModel,
    /// Lists the loaded models.
    ListModels,
    /// Describes one model.
    DescribeModel,
    /// Keeps a prediction's tensors.
    CaptureData,
    /// What became of a capture.
    GetCaptureDataStatus,
}

impl Method {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Predict => "Predict",
            Self::LoadModel => "LoadModel",
            Self::UnLoadModel => "UnLoadModel",
            Self::ListModels => "ListModels",
            Self::DescribeModel => "DescribeModel",
            Self::CaptureData => "CaptureData",
            Self::GetCaptureDataStatus => "GetCaptureDataStatus",
        }
    }

    /// Whether the agent demands that the client sends one such call at a time.
    pub(super) fn is_control(self) -> bool {
        match self {
            Self::LoadModel | Self::UnLoadModel | Self::ListModels | Self::DescribeModel => true,
            Self::Predict | Self::CaptureData | Self::GetCaptureDataStatus => false,
        }
    }

    /// Whether a second call after a first one that may have run does no harm.
    pub(super) fn only_reads(self) -> bool {
        match self {
            Self::ListModels | Self::DescribeModel | Self::GetCaptureDataStatus => true,
            Self::Predict | Self::LoadModel | Self::UnLoadModel | Self::CaptureData => false,
        }
    }

    /// How long the call may take.
    pub(super) fn deadline(self, deadlines: &Deadlines) -> Duration {
        match self {
            Self::Predict => deadlines.predict,
            Self::LoadModel => deadlines.load,
            Self::UnLoadModel | Self::ListModels | Self::DescribeModel => deadlines.control,
            Self::CaptureData | Self::GetCaptureDataStatus => deadlines.capture,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
