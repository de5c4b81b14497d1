//! A grant: one user's authorization of one application, from the code to its last refresh token.
//!
//! ```text
//! Pending --redeem--> Active(0) --refresh--> Active(1) --refresh--> ...
//!    |                   |                      |
//!    +-------------------+----------------------+--> Revoked, or expired and gone
//! ```
//!
//! [`Grant::apply`] is the whole of it: pure and total. What makes a refresh token single-use is that
//! its result is stored only if nobody stored another one in between.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::command::{
    Binding, Command, Epochs, Issue, Outcome, Presented, Refusal, Successor, Terms,
};
use super::token::{Id, Proof, ProofKey, Purpose};
use crate::api::{ApiUri, RoleName};
use crate::client::{ClientId, RefreshMode, RefreshPolicy};
use crate::json::{JsonError, Member, Members, Object, Value, named, record};
use crate::time::UnixTime;

/// Seconds that an authorization code lives.
pub(crate) const CODE_LIFETIME: u64 = 60;

/// The record of a grant.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The application.
    pub client_id: ClientId,
    /// The user.
    pub subject: String,
    /// What was consented to, an entry an API. The first API is the one that an access token is for
    /// unless another is asked for.
    pub scopes: Vec<GrantedScopes>,
    /// What the login page said of the user, for access tokens.
    pub claims: Object,
    /// When the user signed in.
    pub created_at: UnixTime,
    /// When a token was last asked for.
    pub used_at: UnixTime,
    /// When nothing of it is of use any more: the store forgets it then.
    pub expires_at: UnixTime,
    /// Where in its life it is.
    pub state: State,
    code: Code,
    /// Goes into every proof, so that the tenant's secret alone makes none.
    salt: Id,
    epochs: Epochs,
    user_epoch: u64,
    /// Where it was opened, and the only place where its tokens are taken: no name stands for the standard's
    /// endpoints.
    #[serde(skip_serializing_if = "String::is_empty")]
    realm: String,
}

/// The scopes that were granted on one API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantedScopes {
    /// The API.
    pub api: ApiUri,
    /// The scopes, in ascending order.
    pub scopes: Vec<RoleName>,
}

/// Where in its life a grant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum State {
    /// Its code has not been exchanged yet.
    Pending {},
    /// The refresh token of this generation is valid.
    Active {
        /// How often it was replaced.
        generation: u32,
        /// When it was made.
        rotated_at: UnixTime,
    },
    /// Nothing of it is valid, ever again.
    Revoked {
        /// When.
        at: UnixTime,
        /// Why.
        why: Revocation,
    },
}

/// Why a grant was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// A spent refresh token was used.
    Replayed,
    /// The code was used twice.
    CodeReplayed,
    /// By the client: RFC 7009.
    Client,
    /// By an administrator.
    Ended,
}

/// What an authorization code is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Code {
    /// The URI, if the authorization request named it: RFC 6749 section 4.1.3.
    pub(crate) redirect_uri: Option<String>,
    /// RFC 7636 section 4.2, method S256.
    pub(crate) challenge: String,
    pub(crate) expires_at: UnixTime,
}

/// Who consented to what, for a new grant.
pub(crate) struct Consent {
    pub(crate) client_id: ClientId,
    pub(crate) subject: String,
    pub(crate) scopes: Vec<GrantedScopes>,
    pub(crate) claims: Object,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) challenge: String,
    pub(crate) realm: String,
}

/// What a command does to a grant.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The grant as it is to be stored; `None` if it stays as it is.
    pub changed: Option<Grant>,
    /// What the caller is to do. It holds only if the change was stored.
    pub outcome: Outcome,
}

impl Transition {
    fn refused(refusal: Refusal) -> Self {
        Self {
            changed: None,
            outcome: Outcome::Refused(refusal),
        }
    }
}

impl Grant {
    /// A grant whose code is about to be handed out.
    pub(crate) fn open(
        consent: Consent,
        salt: Id,
        epochs: Epochs,
        user_epoch: u64,
        now: UnixTime,
    ) -> Self {
        let expires_at = now.plus(CODE_LIFETIME);
        Self {
            client_id: consent.client_id,
            subject: consent.subject,
            scopes: consent.scopes,
            claims: consent.claims,
            created_at: now,
            used_at: now,
            expires_at,
            state: State::Pending {},
            code: Code {
                redirect_uri: consent.redirect_uri,
                challenge: consent.challenge,
                expires_at,
            },
            salt,
            epochs,
            user_epoch,
            realm: consent.realm,
        }
    }

    /// The proof of this grant's code.
    pub(crate) fn code_proof(&self, key: &ProofKey) -> Option<Proof> {
        key.prove(Purpose::Code, self.salt, 0)
    }

