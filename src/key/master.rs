//! The master key, and the keys derived from it: HKDF (RFC 5869) with a label for each purpose.
//!
//! One 32-byte value from the host's secret storage is all an operator keeps. It seals, and does nothing
//! else: whatever has to outlive it (a tenant's secret, its signing keys) is random, kept in the store
//! under its seal, and sealed anew when the master key is rotated. Neither the store nor the master key
//! alone is enough to impersonate a client or to sign a token.

use std::fmt;

use hkdf::Hkdf;
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Cipher;
use crate::base64url;
use crate::entropy::{self, Entropy, EntropyError};
use crate::json::record;

/// The keys derived from one master key. Debug output shows its id only.
pub struct MasterKey {
    /// Names the master key in stored records without telling anything about it.
    id: String,
    sealing: Zeroizing<[u8; 32]>,
    tenants: Zeroizing<[u8; 32]>,
    /// For what strangers have sealed: they choose how often, and the other key must not wear out by it.
    handles: Zeroizing<[u8; 32]>,
    /// For what administrators were answered: it may hold a secret, for a day.
    replies: Zeroizing<[u8; 32]>,
}

/// What something is sealed for: each has a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    /// The private part of a signing key.
    SigningKey,
    /// The secret of a tenant.
    TenantSecret,
    /// An authorization request on its way through a browser.
    Handle,
    /// An answer of the administration, for whoever asks the same again.
    Reply,
}

impl MasterKey {
    /// Derives the working keys from a master key as it is kept: 32 bytes in base64url without
    /// padding, 43 characters. White space around it is ignored, since secret storages add it.
    ///
    /// # Errors
    /// [`MasterKeyError`] if the text is anything else.
    ///
    /// ```
    /// use edgemint::key::MasterKey;
    ///
    /// assert!(MasterKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").is_ok());
    /// assert!(MasterKey::parse("changeme").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let mut master = Zeroizing::new([0; 32]);
        if !base64url::decode_into(text.trim(), master.as_mut_slice()) {
            return Err(MasterKeyError);
        }
        Self::derive(&master)
    }

    fn derive(master: &[u8; 32]) -> Result<Self, MasterKeyError> {
        let mut id = [0; 6];
        let mut sealing = Zeroizing::new([0; 32]);
        let mut tenants = sealing.clone();
        let mut handles = sealing.clone();
        let mut replies = sealing.clone();
        let derived = expand(
            master,
            [
                ("master key id", id.as_mut_slice()),
                ("signing key sealing", sealing.as_mut_slice()),
                ("tenant secret sealing", tenants.as_mut_slice()),
                ("authorization handles", handles.as_mut_slice()),
                ("administration replies", replies.as_mut_slice()),
            ],
        );
        derived.ok_or(MasterKeyError)?;
        Ok(Self {
            id: base64url::encode(&id),
            sealing,
            tenants,
            handles,
            replies,
        })
    }

    /// Names this master key in stored records. It is derived one-way.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Encrypts `plain` with AES-256-GCM; `context` must be given again to open it.
    pub(crate) async fn seal(
        &self,
        seal: Seal,
        plain: &[u8],
        context: &str,
        cipher: &impl Cipher,
        entropy: &impl Entropy,
    ) -> Result<Sealed, SealError> {
        // A random 96-bit nonce: a ring sees a few seals a year, far below the 2^32 bound. Handles are
        // good for minutes, and a repeated nonce among them tells of requests that a browser showed.
        let nonce: [u8; 12] = entropy::bytes(entropy)?;
        let sealed = cipher
            .encrypt(self.sealing_key(seal), &nonce, context, plain)
            .await
            .map_err(|_| SealError::Cipher)?;
        Ok(Sealed {
            master: self.id.clone(),
            nonce: base64url::encode(&nonce),
            ciphertext: base64url::encode(&sealed),
        })
    }

    fn sealing_key(&self, seal: Seal) -> &[u8; 32] {
        match seal {
            Seal::SigningKey => &self.sealing,
            Seal::TenantSecret => &self.tenants,
            Seal::Handle => &self.handles,
            Seal::Reply => &self.replies,
        }
    }

    async fn open(
        &self,
        seal: Seal,
        sealed: &Sealed,
        context: &str,
        cipher: &impl Cipher,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let decode = |text: &str| base64url::decode(text).ok_or(SealError::Cipher);
        let nonce: [u8; 12] = decode(&sealed.nonce)?
            .try_into()
            .map_err(|_| SealError::Cipher)?;
        let ciphertext = decode(&sealed.ciphertext)?;
        let plain = cipher
            .decrypt(self.sealing_key(seal), &nonce, context, &ciphertext)
            .await
            .map_err(|_| SealError::Cipher)?;
        Ok(Zeroizing::new(plain))
    }
}

