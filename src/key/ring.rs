//! The keys of a tenant: those that sign, and the secret that the others are derived from.
//!
//! A key's state follows from the time alone: it is *announced* until its start, *active* until a
//! newer key of its algorithm starts, *retired* until the last token it can have signed has expired,
//! and then gone. A rotation is therefore one write, made ahead of time, and every location takes the
//! step at the same moment without being told.

use serde::Serialize;

use super::master::{MasterKeys, Seal, SealError, Sealed};
use super::tenant::{TenantKeys, TenantSecret};
use super::{Algorithm, Cipher, GeneratedKey, PublicKey};
use crate::entropy::Entropy;
use crate::issuer::MAX_CACHE_TTL;
use crate::json::record;
use crate::time::UnixTime;
use crate::token::MAX_LIFETIME;

/// The ring as it is stored: public keys in the clear, private keys and the tenant's secret sealed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyRing {
    secret: TenantSecret,
    keys: Vec<SigningKey>,
}

/// One key of a ring.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SigningKey {
    kid: String,
    public: PublicKey,
    /// PKCS #8, sealed and bound to its tenant and key id.
    private: Sealed,
    starts: UnixTime,
}

record!(KeyRing {
    secret = "secret",
    keys = "keys",
});

record!(SigningKey {
    kid = "kid",
    public = "public",
    private = "private",
    starts = "starts",
});

/// Where in its life a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, not yet signing.
    Announced,
    /// Signing.
    Active,
    /// No longer signing; published until its last token has expired.
    Retired,
    /// Neither published nor used.
    Gone,
}

impl SigningKey {
    /// The key id: an RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The id of the master key that the private part is sealed under.
    pub(crate) fn master(&self) -> &str {
        self.private.master()
    }

    /// When it starts to sign.
    #[must_use]
    pub fn starts(&self) -> UnixTime {
        self.starts
    }

    /// Seals a new key pair, which signs from `starts` on.
    pub(crate) async fn seal(
        tenant: &str,
        generated: GeneratedKey,
        starts: UnixTime,
        masters: &MasterKeys,
        cipher: &impl Cipher,
        entropy: &impl Entropy,
    ) -> Result<Self, SealError> {
        let kid = generated.public.thumbprint();
        let context = context(tenant, &kid);
        let private = masters
            .current()
            .seal(
                Seal::SigningKey,
                &generated.private,
                &context,
                cipher,
                entropy,
            )
            .await?;
        Ok(Self {
            kid,
            public: generated.public,
            private,
            starts,
        })
    }

    /// Unseals the private part (PKCS #8).
    pub(crate) async fn unseal(
        &self,
        tenant: &str,
        masters: &MasterKeys,
        cipher: &impl Cipher,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, SealError> {
        let context = context(tenant, &self.kid);
        masters
            .open(Seal::SigningKey, &self.private, &context, cipher)
            .await
    }
}

impl KeyRing {
    /// The ring of a new tenant: a secret of its own, and no key yet.
    pub(crate) async fn new(
        tenant: &str,
        masters: &MasterKeys,
        cipher: &impl Cipher,
        entropy: &impl Entropy,
    ) -> Result<Self, SealError> {
        let secret = TenantSecret::generate(tenant, masters, cipher, entropy).await?;
        let keys = Vec::new();
        Ok(Self { secret, keys })
    }

    /// The secret of the tenant.
    pub(crate) fn secret(&self) -> &TenantSecret {
        &self.secret
    }

    /// Unseals the tenant's secret, and derives the working keys.
    pub(crate) async fn tenant_keys(
        &self,
        tenant: &str,
        masters: &MasterKeys,
        cipher: &impl Cipher,
    ) -> Result<TenantKeys, SealError> {
        self.secret.open(tenant, masters, cipher).await
    }

    /// The ids of the master keys that something in the ring is sealed under, each once.
    #[must_use]
    pub fn masters(&self) -> Vec<&str> {
        let of_keys = self.keys.iter().map(|key| &key.private);
        let mut masters: Vec<_> = of_keys
            .chain([self.secret.sealed()])
            .map(Sealed::master)
            .collect();
        masters.sort_unstable();
        masters.dedup();
        masters
    }

