//! Signing keys: announced, removed, sealed anew; and what is to be done from time to time.

use serde::Serialize;

use super::command::Range;
use super::error::{AdministrationError, Done, invalid, missing};
use super::records::{Happened, Reply, Transaction, version};
use super::{Administration, apis};
use crate::directory::{Name, Tenant};
use crate::issuer::{Host, MAX_CACHE_TTL};
use crate::json::{self, Members, Value};
use crate::key::{Algorithm, KeyRing, KeyState, Signer, SignerError, SigningKey, TenantKeys};
use crate::store::{Expected, MAX_PAGE};
use crate::time::UnixTime;

/// Seconds that a new key is announced if nobody says otherwise: longer than a verifier caches the
/// JWKS (300 s) and than a location caches the ring ([`MAX_CACHE_TTL`]), together.
pub(super) const ANNOUNCEMENT: u64 = 2 * MAX_CACHE_TTL;
/// Seconds that a key signs before the scheduled rotation: 90 days.
const PERIOD: u64 = 90 * 86_400;
/// Seconds that the scheduled rotation announces a key ahead: 14 days.
const SCHEDULED_ANNOUNCEMENT: u64 = 14 * 86_400;
/// Most seconds that a key may be announced ahead: a year. What lies further is a mistake.
const MAX_ANNOUNCEMENT: u64 = 365 * 86_400;
/// Most keys that a ring may have: each is in the JWKS that every verifier reads.
const MAX_KEYS: usize = 100;
/// Rounds after which a change of the ring gives up.
const ROUNDS: usize = 16;

/// A ring on its way to be written.
pub(super) struct RingAtHand {
    pub(super) ring: KeyRing,
    /// As it was read.
    text: String,
    expected: Expected,
    changed: bool,
}

