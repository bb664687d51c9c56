//! What a FreeBSD kernel says of a tunable in its kind word, numbers as it keeps them, and what keeps a caller from
//! writing one.
//!
//! Nothing here asks a system: it is compiled for FreeBSD, and for tests everywhere. Source: sys/sys/sysctl.h and
//! sys/kern/kern_sysctl.c `sysctl_root`.

use tune_model::catalog::KernelType;

use crate::host::Description;

/// Its value can be read.
pub(super) const READABLE: u32 = 0x8000_0000;
/// It can be written while the system runs.
pub(super) const WRITABLE: u32 = 0x4000_0000;
/// Everybody may write it.
pub(super) const ANYBODY: u32 = 0x1000_0000;
/// It cannot be written above a securelevel.
pub(super) const SECURE: u32 = 0x0800_0000;
/// Which securelevel that is.
pub(super) const SECURE_LEVEL: u32 = 0x00F0_0000;
/// Root of a jail may write it.
pub(super) const PRISON: u32 = 0x0400_0000;
/// The boot loader's environment is asked for it, by the kernel's general code or by its own.
pub(super) const TUNABLE: u32 = 0x0008_0000;
/// Each network stack has its own.
pub(super) const VNET: u32 = 0x0002_0000;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// No value, but a branch of the tree.
    Node,
    /// A text.
    Text,
    /// A structure.
    Opaque,
    /// A number, or a row of them.
    Number(KernelType),
}

/// The kernel's kind word: the type of the value, and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(pub(super) u32);

impl Kind {
    pub(super) const fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    pub(super) const fn form(self) -> Form {
        Form::Number(match self.0 & 0xF {
            1 => return Form::Node,
            3 => return Form::Text,
            2 => KernelType::Int,
            4 => KernelType::S64,
            6 => KernelType::Uint,
            7 => KernelType::Long,
            8 => KernelType::Ulong,
            9 => KernelType::U64,
            10 => KernelType::U8,
            11 => KernelType::U16,
            12 => KernelType::S8,
            13 => KernelType::S16,
            14 => KernelType::S32,
            15 => KernelType::U32,
            _ => return Form::Opaque,
        })
    }

    /// Returns the securelevel above which it cannot be written.
    pub(super) fn secure_above(self) -> Option<i32> {
        let level = (self.0 & SECURE_LEVEL) >> SECURE_LEVEL.trailing_zeros();
        self.has(SECURE).then(|| level.cast_signed())
    }

    pub(super) fn description(self) -> Description {
        Description {
            value: match self.form() {
                Form::Number(kernel_type) => Some(kernel_type),
                Form::Node | Form::Text | Form::Opaque => None,
            },
            writable: self.has(WRITABLE),
            loader: self.has(TUNABLE),
            vnet: self.has(VNET),
            prison: self.has(PRISON),
            secure_above: self.secure_above(),
        }
    }
}

/// Returns how many bytes a number has, on a system of 64 bits.
pub(super) const fn size(kernel_type: KernelType) -> usize {
    match kernel_type {
        KernelType::S8 | KernelType::U8 => 1,
        KernelType::S16 | KernelType::U16 => 2,
        KernelType::Int | KernelType::Uint | KernelType::S32 | KernelType::U32 => 4,
        KernelType::Long | KernelType::Ulong | KernelType::S64 | KernelType::U64 => 8,
    }
}

/// Returns a row of numbers as sysctl(8) shows it; what is left over at the end is no number.
pub(super) fn shown(kernel_type: KernelType, bytes: &[u8]) -> String {
    let numbers = bytes.chunks_exact(size(kernel_type)).map(|bytes| number(kernel_type, bytes).to_string());
    numbers.collect::<Vec<_>>().join(" ")
}

fn number(kernel_type: KernelType, bytes: &[u8]) -> i128 {
    let unsigned = bytes.iter().rev().fold(0, |above, byte| above << 8 | u128::from(*byte));
    let unused = 128 - 8 * bytes.len();
    match kernel_type.range().0 {
        0 => unsigned.cast_signed(),
        _ => (unsigned << unused).cast_signed() >> unused,
    }
}

