//! Who performs the private-key operations: the host where it can, software elsewhere.

use std::fmt;

use zeroize::Zeroizing;

use super::{Algorithm, PublicKey};

/// A key pair fresh from a [`Signer`], before it is sealed.
pub struct GeneratedKey {
    /// The private part: PKCS #8 in DER.
    pub private: Zeroizing<Vec<u8>>,
    /// The public part.
    pub public: PublicKey,
}

/// Generates, imports and uses signing keys.
///
/// # Security
/// `Key` must not let the private part out again: the host's SubtleCrypto imports it as
/// non-extractable. `generate` must draw from a cryptographically secure source.
#[expect(
    async_fn_in_trait,
    reason = "edge runtimes are single-threaded: futures are not `Send`"
)]
pub trait Signer: Cipher {
    /// An imported private key.
    type Key;

    /// Makes a new key pair.
    ///
    /// # Errors
    /// [`SignerError`] if the algorithm is not supported here or the source of entropy failed.
    async fn generate(&self, algorithm: Algorithm) -> Result<GeneratedKey, SignerError>;

    /// Imports a private key: PKCS #8 in DER.
    ///
    /// # Errors
    /// [`SignerError`] if the algorithm is not supported here or the bytes are not such a key.
    async fn import(&self, algorithm: Algorithm, private: &[u8]) -> Result<Self::Key, SignerError>;

    /// The JWS signature (RFC 7515 section 5.1) over `message`: for ES256 the 64 bytes R and S.
    ///
    /// # Errors
    /// [`SignerError`] if the host failed.
    async fn sign(&self, key: &Self::Key, message: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// Whether this is a JWS signature over `message` by the private key of `public`. A signature of
    /// another form is a wrong one.
    ///
    /// # Errors
    /// [`SignerError`] if the algorithm is not supported here or the host failed.
    async fn verify(
        &self,
        public: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, SignerError>;
}

/// Encrypts small things that are stored or handed out: AES-256-GCM (NIST SP 800-38D) with a tag of 16
/// bytes after the ciphertext.
///
/// # Security
/// `decrypt` must fail unless key, nonce, context and every byte are those of `encrypt`.
#[expect(
    async_fn_in_trait,
    reason = "edge runtimes are single-threaded: futures are not `Send`"
)]
pub trait Cipher {
    /// Encrypts `plain`; `context` has to be given again to decrypt it.
    ///
    /// # Errors
    /// [`SignerError`] if the host failed.
    async fn encrypt(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SignerError>;

    /// Decrypts what [`Cipher::encrypt`] made.
    ///
    /// # Errors
    /// [`SignerError`] if it was altered, or made with something else, or the host failed.
    async fn decrypt(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        context: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SignerError>;
}

/// A private-key operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerError {
    /// This signer does not know the algorithm.
    Unsupported(Algorithm),
    /// The host or the key is at fault. The text is for the operator.
    Failed(String),
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(algorithm) => {
                write!(
                    f,
                    "this signer does not support {algorithm}; use one that does"
                )
            }
            Self::Failed(why) => write!(f, "the signer failed: {why}"),
        }
    }
}

impl std::error::Error for SignerError {}
