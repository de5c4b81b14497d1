//! The secret of a tenant, and the keys derived from it: the pepper of its client secrets, and what the
//! codes and refresh tokens of its users are proved with.
//!
//! It is made with the tenant's key ring and stays for as long as the tenant does, so that rotating the
//! master key ends no session and invalidates no client secret: the secret is sealed anew, that is all.

use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Cipher;
use super::master::{MasterKeys, Seal, SealError, Sealed, expand};
use crate::base64url;
use crate::entropy::{self, Entropy};
use crate::json::record;

/// The secret as it is stored, in the tenant's key ring.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TenantSecret {
    /// Derived from the secret one-way, and part of what the seal authenticates: equal ids stand for equal
    /// secrets, under whatever master key.
    id: String,
    sealed: Sealed,
}

record!(TenantSecret {
    id = "id",
    sealed = "sealed",
});

impl TenantSecret {
    /// Draws the secret of a new tenant: 32 random bytes.
    pub(super) async fn generate(
        tenant: &str,
        masters: &MasterKeys,
        cipher: &impl Cipher,
        entropy: &impl Entropy,
    ) -> Result<Self, SealError> {
        let secret = Zeroizing::new(entropy::bytes(entropy)?);
        let mut id = [0; 6];
        expand(&secret, [("tenant secret id", &mut id)]).ok_or(SealError::Cipher)?;
        let id = base64url::encode(&id);
        let context = context(tenant, &id);
        let master = masters.current();
        let sealed = master.seal(
            Seal::TenantSecret,
            secret.as_slice(),
            &context,
            cipher,
            entropy,
        );
        let sealed = sealed.await?;
        Ok(Self { id, sealed })
    }

    /// Names the secret, and tells nothing else of it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What it is sealed under.
    pub(super) fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// Seals it under the current master key if it is under another one; tells whether it was.
    pub(super) async fn reseal(
        &mut self,
        tenant: &str,
        masters: &MasterKeys,
        cipher: &impl Cipher,
        entropy: &impl Entropy,
    ) -> Result<bool, SealError> {
        let context = context(tenant, &self.id);
        let resealed = masters.reseal(Seal::TenantSecret, &self.sealed, &context, cipher, entropy);
        let resealed = resealed.await?;
        Ok(resealed.is_some_and(|sealed| {
            self.sealed = sealed;
            true
        }))
    }

    /// Unseals it, and derives the working keys.
    pub(super) async fn open(
        &self,
        tenant: &str,
        masters: &MasterKeys,
        cipher: &impl Cipher,
    ) -> Result<TenantKeys, SealError> {
        let context = context(tenant, &self.id);
        let opened = masters.open(Seal::TenantSecret, &self.sealed, &context, cipher);
        let opened = opened.await?;
        let secret = opened.first_chunk().ok_or(SealError::Cipher)?;
        TenantKeys::derive(secret).ok_or(SealError::Cipher)
    }
}

/// What the secret is bound to: it opens in no other tenant's ring and under no other id.
fn context(tenant: &str, id: &str) -> String {
    ["edgemint secret ", id, " of tenant ", tenant].concat()
}

/// The working keys of a tenant. Each is an HMAC that has taken its key in: half of the work, done once.
pub(crate) struct TenantKeys {
    pepper: Hmac<Sha256>,
    grants: Hmac<Sha256>,
}

impl TenantKeys {
    pub(crate) fn derive(secret: &[u8; 32]) -> Option<Self> {
        let mut pepper = Zeroizing::new([0; 32]);
        let mut grants = pepper.clone();
        expand(
            secret,
            [
                ("client secret pepper", pepper.as_mut_slice()),
                ("grant keys", grants.as_mut_slice()),
            ],
        )?;
        let keyed = |key: &[u8; 32]| <Hmac<Sha256> as Mac>::new_from_slice(key).ok();
        Some(Self {
            pepper: keyed(&pepper)?,
            grants: keyed(&grants)?,
        })
    }

    /// HMAC-SHA-256 under the pepper over the fields.
    pub(crate) fn digest(&self, fields: &[&[u8]]) -> Option<[u8; 32]> {
        mac(self.pepper.clone(), fields)
    }

    /// What the tokens of one grant are proved with: HMAC-SHA-256 over the fields that name it.
    pub(crate) fn grant_key(&self, fields: &[&[u8]]) -> Option<[u8; 32]> {
        mac(self.grants.clone(), fields)
    }
}

/// The authentication code of the fields, each preceded by its length in two bytes so that no two lists
/// of fields are the same message. None is longer than 64 KiB.
pub(crate) fn mac(mut keyed: Hmac<Sha256>, fields: &[&[u8]]) -> Option<[u8; 32]> {
    for field in fields {
        keyed.update(&u16::try_from(field.len()).ok()?.to_be_bytes());
        keyed.update(field);
    }
    Some(keyed.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_be_shifted_into_one_another() {
        let keys = TenantKeys::derive(&[1; 32]).unwrap();
        assert_ne!(keys.digest(&[b"ab", b"c"]), keys.digest(&[b"a", b"bc"]));
    }

    #[test]
    fn each_purpose_and_each_tenant_has_a_key_of_its_own() {
        let keys = TenantKeys::derive(&[1; 32]).unwrap();
        let others = TenantKeys::derive(&[2; 32]).unwrap();
        let digests = [
            keys.digest(&[b"a"]),
            keys.grant_key(&[b"a"]),
            others.digest(&[b"a"]),
            others.grant_key(&[b"a"]),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[at + 1..].contains(digest), "{at}");
        }
    }
}