    /// Takes one step. `user_epoch` is how often everything of this user has been revoked.
    ///
    /// Refusals change nothing, save that a replay revokes the grant: RFC 9700 section 4.14.2.
    #[must_use]
    pub fn apply(&self, command: &Command, user_epoch: u64, now: UnixTime) -> Transition {
        let step = match command {
            Command::Redeem {
                presented,
                terms,
                binding,
            } => self.redeem(presented, terms, binding, user_epoch, now),
            Command::Refresh { presented, terms } => {
                self.refresh(presented, terms, user_epoch, now)
            }
            Command::Revoke { presented } => self
                .check(presented, Purpose::Refresh)
                .map(|()| self.revoke(Revocation::Client, Outcome::Done {}, now)),
            Command::End {} => Ok(self.revoke(Revocation::Ended, Outcome::Done {}, now)),
        };
        step.unwrap_or_else(Transition::refused)
    }

    /// Whether a token of this grant is valid at all, as far as the grant goes.
    pub(crate) fn is_live(
        &self,
        policy: &RefreshPolicy,
        epochs: Epochs,
        user_epoch: u64,
        now: UnixTime,
    ) -> bool {
        matches!(self.state, State::Active { .. })
            && !self.is_past(epochs, user_epoch)
            && now < self.ends(policy)
    }

    /// Whether a refresh with this token would be answered with tokens.
    pub(crate) fn honours(
        &self,
        presented: &Presented,
        terms: &Terms,
        user_epoch: u64,
        now: UnixTime,
    ) -> bool {
        let step = self.refresh(presented, terms, user_epoch, now);
        step.is_ok_and(|step| matches!(step.outcome, Outcome::Issue(_)))
    }

    fn redeem(
        &self,
        presented: &Presented,
        terms: &Terms,
        binding: &Binding,
        user_epoch: u64,
        now: UnixTime,
    ) -> Result<Transition, Refusal> {
        self.check(presented, Purpose::Code)?;
        self.check_realm(terms)?;
        // Whoever lacks the verifier has not used the code: nothing is burnt, nothing revoked.
        if binding.redirect_uri != self.code.redirect_uri {
            return Err(Refusal::RedirectUri);
        }
        if !bool::from(self.code.fits(&binding.verifier)) {
            return Err(Refusal::Verifier);
        }
        match self.state {
            State::Revoked { .. } => Err(Refusal::Revoked),
            // RFC 6749 section 4.1.2: used twice, the tokens issued before are revoked.
            State::Active { .. } => {
                let outcome = Outcome::Refused(Refusal::CodeReplayed);
                Ok(self.revoke(Revocation::CodeReplayed, outcome, now))
            }
            State::Pending {} => {
                if self.is_past(terms.epochs, user_epoch) {
                    return Err(Refusal::Revoked);
                }
                if now >= self.code.expires_at {
                    return Err(Refusal::Expired);
                }
                self.used(0, now, presented, terms, now)
            }
        }
    }

    fn refresh(
        &self,
        presented: &Presented,
        terms: &Terms,
        user_epoch: u64,
        now: UnixTime,
    ) -> Result<Transition, Refusal> {
        self.check(presented, Purpose::Refresh)?;
        self.check_realm(terms)?;
        let (current, rotated_at) = match self.state {
            State::Revoked { .. } => return Err(Refusal::Revoked),
            State::Pending {} => return Err(Refusal::Ahead),
            State::Active {
                generation,
                rotated_at,
            } => (generation, rotated_at),
        };
        if self.is_past(terms.epochs, user_epoch) {
            return Err(Refusal::Revoked);
        }
        // Before everything that follows: grace lengthens no life.
        if now >= self.ends(&terms.policy) {
            return Err(Refusal::Expired);
        }
        let given = presented.generation;
        if given > current {
            return Err(Refusal::Ahead);
        }
        if given == current {
            let (generation, rotated_at) = match terms.policy.mode {
                RefreshMode::Reusable => (current, rotated_at),
                RefreshMode::Dialect if !self.realm.is_empty() => (current, rotated_at),
                RefreshMode::Rotate | RefreshMode::Dialect => {
                    (current.checked_add(1).ok_or(Refusal::Expired)?, now)
                }
            };
            return self.used(generation, rotated_at, presented, terms, now);
        }
        // An answer may have been lost, or two tabs may have asked at once: they get the same token.
        let grace = u64::from(terms.policy.grace);
        if given + 1 == current && grace > 0 && now.since(rotated_at) <= grace {
            let issue = self.issue(current, presented, terms)?;
            return Ok(Transition {
                changed: None,
                outcome: Outcome::Issue(issue),
            });
        }
        let outcome = Outcome::Refused(Refusal::Replayed);
        Ok(self.revoke(Revocation::Replayed, outcome, now))
    }

    /// Whether the token is this grant's and this client's.
    fn check(&self, presented: &Presented, purpose: Purpose) -> Result<(), Refusal> {
        let Presented {
            key,
            proof,
            generation,
            ..
        } = presented;
        if !bool::from(key.proves(proof, purpose, self.salt, *generation)) {
            return Err(Refusal::Forged);
        }
        if presented.client_id != self.client_id {
            return Err(Refusal::Foreign);
        }
        Ok(())
    }

    /// Whether it is presented where it was opened. A token that rotates there must not be replayed where it
    /// would not.
    fn check_realm(&self, terms: &Terms) -> Result<(), Refusal> {
        if terms.realm == self.realm {
            Ok(())
        } else {
            Err(Refusal::Realm)
        }
    }

