//! The signing keys of a tenant.
//!
//! A key's state follows from the time alone: it is *announced* until its start, *active* until a
//! newer key of its algorithm starts, *retired* until the last token it can have signed has expired,
//! and then gone. A rotation is therefore one write, made ahead of time, and every location takes the
//! step at the same moment without being told.

use serde::Serialize;

use super::master::{MasterKeys, Seal, SealError, Sealed};
use super::{Algorithm, Cipher, GeneratedKey, PublicKey};
use crate::entropy::Entropy;
use crate::issuer::MAX_CACHE_TTL;
use crate::json::record;
use crate::time::UnixTime;
use crate::token::MAX_LIFETIME;

/// The ring as it is stored: public keys in the clear, private keys sealed.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct KeyRing {
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

record!(KeyRing { keys = "keys" });

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
