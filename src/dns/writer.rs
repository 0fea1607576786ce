//! Appends octets to a buffer up to a limit; what does not fit is not written at all.

/// A cursor over a buffer.
pub struct Writer<'b> {
    buf: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    /// Writes from the beginning of `buf`, at most `limit` octets.
    pub fn new(buf: &'b mut [u8], limit: usize) -> Self {
        let limit = limit.min(buf.len());
        let buf = buf.get_mut(..limit).unwrap_or_default();
        Self { buf, len: 0 }
    }

    /// How many octets are written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nothing is written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more fit.
    pub fn room(&self) -> usize {
        self.buf.len().saturating_sub(self.len)
    }

    /// Appends `octets`, all of them or, returning false, none.
    #[must_use]
    pub fn put(&mut self, octets: &[u8]) -> bool {
        let end = self.len + octets.len();
        match self.buf.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(octets);
                self.len = end;
                true
            }
            None => false,
        }
    }

    /// Leaves `count` octets as they are, to be [patched](Self::patch) later; false if there is no room for them.
    #[must_use]
    pub fn skip(&mut self, count: usize) -> bool {
        let fits = count <= self.room();
        if fits {
            self.len += count;
        }
        fits
    }

    /// Appends a number of two octets.
    #[must_use]
    pub fn put_u16(&mut self, value: u16) -> bool {
        self.put(&value.to_be_bytes())
    }

    /// Appends a number of four octets.
    #[must_use]
    pub fn put_u32(&mut self, value: u32) -> bool {
        self.put(&value.to_be_bytes())
    }

    /// Overwrites octets that are written already, from `at` on; does nothing where there are not so many.
    pub fn patch(&mut self, at: usize, octets: &[u8]) {
        let written = self.buf.get_mut(..self.len).unwrap_or_default();
        if let Some(old) = written.get_mut(at..at + octets.len()) {
            old.copy_from_slice(octets);
        }
    }

    /// Takes back everything from octet `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// What is written.
    pub fn written(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_all_or_nothing() {
        let mut buf = [0u8; 8];
        let mut writer = Writer::new(&mut buf, 5);
        assert!(writer.put(b"abc") && !writer.put(b"def") && writer.put_u16(0x4142) && !writer.put(b"x"));
        assert_eq!((writer.written(), writer.room()), (&b"abcAB"[..], 0));
        writer.patch(0, b"CC");
        writer.patch(4, b"DD");
        assert_eq!(writer.written(), b"CCcAB");
        writer.truncate(1);
        assert_eq!((writer.written(), writer.len()), (&b"C"[..], 1));
    }
}