/// Derives keys from a secret, each by the label of its purpose.
pub(super) fn expand<const N: usize>(
    secret: &[u8; 32],
    keys: [(&str, &mut [u8]); N],
) -> Option<()> {
    let hkdf = Hkdf::<Sha256>::new(Some(b"edgemint/v1"), secret);
    keys.into_iter()
        .try_for_each(|(label, key)| hkdf.expand(label.as_bytes(), key).ok())
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The master key in use and, while it is being rotated, the one before it.
#[derive(Debug)]
pub struct MasterKeys {
    current: MasterKey,
    previous: Option<MasterKey>,
}

impl MasterKeys {
    /// New records are written under `current`; records written under `previous` are still read.
    #[must_use]
    pub fn new(current: MasterKey, previous: Option<MasterKey>) -> Self {
        Self { current, previous }
    }

    /// The key that new records are written under.
    #[must_use]
    pub fn current(&self) -> &MasterKey {
        &self.current
    }

    /// Opens what one of the keys sealed in this context.
    pub(crate) async fn open(
        &self,
        seal: Seal,
        sealed: &Sealed,
        context: &str,
        cipher: &impl Cipher,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.into_iter().find(|key| key.id == sealed.master);
        let key = key.ok_or(SealError::UnknownMaster)?;
        key.open(seal, sealed, context, cipher).await
    }

    /// The same under the current key; `None` if it is already.
    pub(crate) async fn reseal(
        &self,
        seal: Seal,
        sealed: &Sealed,
        context: &str,
        cipher: &impl Cipher,
        entropy: &impl Entropy,
    ) -> Result<Option<Sealed>, SealError> {
        if sealed.master == self.current.id {
            return Ok(None);
        }
        let plain = self.open(seal, sealed, context, cipher).await?;
        let resealed = self.current.seal(seal, &plain, context, cipher, entropy);
        resealed.await.map(Some)
    }
}

/// Something encrypted under a master key: AES-256-GCM, base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Sealed {
    master: String,
    nonce: String,
    ciphertext: String,
}

impl Sealed {
    /// The id of the master key that it is sealed under.
    pub(crate) fn master(&self) -> &str {
        &self.master
    }

    /// The three parts as one word that fits into a URL.
    pub(crate) fn compact(&self) -> String {
        [&*self.master, ".", &self.nonce, ".", &self.ciphertext].concat()
    }

    /// Reads what [`Sealed::compact`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (master, rest) = text.split_once('.')?;
        let (nonce, ciphertext) = rest.split_once('.')?;
        Some(Self {
            master: master.to_owned(),
            nonce: nonce.to_owned(),
            ciphertext: ciphertext.to_owned(),
        })
    }
}

record!(Sealed {
    master = "master",
    nonce = "nonce",
    ciphertext = "ciphertext",
});

/// The master key is not 32 bytes in base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterKeyError;

impl fmt::Display for MasterKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the master key is not 32 bytes in base64url without padding (43 characters)")
    }
}

impl std::error::Error for MasterKeyError {}

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealError {
    /// No randomness for the nonce.
    Entropy,
    /// Sealed under a master key that this service was not given.
    UnknownMaster,
    /// Altered, sealed in another context, or not encoded as it should be.
    Cipher,
}

impl From<EntropyError> for SealError {
    fn from(EntropyError: EntropyError) -> Self {
        Self::Entropy
    }
}

#[cfg(test)]
#[cfg(feature = "software")]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::key::software::SoftwareSigner;

    struct Counter;

    impl Entropy for Counter {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.iter_mut().zip(1..).for_each(|(byte, n)| *byte = n);
            Ok(())
        }
    }

    fn master(first: u8) -> MasterKey {
        MasterKey::derive(&[first; 32]).unwrap()
    }

    #[test]
    fn only_32_bytes_of_base64url_are_a_master_key() {
        let good = base64url::encode(&[7; 32]);
        assert!(MasterKey::parse(&format!("  {good}\n")).is_ok());
        for bad in [
            "",
            "secret",
            good.trim_start_matches('B'),
            &format!("{good}AA"),
            &good.replace('B', "+"),
        ] {
            assert_eq!(MasterKey::parse(bad).unwrap_err(), MasterKeyError, "{bad}");
        }
    }

    #[test]
    fn debug_output_shows_no_key_material() {
        let text = format!("{:?}", master(7));
        assert_eq!(text, format!("MasterKey {{ id: {:?}, .. }}", master(7).id));
    }

    #[test]
    fn what_was_sealed_opens_only_in_its_context_unaltered_and_under_its_key() {
        let cipher = SoftwareSigner::new(Counter);
        let first = master(1);
        let sealed =
            block_on(first.seal(Seal::SigningKey, b"private", "tenant a", &cipher, &Counter))
                .unwrap();
        let open = |keys: &MasterKeys, sealed: &Sealed, context: &str| {
            block_on(keys.open(Seal::SigningKey, sealed, context, &cipher))
        };
        let keys = MasterKeys::new(master(2), Some(master(1)));
        assert_eq!(
            open(&keys, &sealed, "tenant a").unwrap().as_slice(),
            b"private"
        );
        assert_eq!(
            open(&keys, &sealed, "tenant b").unwrap_err(),
            SealError::Cipher
        );
        let altered = Sealed {
            nonce: "AAAAAAAAAAAAAAAA".into(),
            ..sealed.clone()
        };
        assert_eq!(
            open(&keys, &altered, "tenant a").unwrap_err(),
            SealError::Cipher
        );
        let truncated = Sealed {
            ciphertext: "AA".into(),
            ..sealed.clone()
        };
        assert_eq!(
            open(&keys, &truncated, "tenant a").unwrap_err(),
            SealError::Cipher
        );
        let others = MasterKeys::new(master(3), None);
        assert_eq!(
            open(&others, &sealed, "tenant a").unwrap_err(),
            SealError::UnknownMaster
        );
    }
    #[test]
    fn what_was_sealed_for_one_purpose_opens_for_no_other() {
        let cipher = SoftwareSigner::new(Counter);
        let keys = MasterKeys::new(master(1), None);
        let all = [
            Seal::SigningKey,
            Seal::TenantSecret,
            Seal::Handle,
            Seal::Reply,
        ];
        for made in all {
            let sealed = keys.current().seal(made, b"x", "a", &cipher, &Counter);
            let sealed = block_on(sealed).unwrap();
            for tried in all {
                let opened = block_on(keys.open(tried, &sealed, "a", &cipher));
                assert_eq!(opened.is_ok(), tried == made, "{made:?} {tried:?}");
            }
        }
    }
}
