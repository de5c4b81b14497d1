//! Signing keys: announced, removed, sealed anew; and what is to be done from time to time.

use serde::Serialize;

use super::Administration;
use super::error::{AdministrationError, Done, invalid, missing};
use super::records::{Happened, Reply, Transaction, version};
use crate::directory::Name;
use crate::issuer::{Host, MAX_CACHE_TTL};
use crate::key::{Algorithm, KeyRing, KeyState, Signer, SignerError, SigningKey, TenantKeys};
use crate::store::Expected;
use crate::time::UnixTime;

/// Seconds that a new key is announced if nobody says otherwise: longer than a verifier caches the
/// JWKS (300 s) and than a location caches the ring ([`MAX_CACHE_TTL`]), together.
pub(super) const ANNOUNCEMENT: u64 = 2 * MAX_CACHE_TTL;
/// Seconds that a key signs before the scheduled rotation: 90 days.
const PERIOD: u64 = 90 * 86_400;
/// Seconds that the scheduled rotation announces a key ahead: 14 days.
const SCHEDULED_ANNOUNCEMENT: u64 = 14 * 86_400;
/// Most keys that a ring may have: each is in the JWKS that every verifier reads.
const MAX_KEYS: usize = 100;
/// Rounds after which a change of the ring gives up.
const ROUNDS: usize = 16;

/// A ring on its way to be written.
pub(super) struct RingAtHand {
    pub(super) ring: KeyRing,
    expected: Expected,
    changed: bool,
}

/// A key as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownKey<'a> {
    kid: &'a str,
    algorithm: Algorithm,
    state: &'static str,
    /// When it starts to sign, or started.
    starts: UnixTime,
    /// The master key that it is sealed under.
    master: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownRing<'a> {
    items: Vec<ShownKey<'a>>,
    /// The master key in use.
    master: &'a str,
    /// Every master key that something of the ring is sealed under.
    sealed_under: Vec<&'a str>,
}

#[derive(Serialize)]
struct Resealed {
    /// Whether anything was still sealed under another master key.
    resealed: bool,
}

#[derive(Serialize)]
struct Maintained {
    /// The keys that were announced.
    announced: Vec<String>,
}

