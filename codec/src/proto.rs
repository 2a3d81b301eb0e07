//! The little of protobuf that this protocol needs: fields in, fields out.
//!
//! The reader accepts fields in any order, lets the last value of a field win, and steps over
//! fields it does not know, so a newer peer can add some. It allocates nothing: what it hands out
//! borrows from the message. The writer makes what gogoproto makes, which leaves default values
//! out.
//!
//! Every message is complete before it is read (the delimited layer saw to that), so an end in the
//! middle of a field is an error here, never a reason to wait.

use bytes::BufMut;

use crate::error::DecodeError;
use crate::varint;

/// The largest field number that protobuf allows.
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// The tag of a field that carries a varint.
pub(crate) const fn varint_tag(number: u32) -> u64 {
    (number as u64) << 3 | VARINT as u64
}

/// The tag of a field that carries bytes, text or another message.
pub(crate) const fn bytes_tag(number: u32) -> u64 {
    (number as u64) << 3 | BYTES as u64
}

/// The fields of one message, in the order they lie.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    /// Name of the message, for errors.
    what: &'static str,
}

/// One field as it lies on the wire.
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    value: Value<'a>,
}

enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// No message of ours has fixed-width fields, so their value is stepped over, not kept.
    Fixed64,
    Fixed32,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8], what: &'static str) -> Self {
        Self {
            rest: message,
            what,
        }
    }

    /// The next field, or `None` at the end of the message.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.take_varint()?;
        let number = tag >> 3;
        // Three bits are left, so the cast loses nothing.
        let wire_type = (tag & 7) as u8;
        let bad_tag = DecodeError::BadTag {
            what: self.what,
            number,
            wire_type,
        };
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(bad_tag);
        }
        let value = match wire_type {
            VARINT => Value::Varint(self.take_varint()?),
            FIXED64 => self.take(8).map(|_| Value::Fixed64)?,
            BYTES => {
                let len = self.take_varint()?;
                Value::Bytes(self.take(len)?)
            }
            FIXED32 => self.take(4).map(|_| Value::Fixed32)?,
            // Groups are not part of proto3, and their nesting has no bound of its own.
            _ => return Err(bad_tag),
        };
        // At most 29 bits, checked above.
        Ok(Some(Field {
            number: number as u32,
            value,
        }))
    }

    /// Reads the message to its end without looking at any field: its form is all that matters.
    pub(crate) fn skip_all(mut self) -> Result<(), DecodeError> {
        while self.next()?.is_some() {}
        Ok(())
    }

    fn take_varint(&mut self) -> Result<u64, DecodeError> {
        let (value, len) =
            varint::decode(self.rest)?.ok_or(DecodeError::Truncated { what: self.what })?;
        self.rest = &self.rest[len..];
        Ok(value)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], DecodeError> {
        // Compared as u64: a length that does not fit `usize` is longer than any message.
        if len > self.rest.len() as u64 {
            return Err(DecodeError::Truncated { what: self.what });
        }
        let (taken, rest) = self.rest.split_at(len as usize);
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Field<'a> {
    /// The value of a varint field named `name`.
    pub(crate) fn varint(&self, name: &'static str) -> Result<u64, DecodeError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(self.wrong_wire_type(name)),
        }
    }

    /// The value of a varint field named `name` that must not be over `max`.
    pub(crate) fn varint_up_to(&self, name: &'static str, max: u64) -> Result<u64, DecodeError> {
        match self.varint(name)? {
            value if value <= max => Ok(value),
            value => Err(DecodeError::OutOfRange {
                field: name,
                value,
                max,
            }),
        }
    }

    /// The value of a uint32 field named `name`.
    pub(crate) fn uint32(&self, name: &'static str) -> Result<u32, DecodeError> {
        // Not over the largest u32, so the cast loses nothing.
        self.varint_up_to(name, u64::from(u32::MAX))
            .map(|value| value as u32)
    }

    /// The value of a bytes or message field named `name`.
    pub(crate) fn bytes(&self, name: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong_wire_type(name)),
        }
    }

    /// The value of a text field named `name`, which must be UTF-8.
    pub(crate) fn text(&self, name: &'static str) -> Result<&'a str, DecodeError> {
        let not_text = DecodeError::BadValue {
            field: name,
            rule: "must be UTF-8",
        };
        std::str::from_utf8(self.bytes(name)?).map_err(|_| not_text)
    }

    fn wrong_wire_type(&self, field: &'static str) -> DecodeError {
        let found = match self.value {
            Value::Varint(_) => VARINT,
            Value::Fixed64 => FIXED64,
            Value::Bytes(_) => BYTES,
            Value::Fixed32 => FIXED32,
        };
        DecodeError::WrongWireType { field, found }
    }
}

