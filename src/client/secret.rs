//! Client secrets: made here, shown once, stored as a keyed hash.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::ClientId;
use crate::base64url;
use crate::directory::TenantName;
use crate::entropy::{self, Entropy, EntropyError};
use crate::json::{JsonError, Member, Value, record};
use crate::key::TenantKeys;
use crate::time::UnixTime;

/// How a secret made here starts, so that scanners can recognise one that leaked.
pub(crate) const PREFIX: &str = "ems_";
/// Bytes of the checksum at the end of a secret made here.
const CHECKSUM_BYTES: usize = 4;
/// Characters of it in base64url.
const CHECKSUM: usize = base64url::length(CHECKSUM_BYTES);
/// Characters of 32 bytes in base64url.
const BODY: usize = 43;
/// Fewest characters of a secret brought from elsewhere.
pub(crate) const MIN_IMPORTED: usize = 32;
/// Most bytes of any secret.
const MAX: usize = 1_024;
/// Characters shown to tell one secret from another.
const HINT: usize = 3;

/// A client secret in the clear: exists between its making or arrival and its hash. It is wiped when
/// dropped, and its debug output shows nothing.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// A new secret: `ems_`, 32 random bytes in base64url, a checksum.
    ///
    /// # Errors
    /// [`EntropyError`] if the entropy source failed.
    pub fn generate(entropy: &impl Entropy) -> Result<Self, EntropyError> {
        let mut random: [u8; 32] = entropy::bytes(entropy)?;
        let body = Zeroizing::new(base64url::encode(&random));
        random.zeroize();
        // With room for all of it: no copy of it is left behind.
        let mut secret = String::with_capacity(PREFIX.len() + BODY + CHECKSUM);
        secret.push_str(PREFIX);
        secret.push_str(&body);
        let checksum = base64url::encode(&checksum(&secret));
        secret.push_str(&checksum);
        Ok(Self(secret))
    }

    /// A secret as a client presented it, or an administrator brought it. `None` if it is longer than
    /// any secret, or has the prefix of one made here and not its checksum: such junk is refused
    /// before anything is looked up.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        let secret = Self(text);
        let well_formed = match secret.0.strip_prefix(PREFIX) {
            Some(rest) if rest.len() == BODY + CHECKSUM => secret
                .0
                .split_at_checked(PREFIX.len() + BODY)
                .is_some_and(|(body, sum)| {
                    let mut bytes = [0; CHECKSUM_BYTES];
                    base64url::decode_into(sum, &mut bytes) && bytes == checksum(body)
                }),
            Some(_) => false,
            None => !secret.0.is_empty() && secret.0.len() <= MAX,
        };
        well_formed.then_some(secret)
    }

    /// The secret itself. Show it once, to the person who asked for it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first characters after the prefix.
    fn hint(&self) -> String {
        self.0
            .strip_prefix(PREFIX)
            .unwrap_or(&self.0)
            .chars()
            .take(HINT)
            .collect()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

fn checksum(body: &str) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::digest(body);
    digest.first_chunk().copied().unwrap_or_default()
}

/// A secret at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRecord {
    /// A UUID that names this secret to administrators.
    pub key_id: String,
    /// A name for people.
    pub display_name: String,
    /// The first 3 characters of the secret, after its prefix.
    pub hint: String,
    /// From when it is accepted.
    pub starts: UnixTime,
    /// From when it is accepted no more.
    pub ends: UnixTime,
    /// HMAC-SHA-256 under the tenant's pepper.
    hash: Hash,
}

/// In base64url, and as the bytes, which are decoded when the record is read, not for every request. What
/// cannot be decoded matches nothing, and is written again as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hash {
    text: String,
    bytes: Option<[u8; 32]>,
}