    /// Seals under the current master key whatever is not; tells whether anything was. What is sealed under
    /// a key that is not among `masters` is an error, and leaves the ring as far as it came: it is good
    /// all the same, each part under the master key that it names.
    pub(crate) async fn reseal(
        &mut self,
        tenant: &str,
        masters: &MasterKeys,
        cipher: &impl Cipher,
        entropy: &impl Entropy,
    ) -> Result<bool, SealError> {
        let secret = self.secret.reseal(tenant, masters, cipher, entropy);
        let mut changed = secret.await?;
        for key in &mut self.keys {
            let context = context(tenant, &key.kid);
            let resealed =
                masters.reseal(Seal::SigningKey, &key.private, &context, cipher, entropy);
            if let Some(private) = resealed.await? {
                key.private = private;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Removes a key at once, and answers it if it was there. The one before it signs again if it was the
    /// active one of its algorithm.
    pub fn remove(&mut self, kid: &str) -> Option<SigningKey> {
        let at = self.keys.iter().position(|key| key.kid == kid)?;
        Some(self.keys.remove(at))
    }

    /// The algorithms that are due for a new key, if one is to sign for `period` seconds and is announced
    /// `announcement` seconds ahead: their active key has only that long left, and no other is announced
    /// to take over by then. What starts later does not count.
    #[must_use]
    pub fn due(&self, now: UnixTime, period: u64, announcement: u64) -> Vec<Algorithm> {
        // A key after another: the last one that has started is the active one of its algorithm.
        let mut due = Vec::new();
        for key in &self.keys {
            let algorithm = key.public.algorithm();
            if key.starts > now.plus(announcement) {
                break;
            }
            due.retain(|known| *known != algorithm);
            if now.since(key.starts) > period.saturating_sub(announcement) {
                due.push(algorithm);
            }
        }
        due
    }

    /// Adds a key that signs from `starts` on. Keys that are gone by `now` leave the ring.
    pub(crate) fn add(&mut self, key: SigningKey, now: UnixTime) {
        let before = self.clone();
        self.keys
            .retain(|key| before.state(key, now) != KeyState::Gone);
        // Ties are broken by the key id, so that every location picks the same key.
        let at = self
            .keys
            .partition_point(|known| (known.starts, &known.kid) < (key.starts, &key.kid));
        self.keys.insert(at, key);
    }

    /// The state of one of the ring's keys.
    #[must_use]
    pub fn state(&self, key: &SigningKey, now: UnixTime) -> KeyState {
        if now < key.starts {
            return KeyState::Announced;
        }
        let position = (key.starts, &key.kid);
        let successor = self.keys.iter().find(|other| {
            other.public.algorithm() == key.public.algorithm()
                && (other.starts, &other.kid) > position
                && other.starts <= now
        });
        // Other locations may go on signing with it until their cached ring, and the store's own
        // copy that it was read from, are out of date.
        match successor {
            None => KeyState::Active,
            Some(next) if now < next.starts.plus(MAX_LIFETIME + 2 * MAX_CACHE_TTL) => {
                KeyState::Retired
            }
            Some(_) => KeyState::Gone,
        }
    }

    /// The key that signs now.
    #[must_use]
    pub fn active(&self, algorithm: Algorithm, now: UnixTime) -> Option<&SigningKey> {
        let mut signing = self
            .keys
            .iter()
            .filter(|key| key.public.algorithm() == algorithm && key.starts <= now);
        signing.next_back()
    }

    /// Whether there is a key of this algorithm that signs, or will.
    pub(crate) fn has(&self, algorithm: Algorithm) -> bool {
        let mut algorithms = self.keys.iter().map(|key| key.public.algorithm());
        algorithms.any(|known| known == algorithm)
    }

    /// Whether every algorithm of the ring has a key that signs.
    pub(crate) fn is_settled(&self, now: UnixTime) -> bool {
        let mut algorithms = self.keys.iter().map(|key| key.public.algorithm());
        algorithms.all(|algorithm| self.active(algorithm, now).is_some())
    }

    /// The key to sign with now: the active one of the preferred algorithm or, until that has one, the
    /// newest of any other.
    pub(crate) fn signing(&self, preferred: Algorithm, now: UnixTime) -> Option<&SigningKey> {
        self.signing_by(&[Some(preferred)], now)
    }

    /// The key to sign with now: the active one of the first of these algorithms that has one or, if none
    /// has, the newest of any other. So a change of algorithm takes effect when its first key starts:
    /// until then tokens are signed as before, and no request fails.
    pub(crate) fn signing_by(
        &self,
        preferred: &[Option<Algorithm>],
        now: UnixTime,
    ) -> Option<&SigningKey> {
        // The newest of all that have started is the active one of its algorithm.
        let any = || self.keys.iter().rfind(|key| key.starts <= now);
        let mut preferred = preferred.iter().flatten();
        preferred
            .find_map(|algorithm| self.active(*algorithm, now))
            .or_else(any)
    }

    /// The keys that a verifier may need now: all but those that are gone.
    pub fn published(&self, now: UnixTime) -> impl Iterator<Item = &SigningKey> {
        self.keys
            .iter()
            .filter(move |key| self.state(key, now) != KeyState::Gone)
    }
}

/// What a sealed key is bound to: it opens in no other tenant's ring and under no other key id.
fn context(tenant: &str, kid: &str) -> String {
    format!("edgemint signing key {kid} of tenant {tenant}")
}

#[cfg(test)]
#[cfg(feature = "software")]
mod tests {
    use std::cell::Cell;

    use base64ct::{Base64UrlUnpadded, Encoding};
    use futures_executor::block_on;

    use super::*;
    use crate::entropy::EntropyError;
    use crate::key::software::SoftwareSigner;
    use crate::key::{MasterKey, Signer};

    #[derive(Default)]
    struct Counter(Cell<u8>);

    impl Entropy for Counter {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            self.0.set(self.0.get() + 1);
            bytes.fill(self.0.get());
            Ok(())
        }
    }

    fn masters(current: u8, previous: Option<u8>) -> MasterKeys {
        let key = |byte| MasterKey::parse(&Base64UrlUnpadded::encode_string(&[byte; 32])).unwrap();
        MasterKeys::new(key(current), previous.map(key))
    }

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    /// A ring with keys of these algorithms that start at these moments, sealed under these masters.
    fn ring(keys: &[(Algorithm, u64, MasterKeys)]) -> (KeyRing, SoftwareSigner<Counter>) {
        let signer = SoftwareSigner::new(Counter::default());
        let entropy = Counter::default();
        let first = masters(1, None);
        let ring = KeyRing::new("demo", &first, &signer, &entropy);
        let mut ring = block_on(ring).unwrap();
        for (algorithm, starts, masters) in keys {
            let generated = block_on(signer.generate(*algorithm)).unwrap();
            let key = SigningKey::seal("demo", generated, at(*starts), masters, &signer, &entropy);
            ring.add(block_on(key).unwrap(), at(0));
        }
        (ring, signer)
    }

    use Algorithm::{EdDsa, Es256, Rs256};

    #[test]
    fn a_key_is_due_when_only_its_announcement_is_left() {
        let (ring, _) = ring(&[
            (Es256, 100, masters(1, None)),
            (EdDsa, 100, masters(1, None)),
            (EdDsa, 500, masters(1, None)),
        ]);
        let due = |now| ring.due(at(now), 1_000, 200);
        assert_eq!(due(0), []);
        assert_eq!(due(900), []);
        assert_eq!(due(901), [Es256]);
        assert_eq!(due(1_300), [Es256], "the announced one is young");
        assert_eq!(due(1_301), [Es256, EdDsa]);
        assert_eq!(
            ring.due(at(50), 10, 200),
            [],
            "what has not started is not due"
        );
    }

    #[test]
    fn a_key_that_starts_too_late_does_not_put_off_the_next() {
        let (ring, _) = ring(&[
            (Es256, 100, masters(1, None)),
            (Es256, 1_102, masters(1, None)),
            (Es256, 9_999, masters(1, None)),
            (EdDsa, 9_999, masters(1, None)),
        ]);
        let due = |now| ring.due(at(now), 1_000, 200);
        assert_eq!(due(900), []);
        assert_eq!(due(901), [Es256]);
        assert_eq!(due(902), [], "it starts when one added now would");
        assert_eq!(due(1_902), []);
        assert_eq!(due(1_903), [Es256]);
    }

    #[test]
    fn a_removed_key_is_gone_at_once_and_the_one_before_signs() {
        let (mut ring, _) = ring(&[
            (Es256, 100, masters(1, None)),
            (Es256, 200, masters(1, None)),
        ]);
        let signing = |ring: &KeyRing| ring.active(Es256, at(300)).map(|key| key.kid.clone());
        let newest = signing(&ring).unwrap();
        assert_eq!(ring.remove("unknown"), None);
        assert_eq!(ring.remove(&newest).unwrap().kid, newest);
        let older = signing(&ring).unwrap();
        assert_ne!(older, newest);
        assert!(ring.remove(&older).is_some());
        assert_eq!(signing(&ring), None);
        assert_eq!(ring.published(at(300)).count(), 0);
    }

    #[test]
    fn a_preferred_algorithm_signs_as_soon_as_it_can_and_the_newest_other_until_then() {
        let (ring, _) = ring(&[
            (Es256, 100, masters(1, None)),
            (EdDsa, 200, masters(1, None)),
        ]);
        let signs = |preferred: &[Option<Algorithm>], now| {
            let key = ring.signing_by(preferred, at(now));
            key.map(|key| key.public.algorithm())
        };
        assert_eq!(signs(&[Some(EdDsa)], 99), None);
        assert_eq!(signs(&[Some(EdDsa)], 199), Some(Es256));
        assert_eq!(signs(&[Some(EdDsa)], 200), Some(EdDsa));
        assert_eq!(signs(&[Some(Es256)], 200), Some(Es256));
        assert_eq!(signs(&[Some(Rs256)], 199), Some(Es256));
        assert_eq!(signs(&[Some(Rs256)], 200), Some(EdDsa));
        assert_eq!(signs(&[Some(Rs256), None, Some(Es256)], 200), Some(Es256));
        assert_eq!(signs(&[Some(EdDsa), Some(Es256)], 200), Some(EdDsa));
        assert!(ring.has(EdDsa) && !ring.has(Rs256));
    }

    #[test]
    fn resealing_takes_in_what_each_master_key_has_sealed() {
        let (mut ring, signer) = ring(&[
            (Es256, 100, masters(1, None)),
            (EdDsa, 200, masters(2, None)),
        ]);
        let before = ring.clone();
        let ids = [masters(1, None), masters(2, None)].map(|keys| keys.current().id().to_owned());
        let mut sorted = ids.clone();
        sorted.sort();
        assert_eq!(ring.masters(), sorted);
        let both = masters(2, Some(1));
        let reseal = |ring: &mut KeyRing, masters: MasterKeys| {
            block_on(ring.reseal("demo", &masters, &signer, &Counter::default()))
        };
        let unknown = reseal(&mut ring, masters(3, None));
        assert_eq!(unknown, Err(SealError::UnknownMaster));
        assert_eq!(reseal(&mut ring, masters(2, Some(1))), Ok(true));
        assert_eq!(reseal(&mut ring, masters(2, Some(1))), Ok(false));
        assert_eq!(ring.masters(), [&ids[1]]);
        assert_eq!(ring.secret.id(), before.secret.id());
        let only = masters(2, None);
        for (key, known) in ring.keys.iter().zip(&before.keys) {
            let unseal = |key: &SigningKey| block_on(key.unseal("demo", &both, &signer)).unwrap();
            assert_eq!(unseal(key), unseal(known));
            assert!(block_on(key.unseal("demo", &only, &signer)).is_ok());
        }
        let digest = |ring: &KeyRing| {
            let keys = block_on(ring.tenant_keys("demo", &both, &signer)).unwrap();
            keys.digest(&[b"a"])
        };
        assert_eq!(digest(&ring), digest(&before));
        assert!(block_on(ring.tenant_keys("demo", &only, &signer)).is_ok());
        assert!(block_on(ring.tenant_keys("other", &only, &signer)).is_err());
    }
}
