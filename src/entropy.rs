//! Randomness, handed in by the host.

use sha2::{Digest, Sha256};

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
    Ok(uuid_text(bytes(source)?, 0x40))
}

/// A UUID (version 8) that follows from a text: RFC 9562 section 5.8.
pub(crate) fn uuid_of(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text).into();
    uuid_text(hash.first_chunk().copied().unwrap_or_default(), 0x80)
}

fn uuid_text(bytes: [u8; 16], version: u8) -> String {
    let digit = |nibble: u8| {
        char::from(if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' - 10 + nibble
        })
    };
    let mut text = String::new();
    for (at, byte) in bytes.into_iter().enumerate() {
        let byte = match at {
            6 => byte & 0xf | version,
            8 => byte & 0x3f | 0x80,
            _ => byte,
        };
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
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