impl Hash {
    fn of(bytes: [u8; 32]) -> Self {
        Self {
            text: base64url::encode(&bytes),
            bytes: Some(bytes),
        }
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Member for Hash {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        let text = String::read(value)?;
        let mut bytes = [0; 32];
        let bytes = base64url::decode_into(&text, &mut bytes).then_some(bytes);
        Ok(Self { text, bytes })
    }
}

record!(SecretRecord {
    key_id = "keyId",
    display_name = "displayName",
    hint = "hint",
    starts = "starts",
    ends = "ends",
    hash = "hash",
});

impl SecretRecord {
    /// Hashes `secret` for storage, bound to its tenant and application. `None` if the hash could not
    /// be computed.
    pub(crate) fn new(
        secret: &ClientSecret,
        key_id: String,
        display_name: String,
        validity: std::ops::Range<UnixTime>,
        owner: (&TenantName, &ClientId),
        keys: &TenantKeys,
    ) -> Option<Self> {
        let PresentedSecret(hash) = PresentedSecret::hash(secret, owner, keys)?;
        Some(Self {
            key_id,
            display_name,
            hint: secret.hint(),
            starts: validity.start,
            ends: validity.end,
            hash: Hash::of(hash),
        })
    }

    /// Whether it is accepted at this moment.
    #[must_use]
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        self.starts <= now && now < self.ends
    }

    /// Compares in constant time. A record that cannot be decoded matches nothing.
    pub(crate) fn matches(&self, presented: &PresentedSecret) -> Choice {
        let stored = self.hash.bytes.as_ref();
        stored.map_or(Choice::from(0), |stored| presented.0.ct_eq(stored))
    }
}

/// A presented secret, hashed. The work is done before the application is known, so an unknown one costs
/// the same as a known one.
pub(crate) struct PresentedSecret([u8; 32]);

impl PresentedSecret {
    pub(crate) fn hash(
        secret: &ClientSecret,
        (tenant, client): (&TenantName, &ClientId),
        keys: &TenantKeys,
    ) -> Option<Self> {
        let fields = [
            b"client secret".as_slice(),
            tenant.as_str().as_bytes(),
            client.as_str().as_bytes(),
            secret.0.as_bytes(),
        ];
        keys.digest(&fields).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zero;

    impl Entropy for Zero {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.fill(0);
            Ok(())
        }
    }

    #[test]
    fn a_generated_secret_is_recognisable_and_checked() {
        let secret = ClientSecret::generate(&Zero).unwrap();
        assert_eq!(secret.expose().len(), 4 + 43 + 6);
        assert!(ClientSecret::new(secret.expose().to_owned()).is_some());
        for at in 0..secret.expose().len() {
            let mut other = secret.expose().to_owned().into_bytes();
            other[at] = if other[at] == b'x' { b'y' } else { b'x' };
            let other = String::from_utf8(other).unwrap();
            let accepted = ClientSecret::new(other.clone()).is_some();
            // Without the prefix it is somebody else's secret, not junk of ours.
            assert_eq!(accepted, !other.starts_with(PREFIX), "{other}");
        }
    }

    #[test]
    fn a_secret_of_one_kilobyte_is_the_longest() {
        assert!(ClientSecret::new("x".repeat(1_024)).is_some());
        assert!(ClientSecret::new("x".repeat(1_025)).is_none());
        assert!(ClientSecret::new(String::new()).is_none());
    }

    #[test]
    fn a_hash_that_cannot_be_decoded_matches_nothing_and_stays_as_it_is() {
        let record = |hash: &str| {
            let members = r#""keyId":"k","displayName":"","hint":"abc","starts":0,"ends":9"#;
            let text = format!(r#"{{{members},"hash":"{hash}"}}"#);
            let record: SecretRecord = crate::json::read(&text).unwrap();
            assert_eq!(crate::json::write(&record), Ok(text));
            record
        };
        let zero = PresentedSecret([0; 32]);
        assert!(bool::from(record(&"A".repeat(43)).matches(&zero)));
        for other in [
            "",
            "A",
            &"A".repeat(42),
            &"A".repeat(44),
            "no base64url at all",
        ] {
            assert!(!bool::from(record(other).matches(&zero)), "{other}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let secret = ClientSecret::generate(&Zero).unwrap();
        assert_eq!(format!("{secret:?}"), "ClientSecret(..)");
    }
}
