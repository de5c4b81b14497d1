//! Codes and refresh tokens: handles to one generation of a grant, of which nothing is stored.
//!
//! A token is a prefix and, in base64url, version, route, grant, generation, seal and proof. The route
//! leads to the partition of its user. The seal tells, without any look-up, that the token was made
//! here: junk reaches no store. The proof is an HMAC that depends on the grant's salt, which only the
//! store of the grants knows, and on a key from the tenant's secret, which is sealed under the master key:
//! neither alone makes a token.

use std::borrow::Cow;
use std::fmt;

use hmac::{Hmac, Mac};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::base64url;
use crate::directory::TenantName;
use crate::json::{JsonError, Member, Value};
use crate::key::{TenantKeys, mac};
use crate::store::{Key, KeyError, Partition};

/// The first byte of every token: another layout would have another.
const VERSION: u8 = 1;
/// Bytes of a route, of a grant's id and of a salt.
const ID: usize = 16;
/// Bytes of the seal: enough that junk is not worth sending; forging needs the proof.
const SEAL: usize = 8;
/// Bytes of the key that a grant's proofs are made with: 192 bits.
const KEY: usize = 24;
const PROOF: usize = 32;
const LENGTH: usize = 1 + ID + ID + 4 + SEAL + PROOF;

/// What a token is for. A code is no refresh token, and the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// RFC 6749 section 4.1.
    Code,
    /// RFC 6749 section 6.
    Refresh,
}

impl Purpose {
    /// How the text starts, so that scanners can recognise a token that leaked.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "emc_",
            Self::Refresh => "emr_",
        }
    }
}

/// Random or hashed bytes that are no secret, in base64url where they are text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Id([u8; ID]);

impl Id {
    pub(crate) const fn new(bytes: [u8; ID]) -> Self {
        Self(bytes)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        decode(text).map(Self)
    }

    /// As it is where it is text.
    pub(crate) fn text(self) -> String {
        base64url::encode(&self.0)
    }

    /// The leading bytes, as an id.
    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (id, rest) = bytes.split_first_chunk::<ID>()?;
        Some((Self(*id), rest))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl Member for Id {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        let id = match &value {
            Value::Text(text) => Self::parse(text),
            _ => None,
        };
        id.ok_or_else(|| JsonError::expected("16 bytes in base64url"))
    }
}

/// Where a grant lives: with all the others of its user, in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tenant: TenantName,
    route: Id,
    pub(crate) grant: Id,
}

/// The name of the record that holds a user's epoch, beside the user's grants.
const USER: &str = "user";
/// How the names of grants start.
pub(crate) const GRANTS: &str = "grant/";

impl Place {
    pub(crate) fn new(tenant: &TenantName, subject: &str, grant: Id) -> Self {
        Self {
            tenant: tenant.clone(),
            route: route(tenant, subject),
            grant,
        }
    }

    /// The record of the grant.
    pub(crate) fn key(&self) -> Result<Key, KeyError> {
        self.keys().map(|(grant, _)| grant)
    }

    /// The records of the grant and of the user.
    pub(crate) fn keys(&self) -> Result<(Key, Key), KeyError> {
        let partition = partition(&self.tenant, self.route)?;
        let user = Key::new(partition.clone(), USER)?;
        let grant = Key::new(partition, [GRANTS, &self.grant.text()].concat())?;
        Ok((grant, user))
    }

    /// The record of the user.
    pub(crate) fn user_key(&self) -> Result<Key, KeyError> {
        Key::new(partition(&self.tenant, self.route)?, USER)
    }

    /// The `sid` of access tokens: where to look whether their grant still lives.
    pub(crate) fn session(&self) -> String {
        base64url::encode(&[self.route.0, self.grant.0].concat())
    }

    /// Reads a `sid`.
    pub(crate) fn of_session(tenant: &TenantName, session: &str) -> Option<Self> {
        let bytes: [u8; 2 * ID] = decode(session)?;
        let (route, rest) = Id::split(&bytes)?;
        let (grant, _) = Id::split(rest)?;
        let tenant = tenant.clone();
        Some(Self {
            tenant,
            route,
            grant,
        })
    }
}

