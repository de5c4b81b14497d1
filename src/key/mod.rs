//! Keys: the master key, the secret and the signing keys of a tenant, and who signs.

mod algorithm;
mod master;
mod ring;
mod signer;
#[cfg(feature = "software")]
pub mod software;
mod tenant;

pub use algorithm::{Algorithm, PublicKey, PublicKeyError};
pub use master::{MasterKey, MasterKeyError, MasterKeys};
pub use ring::{KeyRing, KeyState, SigningKey};
pub use signer::{Cipher, GeneratedKey, Signer, SignerError};

pub(crate) use master::{Seal, SealError, Sealed};
pub(crate) use tenant::{TenantKeys, mac};
