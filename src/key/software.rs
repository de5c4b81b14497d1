//! The signer in software, through `jwt-compact`: ES256 and EdDSA, for native builds, tests and hosts
//! without SubtleCrypto. RSA private-key operations are left to hosts (RUSTSEC-2023-0071).

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use ed25519_dalek::pkcs8::{self, EncodePrivateKey};
use jwt_compact::alg::{Ed25519, Es256};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm as _, AlgorithmSignature};
use p256::pkcs8::DecodePrivateKey;
use zeroize::Zeroizing;

use super::{Algorithm, Cipher, GeneratedKey, PublicKey, Signer, SignerError};
use crate::entropy::{self, Entropy};

/// A [`Signer`] that needs nothing but entropy.
pub struct SoftwareSigner<E> {
    entropy: E,
}

impl<E: Entropy> SoftwareSigner<E> {
    /// A signer that draws new keys from `entropy`.
    pub fn new(entropy: E) -> Self {
        Self { entropy }
    }
}

/// A private key held in memory; the libraries wipe it when it is dropped.
pub struct SoftwareKey(Private);

enum Private {
    Es256(p256::ecdsa::SigningKey),
    EdDsa(ed25519_dalek::SigningKey),
}

impl<E: Entropy> Signer for SoftwareSigner<E> {
    type Key = SoftwareKey;

    async fn generate(&self, algorithm: Algorithm) -> Result<GeneratedKey, SignerError> {
        match algorithm {
            Algorithm::Es256 => self.generate_es256(),
            Algorithm::EdDsa => self.generate_ed25519(),
            Algorithm::Rs256 => Err(SignerError::Unsupported(algorithm)),
        }
    }

    async fn import(
        &self,
        algorithm: Algorithm,
        private: &[u8],
    ) -> Result<SoftwareKey, SignerError> {
        let key = match algorithm {
            Algorithm::Es256 => p256::SecretKey::from_pkcs8_der(private)
                .map(|key| Private::Es256(key.into()))
                .map_err(failed)?,
            Algorithm::EdDsa => ed25519_dalek::SigningKey::from_pkcs8_der(private)
                .map(Private::EdDsa)
                .map_err(failed)?,
            Algorithm::Rs256 => return Err(SignerError::Unsupported(algorithm)),
        };
        Ok(SoftwareKey(key))
    }

    async fn sign(&self, key: &SoftwareKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(match &key.0 {
            Private::Es256(key) => Es256.sign(key, message).as_bytes().into_owned(),
            Private::EdDsa(key) => Ed25519.sign(key, message).as_bytes().into_owned(),
        })
    }

    async fn verify(
        &self,
        public: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, SignerError> {
        let text = serde_json::to_string(public).map_err(failed)?;
        let jwk: JsonWebKey<'_> = serde_json::from_str(&text).map_err(failed)?;
        match public.algorithm() {
            Algorithm::Es256 => verify(&Es256, &jwk, message, signature),
            Algorithm::EdDsa => verify(&Ed25519, &jwk, message, signature),
            Algorithm::Rs256 => Err(SignerError::Unsupported(Algorithm::Rs256)),
        }
    }
}

impl<E: Entropy> Cipher for SoftwareSigner<E> {
    async fn encrypt(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        let cipher = Aes256Gcm::new(key.into());
        cipher.encrypt(nonce.into(), payload).map_err(failed)
    }

    async fn decrypt(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        context: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        let payload = Payload {
            msg: sealed,
            aad: context.as_bytes(),
        };
        let cipher = Aes256Gcm::new(key.into());
        cipher.decrypt(nonce.into(), payload).map_err(failed)
    }
}

fn verify<'a, A: jwt_compact::Algorithm>(
    algorithm: &A,
    jwk: &'a JsonWebKey<'a>,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, SignerError>
where
    A::VerifyingKey: TryFrom<&'a JsonWebKey<'a>, Error: std::fmt::Display>,
{
    let key = A::VerifyingKey::try_from(jwk).map_err(failed)?;
    let signature = A::Signature::try_from_slice(signature);
    Ok(signature.is_ok_and(|signature| algorithm.verify_signature(&signature, &key, message)))
}

impl<E: Entropy> SoftwareSigner<E> {
    fn generate_es256(&self) -> Result<GeneratedKey, SignerError> {
        // A random scalar is refused with a chance of 2^-32 (zero, or not below the group order).
        for _ in 0..8 {
            let scalar = Zeroizing::new(entropy::bytes::<32>(&self.entropy).map_err(no_entropy)?);
            let Ok(secret) = p256::SecretKey::from_bytes(&(*scalar).into()) else {
                continue;
            };
            let private = secret.to_pkcs8_der().map_err(failed)?;
            let signing = p256::ecdsa::SigningKey::from(secret);
            let public = public_key(&JsonWebKey::from(signing.verifying_key()))?;
            return Ok(GeneratedKey {
                private: private.to_bytes(),
                public,
            });
        }
        Err(SignerError::Failed(
            "the entropy source repeats itself".into(),
        ))
    }

    fn generate_ed25519(&self) -> Result<GeneratedKey, SignerError> {
        let seed = Zeroizing::new(entropy::bytes::<32>(&self.entropy).map_err(no_entropy)?);
        let signing = ed25519_dalek::SigningKey::from_bytes(&seed);
        // Version 1 of the structure, without the public key: SubtleCrypto imports no other.
        let pair = pkcs8::KeypairBytes {
            secret_key: *seed,
            public_key: None,
        };
        let private = pair.to_pkcs8_der().map_err(failed)?;
        let public = public_key(&JsonWebKey::from(&signing.verifying_key()))?;
        Ok(GeneratedKey {
            private: private.to_bytes(),
            public,
        })
    }
}

fn public_key(jwk: &JsonWebKey<'_>) -> Result<PublicKey, SignerError> {
    PublicKey::from_jwk(&serde_json::to_string(jwk).map_err(failed)?).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> SignerError {
    SignerError::Failed(error.to_string())
}

fn no_entropy(_: entropy::EntropyError) -> SignerError {
    SignerError::Failed("the entropy source failed".into())
}