/// What is to be done with a ring.
pub(super) enum RingAct {
    /// Makes a new signing key, which takes over at the given time.
    Rotate(Option<Algorithm>, Option<UnixTime>),
    /// Takes a key out of the ring and the JWKS at once, whatever tokens it has signed: for a key that
    /// has leaked.
    Remove(String),
    /// Seals under the current master key what is sealed under the previous one.
    Reseal,
    /// The same, and the rotation that is due.
    Maintain,
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
struct Maintained {
    /// The keys that were announced, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    announced: Option<Vec<String>>,
    /// Whether anything was still sealed under another master key.
    resealed: bool,
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
                text: found.text,
                expected: found.expected,
                changed: false,
            });
        }
        let (host, masters) = (self.issuer.host(), self.issuer.masters());
        let ring = KeyRing::new(self.tenant.as_str(), masters, host.signer(), host.entropy());
        Ok(RingAtHand {
            ring: ring.await?,
            text: String::new(),
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

    /// The same unless it has one of this algorithm. It is written with the rest, which tells of it.
    pub(super) async fn ensure_key(
        &self,
        transaction: &mut Transaction,
        at_hand: &mut RingAtHand,
        algorithm: Algorithm,
        starts: UnixTime,
    ) -> Done<()> {
        if !at_hand.ring.has(algorithm) {
            let kid = self.add_key(at_hand, algorithm, starts).await?;
            let happened = Happened::new("key_added", kid);
            transaction.happened.push(happened);
        }
        Ok(())
    }

    /// Announces a key of an algorithm that tokens are to be signed with, unless the ring has one, and
    /// answers the ring. It is a write of its own: if the rest is cut short, a key too many is in the ring.
    pub(super) async fn announce(&self, algorithm: Algorithm) -> Done<KeyRing> {
        let mut at_hand = self.ring().await?;
        let starts = self.now.plus(ANNOUNCEMENT);
        let mut transaction = Transaction::default();
        self.ensure_key(&mut transaction, &mut at_hand, algorithm, starts)
            .await?;
        self.put_ring(&mut transaction, &at_hand)?;
        if !at_hand.changed {
            return Ok(at_hand.ring);
        }
        match self.commit(transaction, &Reply::default()).await? {
            None => Ok(at_hand.ring),
            Some(_) => Err(self.busy("the key ring of", &self.tenant_name())),
        }
    }

    /// How tokens are signed until the algorithm that is `wished` for has a key that has started: as they
    /// are signed now. Nothing, if it has one.
    pub(super) fn former_algorithm(
        &self,
        ring: &KeyRing,
        present: &[Option<Algorithm>],
        wished: Algorithm,
    ) -> Option<Algorithm> {
        if ring.active(wished, self.now).is_some() {
            return None;
        }
        let signing = ring.signing_by(present, self.now)?;
        Some(signing.public().algorithm())
    }

    /// Writes the ring with the rest, if it was changed.
    pub(super) fn put_ring(&self, transaction: &mut Transaction, at_hand: &RingAtHand) -> Done<()> {
        if at_hand.changed {
            let text = json::write(&at_hand.ring)?;
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

    /// Carries out an act on the ring, which is one record: it may be cut short and repeated.
    pub(super) async fn change_ring(&self, act: RingAct) -> Done<Reply> {
        let tenant = self.tenant_record().await?;
        for _ in 0..ROUNDS {
            let mut at_hand = self.ring().await?;
            let (mut transaction, reply) = match &act {
                RingAct::Rotate(algorithm, starts) => {
                    let algorithm = algorithm.unwrap_or(tenant.algorithm);
                    self.rotate(&mut at_hand, algorithm, *starts).await?
                }
                RingAct::Remove(kid) => self.remove_key(&mut at_hand, &tenant, kid).await?,
                RingAct::Reseal => self.maintain(&mut at_hand, None).await?,
                RingAct::Maintain => {
                    let algorithm = Some(tenant.algorithm);
                    self.maintain(&mut at_hand, algorithm).await?
                }
            };
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

    async fn rotate(
        &self,
        at_hand: &mut RingAtHand,
        algorithm: Algorithm,
        starts: Option<UnixTime>,
    ) -> Done<(Transaction, Reply)> {
        if starts > Some(self.now.plus(MAX_ANNOUNCEMENT)) {
            return Err(invalid(
                "a key starts a year from now at the latest; give an earlier time",
            ));
        }
        if at_hand.ring.published(self.now).count() >= MAX_KEYS {
            return Err(AdministrationError::Conflict(
                "the key ring holds 100 keys; remove one first".to_owned(),
            ));
        }
        // A start that has passed is now: for emergencies.
        let starts = starts.unwrap_or(self.now.plus(ANNOUNCEMENT)).max(self.now);
        let kid = self.add_key(at_hand, algorithm, starts).await?;
        let ring = &at_hand.ring;
        let key = ring.published(self.now).find(|key| key.kid() == kid);
        let shown = key.map(|key| self.shown(ring, key));
        let transaction = Transaction::default().tell("key_added", kid.as_str());
        let reply = Reply {
            created: Some(kid),
            ..Reply::of(&shown)?
        };
        Ok((transaction, reply))
    }

    /// The last key of an algorithm that is in use stays: tokens would be signed with another algorithm
    /// then, and an API that accepts none but its own would refuse them all.
    async fn remove_key(
        &self,
        at_hand: &mut RingAtHand,
        tenant: &Tenant,
        kid: &str,
    ) -> Done<(Transaction, Reply)> {
        self.check_condition(&at_hand.text)?;
        let ring = &mut at_hand.ring;
        let Some(key) = ring.remove(kid) else {
            return Err(missing("signing key", kid));
        };
        at_hand.changed = true;
        let algorithm = key.public().algorithm();
        // Of keys that are all announced, one may go.
        let is_last = ring.active(algorithm, self.now).is_none()
            && (key.starts() <= self.now || !ring.has(algorithm));
        if ring.signing(algorithm, self.now).is_none()
            || is_last && (algorithm == tenant.algorithm || self.is_of_an_api(algorithm).await?)
        {
            let why = [
                "no other key signs with ",
                algorithm.name(),
                ", which the tenant or an API uses; add one that starts now first",
            ];
            return Err(AdministrationError::Conflict(why.concat()));
        }
        let transaction = Transaction::default().tell("key_removed", kid);
        Ok((transaction, Reply::default()))
    }

    /// Whether an API has chosen this algorithm. Every API is read: only where it matters, which is once
    /// after a change of the algorithm.
    async fn is_of_an_api(&self, algorithm: Algorithm) -> Done<bool> {
        let mut range = Range {
            cursor: None,
            limit: MAX_PAGE,
        };
        loop {
            let mut is_found = false;
            let see = &mut |_: &str, text: &str| {
                let chosen = Members::of(json::parse(text)?)?.value("algorithm");
                is_found |= matches!(chosen, Some(Value::Text(name)) if name == algorithm.name());
                Ok(())
            };
            let cursor = self.each(self.partition()?, apis::PREFIX, range, see);
            let cursor = cursor.await?;
            if is_found || cursor.is_none() {
                return Ok(is_found);
            }
            range = Range {
                cursor,
                limit: MAX_PAGE,
            };
        }
    }

    /// What is due: everything under the current master key; and where the tenant's algorithm is given,
    /// the scheduled rotation, and a key of that algorithm if the ring has none. (An API's had one when
    /// it was chosen, and the last one stays.)
    async fn maintain(
        &self,
        at_hand: &mut RingAtHand,
        algorithm: Option<Algorithm>,
    ) -> Done<(Transaction, Reply)> {
        // A new one would not have the secret that everything of the tenant hangs on.
        if at_hand.changed {
            return Err(missing("the key ring of", self.tenant.as_str()));
        }
        let (host, masters) = (self.issuer.host(), self.issuer.masters());
        let (signer, entropy) = (host.signer(), host.entropy());
        let ring = &mut at_hand.ring;
        let resealed = ring.reseal(self.tenant.as_str(), masters, signer, entropy);
        let resealed = resealed.await?;
        at_hand.changed = resealed;
        let mut transaction = Transaction::default();
        if resealed {
            let happened = Happened::new("keys_resealed", masters.current().id());
            transaction.happened.push(happened);
        }
        let mut announced = None;
        if let Some(algorithm) = algorithm {
            let mut due = at_hand.ring.due(self.now, PERIOD, SCHEDULED_ANNOUNCEMENT);
            let mut ahead = SCHEDULED_ANNOUNCEMENT;
            if !at_hand.ring.has(algorithm) {
                // It is overdue: the others have their turn tomorrow.
                (due, ahead) = (vec![algorithm], ANNOUNCEMENT);
            }
            let mut kids = Vec::new();
            for algorithm in due {
                let kid = self.add_key(at_hand, algorithm, self.now.plus(ahead));
                let kid = kid.await?;
                let happened = Happened::new("key_added", kid.as_str());
                transaction.happened.push(happened);
                kids.push(kid);
            }
            announced = Some(kids);
        }
        let reply = Reply::of(&Maintained {
            announced,
            resealed,
        })?;
        Ok((transaction, reply))
    }
}
