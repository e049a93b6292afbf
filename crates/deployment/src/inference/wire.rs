//! The wire format of Protocol Buffers, read without copying. Nothing is allocated here, whatever a length claims.

/// A message is not well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file is cut off or not a protocol buffer")]
pub(super) struct Malformed;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Reads the fields of one message in their order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the next field's number and value, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = varint(&mut self.rest)?;
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut self.rest)?),
            1 => Field::Fixed64(u64::from_le_bytes(array(&mut self.rest)?)),
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).ok().ok_or(Malformed)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
                self.rest = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(u32::from_le_bytes(array(&mut self.rest)?)),
            _ => return Err(Malformed),
        };
        Ok(Some((tag >> 3, field)))
    }
}

impl<'a> Field<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32(_) => Err(Malformed),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).ok().ok_or(Malformed)
    }

    pub(super) fn int(self) -> Result<i64, Malformed> {
        match self {
            Self::Varint(bits) => Ok(bits.cast_signed()),
            Self::Bytes(_) | Self::Fixed64(_) | Self::Fixed32(_) => Err(Malformed),
        }
    }

    pub(super) fn float(self) -> Result<f32, Malformed> {
        match self {
            Self::Fixed32(bits) => Ok(f32::from_bits(bits)),
            Self::Bytes(_) | Self::Fixed64(_) | Self::Varint(_) => Err(Malformed),
        }
    }
}

/// The values of a repeated field of scalars, packed or not, in their order.
#[derive(Debug, Clone)]
pub(super) struct Repeated<'a> {
    message: Message<'a>,
    number: u64,
    packed: &'a [u8],
}

impl<'a> Repeated<'a> {
    pub(super) const fn new(body: &'a [u8], number: u64) -> Self {
        Self { message: Message::new(body), number, packed: &[] }
    }

    pub(super) fn next_int(&mut self) -> Result<Option<i64>, Malformed> {
        loop {
            if !self.packed.is_empty() {
                return Ok(Some(varint(&mut self.packed)?.cast_signed()));
            }
            match self.next_field()? {
                None => return Ok(None),
                Some(Field::Bytes(bytes)) => self.packed = bytes,
                Some(field) => return field.int().map(Some),
            }
        }
    }

    pub(super) fn next_float(&mut self) -> Result<Option<f32>, Malformed> {
        loop {
            if !self.packed.is_empty() {
                return Ok(Some(f32::from_le_bytes(array(&mut self.packed)?)));
            }
            match self.next_field()? {
                None => return Ok(None),
                Some(Field::Bytes(bytes)) => self.packed = bytes,
                Some(field) => return field.float().map(Some),
            }
        }
    }

    pub(super) fn next_bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        self.next_field()?.map(Field::bytes).transpose()
    }

    fn next_field(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        while let Some((number, field)) = self.message.next()? {
            if number == self.number {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(Malformed)?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (bytes, after) = rest.split_first_chunk::<N>().ok_or(Malformed)?;
    *rest = after;
    Ok(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, Field<'_>)>, Malformed> {
        let (mut message, mut found) = (Message::new(bytes), Vec::new());
        while let Some(field) = message.next()? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn reads_every_kind_of_field() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 0x02, b'o', b'k', 0x1d, 0, 0, 0x80, 0x3f, 0x21, 1, 0, 0, 0, 0, 0, 0, 0];
        let expected = vec![
            (1, Field::Varint(150)),
            (2, Field::Bytes(b"ok")),
            (3, Field::Fixed32(1.0_f32.to_bits())),
            (4, Field::Fixed64(1)),
        ];
        assert_eq!(fields(&bytes), Ok(expected));
    }

    #[test]
    fn refuses_what_is_cut_off_or_never_ends() {
        for bytes in [&[0x08][..], &[0x12, 5, 1], &[0x1d, 0], &[0x21, 0], &[0x0b], &[0x0c], &[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]]
        {
            assert_eq!(fields(bytes), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(fields(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Err(Malformed));
    }

    #[test]
    fn a_list_may_be_packed_or_not() {
        let single = [0x40, 1, 0x08, 9, 0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let packed = [0x42, 3, 1, 2, 3, 0x40, 4];
        let all = |bytes| {
            let (mut list, mut found) = (Repeated::new(bytes, 8), Vec::new());
            while let Some(value) = list.next_int().unwrap() {
                found.push(value);
            }
            found
        };
        assert_eq!(all(&single), [1, -1]);
        assert_eq!(all(&packed), [1, 2, 3, 4]);
    }
}
