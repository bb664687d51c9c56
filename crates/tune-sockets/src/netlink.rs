//! Netlink messages: how datagrams of the Linux kernel are made up.
//!
//! Source: include/uapi/linux/netlink.h; netlink(7).

use crate::bytes::Endian;

/// What a message's header takes.
pub(crate) const HEADER: usize = 16;
/// What an attribute's header takes.
const ATTRIBUTE: usize = 4;

/// A message that says that something failed, or with zero that it did not.
const ERROR: u16 = 2;
/// The last message of a list.
pub(crate) const DONE: u16 = 3;

pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACKNOWLEDGE: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
/// The list changed while it was made, and may lack something or have it twice.
const INTERRUPTED: u16 = 0x10;

/// A message of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// An answer: its type and content.
    Answer(u16, &'a [u8]),
    /// The end of a list, with the kernel's error number, zero for none.
    Done(i32),
    /// The kernel's error number for a whole request, zero for none.
    Error(i32),
}

/// A message and whether the list it belongs to was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received<'a> {
    pub(crate) message: Message<'a>,
    pub(crate) interrupted: bool,
}

/// The datagram is not made up as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The messages of a datagram that answer the request with this number.
#[derive(Debug)]
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
    endian: Endian,
    sequence: u32,
}

impl<'a> Messages<'a> {
    pub(crate) const fn of(datagram: &'a [u8], endian: Endian, sequence: u32) -> Self {
        Self { rest: datagram, endian, sequence }
    }

    fn take(&mut self) -> Option<Result<Option<Received<'a>>, Malformed>> {
        if self.rest.is_empty() {
            return None;
        }
        let header = (|| {
            let length = usize::try_from(self.endian.u32(self.rest, 0)?).ok()?;
            let (kind, flags) = (self.endian.u16(self.rest, 4)?, self.endian.u16(self.rest, 6)?);
            Some((self.rest.get(HEADER..length)?, length, kind, flags, self.endian.u32(self.rest, 8)?))
        })();
        let Some((content, length, kind, flags, sequence)) = header else {
            self.rest = &[];
            return Some(Err(Malformed));
        };
        // The last message need not be filled up.
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        if sequence != self.sequence {
            return Some(Ok(None));
        }
        let number = || self.endian.i32(content, 0);
        let message = match kind {
            DONE => Message::Done(number().unwrap_or_default()),
            ERROR => match number() {
                Some(number) => Message::Error(number),
                None => return Some(Err(Malformed)),
            },
            kind => Message::Answer(kind, content),
        };
        Some(Ok(Some(Received { message, interrupted: flags & INTERRUPTED != 0 })))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Received<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.take()? {
                Ok(None) => {}
                Ok(Some(received)) => return Some(Ok(received)),
                Err(malformed) => return Some(Err(malformed)),
            }
        }
    }
}

/// The attributes behind the fixed part of a message: type and content. Ends where they are not made up as they say.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
    endian: Endian,
}

impl<'a> Attributes<'a> {
    pub(crate) const fn of(bytes: &'a [u8], endian: Endian) -> Self {
        Self { rest: bytes, endian }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(self.endian.u16(self.rest, 0)?);
        let kind = self.endian.u16(self.rest, 2)?;
        let content = self.rest.get(ATTRIBUTE..length)?;
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, content))
    }
}

const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// Makes an attribute whose content needs no filling up.
pub(crate) fn attribute(endian: Endian, kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE + content.len()).unwrap_or(u16::MAX);
    [&endian.put_u16(length)[..], &endian.put_u16(kind), content].concat()
}

/// Makes a message.
pub(crate) fn message(endian: Endian, kind: u16, flags: u16, sequence: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + content.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + content.len());
    bytes.extend(endian.put_u32(length));
    bytes.extend(endian.put_u16(kind));
    bytes.extend(endian.put_u16(flags));
    bytes.extend(endian.put_u32(sequence));
    // Who asks the kernel fills in.
    bytes.extend([0; 4]);
    bytes.extend(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_of_others_are_passed_over() {
        for endian in [Endian::Little, Endian::Big] {
            let mut datagram = message(endian, 20, 2, 7, &[1, 2, 3, 4]);
            datagram.extend(message(endian, 20, 2, 8, &[5, 6, 7, 8]));
            datagram.extend(message(endian, DONE, 2 | INTERRUPTED, 8, &endian.put_u32(0)));
            let received: Vec<_> = Messages::of(&datagram, endian, 8).collect();
            assert_eq!(
                received,
                [
                    Ok(Received { message: Message::Answer(20, &[5, 6, 7, 8]), interrupted: false }),
                    Ok(Received { message: Message::Done(0), interrupted: true }),
                ]
            );
        }
    }

    #[test]
    fn an_error_has_the_kernels_number() {
        let error = message(Endian::Little, ERROR, 0, 1, &(-2_i32).to_le_bytes());
        let received: Vec<_> = Messages::of(&error, Endian::Little, 1).collect();
        assert_eq!(received, [Ok(Received { message: Message::Error(-2), interrupted: false })]);
        let cut = &error[..17];
        assert_eq!(Messages::of(cut, Endian::Little, 1).collect::<Vec<_>>(), [Err(Malformed)]);
    }

    proptest! {
        #[test]
        fn any_datagram_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for endian in [Endian::Little, Endian::Big] {
                prop_assert!(Messages::of(&bytes, endian, 0).count() <= bytes.len());
                prop_assert!(Attributes::of(&bytes, endian).count() <= bytes.len());
            }
        }
    }
}
