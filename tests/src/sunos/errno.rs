//! What the kernel answers instead of success, and what libipadm makes of it.

/// An error of the kernel or of ipmgmtd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Errno {
    /// Not the owner.
    Eperm,
    /// No such property, or no line for it.
    Enoent,
    /// It is there, and cannot be read or written at all.
    Eacces,
    /// The list has it already.
    Eexist,
    /// No number, or no word for it.
    Einval,
    /// Outside of the range.
    Erange,
    /// The list does not have it.
    Esrch,
    /// The list is full.
    Eoverflow,
    /// It has no default.
    Enotsup,
    /// The door is none.
    Ebadf,
    /// It is too long to be shown.
    Enobufs,
    /// What the kernel would answer was not recorded.
    Unmodelled(String),
}

impl Errno {
    /// Returns the words of the system for it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Eperm => "Not owner",
            Self::Enoent => "No such file or directory",
            Self::Eacces => "Permission denied",
            Self::Eexist => "File exists",
            Self::Einval => "Invalid argument",
            Self::Erange => "Result too large",
            Self::Esrch => "No such process",
            Self::Eoverflow => "Value too large for defined data type",
            Self::Enotsup => "Operation not supported",
            Self::Ebadf => "Bad file number",
            Self::Enobufs => "No buffer space available",
            Self::Unmodelled(what) => what,
        }
    }
}

/// How a call of libipadm ended, where it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    /// The caller lacks the authorization.
    Unauthorized,
    /// The caller lacks the privilege, or nobody may.
    Denied,
    /// The property is another protocol's.
    BadProtocol,
    /// The list has it already.
    Exists,
    /// Something about the request.
    Invalid,
    /// No such property.
    Unknown,
    /// Outside of the range.
    Range,
    /// The list does not have it.
    Absent,
    /// The list is full.
    TooMany,
    /// Nothing is stored.
    NotFound,
    /// No daemon answers.
    NoDaemon,
    /// It cannot be done to this.
    Unsupported,
    /// It is too long to be shown.
    NoBuffers,
    /// What the library would answer was not recorded.
    Unmodelled(String),
}

impl Status {
    /// Returns the words of the library for it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Unauthorized => "Insufficient user authorizations",
            Self::Denied => "Permission denied",
            Self::BadProtocol => "Incorrect protocol family for operation",
            Self::Exists => "Already exists",
            Self::Invalid => "Invalid argument provided",
            Self::Unknown => "Unknown property",
            Self::Range => "Value is outside the allowed range",
            Self::Absent => "Value does not exist",
            Self::TooMany => "Number of values exceeds the allowed limit",
            Self::NotFound => "Object not found",
            Self::NoDaemon => "Could not communicate with ipmgmtd",
            Self::Unsupported => "Operation not supported",
            Self::NoBuffers => "No buffer space available",
            Self::Unmodelled(what) => what,
        }
    }

    /// What the library makes of an error of the kernel, which says ENOENT of a property that it does not have.
    pub(super) fn of_kernel(errno: Errno) -> Self {
        if errno == Errno::Enoent { Self::Unknown } else { Self::of(errno) }
    }

    /// What the library makes of an error.
    pub(super) fn of(errno: Errno) -> Self {
        match errno {
            Errno::Eperm => Self::Denied,
            Errno::Enoent => Self::NotFound,
            Errno::Eexist => Self::Exists,
            Errno::Einval => Self::Invalid,
            Errno::Erange => Self::Range,
            Errno::Esrch => Self::Absent,
            Errno::Eoverflow => Self::TooMany,
            Errno::Enotsup => Self::Unsupported,
            Errno::Ebadf => Self::NoDaemon,
            Errno::Enobufs => Self::NoBuffers,
            Errno::Eacces => Self::Unmodelled("libipadm never sees EACCES".to_owned()),
            Errno::Unmodelled(what) => Self::Unmodelled(what),
        }
    }
}
