//! Stub.
/// Whether the host is a jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jail {
    /// It is none.
    None,
    /// With the host's network stack.
    Shared,
    /// With a network stack of its own.
    Vnet,
}