/// Returns the number that a text is, or why it cannot be written as one of this type.
///
/// The kernel cuts off what is longer than the value, in silence, so it is never given anything else than the bytes of a
/// number that fits.
pub(super) fn fitting(kernel_type: KernelType, text: &str) -> Result<i128, String> {
    let number: i128 = text.trim().parse().map_err(|_| format!("{text:?} is not a number"))?;
    let (low, high) = kernel_type.range();
    if (low..=high).contains(&number) {
        return Ok(number);
    }
    Err(format!("{number} does not fit its type: {} is {low} to {high}", kernel_type.name()))
}

/// Returns exactly the bytes of a number that fits its type.
pub(super) fn bytes(kernel_type: KernelType, number: i128) -> Vec<u8> {
    number.to_le_bytes()[..size(kernel_type)].to_vec()
}

/// Who asks, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) root: bool,
    /// In a jail, whether that has a network stack of its own.
    pub(super) jail: Option<bool>,
    pub(super) securelevel: i32,
}

/// What keeps a caller from writing a tunable; the kernel has one answer for all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Root could.
    NotRoot,
    /// Not even root could, for this reason.
    Fixed(String),
}

/// Returns what keeps a caller from writing a tunable, what root cannot change first.
pub(super) fn obstacle(kind: Kind, caller: Caller) -> Option<Obstacle> {
    let fixed = |reason: &str| Some(Obstacle::Fixed(reason.to_owned()));
    if !kind.has(WRITABLE) {
        return fixed(match kind.has(TUNABLE) {
            true => "it is read only while the system runs; the boot loader sets it",
            false => "it cannot be written at all",
        });
    }
    if let Some(level) = kind.secure_above().filter(|level| caller.securelevel > *level) {
        let now = caller.securelevel;
        return fixed(&format!("kern.securelevel is {now}, and above {level} it cannot be written"));
    }
    if kind.has(ANYBODY) {
        return None;
    }
    if caller.jail.is_some_and(|own_stack| !may_in_jail(kind, own_stack)) {
        return fixed(jailed(kind));
    }
    (!caller.root).then_some(Obstacle::NotRoot)
}

const fn may_in_jail(kind: Kind, own_stack: bool) -> bool {
    kind.has(PRISON) || own_stack && kind.has(VNET)
}

