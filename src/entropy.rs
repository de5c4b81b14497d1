//! Randomness, handed in by the host.

/// A cryptographically secure source of random bytes.
///
/// # Security
/// Token identifiers, client secrets, key-sealing nonces and (with the software signer) signing keys
/// come from here. A source that repeats itself or can be guessed breaks all of them.
pub trait Entropy {
    /// Fills `bytes` with random data.
    ///
    /// # Errors
    /// [`EntropyError`] if the source has none to give; nothing is issued then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The host's entropy source failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntropyError;

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>(source: &impl Entropy) -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    source.fill(&mut bytes)?;
    Ok(bytes)
}

/// A random (version 4) UUID in lower-case hexadecimal: RFC 9562 section 5.4.
pub(crate) fn uuid(source: &impl Entropy) -> Result<String, EntropyError> {
    let random = u128::from_be_bytes(bytes(source)?);
    let uuid = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = format!("{uuid:032x}");
    for at in [8, 13, 18, 23] {
        text.insert(at, '-');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn a_uuid_carries_version_and_variant() {
        assert_eq!(
            uuid(&Fixed(0xff)).unwrap(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
        assert_eq!(
            uuid(&Fixed(0)).unwrap(),
            "00000000-0000-4000-8000-000000000000"
        );
    }
}
