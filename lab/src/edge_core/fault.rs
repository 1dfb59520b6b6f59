//! Faults that can be ordered.

/// Something that goes wrong once, at the next moment that it can. No fault is a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Close after reading a whole HTTP request, without answering it.
    CutAtHandshake,
    /// Never answer a whole HTTP request, nor any other client's, until that client leaves.
    StallAtHandshake,
    /// Close on receiving this method, without doing it.
    CutOn(&'static str),
    /// Do this method, answer it, then close.
    CutAfter(&'static str),
    /// Neither do nor answer this method. The connection stays.
    Ignore(&'static str),
    /// Do not do this method, but answer it with this code, closing where the code closes.
    Refuse(&'static str, i64),
    /// Close right after delivering a command from the cloud, or from management.
    CutAfterDelivery,
}

impl Fault {
    /// The method that the fault waits for.
    pub(super) fn method(&self) -> Option<&'static str> {
        match *self {
            Fault::CutOn(method)
            | Fault::CutAfter(method)
            | Fault::Ignore(method)
            | Fault::Refuse(method, _) => Some(method),
            Fault::CutAtHandshake | Fault::StallAtHandshake | Fault::CutAfterDelivery => None,
        }
    }
}