const fn jailed(kind: Kind) -> &'static str {
    if kind.has(VNET) {
        "this jail uses the network stack of its host, where it is to be set"
    } else {
        "it belongs to the host of this jail, where it is to be set"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_the_kernel_hands_over_is_read(
            word: u32,
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            text in "-?[0-9]{0,25}",
        ) {
            let kind = Kind(word);
            let _ = kind.description();
            if let Form::Number(kernel_type) = kind.form() {
                drop(shown(kernel_type, &bytes));
                if let Ok(number) = fitting(kernel_type, &text) {
                    let stored = super::bytes(kernel_type, number);
                    prop_assert_eq!(shown(kernel_type, &stored), number.to_string());
                }
            }
        }
    }

    const NOBODY: Caller = Caller { root: false, jail: None, securelevel: -1 };
    const ROOT: Caller = Caller { root: true, ..NOBODY };
    const READ_WRITE: u32 = READABLE | WRITABLE;

    fn refusal(kind: u32, caller: Caller) -> String {
        match obstacle(Kind(kind), caller) {
            None => "may".to_owned(),
            Some(Obstacle::NotRoot) => "not root".to_owned(),
            Some(Obstacle::Fixed(reason)) => reason,
        }
    }

    #[test]
    fn each_type_is_read_and_written_in_its_own_size() {
        for (kernel_type, text, stored) in [
            (KernelType::Int, "60000", &[0x60, 0xEA, 0, 0][..]),
            (KernelType::Int, "-1", &[0xFF; 4]),
            (KernelType::Uint, "4294967295", &[0xFF; 4]),
            (KernelType::Ulong, "2097152", &[0, 0, 0x20, 0, 0, 0, 0, 0]),
            (KernelType::S64, "-9223372036854775808", &[0, 0, 0, 0, 0, 0, 0, 0x80]),
            (KernelType::U64, "18446744073709551615", &[0xFF; 8]),
            (KernelType::U8, "1", &[1]),
            (KernelType::S8, "-128", &[0x80]),
            (KernelType::U16, "10000", &[0x10, 0x27]),
            (KernelType::S16, "-2", &[0xFE, 0xFF]),
        ] {
            assert_eq!(
                fitting(kernel_type, text).map(|number| bytes(kernel_type, number)),
                Ok(stored.to_vec())
            );
            assert_eq!(shown(kernel_type, stored), text);
        }
        assert_eq!(shown(KernelType::U64, &[[1, 0, 0, 0, 0, 0, 0, 0], [9; 8]].concat()[..12]), "1");
        assert_eq!(shown(KernelType::U16, &[1, 0, 2, 0]), "1 2");
    }

    #[test]
    fn what_is_no_number_of_the_type_never_reaches_the_kernel() {
        let refused = |text| fitting(KernelType::Int, text).expect_err(text);
        assert_eq!(
            refused("4294967296"),
            "4294967296 does not fit its type: int is -2147483648 to 2147483647"
        );
        for text in ["", "30s", "0x10", "1,000", "1 2", "1e4", "99999999999999999999999999999999999999999"] {
            assert_eq!(refused(text), format!("{text:?} is not a number"));
        }
        assert!(fitting(KernelType::Uint, "-1").is_err());
        assert!(fitting(KernelType::U8, "256").is_err());
    }

    #[test]
    fn the_kind_word_says_everything_else() {
        // net.inet.tcp.always_keepalive, kern.ipc.maxmbufmem and net.inet.ip.portrange.reservedlow.
        let keepalive = Kind(READ_WRITE | VNET | 2).description();
        assert!(keepalive.writable && keepalive.vnet && !keepalive.loader && !keepalive.prison);
        assert_eq!(keepalive.value, Some(KernelType::Int));
        let memory = Kind(READABLE | TUNABLE | 0x1000 | 4).description();
        assert!(memory.loader && !memory.writable);
        assert_eq!(memory.value, Some(KernelType::S64));
        assert_eq!(Kind(READ_WRITE | SECURE | 2).description().secure_above, Some(0));
        assert_eq!(Kind(READ_WRITE | SECURE | 0x0020_0000 | 2).description().secure_above, Some(2));
        assert_eq!(memory.secure_above, None);
        assert_eq!([Kind(1).form(), Kind(3).form(), Kind(5).form()], [Form::Node, Form::Text, Form::Opaque]);
    }

    #[test]
    fn the_real_cause_of_a_refusal_is_found() {
        let in_jail = |own_stack| Caller { jail: Some(own_stack), ..ROOT };
        assert_eq!(refusal(READ_WRITE, ROOT), "may");
        assert_eq!(refusal(READ_WRITE, NOBODY), "not root");
        assert_eq!(refusal(READ_WRITE | ANYBODY, NOBODY), "may");
        assert_eq!(refusal(READABLE, NOBODY), "it cannot be written at all");
        assert!(refusal(READABLE | TUNABLE, ROOT).ends_with("the boot loader sets it"));
        assert!(refusal(READ_WRITE, in_jail(true)).starts_with("it belongs to the host"));
        assert!(refusal(READ_WRITE | VNET, in_jail(false)).starts_with("this jail uses the network stack"));
        assert_eq!(refusal(READ_WRITE | VNET, in_jail(true)), "may");
        assert_eq!(refusal(READ_WRITE | PRISON, in_jail(false)), "may");
        assert_eq!(refusal(READ_WRITE | PRISON, Caller { root: false, ..in_jail(false) }), "not root");
        let secured = Caller { securelevel: 1, ..ROOT };
        assert_eq!(
            refusal(READ_WRITE | SECURE, secured),
            "kern.securelevel is 1, and above 0 it cannot be written"
        );
        assert_eq!(refusal(READ_WRITE | SECURE | 0x0010_0000, secured), "may");
    }
}
