//! Keys: the master key and what is derived from it, the signing keys of a tenant, and who signs.

mod algorithm;
mod master;
mod ring;
mod signer;
#[cfg(feature = "software")]
pub mod software;

pub use algorithm::{Algorithm, PublicKey, PublicKeyError};
pub use master::{MasterKey, MasterKeyError, MasterKeys};
pub use ring::{KeyRing, KeyState, SigningKey};
pub use signer::{Cipher, GeneratedKey, Signer, SignerError};

pub(crate) use master::{Seal, SealError, Sealed, mac};