/// The partition of a user's grants, and the key of the user's own record in it.
pub(crate) fn user_key(tenant: &TenantName, subject: &str) -> Result<Key, KeyError> {
    Key::new(partition(tenant, route(tenant, subject))?, USER)
}

fn partition(tenant: &TenantName, route: Id) -> Result<Partition, KeyError> {
    Partition::new(["grants/", tenant.as_str(), "/", &route.text()].concat())
}

/// A hash, so that any subject has a partition and a token does not tell the user's name. Not keyed: it
/// names the user's object, and leads there whatever becomes of keys.
fn route(tenant: &TenantName, subject: &str) -> Id {
    let mut hash = Sha256::new();
    hash.update(b"edgemint user\0");
    hash.update(tenant.as_str());
    hash.update(b"\0");
    hash.update(subject);
    let hash: [u8; 32] = hash.finalize().into();
    let mut route = [0; ID];
    route.copy_from_slice(hash.split_at(ID).0);
    Id(route)
}

/// Bytes that prove something: wiped when dropped, compared in constant time, shown nowhere.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<const N: usize> Secret<N> {
    /// As it is where it is text.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(base64url::encode(&self.0))
    }
}

impl<const N: usize> Member for Secret<N> {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        // As it was written: nothing of it can have been escaped, so that there is no copy to wipe.
        let bytes = match &value {
            Value::Text(Cow::Borrowed(text)) => decode(text).map(Self),
            _ => None,
        };
        bytes.ok_or_else(|| JsonError::expected("bytes in base64url"))
    }
}

/// What proves a token to its grant.
pub(crate) type Proof = Secret<PROOF>;

/// The key that the proofs of one grant are made with.
pub(crate) type ProofKey = Secret<KEY>;

impl ProofKey {
    /// What makes the proofs of a grant with this salt.
    pub(crate) fn prover(&self, salt: Id) -> Option<Prover> {
        let keyed = <Hmac<Sha256> as Mac>::new_from_slice(&self.0).ok()?;
        Some(Prover { keyed, salt })
    }
}

/// The key of a grant's proofs, taken in by an HMAC: half of the work, done once for all that a step needs.
pub(crate) struct Prover {
    keyed: Hmac<Sha256>,
    salt: Id,
}

impl Prover {
    /// The proof of a token.
    pub(crate) fn prove(&self, purpose: Purpose, generation: u32) -> Option<Proof> {
        let generation = generation.to_be_bytes();
        let fields = [purpose.prefix().as_bytes(), &self.salt.0, &generation];
        mac(self.keyed.clone(), &fields).map(Secret)
    }

    /// Whether the proof is this grant's, in constant time.
    pub(crate) fn proves(&self, proof: &Proof, purpose: Purpose, generation: u32) -> Choice {
        let own = self.prove(purpose, generation);
        own.map_or(Choice::from(0), |own| own.ct_eq(proof))
    }
}

/// A token as it was presented, or as it will be.
#[derive(Debug, Clone)]
pub(crate) struct GrantToken {
    route: Id,
    grant: Id,
    pub(crate) generation: u32,
    /// Of every token of its grant the same, once it has been located.
    pub(crate) seal: [u8; SEAL],
    pub(crate) proof: Proof,
}

impl GrantToken {
    /// Reads a token of this purpose; `None` if the text is none.
    pub(crate) fn parse(purpose: Purpose, text: &str) -> Option<Self> {
        let bytes: Zeroizing<[u8; LENGTH]> =
            Zeroizing::new(decode(text.strip_prefix(purpose.prefix())?)?);
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (route, rest) = Id::split(rest)?;
        let (grant, rest) = Id::split(rest)?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (seal, rest) = rest.split_first_chunk()?;
        let (proof, _) = rest.split_first_chunk()?;
        Some(Self {
            route,
            grant,
            generation: u32::from_be_bytes(*generation),
            seal: *seal,
            proof: Secret(*proof),
        })
    }

