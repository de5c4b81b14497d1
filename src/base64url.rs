//! Base64url of what is no secret, at the end of what is written already: the package that takes the same time
//! for every secret costs a token more than its hashes do (docs/decisions/0014).

/// RFC 4648 section 5.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How much base64url makes of so many bytes.
pub(crate) const fn length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// Base64url without padding: RFC 4648 section 5. It looks the characters up, by what is encoded: not for
/// secrets.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let character = |group: u32, shift: u32| {
        let at = (group >> shift) & 63;
        ALPHABET.get(at as usize).copied().unwrap_or_default()
    };
    let start = out.len();
    out.resize(start + length(bytes.len()), 0);
    let (_, to) = out.split_at_mut(start);
    let (groups, rest) = bytes.as_chunks::<3>();
    let (to, last) = to.as_chunks_mut::<4>();
    for (&[a, b, c], to) in groups.iter().zip(to) {
        let group = u32::from_be_bytes([0, a, b, c]);
        *to = [18, 12, 6, 0].map(|shift| character(group, shift));
    }
    let mut group = [0; 4];
    let (_, ahead) = group.split_at_mut(1);
    ahead
        .iter_mut()
        .zip(rest)
        .for_each(|(to, byte)| *to = *byte);
    let group = u32::from_be_bytes(group);
    for (shift, to) in [18, 12, 6].into_iter().zip(last) {
        *to = character(group, shift);
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use proptest::prelude::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut out = b"before.".to_vec();
        super::push(&mut out, bytes);
        String::from_utf8(out.split_off(7)).unwrap()
    }

    #[test]
    fn every_character_is_written_at_every_place() {
        for high in 0..=255 {
            for low in 0..=255 {
                for bytes in [
                    &[high, low][..],
                    &[low, high, low],
                    &[high, low, low, high, low, high, high],
                ] {
                    assert_eq!(encoded(bytes), Base64UrlUnpadded::encode_string(bytes));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_what_base64ct_writes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let encoded = encoded(&bytes);
            prop_assert_eq!(encoded.len(), super::length(bytes.len()));
            prop_assert_eq!(encoded, Base64UrlUnpadded::encode_string(&bytes));
        }
    }
}
