//! Base64url without padding (RFC 4648 section 5), eight characters at a time in the lanes of one number: no
//! branch and no table goes by what is encoded, so secrets may be. Why it is written here:
//! docs/decisions/0016.

/// One in each lane.
const EACH: u64 = 0x0101_0101_0101_0101;
/// Bytes that become eight characters.
const GROUP: usize = 6;

/// The characters from the first to the last, and what is added to one for its value; in ascending order.
type Alphabet = [(u8, u8, i64); 5];

const URL: Alphabet = [
    (b'-', b'-', 62 - 45),
    (b'0', b'9', 52 - 48),
    (b'A', b'Z', -65),
    (b'_', b'_', 63 - 95),
    (b'a', b'z', 26 - 97),
];
/// RFC 4648 section 4.
const STANDARD: Alphabet = [
    (b'+', b'+', 62 - 43),
    (b'/', b'/', 63 - 47),
    (b'0', b'9', 52 - 48),
    (b'A', b'Z', -65),
    (b'a', b'z', 26 - 97),
];

/// How much base64url makes of so many bytes.
pub(crate) const fn length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// The bytes as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(length(bytes.len()));
    push(&mut out, bytes);
    String::from_utf8(out).unwrap_or_default()
}

/// The same at the end of what is written already.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + length(bytes.len()), 0);
    let (_, to) = out.split_at_mut(start);
    let (groups, rest) = bytes.as_chunks::<GROUP>();
    let (to, last) = to.as_chunks_mut::<8>();
    for (group, to) in groups.iter().zip(to) {
        *to = characters(spread(group));
    }
    if !rest.is_empty() {
        let mut group = [0; GROUP];
        group
            .iter_mut()
            .zip(rest)
            .for_each(|(to, byte)| *to = *byte);
        let characters = characters(spread(&group));
        last.iter_mut()
            .zip(characters)
            .for_each(|(to, byte)| *to = byte);
    }
}

/// What the text encodes; none if it is anything but what [`encode`] writes.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() * 3 / 4];
    decode_into(text, &mut bytes).then_some(bytes)
}

/// The same where it must be exactly as many bytes. They are written even if it is not that.
pub(crate) fn decode_into(text: &str, bytes: &mut [u8]) -> bool {
    read(text.as_bytes(), bytes, |characters| {
        values(characters, &URL)
    })
}

/// What a text encodes in the other alphabet, with padding: RFC 4648 section 4.
pub(crate) fn decode_standard(text: &str) -> Option<Vec<u8>> {
    let unpadded = text.strip_suffix('=').unwrap_or(text);
    let unpadded = unpadded.strip_suffix('=').unwrap_or(unpadded);
    let mut bytes = vec![0; unpadded.len() * 3 / 4];
    let standard = |characters| values(characters, &STANDARD);
    let is_whole = text.len().is_multiple_of(4);
    (is_whole && read(unpadded.as_bytes(), &mut bytes, standard)).then_some(bytes)
}

/// Whether the text is that many bytes in their one spelling.
fn read(text: &[u8], bytes: &mut [u8], values: impl Fn([u8; 8]) -> (u64, u64)) -> bool {
    if text.len() != length(bytes.len()) {
        return false;
    }
    let (from, rest) = text.as_chunks::<8>();
    let (groups, last) = bytes.as_chunks_mut::<GROUP>();
    let mut invalid = 0;
    for (from, group) in from.iter().zip(groups) {
        let (lanes, unknown) = values(*from);
        invalid |= unknown;
        *group = joined(lanes);
    }
    if !rest.is_empty() {
        // `A` is zero, and so must the bits be that are left over: section 3.5.
        let mut from = [b'A'; 8];
        from.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
        let (lanes, unknown) = values(from);
        let group = joined(lanes);
        let (whole, surplus) = group.split_at(last.len());
        let surplus = surplus.iter().fold(0, |all, byte| all | byte);
        invalid |= unknown | u64::from(surplus);
        last.copy_from_slice(whole);
    }
    invalid == 0
}

/// Six bits in each lane.
fn spread(&[a, b, c, d, e, f]: &[u8; GROUP]) -> u64 {
    // Three bytes in each half.
    let low = u32::from_le_bytes([a, b, c, d]) & 0x00ff_ffff;
    let high = u32::from_le_bytes([c, d, e, f]) >> 8;
    let bytes = u64::from(high) << 32 | u64::from(low);
    bytes >> 2 & both(0x0000_003f)
        | bytes << 12 & both(0x0000_3000)
        | bytes >> 4 & both(0x0000_0f00)
        | bytes << 10 & both(0x003c_0000)
        | bytes >> 6 & both(0x0003_0000)
        | bytes << 8 & both(0x3f00_0000)
}

/// The way back.
fn joined(lanes: u64) -> [u8; GROUP] {
    let bytes = lanes << 2 & both(0x0000_00fc)
        | lanes >> 12 & both(0x0000_0003)
        | lanes << 4 & both(0x0000_f000)
        | lanes >> 10 & both(0x0000_0f00)
        | lanes << 6 & both(0x00c0_0000)
        | lanes >> 8 & both(0x003f_0000);
    let [a, b, c, _, d, e, f, _] = bytes.to_le_bytes();
    [a, b, c, d, e, f]
}