    /// Whether everything that was born when this grant was has been revoked.
    fn is_past(&self, epochs: Epochs, user_epoch: u64) -> bool {
        self.epochs.tenant < epochs.tenant
            || self.epochs.application < epochs.application
            || self.user_epoch < user_epoch
    }

    /// When it ends if it is not used before: by what it was given, and by what is allowed now.
    pub(crate) fn ends(&self, policy: &RefreshPolicy) -> UnixTime {
        let idle = self.used_at.plus(u64::from(policy.idle));
        idle.min(self.absolute_end(policy)).min(self.expires_at)
    }

    fn absolute_end(&self, policy: &RefreshPolicy) -> UnixTime {
        self.created_at.plus(u64::from(policy.absolute))
    }

    /// Active at this generation, and used now.
    fn used(
        &self,
        generation: u32,
        rotated_at: UnixTime,
        presented: &Presented,
        terms: &Terms,
        now: UnixTime,
    ) -> Result<Transition, Refusal> {
        let state = State::Active {
            generation,
            rotated_at,
        };
        let idle_end = now.plus(u64::from(terms.policy.idle));
        let changed = Self {
            state,
            used_at: now,
            expires_at: idle_end.min(self.absolute_end(&terms.policy)),
            ..self.clone()
        };
        let issue = changed.issue(generation, presented, terms)?;
        Ok(Transition {
            // Reuse within one second changes nothing, and costs no write.
            changed: (changed != *self).then_some(changed),
            outcome: Outcome::Issue(issue),
        })
    }

    fn revoke(&self, why: Revocation, outcome: Outcome, now: UnixTime) -> Transition {
        let state = State::Revoked { at: now, why };
        let changed = match self.state {
            // The first reason stays.
            State::Revoked { .. } => None,
            _ => Some(Self {
                state,
                ..self.clone()
            }),
        };
        Transition { changed, outcome }
    }

    /// What the tokens are to say: RFC 6749 section 6, RFC 8707 section 2.2.
    fn issue(
        &self,
        generation: u32,
        presented: &Presented,
        terms: &Terms,
    ) -> Result<Issue, Refusal> {
        let granted = match &terms.api {
            None => self.scopes.first(),
            Some(api) => self.scopes.iter().find(|granted| granted.api == *api),
        };
        let granted = granted.ok_or(Refusal::Api)?;
        let holds = |scope: &RoleName| granted.scopes.binary_search(scope).is_ok();
        let scopes = match &terms.scopes {
            None => granted.scopes.clone(),
            Some(asked) if asked.iter().all(holds) => asked.clone(),
            Some(_) => return Err(Refusal::Scope),
        };
        let successor = |proof| Successor {
            generation,
            proof,
            expires: self.ends(&terms.policy),
        };
        let proof = if terms.refreshable {
            presented.key.prove(Purpose::Refresh, self.salt, generation)
        } else {
            None
        };
        Ok(Issue {
            subject: self.subject.clone(),
            api: granted.api.clone(),
            scopes,
            claims: self.claims.clone(),
            since: self.created_at,
            ends: self.absolute_end(&terms.policy),
            refresh: proof.map(successor),
        })
    }
}

impl Code {
    /// RFC 7636 section 4.6, in constant time.
    fn fits(&self, verifier: &str) -> Choice {
        let challenge = Base64UrlUnpadded::encode_string(&Sha256::digest(verifier));
        challenge.as_bytes().ct_eq(self.challenge.as_bytes())
    }
}

impl Revocation {
    const ALL: [Self; 4] = [
        Self::Replayed,
        Self::CodeReplayed,
        Self::Client,
        Self::Ended,
    ];

    /// A stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::CodeReplayed => "code_replayed",
            Self::Client => "client",
            Self::Ended => "ended",
        }
    }
}

named!(Revocation, "the reason of a revocation");

record!(Grant {
    client_id = "clientId",
    subject = "subject",
    scopes = "scopes",
    claims = "claims",
    created_at = "createdAt",
    used_at = "usedAt",
    expires_at = "expiresAt",
    state = "state",
    code = "code",
    salt = "salt",
    epochs = "epochs",
    user_epoch = "userEpoch",
} default {
    realm = "realm",
});

record!(GrantedScopes {
    api = "api",
    scopes = "scopes",
});

record!(Code {
    redirect_uri = "redirectUri",
    challenge = "challenge",
    expires_at = "expiresAt",
});

impl Member for State {
    fn read(value: Value) -> Result<Self, JsonError> {
        let (name, value) = Members::of(value)?.only()?;
        let mut members = Members::of(value)?;
        match name.as_str() {
            "pending" => Ok(Self::Pending {}),
            "active" => Ok(Self::Active {
                generation: members.take("generation")?,
                rotated_at: members.take("rotatedAt")?,
            }),
            "revoked" => Ok(Self::Revoked {
                at: members.take("at")?,
                why: members.take("why")?,
            }),
            _ => Err(JsonError::expected("`pending`, `active` or `revoked`")),
        }
    }
}