    /// Where its grant would be, and the key that proves it: none if it was not made here for this tenant.
    pub(crate) fn locate(
        &self,
        tenant: &TenantName,
        keys: &TenantKeys,
    ) -> Option<(Place, ProofKey)> {
        let place = Place {
            tenant: tenant.clone(),
            route: self.route,
            grant: self.grant,
        };
        let (key, seal) = derive(&place, keys)?;
        bool::from(seal.ct_eq(&self.seal)).then_some((place, key))
    }

    /// The token of this generation of the grant.
    pub(crate) fn text(
        purpose: Purpose,
        place: &Place,
        generation: u32,
        proof: &Proof,
        seal: [u8; SEAL],
    ) -> String {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
        bytes.push(VERSION);
        bytes.extend(place.route.0);
        bytes.extend(place.grant.0);
        bytes.extend(generation.to_be_bytes());
        bytes.extend(seal);
        bytes.extend(proof.0);
        let encoded = Zeroizing::new(base64url::encode(&bytes));
        [purpose.prefix(), &encoded].concat()
    }
}

/// The key of a grant and its seal. One HMAC yields both: 24 bytes that stay secret, and 8 that every token
/// of the grant shows.
pub(crate) fn derive(place: &Place, keys: &TenantKeys) -> Option<(ProofKey, [u8; SEAL])> {
    let mut bytes = keys.grant_key(&[
        place.tenant.as_str().as_bytes(),
        &place.route.0,
        &place.grant.0,
    ])?;
    let (key, seal) = bytes.split_first_chunk::<KEY>()?;
    let derived = (Secret(*key), *seal.first_chunk::<SEAL>()?);
    bytes.zeroize();
    Some(derived)
}

/// Exactly `N` bytes of base64url without padding.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    base64url::decode_into(text, &mut bytes).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: u8) -> TenantKeys {
        TenantKeys::derive(&[of; 32]).unwrap()
    }

    fn demo() -> TenantName {
        TenantName::new("demo").unwrap()
    }

    fn token(keys: &TenantKeys) -> String {
        let place = Place::new(&demo(), "ada", Id([7; ID]));
        let (key, seal) = derive(&place, keys).unwrap();
        let prover = key.prover(Id([9; ID])).unwrap();
        let proof = prover.prove(Purpose::Refresh, 3).unwrap();
        GrantToken::text(Purpose::Refresh, &place, 3, &proof, seal)
    }

    #[test]
    fn a_token_comes_back_as_it_was_made() {
        let text = token(&keys(1));
        let parsed = GrantToken::parse(Purpose::Refresh, &text).unwrap();
        let (place, key) = parsed.locate(&demo(), &keys(1)).unwrap();
        assert_eq!(place, Place::new(&demo(), "ada", Id([7; ID])));
        assert_eq!(parsed.generation, 3);
        let proves = |purpose, salt, generation| {
            let prover = key.prover(Id([salt; ID])).unwrap();
            bool::from(prover.proves(&parsed.proof, purpose, generation))
        };
        assert!(proves(Purpose::Refresh, 9, 3));
        assert!(!proves(Purpose::Refresh, 9, 4));
        assert!(!proves(Purpose::Refresh, 8, 3));
        assert!(!proves(Purpose::Code, 9, 3));
    }

    #[test]
    fn junk_is_known_without_a_look_up() {
        let text = token(&keys(1));
        let made_here = |text: &str, tenant: &str, of: u8| {
            let parsed = GrantToken::parse(Purpose::Refresh, text)?;
            parsed.locate(&TenantName::new(tenant)?, &keys(of))
        };
        assert!(made_here(&text, "demo", 1).is_some());
        assert!(made_here(&text, "other", 1).is_none());
        assert!(made_here(&text, "demo", 2).is_none());
        assert!(made_here(&format!("{text}A"), "demo", 1).is_none());
        assert!(made_here(&text.replace("emr_", "emc_"), "demo", 1).is_none());
        // A change before the generation breaks the seal.
        let mut other = text.into_bytes();
        other[10] = if other[10] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert!(made_here(&other, "demo", 1).is_none());
    }

    #[test]
    fn debug_output_shows_no_proof() {
        let parsed = GrantToken::parse(Purpose::Refresh, &token(&keys(1))).unwrap();
        assert!(format!("{parsed:?}").contains("proof: Secret(..)"));
    }
}