/// Appends a varint field, unless it is zero.
pub(crate) fn put_varint(number: u32, value: u64, buf: &mut impl BufMut) {
    if value != 0 {
        varint::encode(varint_tag(number), buf);
        varint::encode(value, buf);
    }
}

/// Appends a bytes or text field, unless it is empty.
pub(crate) fn put_bytes(number: u32, bytes: &[u8], buf: &mut impl BufMut) {
    if !bytes.is_empty() {
        put_message(number, bytes, buf);
    }
}

/// Appends an embedded message, also when it is empty.
pub(crate) fn put_message(number: u32, message: &[u8], buf: &mut impl BufMut) {
    varint::encode(bytes_tag(number), buf);
    varint::encode(message.len() as u64, buf);
    buf.put_slice(message);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(message: &[u8]) -> Result<Vec<u32>, DecodeError> {
        let mut fields = Fields::new(message, "test");
        let mut numbers = Vec::new();
        while let Some(field) = fields.next()? {
            numbers.push(field.number);
        }
        Ok(numbers)
    }

    #[test]
    fn fields_of_every_wire_type_are_stepped_over() {
        let mut message = vec![0x08, 0x96, 0x01];
        message.extend([0x11, 1, 2, 3, 4, 5, 6, 7, 8]);
        message.extend([0x1a, 2, 0xaa, 0xbb]);
        message.extend([0x25, 1, 2, 3, 4]);
        assert_eq!(numbers(&message), Ok(vec![1, 2, 3, 4]));
    }

    #[test]
    fn a_field_cut_anywhere_is_truncated() {
        for whole in [
            &[0x08, 0x96, 0x01][..],
            &[0x11, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x1a, 1, 0xaa],
        ] {
            for len in 1..whole.len() {
                let truncated = DecodeError::Truncated { what: "test" };
                assert_eq!(numbers(&whole[..len]), Err(truncated));
            }
        }
    }

    #[test]
    fn groups_and_unassigned_wire_types_are_refused() {
        for wire_type in [3, 4, 6, 7] {
            let bad_tag = DecodeError::BadTag {
                what: "test",
                number: 1,
                wire_type,
            };
            assert_eq!(numbers(&[0x08 | wire_type]), Err(bad_tag));
        }
    }

    #[test]
    fn field_numbers_are_one_to_the_largest() {
        assert!(matches!(
            numbers(&[0x00, 0x01]),
            Err(DecodeError::BadTag { number: 0, .. })
        ));
        let message = |number: u64| {
            let mut message = Vec::new();
            varint::encode(number << 3, &mut message);
            message.push(0);
            message
        };
        assert_eq!(
            numbers(&message(FIELD_NUMBER_MAX)),
            Ok(vec![FIELD_NUMBER_MAX as u32])
        );
        let too_large = numbers(&message(FIELD_NUMBER_MAX + 1));
        assert!(matches!(too_large, Err(DecodeError::BadTag { .. })));
    }

    #[test]
    fn a_length_over_the_rest_is_truncated_however_large() {
        let mut message = vec![0x0a];
        varint::encode(u64::MAX, &mut message);
        assert_eq!(
            numbers(&message),
            Err(DecodeError::Truncated { what: "test" })
        );
    }

    #[test]
    fn default_values_are_left_out_but_messages_are_not() {
        let mut buf = Vec::new();
        put_varint(1, 0, &mut buf);
        put_bytes(2, b"", &mut buf);
        assert!(buf.is_empty());
        put_message(3, b"", &mut buf);
        assert_eq!(buf, [0x1a, 0x00]);
    }
}
