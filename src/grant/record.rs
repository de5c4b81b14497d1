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

use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::command::{
    Binding, Command, Epochs, Issue, Outcome, Presented, Refusal, Successor, Terms,
};
use super::token::{Id, Proof, ProofKey, Prover, Purpose};
use crate::api::{ApiUri, RoleName};
use crate::base64url;
use crate::client::{ClientId, RefreshMode, RefreshPolicy};
use crate::json::{JsonError, Member, Members, Object, Value, Writer, named, record};
use crate::time::UnixTime;

/// Seconds that an authorization code lives.
pub(crate) const CODE_LIFETIME: u64 = 60;

/// The record of a grant.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Whether a step changed the grant, and what came of it; or why there was none, and the grant is not to be
/// stored.
type Stepped = Result<(bool, Outcome), Refusal>;

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

    /// The record, as the store keeps it.
    #[must_use]
    pub fn to_json(&self) -> String {
        Writer::object(768, |out| {
            out.text("clientId", self.client_id.as_str());
            out.text("subject", &self.subject);
            out.list("scopes", &self.scopes, |out, granted| {
                out.entry(|out| {
                    out.text("api", granted.api.as_str());
                    out.texts("scopes", &granted.scopes);
                });
            });
            out.members("claims", &self.claims);
            out.number("createdAt", self.created_at.secs());
            out.number("usedAt", self.used_at.secs());
            out.number("expiresAt", self.expires_at.secs());
            out.nested("state", |out| match self.state {
                State::Pending {} => out.nested("pending", |_| {}),
                State::Active {
                    generation,
                    rotated_at,
                } => out.nested("active", |out| {
                    out.number("generation", generation.into());
                    out.number("rotatedAt", rotated_at.secs());
                }),
                State::Revoked { at, why } => out.nested("revoked", |out| {
                    out.number("at", at.secs());
                    out.text("why", why.name());
                }),
            });
            out.nested("code", |out| {
                out.optional("redirectUri", self.code.redirect_uri.as_deref());
                out.text("challenge", &self.code.challenge);
                out.number("expiresAt", self.code.expires_at.secs());
            });
            out.text("salt", &self.salt.text());
            self.epochs.write(out);
            out.number("userEpoch", self.user_epoch);
            if !self.realm.is_empty() {
                out.text("realm", &self.realm);
            }
        })
    }

    /// The proof of this grant's code.
    pub(crate) fn code_proof(&self, key: &ProofKey) -> Option<Proof> {
        key.prover(self.salt)?.prove(Purpose::Code, 0)
    }

    /// Takes one step. `user_epoch` is how often everything of this user has been revoked.
    ///
    /// Refusals change nothing, save that a replay revokes the grant: RFC 9700 section 4.14.2.
    #[must_use]
    pub fn apply(mut self, command: &Command, user_epoch: u64, now: UnixTime) -> Transition {
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
                .map(|_| self.revoke(Revocation::Client, Outcome::Done {}, now)),
            Command::End {} => Ok(self.revoke(Revocation::Ended, Outcome::Done {}, now)),
        };
        match step {
            Ok((changed, outcome)) => Transition {
                changed: changed.then_some(self),
                outcome,
            },
            Err(refusal) => Transition {
                changed: None,
                outcome: Outcome::Refused(refusal),
            },
        }
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
        let step = self.clone().refresh(presented, terms, user_epoch, now);
        step.is_ok_and(|(_, outcome)| matches!(outcome, Outcome::Issue(_)))
    }

    fn redeem(
        &mut self,
        presented: &Presented,
        terms: &Terms,
        binding: &Binding,
        user_epoch: u64,
        now: UnixTime,
    ) -> Stepped {
        let prover = self.check(presented, Purpose::Code)?;
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
                self.used(0, now, &prover, terms, now)
            }
        }
    }

    fn refresh(
        &mut self,
        presented: &Presented,
        terms: &Terms,
        user_epoch: u64,
        now: UnixTime,
    ) -> Stepped {
        let prover = self.check(presented, Purpose::Refresh)?;
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
            return self.used(generation, rotated_at, &prover, terms, now);
        }
        // An answer may have been lost, or two tabs may have asked at once: they get the same token.
        let grace = u64::from(terms.policy.grace);
        if given + 1 == current && grace > 0 && now.since(rotated_at) <= grace {
            let issue = self.issue(current, &prover, terms)?;
            return Ok((false, Outcome::Issue(issue)));
        }
        let outcome = Outcome::Refused(Refusal::Replayed);
        Ok(self.revoke(Revocation::Replayed, outcome, now))
    }

    /// Whether the token is this grant's and this client's; what proves others of it, then.
    fn check(&self, presented: &Presented, purpose: Purpose) -> Result<Prover, Refusal> {
        let Presented {
            key,
            proof,
            generation,
            ..
        } = presented;
        let prover = key.prover(self.salt).ok_or(Refusal::Forged)?;
        if !bool::from(prover.proves(proof, purpose, *generation)) {
            return Err(Refusal::Forged);
        }
        if presented.client_id != self.client_id {
            return Err(Refusal::Foreign);
        }
        Ok(prover)
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
        &mut self,
        generation: u32,
        rotated_at: UnixTime,
        prover: &Prover,
        terms: &Terms,
        now: UnixTime,
    ) -> Stepped {
        let before = (self.state, self.used_at, self.expires_at);
        let idle_end = now.plus(u64::from(terms.policy.idle));
        self.state = State::Active {
            generation,
            rotated_at,
        };
        self.used_at = now;
        self.expires_at = idle_end.min(self.absolute_end(&terms.policy));
        let issue = self.issue(generation, prover, terms)?;
        // Reuse within one second changes nothing, and costs no write.
        let changed = before != (self.state, self.used_at, self.expires_at);
        Ok((changed, Outcome::Issue(issue)))
    }

    fn revoke(&mut self, why: Revocation, outcome: Outcome, now: UnixTime) -> (bool, Outcome) {
        // The first reason stays.
        let changed = !matches!(self.state, State::Revoked { .. });
        if changed {
            self.state = State::Revoked { at: now, why };
        }
        (changed, outcome)
    }

    /// What the tokens are to say: RFC 6749 section 6, RFC 8707 section 2.2.
    fn issue(&self, generation: u32, prover: &Prover, terms: &Terms) -> Result<Issue, Refusal> {
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
            prover.prove(Purpose::Refresh, generation)
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
        let challenge = base64url::encode(&Sha256::digest(verifier));
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
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        let (name, value) = Members::of(value)?.only()?;
        let mut members = Members::of(value)?;
        match &*name {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_record_of_the_first_form_is_read_and_written_without_what_is_nothing() {
        // As version 0.1.0 wrote it first: with every member, though it be nothing.
        let first = concat!(
            r#"{"clientId":"f3a1c9e2-0b7d-4c56-9e21-7d2f0c8a4b13","subject":"ada \"A\"","#,
            r#""scopes":[{"api":"api://orders","scopes":["Orders.Read","Orders.Write"]}],"#,
            r#""claims":{"name":"A","levels":[1,-2]},"createdAt":1800000000,"usedAt":1800000001,"#,
            r#""expiresAt":1802592000,"state":STATE,"code":{"redirectUri":null,"challenge":"c","#,
            r#""expiresAt":1800000060},"salt":"AAECAwQFBgcICQoLDA0ODw","#,
            r#""epochs":{"tenant":1,"application":2},"userEpoch":3}"#,
        );
        for state in [
            r#"{"pending":{}}"#,
            r#"{"active":{"generation":4,"rotatedAt":1800000001}}"#,
            r#"{"revoked":{"at":1800000002,"why":"code_replayed"}}"#,
        ] {
            let first = first.replace("STATE", state);
            let grant: Grant = json::read(&first).unwrap();
            assert_eq!(grant.to_json(), first.replace(r#""redirectUri":null,"#, ""));
            let full = first.replace("null", r#""https://app.example.com/""#);
            let full = full.replace(r#""userEpoch":3"#, r#""userEpoch":3,"realm":"entra""#);
            let grant: Grant = json::read(&full).unwrap();
            assert_eq!(grant.to_json(), full);
        }
    }
}
