//! What a program says, and how it ends.

/// What a program says, and how it ends.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Standard output.
    pub(super) out: Vec<u8>,
    /// Standard error.
    pub(super) err: Vec<u8>,
    /// The exit code.
    pub(super) code: u8,
}

impl Said {
    /// Says a text on standard output.
    pub(super) fn out(text: impl Into<Vec<u8>>) -> Self {
        Self { out: text.into(), ..Self::default() }
    }

    /// Says lines on standard error and fails.
    pub(super) fn failed(lines: &str) -> Self {
        Self { err: format!("{lines}\n").into_bytes(), code: 1, ..Self::default() }
    }

    /// Refuses what is not modelled, so that nobody takes it for an answer.
    pub(super) fn unmodelled(what: &str) -> Self {
        let err = format!("SUNOS STAND-IN: NOT MODELLED: {what}\n").into_bytes();
        Self { err, code: super::UNMODELLED, ..Self::default() }
    }
}