impl<H: Host> Administration<'_, H> {
    fn ring_name(&self) -> Name {
        Name::Ring(self.tenant.clone())
    }

    /// The ring as it is stored; a new one if there is none.
    pub(super) async fn ring(&self) -> Done<RingAtHand> {
        if let Some(found) = self.load::<KeyRing>(&self.ring_name()).await? {
            return Ok(RingAtHand {
                ring: found.record,
                expected: found.expected,
                changed: false,
            });
        }
        let (host, masters) = (self.issuer.host(), self.issuer.masters());
        let ring = KeyRing::new(self.tenant.as_str(), masters, host.signer(), host.entropy());
        Ok(RingAtHand {
            ring: ring.await?,
            expected: Expected::Absent,
            changed: true,
        })
    }

    /// Adds a key to the ring, which signs from `starts` on.
    pub(super) async fn add_key(
        &self,
        at_hand: &mut RingAtHand,
        algorithm: Algorithm,
        starts: UnixTime,
    ) -> Done<String> {
        let host = self.issuer.host();
        let generated = host.signer().generate(algorithm).await;
        let generated = generated.map_err(|error| match error {
            SignerError::Unsupported(_) => invalid("this host does not know the algorithm"),
            failed => failed.into(),
        })?;
        let key = SigningKey::seal(
            self.tenant.as_str(),
            generated,
            starts,
            self.issuer.masters(),
            host.signer(),
            host.entropy(),
        );
        let key = key.await?;
        let kid = key.kid().to_owned();
        at_hand.ring.add(key, self.now);
        at_hand.changed = true;
        Ok(kid)
    }

    /// The same unless it has one of this algorithm.
    pub(super) async fn ensure_key(
        &self,
        at_hand: &mut RingAtHand,
        algorithm: Algorithm,
        starts: UnixTime,
    ) -> Done<()> {
        if !at_hand.ring.has(algorithm) {
            self.add_key(at_hand, algorithm, starts).await?;
        }
        Ok(())
    }

    /// Announces a key of an algorithm that tokens are to be signed with, unless the ring has one. It
    /// is a write of its own: if the rest is cut short, a key too many is in the ring.
    pub(super) async fn announce(&self, algorithm: Algorithm) -> Done<()> {
        let mut at_hand = self.ring().await?;
        let starts = self.now.plus(ANNOUNCEMENT);
        self.ensure_key(&mut at_hand, algorithm, starts).await?;
        if !at_hand.changed {
            return Ok(());
        }
        let mut transaction = Transaction::default().tell("key_added", algorithm.name());
        self.put_ring(&mut transaction, &at_hand)?;
        match self.commit(transaction, &Reply::default()).await? {
            None => Ok(()),
            Some(_) => Err(self.busy("the key ring of", &self.tenant_name())),
        }
    }

    /// Writes the ring with the rest, if it was changed.
    pub(super) fn put_ring(&self, transaction: &mut Transaction, at_hand: &RingAtHand) -> Done<()> {
        if at_hand.changed {
            let text = crate::json::write(&at_hand.ring)?;
            transaction.put(self.ring_name(), text, at_hand.expected.clone())?;
        }
        Ok(())
    }

    /// What secrets are hashed with.
    pub(super) async fn tenant_keys(&self) -> Done<TenantKeys> {
        let found = self.load::<KeyRing>(&self.ring_name()).await?;
        let found = found.ok_or_else(|| missing("tenant", self.tenant.as_str()))?;
        self.keys_of(&found.record).await
    }

    pub(super) async fn keys_of(&self, ring: &KeyRing) -> Done<TenantKeys> {
        let (masters, signer) = (self.issuer.masters(), self.issuer.host().signer());
        let keys = ring.tenant_keys(self.tenant.as_str(), masters, signer);
        Ok(keys.await?)
    }

    pub(super) async fn list_keys(&self) -> Done<Reply> {
        let found = self.load::<KeyRing>(&self.ring_name()).await?;
        let found = found.ok_or_else(|| missing("tenant", self.tenant.as_str()))?;
        let ring = &found.record;
        let items = ring.published(self.now);
        let reply = Reply::of(&ShownRing {
            items: items.map(|key| self.shown(ring, key)).collect(),
            master: self.issuer.masters().current().id(),
            sealed_under: ring.masters(),
        })?;
        Ok(Reply {
            version: Some(version(&found.text)),
            ..reply
        })
    }

    fn shown<'a>(&self, ring: &KeyRing, key: &'a SigningKey) -> ShownKey<'a> {
        ShownKey {
            kid: key.kid(),
            algorithm: key.public().algorithm(),
            state: match ring.state(key, self.now) {
                KeyState::Announced => "announced",
                KeyState::Active => "active",
                KeyState::Retired | KeyState::Gone => "retired",
            },
            starts: key.starts(),
            master: key.master(),
        }
    }

    /// Makes a new signing key, which takes over at `starts`.
    pub(super) async fn rotate_key(
        &self,
        algorithm: Option<Algorithm>,
        starts: Option<UnixTime>,
    ) -> Done<Reply> {
        let tenant = self.tenant_record().await?;
        let algorithm = algorithm.unwrap_or(tenant.algorithm);
        for _ in 0..ROUNDS {
            let mut at_hand = self.ring().await?;
            if at_hand.ring.published(self.now).count() >= MAX_KEYS {
                return Err(AdministrationError::Conflict(
                    "the key ring holds 100 keys; remove one first".to_owned(),
                ));
            }
            // A start that has passed is now: for emergencies.
            let starts = starts.unwrap_or(self.now.plus(ANNOUNCEMENT)).max(self.now);
            let kid = self.add_key(&mut at_hand, algorithm, starts).await?;
            let ring = &at_hand.ring;
            let key = ring.published(self.now).find(|key| key.kid() == kid);
            let shown = key.map(|key| self.shown(ring, key));
            let reply = Reply {
                created: Some(kid.clone()),
                ..Reply::of(&shown)?
            };
            let mut transaction = Transaction::default().tell("key_added", kid.as_str());
            self.put_ring(&mut transaction, &at_hand)?;
            if self.commit(transaction, &reply).await?.is_none() {
                return Ok(reply);
            }
        }
        Err(self.busy("the key ring of", &self.tenant_name()))
    }

    /// Takes a key out of the ring and the JWKS at once, whatever tokens it has signed: for a key that
    /// has leaked.
    pub(super) async fn remove_key(&self, kid: String) -> Done<Reply> {
        let kid = kid.as_str();
        self.edit(
            &self.ring_name(),
            "the key ring of",
            &mut |ring: &mut KeyRing| {
                if !ring.remove(kid) {
                    return Err(missing("signing key", kid));
                }
                if ring.signing(Algorithm::default(), self.now).is_none() {
                    return Err(AdministrationError::Conflict(
                        "no other key could sign then; add one that starts now first".to_owned(),
                    ));
                }
                Ok(Transaction::default().tell("key_removed", kid))
            },
            &|_| Ok(Reply::default()),
        )
        .await
    }

    /// Seals under the current master key what is sealed under the previous one. It may be cut short
    /// and repeated: the ring is one record.
    pub(super) async fn reseal_keys(&self) -> Done<Reply> {
        let (host, masters) = (self.issuer.host(), self.issuer.masters());
        for _ in 0..ROUNDS {
            let mut at_hand = self.ring().await?;
            if at_hand.changed {
                return Err(missing("tenant", self.tenant.as_str()));
            }
            let (signer, entropy) = (host.signer(), host.entropy());
            let ring = &mut at_hand.ring;
            let resealed = ring.reseal(self.tenant.as_str(), masters, signer, entropy);
            at_hand.changed = resealed.await?;
            let reply = Reply::of(&Resealed {
                resealed: at_hand.changed,
            })?;
            if !at_hand.changed {
                return Ok(reply);
            }
            let master = masters.current().id();
            let mut transaction = Transaction::default().tell("keys_resealed", master);
            self.put_ring(&mut transaction, &at_hand)?;
            if self.commit(transaction, &reply).await?.is_none() {
                return Ok(reply);
            }
        }
        Err(self.busy("the key ring of", &self.tenant_name()))
    }

    /// What is due: the scheduled rotation. Repeating it does nothing.
    pub(super) async fn maintain(&self) -> Done<Reply> {
        self.tenant_record().await?;
        for _ in 0..ROUNDS {
            let mut at_hand = self.ring().await?;
            let mut announced = Vec::new();
            for algorithm in at_hand.ring.due(self.now, PERIOD, SCHEDULED_ANNOUNCEMENT) {
                let starts = self.now.plus(SCHEDULED_ANNOUNCEMENT);
                announced.push(self.add_key(&mut at_hand, algorithm, starts).await?);
            }
            let mut transaction = Transaction::default();
            for kid in &announced {
                let happened = Happened::new("key_added", kid.as_str());
                transaction.happened.push(happened);
            }
            let reply = Reply::of(&Maintained { announced })?;
            if !at_hand.changed {
                return Ok(reply);
            }
            self.put_ring(&mut transaction, &at_hand)?;
            if self.commit(transaction, &reply).await?.is_none() {
                return Ok(reply);
            }
        }
        Err(self.busy("the key ring of", &self.tenant_name()))
    }
}