/// The same in both halves.
const fn both(mask: u32) -> u64 {
    (mask as u64) << 32 | mask as u64
}

/// The highest bit of each lane that is `least` or more; all of them are below 128. In the lower bits is
/// anything.
const fn reaches(lanes: u64, least: u8) -> u64 {
    lanes + EACH * (0x80 - least as u64)
}

/// One in each lane whose highest bit is set.
const fn ones(lanes: u64) -> u64 {
    lanes >> 7 & EACH
}

/// The characters of lanes of six bits. What one lane borrows of the next on the way is given back: in the
/// end each holds a character.
fn characters(lanes: u64) -> [u8; 8] {
    // From one kind of characters to the next, how much further it is from a value to its character.
    const LOWER: u64 = (b'a' - 26 - b'A') as u64;
    const DIGIT: u64 = (b'a' - 26 + 52 - b'0') as u64;
    const DASH: u64 = (b'0' + 62 - 52 - b'-') as u64;
    const UNDER: u64 = (b'_' - 63 + 62 - b'-') as u64;
    lanes
        .wrapping_add(EACH * u64::from(b'A'))
        .wrapping_add(ones(reaches(lanes, 26)) * LOWER)
        .wrapping_sub(ones(reaches(lanes, 52)) * DIGIT)
        .wrapping_sub(ones(reaches(lanes, 62)) * DASH)
        .wrapping_add(ones(reaches(lanes, 63)) * UNDER)
        .to_le_bytes()
}

/// The lanes of six bits that these characters stand for, and nothing but zero if each is a character at all.
#[inline(always)]
fn values(characters: [u8; 8], alphabet: &Alphabet) -> (u64, u64) {
    let text = u64::from_le_bytes(characters);
    let lanes = text & (EACH * 0x7f);
    // Each end of a range that is reached turns it: in the highest bits is what lies within one.
    let mut within = 0;
    let mut value = lanes;
    let mut before = 0;
    for (first, last, offset) in alphabet {
        let from = reaches(lanes, *first);
        within ^= from ^ reaches(lanes, *last + 1);
        value = value.wrapping_add(ones(from).wrapping_mul((offset - before).cast_unsigned()));
        before = *offset;
    }
    let unknown = (!within | text) & (EACH << 7);
    (value, unknown)
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Base64UrlUnpadded, Encoding};
    use proptest::prelude::*;

    use super::*;

    fn pushed(bytes: &[u8]) -> String {
        let mut out = b"before.".to_vec();
        push(&mut out, bytes);
        String::from_utf8(out.split_off(7)).unwrap()
    }

    #[test]
    fn every_character_is_written_and_read_at_every_place() {
        for high in 0..=255 {
            for low in 0..=255 {
                for bytes in [
                    &[high, low][..],
                    &[low, high, low],
                    &[high, low, low, high, low, high, high],
                ] {
                    let expected = Base64UrlUnpadded::encode_string(bytes);
                    assert_eq!(pushed(bytes), expected);
                    assert_eq!(decode(&expected).as_deref(), Some(bytes));
                    let standard = Base64::encode_string(bytes);
                    assert_eq!(decode_standard(&standard).as_deref(), Some(bytes));
                }
            }
        }
    }

    #[test]
    fn what_is_no_character_is_none_at_any_place() {
        let good = encode(&[0xa5; 18]);
        for at in 0..good.len() {
            for byte in 0..=127 {
                let mut other = good.clone().into_bytes();
                other[at] = byte;
                let other = String::from_utf8(other).unwrap();
                assert_eq!(
                    decode(&other),
                    Base64UrlUnpadded::decode_vec(&other).ok(),
                    "{other}"
                );
                assert_eq!(
                    decode_standard(&other),
                    Base64::decode_vec(&other).ok(),
                    "{other}"
                );
            }
            let mut other = good.clone();
            other.insert(at, '\u{e9}');
            assert_eq!(decode(&other), None);
        }
    }

    #[test]
    fn the_bytes_are_exactly_as_many() {
        let text = encode(&[7; 32]);
        let mut bytes = [0; 32];
        assert!(decode_into(&text, &mut bytes));
        assert_eq!(bytes, [7; 32]);
        for wrong in [0, 1, 24, 31, 33, 64] {
            assert!(!decode_into(&text, &mut vec![0; wrong]), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_base64ct_writes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let encoded = encode(&bytes);
            prop_assert_eq!(encoded.len(), length(bytes.len()));
            prop_assert_eq!(&pushed(&bytes), &encoded);
            prop_assert_eq!(&encoded, &Base64UrlUnpadded::encode_string(&bytes));
            prop_assert_eq!(decode(&encoded), Some(bytes));
        }

        #[test]
        fn it_reads_what_base64ct_reads(text in "[-A-Za-z0-9_+/=]{0,40}") {
            prop_assert_eq!(decode(&text), Base64UrlUnpadded::decode_vec(&text).ok());
            prop_assert_eq!(decode_standard(&text), Base64::decode_vec(&text).ok());
        }

        #[test]
        fn it_reads_what_base64ct_reads_with_padding(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            cut in 0..4_usize,
        ) {
            let mut text = Base64::encode_string(&bytes);
            text.truncate(text.len().saturating_sub(cut));
            prop_assert_eq!(decode_standard(&text), Base64::decode_vec(&text).ok());
        }
    }
}
